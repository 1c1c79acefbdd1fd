//! The command line: `synod demo`, `run`, `node`, `status`, `agents`, `tasks`, `workflows`,
//! `tokens`, `cluster`, `schema`, `config`, `completions`.
//!
//! Every command but `demo`, `run`, `node`, `schema`, `config` and `completions` is a client: it
//! asks a running node by HTTP and knows nothing that any other client could not know. Tokens and
//! certificates are made without a node, from files, unless `--url` names one. An answer
//! goes to standard output, as a table or as JSON; what went wrong goes to standard error, with the
//! next step.

mod agents;
mod client;
mod cluster;
mod completions;
mod config;
mod coordinate;
mod demo;
mod exit;
mod input;
mod node;
mod output;
mod run;
mod schema;
mod status;
mod tasks;
mod tokens;
mod triage_team;
mod workflows;

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use client::{Client, Credentials};
use exit::{CliError, Exit};
use output::{Colour, Paint, Screen, harmless};

use crate::node::NodeBuilder;

/// A supervised node of actors in which agents take tasks that are never lost.
#[derive(Parser)]
#[command(name = "synod", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// The node to ask [default: http://127.0.0.1:7966]
    #[arg(long, global = true, env = "SYNOD_URL")]
    url: Option<String>,
    /// The token to send [default: none]; in the variable it is not seen by other users
    #[arg(long, global = true, env = "SYNOD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The authorities that the node's certificate must be of, a PEM file [default: the system's]
    #[arg(long, global = true, env = "SYNOD_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Node(node::NodeOptions),
    Status(status::Status),
    /// Show, register and retire agents
    #[command(subcommand)]
    Agents(agents::AgentsCommand),
    /// Submit, follow and cancel tasks
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// Follow and steer runs of workflows, decide, check and draw definitions
    #[command(subcommand)]
    Workflows(workflows::WorkflowsCommand),
    /// Open, follow and move ballots, auctions, locks and other conversations
    #[command(subcommand)]
    Coordinate(coordinate::CoordinateCommand),
    /// Issue, list and take back the tokens that callers of a node bring
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Prepare, show and steer nodes that work together
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Print a schema
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Check, show and reload a node's configuration
    #[command(subcommand)]
    Config(Config),
    /// Print a script that completes commands in a shell
    Completions(completions::Completions),
}

#[derive(Debug, Subcommand)]
enum Config {
    #[command(flatten)]
    Local(config::ConfigCommand),
    /// Let a running node read its file again: all of it, or nothing
    Reload,
}

impl Global {
    /// What to show the node, and what it has to show.
    fn credentials(&self) -> Credentials {
        Credentials {
            token: self.token.clone().filter(|token| !token.is_empty()),
            ca: self.ca.clone(),
        }
    }
}

/// Where a node listens when nothing else is said.
fn default_url() -> String {
    format!("http://{}", crate::api::ApiConfig::default().listen)
}

/// Runs the command line `args`, the program's name first. A node that a command starts is made by
/// `builder`.
pub fn run(args: impl IntoIterator<Item = OsString>, builder: NodeBuilder) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version come this way too, and are no errors.
            let printed = told.print();
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Done };
            return if printed.is_ok() { exit.into() } else { Exit::Failed.into() };
        }
    };
    let global = cli.global.clone();
    match cli.execute(builder) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report(&error, &global);
            error.exit().into()
        }
    }
}

impl Cli {
    fn execute(self, builder: NodeBuilder) -> Result<Exit, CliError> {
        let screen = Screen::new(self.global.json, self.global.color);
        match self.command {
            Command::Demo(demo) => demo::run(demo, builder, &screen),
            Command::Run(command) => run::run(command, builder, &self.global, screen),
            Command::Node(options) => node::run(&options, builder),
            Command::Status(command) => {
                ask(&self.global, screen, async |session| status::run(command, &session).await)
            }
            Command::Agents(command) => {
                ask(&self.global, screen, async |session| agents::run(command, &session).await)
            }
            Command::Tasks(command) => {
                ask(&self.global, screen, async |session| tasks::run(command, &session).await)
            }
            Command::Coordinate(command) => {
                ask(&self.global, screen, async |session| coordinate::run(command, &session).await)
            }
            Command::Workflows(command) => workflows::execute(command, &self.global, screen),
            Command::Tokens(command) => tokens::execute(command, &self.global, screen),
            Command::Cluster(command) => cluster::execute(command, &self.global, screen),
            Command::Schema(schema) => schema::run(&schema, &screen),
            Command::Config(Config::Reload) => {
                ask(&self.global, screen, async |session| config::reload(&session).await)
            }
            Command::Config(Config::Local(command)) => config::run(&command, &screen),
            Command::Completions(command) => completions::run(&command),
        }
    }
}

/// What a command that asks a node works with.
struct Session {
    client: Client,
    screen: Screen,
}

impl Session {
    /// Prints an answer: as it came for programs, rendered for people.
    fn answer<T: DeserializeOwned>(
        &self,
        answer: Value,
        render: impl FnOnce(T, &Screen) -> io::Result<()>,
    ) -> Result<(), CliError> {
        if self.screen.is_json() {
            return Ok(self.screen.json(&answer)?);
        }
        Ok(render(client::decode(answer)?, &self.screen)?)
    }
}

/// Runs a client's command; SIGINT ends it at its next wait.
fn ask<F: Future<Output = Result<Exit, CliError>>>(
    global: &Global,
    screen: Screen,
    command: impl FnOnce(Session) -> F,
) -> Result<Exit, CliError> {
    let url = global.url.clone().unwrap_or_else(default_url);
    let client = Client::new(&url, &global.credentials())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = command(Session { client, screen }) => done,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                Err(CliError::Interrupted)
            }
        }
    })
}

/// Tells what went wrong on standard error: a sentence and the next step, or JSON.
fn report(error: &CliError, global: &Global) {
    // Whoever read our output has enough.
    if error.exit() == Exit::Done {
        return;
    }
    let mut stderr = io::stderr().lock();
    let told = if global.json {
        let next_step = error.next_step();
        let exit = error.exit() as u8;
        let mut object = json!({"error": error.to_string(), "exit": exit, "next_step": next_step});
        if let CliError::Config(faults) = error {
            object["errors"] = json!(faults.report());
        }
        writeln!(stderr, "{object}")
    } else {
        let coloured = global.color.on(io::stderr().is_terminal());
        let label = if coloured { Paint::Bad.apply("error") } else { "error".to_owned() };
        let next = error.next_step().map(|step| format!("\n  {step}")).unwrap_or_default();
        // Names of files and texts of others are in it; its line breaks are ours.
        let told = error.to_string();
        let told = told.split('\n').map(harmless).collect::<Vec<_>>().join("\n");
        writeln!(stderr, "{label}: {told}{next}")
    };
    // There is nowhere left to tell that standard error is closed.
    drop(told);
}

#[cfg(test)]
mod tests;
