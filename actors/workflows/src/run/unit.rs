//! What was begun and has not ended: pieces of work, and the steps that are made of several.

use std::sync::Arc;

use synod_agents::Usage;

use super::event::{Asked, Begun, Decided, Failure};
use super::ticket::Ticket;
use crate::json::Json;
use crate::messages::RunId;

/// A piece of work under way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    /// What its present attempt is called outside; its step had this number when that began.
    pub ticket: Ticket,
    /// Attempts that ended in an error.
    pub errors: u32,
    /// Attempts that were lost.
    pub lost: u32,
    /// Whether it was taken back in order, which is no loss.
    pub handed_back: bool,
    /// When its first attempt began.
    pub began_at: i64,
    /// When this attempt began.
    pub attempt_at: i64,
    /// What its attempts used up.
    pub spent: Usage,
    /// The input, unless it is a constant of the plan.
    pub input: Option<Json>,
    /// What it waits for.
    pub hold: Hold,
}

/// What a piece of work waits for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Hold {
    /// An execution.
    Execution,
    /// The time of its next attempt.
    Backoff { until: i64 },
    /// A time.
    Timer { until: i64 },
    /// The end of a run.
    Child { run: RunId },
    /// Decisions.
    Approval(Box<Question>),
    /// A message.
    Message { topic: Arc<str>, until: Option<i64> },
    /// That a message has been passed on.
    Emission { topic: Arc<str> },
}

/// An approval that waits for decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is asked.
    pub asked: Asked,
    /// When, UTC microseconds.
    pub asked_at: i64,
    /// What was decided so far, and when.
    pub decisions: Vec<(Decided, i64)>,
    /// How many steps of the escalation have been taken.
    pub escalated: u32,
}

impl Hold {
    /// What work waits for that was begun like this; `None` for what is made of several.
    pub(crate) fn of(begun: &Begun, at: i64) -> Option<Self> {
        Some(match begun {
            Begun::Execution => Self::Execution,
            Begun::Timer { until } => Self::Timer { until: *until },
            Begun::Child { run } => Self::Child { run: *run },
            Begun::Approval(asked) => Self::Approval(Box::new(Question {
                asked: Asked::clone(asked),
                asked_at: at,
                decisions: Vec::new(),
                escalated: 0,
            })),
            Begun::Message { topic, until } => {
                Self::Message { topic: topic.clone(), until: *until }
            }
            Begun::Emission { topic } => Self::Emission { topic: topic.clone() },
            Begun::Items { .. } | Begun::Race { .. } => return None,
        })
    }

    /// Whether something is being done for it, rather than waited for.
    pub(crate) fn executes(&self) -> bool {
        matches!(self, Self::Execution | Self::Emission { .. })
    }
}

impl Begun {
    /// Whether it takes one of the places for steps that are worked on at once.
    pub(crate) fn occupies(&self) -> bool {
        !matches!(self, Self::Timer { .. } | Self::Approval(_) | Self::Message { .. })
    }
}

impl Unit {
    /// Bytes of the values it keeps.
    pub(crate) fn held(&self) -> u64 {
        self.input.as_ref().map_or(0, |input| input.size() as u64)
    }
}

/// A step that is made of several pieces of work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Whether the first success ends it.
    pub race: bool,
    /// The items, as a list; null for a race.
    pub list: Json,
    /// How many pieces there are.
    pub count: u32,
    /// The piece to begin next.
    pub next: u32,
    /// Pieces under way.
    pub running: u32,
    pub completed: u32,
    pub failed: u32,
    /// The outputs that are there.
    pub outputs: Vec<Option<Json>>,
    /// The racer that came first.
    pub winner: Option<u32>,
    /// The last failure.
    pub failure: Option<Failure>,
    held: u64,
}

impl Group {
    pub(crate) fn new(race: bool, list: Json, count: u32) -> Self {
        let held = list.size() as u64;
        Self {
            race,
            list,
            count,
            next: 0,
            running: 0,
            completed: 0,
            failed: 0,
            outputs: vec![None; count as usize],
            winner: None,
            failure: None,
            held,
        }
    }

    /// Bytes of the values it keeps.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// The item of this number.
    pub(crate) fn item(&self, number: u32) -> Json {
        let item = self.list.value().get(number as usize);
        item.map_or_else(Json::null, |item| Json::from(item.clone()))
    }

    /// Notes that a piece was begun.
    pub(crate) fn begin(&mut self, number: u32) {
        self.next = self.next.max(number + 1);
        self.running += 1;
    }

    /// Notes that a piece is done; gives back how many bytes are kept more.
    pub(crate) fn succeed(&mut self, number: u32, begun: bool, output: &Json) -> u64 {
        self.next = self.next.max(number + 1);
        self.running -= u32::from(begun);
        self.completed += 1;
        self.winner = self.winner.or(Some(number));
        let size = output.size() as u64;
        self.held += size;
        if let Some(place) = self.outputs.get_mut(number as usize) {
            *place = Some(output.clone());
        }
        size
    }

    /// Notes that a piece failed for good.
    pub(crate) fn fail(&mut self, number: u32, begun: bool, failure: &Failure) {
        self.next = self.next.max(number + 1);
        self.running -= u32::from(begun);
        self.failed += 1;
        self.failure = Some(failure.clone());
    }

    /// What it yields when it is done: the output of the first racer, or the list of all outputs.
    pub(crate) fn output(&self) -> Json {
        let at = |number: usize| self.outputs.get(number).cloned().flatten().unwrap_or_default();
        if self.race {
            return self.winner.map_or_else(Json::null, |winner| at(winner as usize));
        }
        let all = (0..self.count as usize).map(|number| at(number).value().clone());
        Json::from(serde_json::Value::Array(all.collect()))
    }
}
