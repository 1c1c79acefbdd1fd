//! What an observer gets to see.

use serde::{Deserialize, Serialize};

use crate::exit::ExitReason;
use crate::path::ActorPath;
use crate::priority::Priority;

/// Where an actor stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ActorState {
    /// Waits for its turn to start, or its `start` runs, or its first children start.
    Starting = 0,
    /// Handles messages.
    Running = 1,
    /// Runs, but an operator lets it handle no message; its queue grows within its bound.
    Paused = 2,
    /// Ends: its children end, then its `stop` runs.
    Stopping = 3,
    /// Ended and will come back: after its back-off, or with its group.
    Restarting = 4,
    /// Has done its work; only a restart of its group brings it back.
    Stopped = 5,
    /// Did not end although it was killed; nobody waits for it any more.
    Failed = 6,
}

impl ActorState {
    pub(super) fn from_u8(value: u8) -> Self {
        const ALL: [ActorState; 7] = [
            ActorState::Starting,
            ActorState::Running,
            ActorState::Paused,
            ActorState::Stopping,
            ActorState::Restarting,
            ActorState::Stopped,
            ActorState::Failed,
        ];
        ALL.get(usize::from(value)).copied().unwrap_or(Self::Failed)
    }
}

/// One actor at one moment, with as many of its descendants as were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActorSnapshot {
    /// Its place in the tree.
    pub path: ActorPath,
    /// What it is ([`Actor::KIND`](crate::Actor::KIND)).
    pub kind: String,
    /// Where it stands.
    pub state: ActorState,
    /// How often it was started again, and what it keeps outside of the tree
    /// ([`Context::report_restart`](crate::Context::report_restart)).
    pub restarts: u32,
    /// Queued messages of each lane, the most urgent first.
    pub lanes: [usize; Priority::COUNT],
    /// Messages handed to it since it was first spawned, over all incarnations.
    pub processed: u64,
    /// Share of this incarnation's time spent in batches, waits inside of handlers included;
    /// 0 to 1.
    pub busy_ratio: f64,
    /// Why its last incarnation ended, if not in order, or what it keeps outside of the tree did.
    pub last_error: Option<ExitReason>,
    /// Milliseconds since its current incarnation started; 0 when there is none.
    pub uptime_ms: u64,
    /// The line it says of itself ([`Context::describe`](crate::Context::describe)).
    pub detail: Option<String>,
    /// How many children it has, shown or not.
    pub child_count: usize,
    /// Its children by name, as far as depth and limit allow.
    pub children: Vec<ActorSnapshot>,
}

impl ActorSnapshot {
    /// This actor and its descendants in the snapshot, depth first.
    pub fn iter(&self) -> impl Iterator<Item = &Self> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(next.children.iter().rev());
            Some(next)
        })
    }
}
