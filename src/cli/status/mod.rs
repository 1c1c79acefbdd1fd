//! `synod status`: the supervision tree of a node, and the controls of its actors.

mod board;
mod rows;
#[cfg(test)]
mod sample;
mod watch;

use std::io;
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use synod_journal::JournalHealth;
use synod_runtime::Control;

use crate::cli::Session;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::{Cell, Paint, Screen, count, counted, duration, harmless, size};
use crate::cli::tasks::ledger_line;
use crate::status::{Draining, NodeStatus, StatusReport};

/// Where the status actor is in the API.
const STATUS: &str = "/api/v1/status";
/// Where a node is drained.
const DRAIN: &str = "/api/v1/node/drain";

/// Show the actors of a node, and control them
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    synod status --watch\n  synod status /node/agents --json\n  \
    synod status --node all --depth 1\n  \
    synod status restart /node/tasks"
)]
pub(crate) struct Status {
    #[command(flatten)]
    part: Part,
    /// Follow the tree in a live view
    #[arg(long, short, conflicts_with = "json")]
    watch: bool,
    #[command(subcommand)]
    control: Option<StatusCommand>,
}

/// Which part of the tree.
#[derive(Debug, Args)]
struct Part {
    /// Show only the actor at this path and what it supervises
    path: Option<String>,
    /// Show at most so many levels below it
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// Show this node of the cluster instead, by name or id, or all of them with `all`
    #[arg(long, value_name = "NODE", conflicts_with = "watch")]
    node: Option<String>,
}

/// The trees of all nodes.
#[derive(Debug, Deserialize)]
struct Trees {
    nodes: Vec<Tree>,
}

/// That of one of them, or why there is none.
#[derive(Debug, Deserialize)]
struct Tree {
    name: String,
    report: Option<StatusReport>,
    error: Option<String>,
}

#[derive(Debug, Subcommand)]
enum StatusCommand {
    /// Let an actor finish its message and take no more until it is resumed
    Pause(Target),
    /// Let a paused actor go on
    Resume(Target),
    /// Stop an actor and start it again; what is queued stays queued
    Restart(Target),
    /// Stop an actor for good
    Stop(Target),
    /// Accept no more tasks and let the running ones finish
    Drain,
}

#[derive(Debug, Args)]
struct Target {
    /// The actor's path, as `synod status` shows it
    path: String,
}

pub(crate) async fn run(status: Status, session: &Session) -> Result<Exit, CliError> {
    match status.control {
        None if status.watch => return watch::watch(&status.part, session).await,
        None => show(&status.part, session).await?,
        Some(StatusCommand::Drain) => drain(session).await?,
        Some(StatusCommand::Pause(target)) => say(Control::Pause, &target, session).await?,
        Some(StatusCommand::Resume(target)) => say(Control::Resume, &target, session).await?,
        Some(StatusCommand::Restart(target)) => say(Control::Restart, &target, session).await?,
        Some(StatusCommand::Stop(target)) => say(Control::Stop, &target, session).await?,
    }
    Ok(Exit::Done)
}

/// The node, and the part of its tree that is asked for.
async fn report(part: &Part, session: &Session) -> Result<Value, CliError> {
    let given = [
        ("path", part.path.clone()),
        ("depth", part.depth.map(|depth| depth.to_string())),
        ("node", part.node.clone()),
    ];
    let query: Vec<_> =
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    session.client.get(STATUS, &query).await
}

async fn show(part: &Part, session: &Session) -> Result<(), CliError> {
    let answer = report(part, session).await?;
    if part.node.as_deref() != Some("all") {
        return session.answer(answer, |report: StatusReport, screen| tree(part, &report, screen));
    }
    session.answer(answer, |trees: Trees, screen| {
        for Tree { name, report, error } in &trees.nodes {
            match report {
                Some(report) => tree(part, report, screen)?,
                None => {
                    let why = error.as_deref().unwrap_or("no answer");
                    screen.facts(&[
                        ("node", Cell::new(name.clone(), Paint::Strong)),
                        ("state", Cell::new(format!("not known: {why}"), Paint::Bad)),
                    ])?;
                }
            }
            screen.line("")?;
        }
        Ok(())
    })
}

fn tree(part: &Part, report: &StatusReport, screen: &Screen) -> io::Result<()> {
    if part.path.is_none() || part.node.is_some() {
        screen.facts(&facts(&report.node))?;
        screen.line("")?;
    }
    screen.table(&rows::table(&rows::rows(&report.tree)), "no actor")
}

/// The node in a few lines.
fn facts(node: &NodeStatus) -> Vec<(&'static str, Cell)> {
    let readiness = match (node.draining, node.ready) {
        (true, _) => Cell::new("draining", Paint::Waiting),
        (false, true) => Cell::new("ready", Paint::Good),
        (false, false) => {
            Cell::new(format!("not ready: {}", node.not_ready.join("; ")), Paint::Bad)
        }
    };
    let uptime = duration(Duration::from_millis(node.uptime_ms));
    let mut facts = vec![
        ("node", Cell::new(format!("{} (synod {})", node.name, node.version), Paint::Strong)),
        ("state", readiness),
        ("up", uptime.into()),
    ];
    facts.extend(node.ledger.as_ref().map(|ledger| ("tasks", ledger_line(ledger).into())));
    facts.extend(node.queue_depth.map(|depth| ("queued", count(depth).into())));
    facts.extend(node.journal.as_ref().map(|journal| ("journal", journal_line(journal))));
    facts.extend(node.agents.map(|agents| ("agents", count(agents).into())));
    let undelivered: u64 = node.dead_letters.values().sum();
    facts.push(("dead letters", count(undelivered).into()));
    facts
}

fn journal_line(journal: &JournalHealth) -> Cell {
    let held = format!("{} in {}", size(journal.bytes), counted(journal.segments, "segment"));
    if journal.accepting {
        return held.into();
    }
    // Why, the state says.
    Cell::new(format!("{held}, takes nothing"), Paint::Bad)
}

async fn control(what: Control, path: &str, session: &Session) -> Result<Value, CliError> {
    let control = format!("{STATUS}/{}", name(what));
    session.client.send(Method::POST, &control, &json!({"path": path})).await
}

async fn say(what: Control, target: &Target, session: &Session) -> Result<(), CliError> {
    let answer = control(what, &target.path, session).await?;
    session.answer(answer, |_: Value, screen| {
        let done = screen.paint(Paint::Good, done(what));
        screen.line(format!("{}: {done}", harmless(&target.path)))
    })
}

async fn drain(session: &Session) -> Result<(), CliError> {
    let answer = session.client.act(Method::POST, DRAIN, &[]).await?;
    session.answer(answer, |draining: Draining, screen| {
        let within = duration(Duration::from_secs(draining.within_s));
        screen.line(format!("the node accepts no more tasks; what runs has {within}"))
    })
}

/// A control in the word the API has for it.
fn name(control: Control) -> &'static str {
    match control {
        Control::Pause => "pause",
        Control::Resume => "resume",
        Control::Restart => "restart",
        Control::Stop => "stop",
    }
}

/// A control that was carried out.
fn done(control: Control) -> &'static str {
    match control {
        Control::Pause => "paused",
        Control::Resume => "resumed",
        Control::Restart => "restarted",
        Control::Stop => "stopped",
    }
}
