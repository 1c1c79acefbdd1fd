//! Two runs beside each other, for people: what differs first, and a line for each step.

use std::io;

use serde_json::Value;
use synod_workflows::{ComparedRun, DiffPlace, DiffVerdict, Difference, RunDiff};

use crate::cli::output::{Cell, Column, Paint, Screen, Table, count, harmless};

/// Columns of a value in the table.
const VALUE: usize = 60;

pub(crate) fn show(diff: &RunDiff, screen: &Screen) -> io::Result<()> {
    for (name, run) in [("A", &diff.a), ("B", &diff.b)] {
        screen.line(head(name, run, screen))?;
    }
    screen.line("")?;
    first(diff, screen)?;
    screen.line("")?;
    screen.table(&table(diff), "neither has begun a step")?;
    let counts = diff.counts;
    let same = format!("{} the same", count(counts.same));
    screen.line("")?;
    screen.line(format!(
        "pieces of work: {same}, {} different, {} only in A, {} only in B",
        count(counts.different),
        count(counts.only_a),
        count(counts.only_b)
    ))?;
    if diff.more > 0 {
        let more = format!("{} rows more; the API tells no more than these either", diff.more);
        screen.line(screen.paint(Paint::Faint, &more))?;
    }
    Ok(())
}

/// `A  0198…  triage 1.0.0  completed`
fn head(name: &str, run: &ComparedRun, screen: &Screen) -> String {
    let state = run.state.to_string();
    let workflow = format!("{} {}", harmless(&run.workflow.name), run.workflow.version);
    let hash: String = run.workflow.hash.chars().take(12).collect();
    format!(
        "{}  {}  {workflow}  {}  {}",
        screen.paint(Paint::Strong, name),
        run.run_id,
        screen.paint(Paint::of_state(&state), &state),
        screen.paint(Paint::Faint, &hash),
    )
}

/// What differs first.
fn first(diff: &RunDiff, screen: &Screen) -> io::Result<()> {
    let Some(first) = &diff.first else {
        return screen.line(screen.paint(Paint::Good, "no difference but ids and times"));
    };
    let place = first.place.as_ref().map_or_else(|| "the runs themselves".to_owned(), name);
    let Difference { what, at, a, b } = &first.difference;
    let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
    let what = harmless(&format!("{place}: {what}{at}"));
    let title = screen.paint(Paint::Strong, "first difference");
    screen.line(format!("{title}  {what}"))?;
    for (name, value, event) in [("A", a, first.event_a), ("B", b, first.event_b)] {
        let event = event.map_or_else(String::new, |event| format!("  (event {event})"));
        let event = screen.paint(Paint::Faint, &event);
        screen.line(format!("  {name}  {}{event}", harmless(&told(value.as_ref()))))?;
    }
    Ok(())
}

/// `step read, item 3, visit 2`
fn name(place: &DiffPlace) -> String {
    let DiffPlace { step, level, visit, item, compensation } = place;
    let of = if *compensation { "compensation of step" } else { "step" };
    let item = item.map_or_else(String::new, |item| format!(", item {item}"));
    let visit = if *visit > 1 { format!(", visit {visit}") } else { String::new() };
    let level = if *level > 0 { format!(", fallback {level}") } else { String::new() };
    format!("{of} {step}{item}{visit}{level}")
}

fn told(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

fn table(diff: &RunDiff) -> Table {
    let mut table = Table::new([
        Column::words(""),
        Column::words("PLACE"),
        Column::elastic("WHAT"),
        Column::elastic("A"),
        Column::elastic("B"),
    ]);
    if !diff.run.is_empty() {
        rows(&mut table, DiffVerdict::Different, "the run", &diff.run);
    }
    for step in &diff.steps {
        let name = name(&step.place);
        rows(&mut table, step.verdict, name.trim_start_matches("step "), &step.differences);
    }
    table
}

/// A line for each difference; one where there is none.
fn rows(table: &mut Table, verdict: DiffVerdict, place: &str, differences: &[Difference]) {
    let (sign, paint) = match verdict {
        DiffVerdict::Same => ("=", Paint::Faint),
        DiffVerdict::Different => ("≠", Paint::Waiting),
        DiffVerdict::OnlyA => ("−", Paint::Bad),
        DiffVerdict::OnlyB => ("+", Paint::Good),
    };
    let whole = match verdict {
        DiffVerdict::Same => Some("same"),
        DiffVerdict::OnlyA => Some("only in A"),
        DiffVerdict::OnlyB => Some("only in B"),
        DiffVerdict::Different => None,
    };
    if let Some(whole) = whole {
        return table.row([Cell::new(sign, paint), place.into(), Cell::new(whole, paint)]);
    }
    for (nth, difference) in differences.iter().enumerate() {
        let (sign, place) = if nth == 0 { (sign, place) } else { ("", "") };
        let Difference { what, at, a, b } = difference;
        let short = |value: &Option<Value>| crate::cli::output::cut(&told(value.as_ref()), VALUE);
        table.row([
            Cell::new(sign, paint),
            place.into(),
            Cell::new(format!("{what}{at}"), paint),
            short(a).into(),
            short(b).into(),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::output::Colour;

    #[test]
    fn a_comparison_is_a_short_table() {
        let run = |name: &str| {
            json!({
                "run_id": uuid::Uuid::nil(), "state": "completed", "events": 9,
                "workflow": {"name": name, "version": "1.0.0", "hash": "ab"},
            })
        };
        let difference = json!({"what": "output", "at": "/n", "a": 1, "b": "x\u{1b}"});
        let diff: RunDiff = serde_json::from_value(json!({
            "a": run("w"), "b": run("w"), "same": false, "more": 0,
            "first": {"place": {"step": "s", "level": 0, "visit": 1, "item": 2},
                      "difference": difference},
            "counts": {"same": 1, "different": 1, "only_a": 0, "only_b": 1},
            "run": [],
            "steps": [
                {"step": "r", "level": 0, "visit": 1, "verdict": "same"},
                {"step": "s", "level": 0, "visit": 1, "item": 2, "verdict": "different",
                 "differences": [difference]},
                {"step": "t", "level": 1, "visit": 2, "verdict": "only_b"},
            ],
        }))
        .unwrap();
        let lines = table(&diff).lines(None, false);
        let of = |word: &str| lines.iter().find(|line| line.contains(word)).cloned().unwrap();
        assert!(of("same").contains('='), "{lines:#?}");
        assert!(of("output/n").contains("s, item 2"), "{lines:#?}");
        assert!(of("output/n").contains("\"x\\u001b\""), "{lines:#?}");
        assert!(of("only in B").contains("t, visit 2, fallback 1"), "{lines:#?}");
        show(&diff, &Screen::new(false, Colour::Never)).unwrap();
    }
}
