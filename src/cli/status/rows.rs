//! The supervision tree as rows: one actor a line, its place in the tree before its name.

use std::time::Duration;

use synod_runtime::{ActorSnapshot, ActorState};

use crate::cli::output::{Cell, Column, Paint, Table, count, duration, percent};

/// One actor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Where it stands, to address it.
    pub(crate) path: String,
    /// The branches of the tree before its name.
    pub(crate) branch: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) state: &'static str,
    pub(crate) restarts: u64,
    /// Queued messages from critical to background.
    pub(crate) lanes: [usize; 5],
    pub(crate) processed: u64,
    /// Share of its time spent on messages, 0 to 1.
    pub(crate) busy: f64,
    pub(crate) uptime: Duration,
    /// The last error, or what the actor says of itself.
    pub(crate) note: Note,
}

/// What is worth a word about an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    None,
    Detail(String),
    Error(String),
}

impl Note {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::None => "",
            Self::Detail(text) | Self::Error(text) => text,
        }
    }

    pub(crate) fn paint(&self) -> Paint {
        match self {
            Self::Error(_) => Paint::Bad,
            Self::None | Self::Detail(_) => Paint::Faint,
        }
    }
}

/// The tree from its root, parents before children.
pub(crate) fn rows(tree: &ActorSnapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(tree, String::new(), String::new(), &mut rows);
    rows
}

/// `here` leads to this actor's name, `below` to the names of its children.
fn collect(actor: &ActorSnapshot, here: String, below: String, rows: &mut Vec<Row>) {
    rows.push(row(actor, here));
    let last = actor.children.len().saturating_sub(1);
    for (index, child) in actor.children.iter().enumerate() {
        let (branch, trunk) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        collect(child, format!("{below}{branch}"), format!("{below}{trunk}"), rows);
    }
}

fn row(actor: &ActorSnapshot, branch: String) -> Row {
    let hidden = actor.child_count.saturating_sub(actor.children.len());
    let note = match (&actor.last_error, &actor.detail) {
        (Some(error), _) => Note::Error(error.to_string()),
        (None, Some(detail)) => Note::Detail(detail.clone()),
        (None, None) if hidden > 0 => {
            Note::Detail(format!("{} of its children are not shown", count(hidden as u64)))
        }
        (None, None) => Note::None,
    };
    Row {
        path: actor.path.to_string(),
        branch,
        name: match actor.path.name() {
            "" => "/".to_owned(),
            name => name.to_owned(),
        },
        kind: actor.kind.clone(),
        state: state(actor.state),
        restarts: actor.restarts.into(),
        lanes: actor.lanes,
        processed: actor.processed,
        busy: actor.busy_ratio,
        uptime: Duration::from_millis(actor.uptime_ms),
        note,
    }
}

/// A state in the word the API has for it.
fn state(state: ActorState) -> &'static str {
    match state {
        ActorState::Starting => "starting",
        ActorState::Running => "running",
        ActorState::Paused => "paused",
        ActorState::Stopping => "stopping",
        ActorState::Restarting => "restarting",
        ActorState::Stopped => "stopped",
        ActorState::Failed => "failed",
    }
}

/// The rows as a table for paper and pipes.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new([
        Column::words("ACTOR"),
        Column::words("KIND").spare(),
        Column::words("STATE"),
        Column::number("RESTARTS"),
        Column::number("QUEUED"),
        Column::number("HANDLED").spare(),
        Column::number("BUSY").spare(),
        Column::number("UP").spare(),
        Column::note("NOTE"),
    ]);
    for row in rows {
        let restarted = if row.restarts > 0 { Paint::Waiting } else { Paint::Plain };
        table.row([
            format!("{}{}", row.branch, row.name).into(),
            Cell::new(&row.kind, Paint::Faint),
            Cell::state(row.state),
            Cell::new(count(row.restarts), restarted),
            queued(&row.lanes).into(),
            count(row.processed).into(),
            percent(row.busy).into(),
            duration(row.uptime).into(),
            Cell::new(row.note.text(), row.note.paint()),
        ]);
    }
    table
}

/// All that wait, and where they wait when they do: `16 (0/2/14/0/0)`.
fn queued(lanes: &[usize; 5]) -> String {
    match lanes.iter().sum::<usize>() {
        0 => "0".to_owned(),
        all => format!("{all} ({})", lanes.map(|lane| lane.to_string()).join("/")),
    }
}

/// Each lane as a bar of one cell, on a scale of powers of four up to 16,384.
pub(crate) fn bars(lanes: &[usize; 5]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |lane: &usize| match lane.checked_ilog(4) {
        None => '·',
        Some(power) => BARS[(power as usize).min(BARS.len() - 1)],
    };
    lanes.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_a_bar_of_its_size() {
        assert_eq!(bars(&[0, 1, 4, 1_024, 1_000_000]), "·▁▂▆█");
        assert_eq!(queued(&[0, 2, 14, 0, 0]), "16 (0/2/14/0/0)");
        assert_eq!(queued(&[0; 5]), "0");
    }

    #[test]
    fn the_tree_is_drawn_with_its_branches() {
        let tree = super::super::sample::tree();
        let lines = table(&rows(&tree)).lines(None, false);
        let names = lines.iter().map(|line| line.split("  supervisor").next().unwrap().trim());
        let names: Vec<&str> = names.skip(1).collect();
        assert_eq!(names, ["/", "├─ agents", "│  └─ echo", "└─ tasks"]);
        assert!(lines[3].ends_with("it fell"), "{}", lines[3]);
    }
}
