//! A new run from an old one: a retry, a fork, a rollback of what has ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Run;
use super::event::{Carried, Event};
use super::level::{Level, Row};
use super::opening::Opening;
use crate::messages::StepState;
use crate::plan::{Plan, StepIndex};

/// What a new run is made of.
#[derive(Debug)]
pub struct Derived {
    /// How it is opened. Its `origin` says where it comes from.
    pub opening: Opening,
    /// What it runs.
    pub plan: Arc<Plan>,
    /// Ids of the steps that the old and the new definition both have, and that differ: they are
    /// done again.
    pub changed: BTreeSet<Arc<str>>,
}

/// The first events of a new run that goes on from where `old` is: what completed there counts
/// here, as far as all that it depends on does; the rest is done anew. Variables keep their values,
/// unless the opening gives them others.
///
/// For a point of the past, replay the old run up to there; for a checkpoint, name it.
///
/// # Errors
/// The name, when there is no such checkpoint.
pub fn derive(
    old: &Run,
    from: Option<&Arc<str>>,
    mut new: Derived,
) -> Result<Vec<Event>, Arc<str>> {
    let level = match from {
        None => &old.state.levels[0],
        Some(name) => {
            let checkpoint = old.state.checkpoints.get(name).ok_or_else(|| name.clone())?;
            &checkpoint.levels[0]
        }
    };
    let known: BTreeSet<_> = new.opening.variables.iter().map(|(name, _)| name.clone()).collect();
    let wanted = new.plan.variables.iter().map(|(name, _)| name);
    for name in wanted.filter(|name| !known.contains(*name)) {
        if let Some(value) = level.variables.get(name) {
            new.opening.variables.push((name.clone(), value.clone()));
        }
    }
    let mut events = vec![Event::Opened(Box::new(new.opening))];
    events.extend(carried(&old.plans[0], level, &new.plan, &new.changed));
    Ok(events)
}

/// What of the old steps counts in the new run, in the order in which it ended.
fn carried(old: &Plan, level: &Level, plan: &Plan, changed: &BTreeSet<Arc<str>>) -> Vec<Event> {
    let mut ended: Vec<(&Row, StepIndex)> = old
        .steps()
        .iter()
        .zip(level.rows.iter())
        .filter(|(step, row)| row.has_ended() && !changed.contains(&step.id))
        .filter_map(|(step, row)| Some((row, plan.index_of(&step.id)?)))
        .collect();
    ended.sort_by_key(|(row, _)| row.order);
    let mut counted = BTreeSet::new();
    let mut events = Vec::new();
    for (row, step) in ended {
        let Some(result) = result(row) else { continue };
        if plan.step(step).depends_on.iter().all(|before| counted.contains(before)) {
            counted.insert(step);
            events.push(Event::Carried { step, visit: row.visit, result });
        }
    }
    events
}

/// What a new run takes over of a step: nothing of one that failed or was undone.
fn result(row: &Row) -> Option<Carried> {
    match row.state {
        StepState::Completed => Some(Carried::Completed(row.output.clone().unwrap_or_default())),
        StepState::Skipped if row.dead => Some(Carried::Skipped),
        StepState::Skipped => row.failure.as_deref().cloned().map(Carried::Handled),
        _ => None,
    }
}
