//! `synod tasks`: submit, follow and cancel tasks.

mod submission;
mod tail;
mod view;
mod watch;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::Value;
use synod_tasks::{Accepted, EngineStatsResponse, TaskPage, TaskStatusResponse};
use uuid::Uuid;

use crate::cli::Session;
use crate::cli::client::decode;
use crate::cli::exit::{CliError, Exit};
use crate::cli::input::pair;
use crate::cli::output::Paint;

use submission::Submission;
use tail::TaskName;
pub(crate) use view::ledger_line;

/// Where tasks are in the API.
const TASKS: &str = "/api/v1/orchestration/tasks";
/// Where the engine's numbers are.
const STATS: &str = "/api/v1/orchestration/stats";

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Submit a task; it is durable when this returns
    Submit {
        #[command(flatten)]
        submission: Submission,
        /// Follow the task until it ends
        #[arg(long)]
        wait: bool,
    },
    /// Show how a task stands and what came of it
    Show(Target),
    /// List tasks, the newest first
    List(Filter),
    /// End a task; what its agents still give is ignored
    Cancel(Target),
    /// Follow a task until it ends
    Watch(Target),
    /// Show the numbers of the task engine
    Stats,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The task's id, as `submit` gave it, or the end of it, as `list` shows it
    #[arg(value_name = "ID")]
    task: TaskName,
}

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only those of this priority
    #[arg(long)]
    priority: Option<String>,
    /// Only those in this mode
    #[arg(long)]
    mode: Option<String>,
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only those with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Option<(String, String)>,
    /// Only those of which this agent has a part, or had it last
    #[arg(long, value_name = "ID[@VERSION]")]
    agent: Option<String>,
    /// Most tasks to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// Show whole ids
    #[arg(long)]
    wide: bool,
}

/// How a task can stand.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// Accepted, and not yet dispatchable
    Pending,
    /// It waits for an agent that is free
    Queued,
    /// An agent has it
    Running,
    /// It ended with a result
    Completed,
    /// It ended with an error
    Failed,
    /// It was ended before it was done
    Cancelled,
}

pub(crate) async fn run(command: TasksCommand, session: &Session) -> Result<Exit, CliError> {
    match command {
        TasksCommand::Submit { submission, wait } => {
            return submit(submission, wait, session).await;
        }
        TasksCommand::Watch(target) => {
            let task = target.task.resolve(session).await?;
            return watch::until_ended(task, session).await;
        }
        TasksCommand::Show(target) => {
            let task = target.task.resolve(session).await?;
            let answer = session.client.get(&path(task), &[]).await?;
            return show(answer, session);
        }
        TasksCommand::List(filter) => {
            let wide = filter.wide;
            let answer = session.client.get(TASKS, &filter.query()).await?;
            session.answer(answer, |page: TaskPage, screen| view::page(&page, wide, screen))?;
        }
        TasksCommand::Cancel(target) => {
            let task = target.task.resolve(session).await?;
            let answer = session.client.act(Method::DELETE, &path(task), &[]).await?;
            session.answer(answer, |task: TaskStatusResponse, screen| {
                let state = task.state.as_str();
                let state = screen.paint(Paint::of_state(state), state);
                screen.line(format!("{}: {state}", task.task_id))
            })?;
        }
        TasksCommand::Stats => {
            let answer = session.client.get(STATS, &[]).await?;
            session
                .answer(answer, |stats: EngineStatsResponse, screen| view::stats(&stats, screen))?;
        }
    }
    Ok(Exit::Done)
}

fn path(task: Uuid) -> String {
    format!("{TASKS}/{task}")
}

/// Shows a task. One whose result can't be read is [`Exit::Failed`], for programs too.
fn show(answer: Value, session: &Session) -> Result<Exit, CliError> {
    let task: TaskStatusResponse = decode(answer.clone())?;
    session.answer(answer, |task: TaskStatusResponse, screen| view::task(&task, screen))?;
    Ok(if task.result_error.is_some() { Exit::Failed } else { Exit::Done })
}

async fn submit(submission: Submission, wait: bool, session: &Session) -> Result<Exit, CliError> {
    let answer = session.client.send(Method::POST, TASKS, &submission.request()?).await?;
    if !wait {
        session.answer(answer, |accepted: Accepted, screen| view::accepted(&accepted, screen))?;
        return Ok(Exit::Done);
    }
    let accepted: Accepted = decode(answer)?;
    watch::until_ended(accepted.task_id, session).await
}

impl Filter {
    fn query(self) -> Vec<(&'static str, String)> {
        let state = self.state.and_then(|state| state.to_possible_value());
        let label = self.label.map(|(key, value)| format!("{key}={value}"));
        let given = [
            ("state", state.map(|state| state.get_name().to_owned())),
            ("kind", self.kind),
            ("priority", self.priority),
            ("mode", self.mode),
            ("tenant", self.tenant),
            ("label", label),
            ("agent", self.agent),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
