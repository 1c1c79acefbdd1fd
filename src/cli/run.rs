//! `synod run`: runs a workflow to its end, on a node that is there or on one of its own.
//!
//! A node of its own serves on a free port of this machine, so that a run that waits for a
//! decision can be answered from another terminal. Its data are kept when the run has not ended.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use synod_runtime::PrincipalKind;
use synod_security::{Role, TokenRequest};
use synod_workflows::{RunAccepted, RunId, RunPage, RunState};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::client::{Client, Credentials, decode};
use super::config::ConfigFile;
use super::exit::{CliError, Exit};
use super::input::{json_text, pair, setting};
use super::output::{Screen, harmless};
use super::workflows::{self, RUNS, Read, Style, accepted, ended, until_ended};
use super::{Global, Session, ask, triage_team};
use crate::api::{AuthMode, TlsSection};
use crate::config::{KeyPath, NodeConfig, Origin};
use crate::logging;
use crate::node::security::store;
use crate::node::{Node, NodeBuilder};

/// Run a workflow and print what it gives
///
/// Without --url (or SYNOD_URL) a node is started in this process. When the run does not end there,
/// because it is interrupted, its data are kept, and `--resume` goes on with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  synod run triage.yaml\n  \
    synod run deploy.yaml --input @order.json --set region=eu --watch\n  \
    synod run nightly.yaml --url http://127.0.0.1:7966 --detach")]
pub(crate) struct Run {
    /// The definition, in YAML or JSON, or `-` for standard input
    #[arg(required_unless_present = "resume", value_parser = NonEmptyStringValueParser::new())]
    file: Option<String>,
    /// Its input: JSON, @FILE, or @- for standard input
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// A member of the input, over --input: JSON, or text; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Tell every change as it happens, one a line
    #[arg(long)]
    watch: bool,
    /// Start it and leave; with --url
    #[arg(long, conflicts_with_all = ["watch", "resume", "data"])]
    detach: bool,
    /// The same key is the same run, however often it is started
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// critical, high, normal, low or background
    #[arg(long)]
    priority: Option<String>,
    /// A label; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Keep the data of the node in this folder; without it they go when the run has ended
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Go on with the run whose data are in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["file", "data", "input", "set"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

pub(crate) fn run(
    command: Run,
    builder: NodeBuilder,
    global: &Global,
    screen: Screen,
) -> Result<Exit, CliError> {
    // A run that goes on may have had the team.
    let mut needs_team = command.resume.is_some();
    let request = match &command.file {
        None => None,
        Some(file) => {
            let read = workflows::read(file)?;
            if read.refuse(&screen)? {
                return Ok(Exit::Usage);
            }
            needs_team = read.checked.definition.as_ref().is_some_and(triage_team::is_needed);
            Some(command.request(&read)?)
        }
    };
    if global.url.is_some() && command.resume.is_none() && command.data.is_none() {
        return ask(global, screen, async |session| there(&command, request, &session).await);
    }
    if command.detach {
        return Err(CliError::Usage("--detach: name a node with --url".to_owned()));
    }
    here(&command, request, (builder, needs_team), &screen)
}

impl Run {
    /// What is sent to start it.
    fn request(&self, read: &Read) -> Result<Value, CliError> {
        let input = self.input.as_deref().map(|text| json_text("--input", text)).transpose()?;
        let input = match (input, self.set.is_empty()) {
            (input, true) => input.unwrap_or_default(),
            (None | Some(Value::Null), false) => Value::Object(self.set.iter().cloned().collect()),
            (Some(Value::Object(mut members)), false) => {
                members.extend(self.set.iter().cloned());
                Value::Object(members)
            }
            (Some(_), false) => {
                return Err(CliError::Usage("--set: --input is no object".to_owned()));
            }
        };
        let labels: Map<_, _> = self.labels.iter().cloned().map(|(k, v)| (k, v.into())).collect();
        let mut request = json!({"definition": read.text, "input": input, "labels": labels});
        let optional = [("idempotency_key", &self.idempotency_key), ("priority", &self.priority)];
        for (name, value) in optional {
            if let Some(value) = value {
                request[name] = json!(value);
            }
        }
        Ok(request)
    }

    /// How it is shown: on a terminal as a tree, unless the lines are asked for.
    fn style(&self, screen: &Screen) -> Style {
        match self.watch {
            true => Style::Lines,
            false if !screen.is_json() && Style::has_terminal() => Style::Tree,
            false => Style::Silent,
        }
    }
}

/// Runs it on a node that is there.
async fn there(command: &Run, request: Option<Value>, session: &Session) -> Result<Exit, CliError> {
    let Session { client, screen } = session;
    let (answer, cursor) = client.begin(RUNS, &request.unwrap_or_default()).await?;
    if command.detach {
        session.answer(answer, |run: RunAccepted, screen| accepted(&run, screen))?;
        return Ok(Exit::Done);
    }
    let run: RunAccepted = decode(answer)?;
    let from = (run.run_id, cursor);
    let answer = until_ended(from, client, screen, command.style(screen)).await?;
    ended(&answer, screen)
}

/// Runs it on a node of its own.
fn here(
    command: &Run,
    request: Option<Value>,
    (builder, needs_team): (NodeBuilder, bool),
    screen: &Screen,
) -> Result<Exit, CliError> {
    let folder = Folder::open(command)?;
    let config = configure(&command.config, folder.path())?;
    let credentials = credentials(&config)?;
    // Where the configuration has a team, that one reads what it is given there.
    let team = match needs_team && config.triage.read.is_empty() {
        true => {
            let input = request.as_ref().map(|request| &request["input"]);
            triage_team::beside(input, &config, folder.path())?
        }
        false => None,
    };
    let builder = triage_team::join(builder, team.as_ref());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let node = builder.config(config).start().await?;
        triage_team::connect(team.as_ref(), &node);
        let asked = (&node, &credentials);
        let outcome = tokio::select! {
            outcome = drive(command, request, asked, screen, &folder.begun) => outcome,
            told = told_to_stop() => told.map_err(CliError::from).and(Err(CliError::Interrupted)),
        };
        node.stop().await;
        outcome
    });
    // A thread that waits for standard input would wait on; nothing is left to wait for.
    runtime.shutdown_background();
    match outcome {
        Ok(answer) => {
            folder.begun.set(false);
            ended(&answer, screen)
        }
        Err(error) => {
            folder.tell();
            Err(error)
        }
    }
}

/// Starts the run, or finds the one that goes on, and follows it to its end.
async fn drive(
    command: &Run,
    request: Option<Value>,
    (node, credentials): (&Node, &Credentials),
    screen: &Screen,
    begun: &Cell<bool>,
) -> Result<Value, CliError> {
    let url = node.url().ok_or_else(|| CliError::Failed("the node does not serve".to_owned()))?;
    let client = Client::new(url, credentials)?;
    let (run, cursor) = match request {
        Some(request) => {
            let (answer, cursor) = client.begin(RUNS, &request).await?;
            begun.set(true);
            (decode::<RunAccepted>(answer)?.run_id, cursor)
        }
        None => (newest(&client).await?, None),
    };
    if command.style(screen) == Style::Tree {
        let advice = format!("run {run} on {url}; `--url {url}` asks this node");
        writeln!(io::stderr(), "{advice}")?;
    }
    until_ended((run, cursor), &client, screen, command.style(screen)).await
}

/// The newest run of the node: the one that it was started for.
async fn newest(client: &Client) -> Result<RunId, CliError> {
    let page: RunPage = decode(client.get(RUNS, &[("limit", "100".to_owned())]).await?)?;
    // Sub-workflows are newer than the run that started them, and it can't end before them.
    let open = page.runs.iter().rfind(|run| !workflows::has_ended(run.state));
    let run = open.or_else(|| page.runs.iter().find(|run| run.state != RunState::Pending));
    run.map(|run| run.run_id)
        .ok_or_else(|| CliError::Usage("--resume: there is no run in this folder".to_owned()))
}

/// SIGINT or SIGTERM: the data stay, and the run goes on another time.
async fn told_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// The configuration of the node: a free port, and a log that is silent unless asked for.
fn configure(file: &ConfigFile, folder: &Path) -> Result<NodeConfig, CliError> {
    let loaded = file.load()?;
    let silent = loaded.origin(&KeyPath::parse("log.level")) == Origin::Default;
    let chosen = loaded.origin(&KeyPath::parse("http.listen")) != Origin::Default;
    let mut config = loaded.config;
    if silent {
        "off".clone_into(&mut config.log.level);
    }
    if !chosen {
        config.http.listen.set_port(0);
    }
    logging::init(&config.log).map_err(|error| CliError::Failed(error.to_string()))?;
    config.node.data_folder = folder.to_owned();
    // It is there for one run and for this machine: no certificate names it.
    config.http.tls = TlsSection::default();
    if !config.http.listen.ip().is_loopback() {
        config.http.listen.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok(config)
}

/// What the node of this process has to be shown, where it asks for tokens.
fn credentials(config: &NodeConfig) -> Result<Credentials, CliError> {
    if config.http.auth == AuthMode::None {
        return Ok(Credentials::default());
    }
    let request = TokenRequest {
        subject: "synod run".to_owned(),
        kind: PrincipalKind::User,
        roles: [Role::Submitter].into_iter().collect(),
        groups: Vec::new(),
        node: Some(config.node.name.clone()),
        // As long as any may be: the run may wait for people.
        valid: Some(Duration::from_secs(config.security.max_token_s)),
        not_before: None,
    };
    let issued = store(config)?.issue(request, Timestamp::now())?;
    Ok(Credentials { token: Some(issued.token), ca: None })
}

/// The folder of the node's data: goes when no run of it is open, unless it is the user's own.
struct Folder {
    path: PathBuf,
    own: bool,
    /// Whether there is a run that has begun and not ended.
    begun: Cell<bool>,
}

impl Folder {
    fn open(command: &Run) -> Result<Self, CliError> {
        let wrong = |path: &Path, error: &dyn std::fmt::Display| {
            CliError::Usage(format!("{}: {error}", path.display()))
        };
        if let Some(path) = command.resume.clone() {
            if !path.is_dir() {
                return Err(wrong(&path, &"expected the folder of a run that did not end"));
            }
            return Ok(Self { path, own: true, begun: Cell::new(true) });
        }
        if let Some(path) = command.data.clone() {
            return Ok(Self { path, own: true, begun: Cell::new(false) });
        }
        let path = std::env::temp_dir().join(format!("synod-run-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).map_err(|error| wrong(&path, &error))?;
        Ok(Self { path, own: false, begun: Cell::new(false) })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Says how to go on, if there is something to go on with.
    fn tell(&self) {
        if !self.begun.get() {
            return;
        }
        let path = harmless(&self.path.display().to_string());
        // There is nowhere left to tell that standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "the run has not ended; its data are in {path}\n  go on with: synod run --resume {path}"
        );
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.begun.get() && !self.own {
            // What is left in the system's folder for temporary files is removed by the system.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
