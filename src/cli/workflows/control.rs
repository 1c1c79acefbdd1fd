//! Steering runs and deciding: each command is one call of the API.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use synod_workflows::{ApprovalPage, ApprovalResponse, RunAccepted, RunId, RunStatusResponse};

use super::{Target, path, view};
use crate::cli::Session;
use crate::cli::client::segment;
use crate::cli::exit::CliError;
use crate::cli::input::{json_text, setting, text_file};
use crate::cli::output::Paint;

const APPROVALS: &str = "/api/v1/approvals";

#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// End a run; what its agents still give is recorded and ignored
    Cancel {
        #[command(flatten)]
        target: Target,
        /// Undo what it did, by the steps' `compensate_with`
        #[arg(long)]
        compensate: bool,
        /// Why, for people
        #[arg(long)]
        reason: Option<String>,
    },
    /// Begin no further step of a run; what runs may end
    Pause(Target),
    /// Go on with a paused run
    Resume(Target),
    /// Start anew from the failed steps of a run; the new run is linked to it
    Retry(Target),
    /// Start a new run from what a run was at a point of its history
    Fork {
        #[command(flatten)]
        target: Target,
        /// The number of the last event that holds; without it all of them
        #[arg(long, value_name = "EVENT")]
        at: Option<u64>,
        /// Another input: JSON, or @FILE
        #[arg(long, value_name = "JSON")]
        input: Option<String>,
        /// Another definition, from this file or `-`
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
    },
    /// Remember how a run stands, under a name
    Checkpoint {
        #[command(flatten)]
        target: Target,
        /// The name
        name: String,
    },
    /// Take a run back to a checkpoint; what is undone stays in the history
    Rollback {
        #[command(flatten)]
        target: Target,
        /// The name of the checkpoint
        #[arg(long)]
        to: String,
        /// Undo what was done since, by the steps' `compensate_with`
        #[arg(long)]
        compensate: bool,
        /// Why, for people
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a run go on by another definition, or with other values of variables
    Amend {
        #[command(flatten)]
        target: Target,
        /// The whole definition as it is to be, from this file or `-`
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
        /// A variable with another value (JSON, or text); may be given more than once
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
        variables: Vec<(String, Value)>,
        /// Why, for people
        #[arg(long)]
        reason: Option<String>,
    },
    /// List what people are asked
    Approvals {
        /// Only of this run
        #[arg(long, value_name = "ID")]
        run: Option<RunId>,
        /// Those that are decided, in place of the open ones
        #[arg(long)]
        decided: bool,
        /// Most approvals to list
        #[arg(long, default_value_t = 50)]
        limit: u16,
        /// Where the page before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Say yes to what a run asks
    Approve(Decision),
    /// Say no to what a run asks
    Reject(Decision),
}

#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// The approval's id, as `synod workflows approvals` lists it
    #[arg(value_name = "APPROVAL")]
    id: String,
    /// Who decides, by the name under which the definition knows them
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The payload in another form, where it may be edited: JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Why, for people
    #[arg(long)]
    reason: Option<String>,
    /// The role in which you decide
    #[arg(long)]
    role: Option<String>,
}

pub(crate) async fn run(command: Control, session: &Session) -> Result<(), CliError> {
    let (run, what, body) = match command {
        Control::Approvals { run, decided, limit, cursor } => {
            let query = [
                ("run", run.map(|run| run.to_string())),
                ("decided", decided.then(|| "true".to_owned())),
                ("limit", Some(limit.to_string())),
                ("cursor", cursor),
            ];
            return approvals(query, session).await;
        }
        Control::Approve(decision) => return decide("approve", decision, session).await,
        Control::Reject(decision) => return decide("reject", decision, session).await,
        Control::Retry(target) => return begin(target.run, "retry", Map::new(), session).await,
        Control::Fork { target, at, input, file } => {
            let input = input.map(|text| json_text("--input", &text)).transpose()?;
            let text = file.as_deref().map(text_file).transpose()?;
            let body =
                given([("at", json!(at)), ("input", json!(input)), ("definition", json!(text))]);
            return begin(target.run, "fork", body, session).await;
        }
        Control::Cancel { target, compensate, reason } => {
            let body = given([("compensate", json!(compensate)), ("reason", json!(reason))]);
            (target.run, "cancel", body)
        }
        Control::Pause(target) => (target.run, "pause", Map::new()),
        Control::Resume(target) => (target.run, "resume", Map::new()),
        Control::Checkpoint { target, name } => {
            (target.run, "checkpoint", given([("name", json!(name))]))
        }
        Control::Rollback { target, to, compensate, reason } => {
            let body =
                [("to", json!(to)), ("compensate", json!(compensate)), ("reason", json!(reason))];
            (target.run, "rollback", given(body))
        }
        Control::Amend { target, file, variables, reason } => {
            let text = file.as_deref().map(text_file).transpose()?;
            let variables: Map<_, _> = variables.into_iter().collect();
            let body = [
                ("definition", json!(text)),
                ("variables", Value::Object(variables)),
                ("reason", json!(reason)),
            ];
            (target.run, "amend", given(body))
        }
    };
    change(run, what, body, session).await
}

/// The members that were given.
fn given<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn change(
    run: RunId,
    what: &str,
    body: Map<String, Value>,
    session: &Session,
) -> Result<(), CliError> {
    let path = format!("{}/{what}", path(run));
    let answer = if body.is_empty() {
        session.client.act(Method::POST, &path, &[]).await?
    } else {
        session.client.send(Method::POST, &path, &body).await?
    };
    session.answer(answer, |run: RunStatusResponse, screen| {
        let state = run.summary.state.to_string();
        let state = screen.paint(Paint::of_state(&state), &state);
        screen.line(format!("{}: {state}", run.summary.run_id))
    })
}

/// What makes a new run of an old one.
async fn begin(
    run: RunId,
    what: &str,
    body: Map<String, Value>,
    session: &Session,
) -> Result<(), CliError> {
    let path = format!("{}/{what}", path(run));
    let answer = session.client.send(Method::POST, &path, &body).await?;
    session.answer(answer, |accepted: RunAccepted, screen| view::accepted(&accepted, screen))
}

async fn approvals<const N: usize>(
    query: [(&'static str, Option<String>); N],
    session: &Session,
) -> Result<(), CliError> {
    let query: Vec<_> =
        query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = session.client.get(APPROVALS, &query).await?;
    session.answer(answer, |page: ApprovalPage, screen| view::approvals(&page, screen))
}

async fn decide(verdict: &str, decision: Decision, session: &Session) -> Result<(), CliError> {
    let Decision { id, by, payload, reason, role } = decision;
    let payload = payload.map(|text| json_text("--payload", &text)).transpose()?;
    let body = given([
        ("verdict", json!(verdict)),
        ("by", json!(by)),
        ("payload", json!(payload)),
        ("reason", json!(reason)),
        ("role", json!(role)),
    ]);
    let path = format!("{APPROVALS}/{}/decide", segment(&id));
    let answer = session.client.send(Method::POST, &path, &body).await?;
    session.answer(answer, |one: ApprovalResponse, screen| view::approval(&one, screen))
}
