//! How a run stands: what its events have made of it, live and in a replay alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_agents::Usage;
use synod_runtime::Principal;

use super::event::Ending;
use super::level::{Level, Row};
use super::messages::KeptMessages;
use super::opening::Opening;
use super::ticket::Ticket;
use crate::definition::DefinitionHash;
use crate::messages::RunId;
use crate::plan::{Plan, StepIndex};

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits to be admitted.
    Pending,
    /// Steps are done.
    Working,
    /// What was done is undone, if anything is to be, and then it goes on so.
    Undoing(Then),
    /// How it ends is decided; what comes before the end is done.
    Closing,
    /// It has ended.
    Ended,
}

/// How a run goes on when what was to be undone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// With the fallback, or by failing.
    Fall,
    /// By ending as cancelled.
    Cancel,
    /// At a checkpoint.
    Rollback,
}

/// Who asked for something, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    pub by: Principal,
    pub why: Arc<str>,
}

/// How a run stood when somebody gave it a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    /// How many events it had, this one included.
    pub events: u64,
    pub at: i64,
    pub by: Principal,
    pub levels: Vec<Level>,
    pub revision: u16,
}

/// What is remembered of a step that is gone for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Former {
    pub visits: u32,
    pub spent: Usage,
}

/// All that is durable of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub opening: Arc<Opening>,
    pub opened_at: i64,
    pub began_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub phase: Phase,
    /// Since when it is paused.
    pub paused: Option<i64>,
    /// What it runs now; another than in the opening once it was amended.
    pub definition: DefinitionHash,
    /// How often it was amended.
    pub revision: u16,
    /// The plan's, and of each fallback that was begun.
    pub levels: Vec<Level>,
    /// The number of the level that is worked on: the last one, unless what was done before it is
    /// undone.
    pub depth: usize,
    /// Whether what was done on the levels before is undone, too.
    pub unwinds: bool,
    pub cancel: Option<Reason>,
    /// The checkpoint that it is going back to.
    pub rollback: Option<(Arc<str>, Reason)>,
    /// How it ends, or ended.
    pub ending: Option<Ending>,
    /// Whether `on_finish` or `on_cancel` is done, or there is nothing to do.
    pub closed: bool,
    pub checkpoints: BTreeMap<Arc<str>, Checkpoint>,
    /// Children that are told to stop and have not.
    pub stopping: BTreeMap<RunId, Ticket>,
    /// What the steps of tickets of older revisions are called now, while such are about.
    pub renumbered: BTreeMap<(u16, StepIndex), StepIndex>,
    /// How often steps were begun that are gone for now, by level and id: the fallback that a
    /// rollback left, what an amendment removed. Their next visit is another one.
    pub former: BTreeMap<(usize, Arc<str>), Former>,
    pub messages: KeptMessages,
    /// Events so far.
    pub events: u64,
    /// Late results so far.
    pub late: u32,
}

impl State {
    pub(crate) fn new(opening: Arc<Opening>, at: i64, level: Level) -> Self {
        Self {
            definition: opening.definition,
            opening,
            opened_at: at,
            began_at: None,
            ended_at: None,
            phase: Phase::Pending,
            paused: None,
            revision: 0,
            levels: vec![level],
            depth: 0,
            unwinds: false,
            cancel: None,
            rollback: None,
            ending: None,
            closed: false,
            checkpoints: BTreeMap::new(),
            stopping: BTreeMap::new(),
            renumbered: BTreeMap::new(),
            former: BTreeMap::new(),
            messages: KeptMessages::default(),
            events: 1,
            late: 0,
        }
    }

    /// The number of the level that is worked on.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The number of the last level.
    pub(crate) fn last(&self) -> usize {
        self.levels.len() - 1
    }

    /// Works on the last level.
    pub(crate) fn work_on_last(&mut self) {
        self.depth = self.last();
    }

    /// Remembers how often a step was begun that is gone from a level, and what it used up.
    pub(crate) fn forget_step(&mut self, level: usize, id: &Arc<str>, row: &Row) {
        if row.visits > 0 {
            let former = Former { visits: row.visits, spent: row.spent };
            self.former.insert((level, id.clone()), former);
        }
    }

    /// Gives the steps of the last level that were there before their next visits.
    pub(crate) fn recall_steps(&mut self, plan: &Plan) {
        let depth = self.depth();
        if self.former.is_empty() {
            return;
        }
        for (at, step) in plan.steps().iter().enumerate() {
            if let Some(former) = self.former.remove(&(depth, step.id.clone())) {
                let row = &mut self.levels[depth].rows[at];
                (row.visits, row.spent) = (former.visits, former.spent);
            }
        }
    }

    /// How urgent steps are that say nothing themselves; 0 is the most urgent.
    pub(crate) fn urgency(&self) -> u8 {
        self.opening.priority as u8
    }
}
