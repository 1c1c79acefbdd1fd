//! Runs, definitions and approvals for people.

use std::io;

use jiff::Timestamp;
use serde_json::Value;
use synod_workflows::{
    ApprovalPage, ApprovalResponse, DefinitionSummary, HistoryPage, MessageSent, RunAccepted,
    RunChange, RunError, RunPage, RunStatusResponse, RunSummary, WorkflowStatsResponse,
};

use super::tree;
use crate::cli::output::{Cell, Column, Paint, Screen, Table, ago, count, duration, harmless};
use crate::cli::tasks::ledger_line;

/// What a start became.
pub(crate) fn accepted(accepted: &RunAccepted, screen: &Screen) -> io::Result<()> {
    let state = accepted.state.to_string();
    let state = screen.paint(Paint::of_state(&state), &state);
    let again = if accepted.duplicate { " (the same key: the run was there already)" } else { "" };
    screen.line(format!("{}  {state}{again}", accepted.run_id))
}

/// One run with all that is known of it.
pub(crate) fn run(run: &RunStatusResponse, screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    screen.facts(&facts(run, now))?;
    screen.line("")?;
    tree::lines(run, now, screen).iter().try_for_each(|line| screen.line(line))?;
    result(run, screen)
}

/// What came of a run, if anything did.
fn result(run: &RunStatusResponse, screen: &Screen) -> io::Result<()> {
    let Some(outputs) = &run.outputs else { return Ok(()) };
    screen.line("")?;
    screen.line(screen.paint(Paint::Strong, "outputs"))?;
    screen.document(&outputs.to_string())
}

fn facts(run: &RunStatusResponse, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let summary = &run.summary;
    let moment = |at: Timestamp| Cell::from(format!("{at} ({})", ago(at, now)));
    let labels: Vec<_> =
        summary.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let links = run.links.iter().map(|link| format!("{:?} {}", link.relation, link.run_id));
    let links = links.collect::<Vec<_>>().join(", ").to_lowercase();
    let text = |text: String| (!text.is_empty()).then(|| Cell::from(text));
    let workflow = &summary.workflow;
    let mut facts = vec![
        ("run", Cell::new(summary.run_id.to_string(), Paint::Strong)),
        ("workflow", format!("{} {}", workflow.name, workflow.version).into()),
        ("state", Cell::state(summary.state.to_string())),
        ("priority", summary.priority.as_str().into()),
        ("by", (&summary.started_by).into()),
        ("accepted", moment(summary.accepted_at)),
    ];
    let optional = [
        ("started", summary.started_at.map(moment)),
        ("ended", summary.ended_at.map(moment)),
        ("deadline", run.deadline.map(|at| at.to_string().into())),
        ("labels", text(labels.join(", "))),
        ("key", run.idempotency_key.as_ref().map(Cell::from)),
        ("links", text(links)),
        ("waits for", text(waits(summary))),
        ("error", run.error.as_ref().map(|error| Cell::new(failure(error), Paint::Bad))),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, cell)| Some((name, cell?))));
    facts
}

/// `timeout: too slow (step read, agent reader@1.0.0)`.
pub(crate) fn failure(error: &RunError) -> String {
    let step = error.step.as_ref().map(|step| format!("step {step}"));
    let agent = error.agent.as_ref().map(|agent| format!("agent {agent}"));
    let places = step.into_iter().chain(agent).collect::<Vec<_>>().join(", ");
    let places = if places.is_empty() { places } else { format!(" ({places})") };
    format!("{}: {}{places}", error.kind, error.message)
}

fn waits(summary: &RunSummary) -> String {
    let one = |waiting: &synod_workflows::WaitingFor| {
        let on = waiting.on.as_ref().map(|on| format!(" {on}")).unwrap_or_default();
        let step = waiting.step.as_ref().map(|step| format!(" ({step})")).unwrap_or_default();
        format!("{}{on}{step}", tree::awaited(waiting.what))
    };
    summary.waiting_for.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn more(next: Option<&str>, option: &str, screen: &Screen) -> io::Result<()> {
    let Some(next) = next else { return Ok(()) };
    screen.line(screen.paint(Paint::Faint, &format!("more: add {option} {}", harmless(next))))
}

/// Some runs, and how to see more.
pub(crate) fn page(page: &RunPage, screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::words("RUN"),
        Column::elastic("WORKFLOW"),
        Column::words("STATE"),
        Column::number("DONE"),
        Column::words("PRIORITY").spare(),
        Column::words("ACCEPTED").spare(),
        Column::number("TOOK").spare(),
        Column::elastic("WAITS FOR"),
    ]);
    for run in &page.runs {
        let took = run.ended_at.unwrap_or(now).duration_since(run.accepted_at);
        table.row([
            run.run_id.to_string().into(),
            format!("{} {}", run.workflow.name, run.workflow.version).into(),
            Cell::state(run.state.to_string()),
            format!("{:.0} %", run.progress.percent).into(),
            run.priority.as_str().into(),
            ago(run.accepted_at, now).into(),
            duration(took.try_into().unwrap_or_default()).into(),
            waits(run).into(),
        ]);
    }
    screen.table(&table, "no such run")?;
    more(page.next.as_deref(), "--cursor", screen)
}

/// What happened in a run.
pub(crate) fn history(page: &HistoryPage, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::number("#"),
        Column::words("TIME"),
        Column::words("EVENT"),
        Column::words("STEP"),
        Column::elastic("WHAT"),
    ]);
    for event in &page.events {
        table.row([
            event.number.to_string().into(),
            event.at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string().into(),
            (&event.name).into(),
            event.step.as_deref().unwrap_or_default().into(),
            (&event.text).into(),
        ]);
    }
    screen.table(&table, "nothing more happened")?;
    more(page.next.map(|next| next.to_string()).as_deref(), "--after", screen)
}

/// A change as a line: when, what, which step, and what belongs to it.
pub(crate) fn change(change: &RunChange, screen: &Screen) -> String {
    let at = change.at.strftime("%H:%M:%S%.3f");
    let last = change.name.rsplit('.').next().unwrap_or_default();
    let name = screen.paint(Paint::of_state(last), &harmless(&change.name));
    let step = change.step.as_ref().map(|step| format!("  {}", harmless(step)));
    let details = details(&change.details);
    let details = screen.paint(Paint::Faint, &harmless(&details));
    format!("{at}  {name}{}  {details}", step.unwrap_or_default()).trim_end().to_owned()
}

/// The plain facts among the details: `agent=reader@1.0.0 attempt=2`.
fn details(details: &Value) -> String {
    let Value::Object(members) = details else { return String::new() };
    let told = members.iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{key}={text}")),
        Value::Number(_) | Value::Bool(_) => Some(format!("{key}={value}")),
        Value::Object(error) => {
            let part = |name: &str| error.get(name).and_then(Value::as_str);
            Some(format!("{key}={}: {}", part("kind")?, part("message")?))
        }
        Value::Array(_) => None,
    });
    told.collect::<Vec<_>>().join(" ")
}

/// Open approvals.
pub(crate) fn approvals(page: &ApprovalPage, screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::words("APPROVAL"),
        Column::elastic("QUESTION"),
        Column::elastic("WORKFLOW"),
        Column::words("STEP"),
        Column::words("ASKED").spare(),
        Column::words("DEADLINE"),
        Column::elastic("WHO"),
    ]);
    for one in &page.approvals {
        let who = if one.deciders.is_empty() { "anybody".into() } else { one.deciders.join(", ") };
        table.row([
            (&one.id).into(),
            (&one.question).into(),
            (&one.workflow).into(),
            (&one.step).into(),
            ago(one.requested_at, now).into(),
            one.deadline.map(|at| at.to_string()).unwrap_or_default().into(),
            who.into(),
        ]);
    }
    screen.table(&table, "nobody is asked anything")?;
    more(page.next.as_deref(), "--cursor", screen)
}

/// How an approval stands.
pub(crate) fn approval(one: &ApprovalResponse, screen: &Screen) -> io::Result<()> {
    let state = format!("{:?}", one.state).to_lowercase();
    let yes = one.decisions.iter().filter(|d| d.verdict == synod_workflows::Verdict::Approve);
    screen.facts(&[
        ("approval", Cell::new(&one.id, Paint::Strong)),
        ("question", (&one.question).into()),
        ("run", format!("{} ({}, step {})", one.run_id, one.workflow, one.step).into()),
        ("state", Cell::state(state)),
        ("said yes", format!("{} of {}", yes.count(), one.needed).into()),
    ])?;
    for decision in &one.decisions {
        let verdict = format!("{:?}", decision.verdict).to_lowercase();
        let reason = decision.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let told = format!("{}  {verdict} by {}{reason}", decision.at, decision.by);
        screen.line(harmless(&told))?;
    }
    Ok(())
}

/// The definitions that a node keeps.
pub(crate) fn definitions(all: &[DefinitionSummary], screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::elastic("NAME"),
        Column::words("VERSION"),
        Column::number("STEPS"),
        Column::words("DEFINED").spare(),
        Column::words("BY").spare(),
        Column::elastic("DESCRIPTION"),
    ]);
    for one in all {
        table.row([
            (&one.workflow.name).into(),
            (&one.workflow.version).into(),
            count(one.steps).into(),
            ago(one.defined_at, now).into(),
            (&one.defined_by).into(),
            (&one.description).into(),
        ]);
    }
    screen.table(&table, "no definition is kept")
}

/// How far a message came.
pub(crate) fn sent(sent: &MessageSent, screen: &Screen) -> io::Result<()> {
    screen.line(format!("taken by {} runs; {} did not match", sent.taken, sent.unmatched))
}

/// The numbers of the engine.
pub(crate) fn stats(stats: &WorkflowStatsResponse, screen: &Screen) -> io::Result<()> {
    let steps = &stats.steps;
    let states: Vec<_> = stats
        .by_state
        .iter()
        .map(|(state, number)| format!("{} {state}", count(*number)))
        .collect();
    screen.facts(&[
        ("phase", Cell::state(format!("{:?}", stats.phase).to_lowercase())),
        ("ledger", ledger_line(&stats.ledger).into()),
        ("runs", states.join(", ").into()),
        (
            "steps",
            format!(
                "{} executions, {} completed, {} failed, {} tried again",
                count(steps.executions),
                count(steps.completed),
                count(steps.failed),
                count(steps.retried)
            )
            .into(),
        ),
        ("active", format!("{}, {} parked", count(stats.active), count(stats.parked)).into()),
        ("approvals", format!("{} open", count(stats.open_approvals)).into()),
        ("kept", format!("{} ended runs, {} definitions", stats.kept, stats.definitions).into()),
    ])
}
