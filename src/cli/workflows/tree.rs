//! A run as a tree of its steps, with bars and times.

use std::time::Duration;

use jiff::Timestamp;
use synod_workflows::picture::outline;
use synod_workflows::{RunStatusResponse, StepState, StepStatus, WaitKind};

use crate::cli::output::{Cell, Paint, Screen, cut, duration, harmless, width};

/// Columns of a bar.
const BAR: usize = 16;
/// Columns of the names of steps, at most.
const NAMES: usize = 48;

/// The lines of a run: its head, and one for each step.
pub(crate) fn lines(run: &RunStatusResponse, now: Timestamp, screen: &Screen) -> Vec<String> {
    let mut lines = vec![head(run, now, screen)];
    steps(&run.steps, now, screen, &mut lines);
    if !run.fallback.is_empty() {
        lines.push(screen.paint(Paint::Waiting, "fallback"));
        steps(&run.fallback, now, screen, &mut lines);
    }
    if let Some(columns) = screen.columns() {
        // Colours take no columns, so only plain text can be cut; it is the rule without colours.
        if !screen.is_coloured() {
            lines.iter_mut().for_each(|line| *line = cut(line, columns.saturating_sub(1)));
        }
    }
    lines
}

fn head(run: &RunStatusResponse, now: Timestamp, screen: &Screen) -> String {
    let summary = &run.summary;
    let state = summary.state.to_string();
    let progress = summary.progress;
    let name = format!("{} {}", harmless(&summary.workflow.name), summary.workflow.version);
    format!(
        "{}  {}  {} {:.0} %  {}/{} steps  {}",
        screen.paint(Paint::Strong, &name),
        screen.paint(Paint::of_state(&state), &state),
        bar(progress.percent / 100.0),
        progress.percent,
        progress.done,
        progress.total,
        duration(took(summary.started_at, summary.ended_at, now).unwrap_or_default()),
    )
}

/// A bar of a share between 0 and 1.
fn bar(share: f64) -> String {
    let full = ((share.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn took(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    Duration::try_from(to.unwrap_or(now).duration_since(from?)).ok()
}

fn steps(steps: &[StepStatus], now: Timestamp, screen: &Screen, lines: &mut Vec<String>) {
    let rows = outline(steps);
    let name = |row: &synod_workflows::picture::OutlineRow| {
        cut(&format!("{}  {}", row.prefix, harmless(&steps[row.step].id)), NAMES)
    };
    let widest = rows.iter().map(|row| width(&name(row))).max().unwrap_or(0);
    for row in &rows {
        let step = &steps[row.step];
        let (sign, paint) = sign(step.state);
        let id = harmless(&step.id);
        let blanks = " ".repeat(widest.saturating_sub(width(&name(row))) + 2);
        let id = cut(&id, NAMES.saturating_sub(width(&row.prefix) + 2));
        let sign = screen.paint(paint, sign);
        let note = note(step, now);
        let note = screen.paint(note.paint(), note.text());
        let line = format!("{}{sign} {id}{blanks}{note}", row.prefix);
        lines.push(line.trim_end().to_owned());
    }
}

fn sign(state: StepState) -> (&'static str, Paint) {
    match state {
        StepState::Pending => ("○", Paint::Faint),
        StepState::Waiting => ("◌", Paint::Waiting),
        StepState::Running => ("●", Paint::Busy),
        StepState::Completed => ("✓", Paint::Good),
        StepState::Failed => ("✗", Paint::Bad),
        StepState::Skipped => ("–", Paint::Faint),
        StepState::Cancelled => ("■", Paint::Faint),
        StepState::Compensated => ("↶", Paint::Faint),
    }
}

/// What there is to say of a step besides its state.
fn note(step: &StepStatus, now: Timestamp) -> Cell {
    let mut told = Vec::new();
    if let Some(items) = step.items {
        let done = items.completed + items.failed;
        let share = if items.total == 0 { 1.0 } else { done as f64 / items.total as f64 };
        told.push(format!("{} {done}/{}", bar(share), items.total));
    }
    told.extend(took(step.started_at, step.ended_at, now).map(duration));
    if step.attempts > 1 {
        told.push(format!("{} attempts", step.attempts));
    }
    if let Some(waiting) = step.waiting_for.as_ref().filter(|_| step.ended_at.is_none()) {
        let on = waiting.on.as_ref().map(|on| format!(" {on}")).unwrap_or_default();
        told.push(format!("waits for {}{on}", awaited(waiting.what)));
    }
    let skipped = step.state == StepState::Skipped;
    if let Some(error) = step.error.as_ref().filter(|_| step.state != StepState::Completed) {
        told.push(format!("{}: {}", error.kind, error.message));
    } else if skipped {
        told.push("skipped".to_owned());
    }
    let paint = match step.state {
        StepState::Failed => Paint::Bad,
        StepState::Waiting => Paint::Waiting,
        _ => Paint::Faint,
    };
    Cell::new(told.join("  "), paint)
}

/// What is waited for, in a word or two.
pub(crate) fn awaited(what: WaitKind) -> &'static str {
    match what {
        WaitKind::Time => "a time",
        WaitKind::Retry => "its next attempt",
        WaitKind::Approval => "approval",
        WaitKind::Message => "a message",
        WaitKind::Run => "run",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::output::Colour;

    #[test]
    fn a_run_is_a_tree_with_bars_times_and_what_went_wrong() {
        let step = |id: &str, state: &str, after: &[&str]| {
            json!({
                "id": id, "doing": "agent", "state": state, "visit": 1, "attempts": 1,
                "started_at": "2026-01-01T00:00:00Z", "ended_at": null, "depends_on": after,
            })
        };
        let mut each = step("each", "running", &["read"]);
        each["items"] = json!({"total": 4, "running": 1, "completed": 2, "failed": 0});
        let mut bad = step("bad\u{1b}", "failed", &["read"]);
        bad["error"] = json!({"kind": "timeout", "message": "too slow"});
        let run: RunStatusResponse = serde_json::from_value(json!({
            "run_id": uuid::Uuid::nil(), "workflow": {"name": "w", "version": "1.0.0", "hash": ""},
            "state": "running", "priority": "normal", "labels": {},
            "progress": {"percent": 50.0, "done": 2, "total": 4}, "started_by": "anonymous",
            "accepted_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
            "ended_at": null, "input": null, "variables": {}, "history_events": 1,
            "steps": [
                step("read", "completed", &[]), each, bad, step("tell", "pending", &["each"]),
            ],
        }))
        .unwrap();
        let now = "2026-01-01T00:00:02Z".parse().unwrap();
        let lines = lines(&run, now, &Screen::new(false, Colour::Never));
        assert_eq!(lines[0], "w 1.0.0  running  ████████░░░░░░░░ 50 %  2/4 steps  2.0 s");
        assert!(lines[1].starts_with("✓ read"), "{lines:#?}");
        assert!(lines[2].starts_with("├─ ● each") && lines[2].contains("2/4  2.0 s"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("✗ bad\u{fffd}")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.ends_with("timeout: too slow")), "{lines:#?}");
    }
}
