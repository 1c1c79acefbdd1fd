//! Tasks for people: a task with its parts and result, a page of tasks, the engine's numbers.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use synod_tasks::{
    Accepted, AgentStats, EngineStatsResponse, ExecutionStats, LedgerStats, PartStatus, Quantiles,
    ResultError, TaskError, TaskPage, TaskStatusResponse,
};

use super::tail::{WHOLE, enough};
use crate::cli::output::{
    Cell, Column, Paint, Screen, Table, ago, count, counted, duration, harmless, percent,
};

/// What a submission became.
pub(crate) fn accepted(accepted: &Accepted, screen: &Screen) -> io::Result<()> {
    let state = accepted.state.as_str();
    let state = screen.paint(Paint::of_state(state), state);
    let again = if accepted.duplicate { " (the same key: the task was there already)" } else { "" };
    screen.line(format!("{}  {state}{again}", accepted.task_id))
}

/// One task with all that is known of it.
pub(crate) fn task(task: &TaskStatusResponse, screen: &Screen) -> io::Result<()> {
    screen.facts(&facts(task, Timestamp::now()))?;
    if task.parts.len() > 1 || task.parts.iter().any(|part| part.attempts > 1) {
        screen.line("")?;
        screen.table(&parts(&task.parts), "no parts")?;
    }
    if let Some(result) = &task.result {
        screen.line("")?;
        screen.line(screen.paint(Paint::Strong, "result"))?;
        screen.document(&String::from_utf8_lossy(&result.0.bytes))?;
    }
    if let Some(ResultError { reason, advice, .. }) = &task.result_error {
        screen.line("")?;
        let told = format!("the result can't be read: {reason}");
        screen.line(screen.paint(Paint::Bad, &harmless(&told)))?;
        screen.line(harmless(advice))?;
    }
    Ok(())
}

fn facts(task: &TaskStatusResponse, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let listed = |names: Vec<String>| (!names.is_empty()).then(|| Cell::from(names.join(", ")));
    let labels = task.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let capabilities = task.capabilities.iter().map(ToString::to_string).collect();
    let optional = [
        ("capabilities", listed(capabilities)),
        ("agents", listed(task.agents.clone())),
        ("labels", listed(labels)),
        ("key", task.idempotency_key.as_ref().map(Cell::from)),
        ("allocation", allocation(task).map(Cell::from)),
        ("started", task.started_at.map(|at| moment(at, now))),
        ("ended", task.ended_at.map(|at| moment(at, now))),
        ("error", task.error.as_ref().map(|error| Cell::new(told(error), Paint::Bad))),
    ];
    let mut facts = vec![
        ("task", Cell::new(task.task_id.to_string(), Paint::Strong)),
        ("kind", (&task.kind).into()),
        ("state", Cell::state(task.state.as_str())),
        ("priority", task.priority.as_str().into()),
        ("mode", task.mode.as_str().into()),
        ("tenant", (&task.tenant).into()),
        ("by", (&task.submitted_by).into()),
        ("submitted", moment(task.submitted_at, now)),
        ("deadline", task.deadline.to_string().into()),
        ("attempts", attempts(task).into()),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, cell)| Some((name, cell?))));
    facts
}

/// How its agents are chosen, and of a task of one part why that agent was; nothing where it is by
/// default.
fn allocation(task: &TaskStatusResponse) -> Option<String> {
    let way = task.allocation;
    let [part] = &task.parts[..] else { return (!way.is_default()).then(|| way.to_string()) };
    match &part.chosen_because {
        Some(why) => Some(format!("{way} ({why})")),
        None => (!way.is_default()).then(|| way.to_string()),
    }
}

fn moment(at: Timestamp, now: Timestamp) -> Cell {
    format!("{at} ({})", ago(at, now)).into()
}

fn attempts(task: &TaskStatusResponse) -> String {
    let lost = if task.lost > 0 { format!(", {} lost", task.lost) } else { String::new() };
    format!("{}{lost}, cost {}", task.attempts, task.cost)
}

fn told(error: &TaskError) -> String {
    let agent = error.agent.as_ref().map(|agent| format!(" ({agent})")).unwrap_or_default();
    format!("{}: {}{agent}", error.kind, error.message)
}

fn parts(parts: &[PartStatus]) -> Table {
    let mut table = Table::new([
        Column::number("PART"),
        Column::words("STATE"),
        Column::elastic("AGENT"),
        Column::number("ATTEMPTS"),
        Column::number("LOST"),
        Column::elastic("LAST ERROR"),
    ]);
    for part in parts {
        table.row([
            part.part.to_string().into(),
            Cell::state(part.state.as_str()),
            part.agent.as_deref().unwrap_or_default().into(),
            part.attempts.to_string().into(),
            part.lost.to_string().into(),
            part.error.as_ref().map(told).unwrap_or_default().into(),
        ]);
    }
    table
}

/// Some tasks, and how to see more; their ids by the end that tells them apart, unless `wide`.
pub(crate) fn page(page: &TaskPage, wide: bool, screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::words("TASK"),
        Column::elastic("KIND"),
        Column::words("STATE"),
        Column::words("PRIORITY").spare(),
        Column::words("SUBMITTED").spare(),
        Column::number("TOOK").spare(),
        Column::elastic("AGENT"),
        Column::note("ERROR"),
    ]);
    let ids: Vec<String> = page.tasks.iter().map(|task| task.task_id.to_string()).collect();
    // On paper nothing is cut.
    let shown = if wide || screen.columns().is_none() { WHOLE } else { enough(&ids) };
    for (task, id) in page.tasks.iter().zip(&ids) {
        table.row([
            (&id[id.len().saturating_sub(shown)..]).into(),
            (&task.kind).into(),
            Cell::state(task.state.as_str()),
            task.priority.as_str().into(),
            ago(task.submitted_at, now).into(),
            took(task).into(),
            agents(task).into(),
            Cell::new(task.error.as_ref().map(told).unwrap_or_default(), Paint::Bad),
        ]);
    }
    screen.table(&table, "no such task")?;
    match &page.next {
        Some(next) => {
            let more = format!("more: add --cursor {}", harmless(next));
            screen.line(screen.paint(Paint::Faint, &more))
        }
        None => Ok(()),
    }
}

/// From acceptance to end.
fn took(task: &TaskStatusResponse) -> String {
    let took = task.ended_at.map(|ended| ended.duration_since(task.submitted_at));
    took.and_then(|took| Duration::try_from(took).ok()).map(duration).unwrap_or_default()
}

/// Who has or had it.
fn agents(task: &TaskStatusResponse) -> String {
    let agents = task.parts.iter().filter_map(|part| part.agent.as_deref());
    let mut agents: Vec<&str> = agents.collect();
    agents.dedup();
    agents.join(", ")
}

/// `1,204 accepted = 3 open + 1,200 completed + 1 failed + 0 cancelled`.
pub(crate) fn ledger_line(ledger: &LedgerStats) -> String {
    format!(
        "{} accepted = {} open + {} completed + {} failed + {} cancelled",
        count(ledger.accepted),
        count(ledger.open),
        count(ledger.completed),
        count(ledger.failed),
        count(ledger.cancelled),
    )
}

/// Executions that their callers keep, such as steps of workflows, and that are no tasks:
/// `7 started = 1 open + 5 completed + 1 failed + 0 cancelled + 0 handed back; 2 lost on the way`.
fn executions_line(executions: &ExecutionStats) -> String {
    format!(
        "{} started = {} open + {} completed + {} failed + {} cancelled + {} handed back; \
         {} lost on the way",
        count(executions.started),
        count(executions.open),
        count(executions.completed),
        count(executions.failed),
        count(executions.cancelled),
        count(executions.handed_back),
        count(executions.lost),
    )
}

/// The engine's numbers.
pub(crate) fn stats(stats: &EngineStatsResponse, screen: &Screen) -> io::Result<()> {
    let (accepted, ended) = (stats.throughput.accepted, stats.throughput.ended);
    let balance = if stats.ledger.balanced { Paint::Plain } else { Paint::Bad };
    screen.facts(&[
        ("engine", Cell::state(phase(stats))),
        ("tasks", Cell::new(ledger_line(&stats.ledger), balance)),
        ("for callers", executions_line(&stats.executions).into()),
        ("queued", counted(stats.queue_depth, "execution").into()),
        ("accepted", rates(accepted.m1, accepted.m5, accepted.m15).into()),
        ("ended", rates(ended.m1, ended.m5, ended.m15).into()),
        ("late results", count(stats.late_results).into()),
        ("kept", counted(stats.kept, "ended task").into()),
    ])?;
    screen.line("")?;
    screen.table(&latency(stats), "no task has ended yet")?;
    screen.line("")?;
    screen.table(&performance(&stats.agents), "no agent has had work yet")
}

fn phase(stats: &EngineStatsResponse) -> String {
    format!("{:?}", stats.phase).to_lowercase()
}

fn rates(m1: f64, m5: f64, m15: f64) -> String {
    format!("{m1:.1}/s in 1 min, {m5:.1}/s in 5 min, {m15:.1}/s in 15 min")
}

fn latency(stats: &EngineStatsResponse) -> Table {
    let mut table = Table::new([
        Column::words("TIME"),
        Column::number("TASKS"),
        Column::number("P50"),
        Column::number("P90"),
        Column::number("P99"),
        Column::number("MAX"),
    ]);
    let Quantiles { count: measured, .. } = stats.latency.total;
    let kinds = [
        ("queue", stats.latency.queue),
        ("run", stats.latency.run),
        ("total", stats.latency.total),
    ];
    for (name, times) in kinds.into_iter().filter(|_| measured > 0) {
        table.row([
            name.into(),
            count(times.count).into(),
            milliseconds(times.p50_ms).into(),
            milliseconds(times.p90_ms).into(),
            milliseconds(times.p99_ms).into(),
            milliseconds(times.max_ms).into(),
        ]);
    }
    table
}

fn milliseconds(time: f64) -> String {
    let time = Duration::try_from_secs_f64(time / 1_000.0).unwrap_or_default();
    duration(time)
}

fn performance(agents: &[AgentStats]) -> Table {
    let mut table = Table::new([
        Column::elastic("AGENT"),
        Column::number("BUSY"),
        Column::number("COMPLETED"),
        Column::number("FAILED"),
        Column::number("LOST"),
        Column::number("SUCCESS"),
        Column::number("TIME"),
    ]);
    for agent in agents {
        table.row([
            format!("{}@{}", agent.id, agent.version).into(),
            format!("{}/{}", agent.running, agent.capacity).into(),
            count(agent.completed).into(),
            count(agent.failed).into(),
            count(agent.lost).into(),
            percent(agent.success_rate).into(),
            milliseconds(agent.latency_ms).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_kept_by_their_callers_have_a_ledger_of_their_own() {
        let executions = ExecutionStats {
            started: 1_007,
            open: 1,
            ended: 1_006,
            completed: 1_005,
            failed: 1,
            lost: 2,
            ..ExecutionStats::default()
        };
        let line = executions_line(&executions);
        let expected = "1,007 started = 1 open + 1,005 completed + 1 failed + 0 cancelled + \
                        0 handed back; 2 lost on the way";
        assert_eq!(line, expected);
    }
}
