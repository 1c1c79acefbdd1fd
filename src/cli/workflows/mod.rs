//! `synod workflows`: follow and steer runs, decide, keep and check definitions.

mod check;
mod control;
mod diff;
mod faults;
mod follow;
mod graph;
mod tree;
mod view;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use synod_workflows::{
    DefinitionSummary, HistoryPage, MessageSent, RunDiff, RunId, RunPage, RunStatusResponse,
    WorkflowStatsResponse,
};

use super::client::{decode, segment};
use super::exit::{CliError, Exit};
use super::input::{json_text, pair};
use super::output::Screen;
use super::{Global, Session, ask};

pub(crate) use check::{Read, read};
use control::Control;
pub(crate) use follow::{Style, has_ended, until_ended};
use graph::Graph;
pub(crate) use view::accepted;
use view::failure;

/// Where runs are in the API.
pub(crate) const RUNS: &str = "/api/v1/workflows";
const DEFINITIONS: &str = "/api/v1/workflows/definitions";

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowsCommand {
    /// List runs, the newest first
    List(Filter),
    /// Show how a run stands, step by step, and what came of it
    Show(Target),
    /// Follow a run until it ends
    Watch(Target),
    /// Show what happened in a run, event by event
    History {
        #[command(flatten)]
        target: Target,
        /// The number of the last event that is known
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Most events to show
        #[arg(long, default_value_t = 200)]
        limit: u16,
    },
    /// Show where two runs went apart: first, and step by step
    ///
    /// Ids and times don't count, nor the order in which steps ended that run side by side. With
    /// --json the whole comparison is printed.
    Diff {
        /// One run
        #[arg(value_name = "RUN_A")]
        a: RunId,
        /// The other
        #[arg(value_name = "RUN_B")]
        b: RunId,
    },
    #[command(flatten)]
    Control(Control),
    /// Tell steps that await it a message
    Send {
        /// What it is about
        topic: String,
        /// What it says: JSON, @FILE, or @- for standard input
        payload: Option<String>,
        /// Only this run
        #[arg(long, value_name = "ID")]
        run: Option<RunId>,
        /// A run takes one message of a key once, however often it is sent
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Check a definition: each fault with its line and a suggestion
    ///
    /// No node is needed; with --url the node also says which agents and capabilities it lacks.
    Check {
        /// The definition, in YAML or JSON, or `-`
        file: String,
    },
    /// Draw a definition, or a run with its states and times
    Graph(Graph),
    /// Keep a definition under its name and version
    Define {
        /// The definition, in YAML or JSON, or `-`
        file: String,
    },
    /// List the definitions that the node keeps
    Definitions,
    /// Keep a version of a definition no longer
    Forget {
        /// Its name
        name: String,
        /// Its version
        version: String,
    },
    /// Show the numbers of the workflow engine
    Stats,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The run's id
    #[arg(value_name = "ID")]
    run: RunId,
}

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of the definition of this name
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those of this priority
    #[arg(long)]
    priority: Option<String>,
    /// Only those with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Option<(String, String)>,
    /// Most runs to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
}

/// How a run can stand.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// It waits for room among the running ones
    Pending,
    /// Steps of it run
    Running,
    /// It waits for a time, a decision, a message or another run
    Waiting,
    /// Somebody paused it
    Paused,
    /// It undoes what it did
    Compensating,
    /// It ended as its definition says
    Completed,
    /// It ended with an error
    Failed,
    /// It was ended before it was done
    Cancelled,
}

impl Filter {
    fn query(self) -> Vec<(&'static str, String)> {
        let state = self.state.and_then(|state| state.to_possible_value());
        let label = self.label.map(|(key, value)| format!("{key}={value}"));
        let given = [
            ("state", state.map(|state| state.get_name().to_owned())),
            ("workflow", self.workflow),
            ("priority", self.priority),
            ("label", label),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Runs a command; some need no node.
pub(crate) fn execute(
    command: WorkflowsCommand,
    global: &Global,
    screen: Screen,
) -> Result<Exit, CliError> {
    match command {
        WorkflowsCommand::Check { file } if global.url.is_none() => check::alone(&file, &screen),
        WorkflowsCommand::Check { file } => ask(global, screen, async |session| {
            check::with_node(&file, &session.client, &session.screen).await
        }),
        WorkflowsCommand::Graph(graph) => match graph.run() {
            None => graph::definition(&graph, &screen),
            Some(run) => {
                ask(global, screen, async |session| graph::run(&graph, run, &session).await)
            }
        },
        command => ask(global, screen, async |session| run(command, &session).await),
    }
}

/// Where a run is in the API.
pub(crate) fn path(run: RunId) -> String {
    format!("{RUNS}/{run}")
}

async fn run(command: WorkflowsCommand, session: &Session) -> Result<Exit, CliError> {
    let client = &session.client;
    match command {
        WorkflowsCommand::List(filter) => {
            let answer = client.get(RUNS, &filter.query()).await?;
            session.answer(answer, |page: RunPage, screen| view::page(&page, screen))?;
        }
        WorkflowsCommand::Show(Target { run }) => {
            let answer = client.get(&path(run), &[]).await?;
            session.answer(answer, |run: RunStatusResponse, screen| view::run(&run, screen))?;
        }
        WorkflowsCommand::Watch(Target { run }) => return watch(run, session).await,
        WorkflowsCommand::History { target, after, limit } => {
            let query = [("after", after.to_string()), ("limit", limit.to_string())];
            let answer = client.get(&format!("{}/history", path(target.run)), &query).await?;
            session.answer(answer, |page: HistoryPage, screen| view::history(&page, screen))?;
        }
        WorkflowsCommand::Diff { a, b } => {
            let answer = client.get(&format!("{}/diff/{b}", path(a)), &[]).await?;
            session.answer(answer, |found: RunDiff, screen| diff::show(&found, screen))?;
        }
        WorkflowsCommand::Control(command) => control::run(command, session).await?,
        WorkflowsCommand::Send { topic, payload, run, idempotency_key } => {
            let payload = payload.map(|text| json_text("PAYLOAD", &text)).transpose()?;
            let message = json!({
                "topic": topic, "payload": payload, "run": run, "idempotency_key": idempotency_key,
            });
            let answer = client.send(Method::POST, "/api/v1/messages", &message).await?;
            session.answer(answer, |sent: MessageSent, screen| view::sent(&sent, screen))?;
        }
        WorkflowsCommand::Stats => {
            let answer = client.get(&format!("{RUNS}/stats"), &[]).await?;
            let render =
                |stats: WorkflowStatsResponse, screen: &Screen| view::stats(&stats, screen);
            session.answer(answer, render)?;
        }
        // What needs no node has been run by `execute`.
        WorkflowsCommand::Check { .. } | WorkflowsCommand::Graph(_) => {}
        WorkflowsCommand::Define { file } => return define(&file, session).await,
        command => keep(command, session).await?,
    }
    Ok(Exit::Done)
}

/// Keeps a definition. What is wrong with it is shown at its place.
async fn define(file: &str, session: &Session) -> Result<Exit, CliError> {
    let read = read(file)?;
    if read.refuse(&session.screen)? {
        return Ok(Exit::Usage);
    }
    let answer = session.client.send_text(Method::POST, DEFINITIONS, &[], &read.text).await?;
    session.answer(answer, |one: DefinitionSummary, screen| {
        let workflow = &one.workflow;
        screen.line(format!("{} {}: kept", workflow.name, workflow.version))
    })?;
    Ok(Exit::Done)
}

/// The definitions that are kept.
async fn keep(command: WorkflowsCommand, session: &Session) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Kept {
        definitions: Vec<DefinitionSummary>,
    }
    let client = &session.client;
    match command {
        WorkflowsCommand::Forget { name, version } => {
            let path = format!("{DEFINITIONS}/{}", segment(&name));
            let answer = client.act(Method::DELETE, &path, &[("version", version.clone())]).await?;
            session.answer(answer, |(): (), screen| {
                screen.line(format!("{name} {version}: forgotten; its runs go on"))
            })
        }
        _ => {
            let answer = client.get(DEFINITIONS, &[]).await?;
            let render = |kept: Kept, screen: &Screen| view::definitions(&kept.definitions, screen);
            session.answer(answer, render)
        }
    }
}

async fn watch(run: RunId, session: &Session) -> Result<Exit, CliError> {
    let style =
        if session.screen.is_json() || !Style::has_terminal() { Style::Lines } else { Style::Tree };
    let answer = until_ended((run, None), &session.client, &session.screen, style).await?;
    ended(&answer, &session.screen)
}

/// Tells what came of a run: its outputs on standard output, or why it failed.
pub(crate) fn ended(answer: &Value, screen: &Screen) -> Result<Exit, CliError> {
    let run: RunStatusResponse = decode(answer.clone())?;
    let state = run.summary.state;
    let completed = state == synod_workflows::RunState::Completed;
    if screen.is_json() {
        screen.json_line(answer)?;
        return Ok(if completed { Exit::Done } else { Exit::Failed });
    }
    if completed {
        screen.document(&run.outputs.unwrap_or_default().to_string())?;
        return Ok(Exit::Done);
    }
    let why = run.error.as_ref().map(|error| format!(": {}", failure(error)));
    Err(CliError::Failed(format!(
        "the run {} is {state}{}",
        run.summary.run_id,
        why.unwrap_or_default()
    )))
}
