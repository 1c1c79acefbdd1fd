//! Work handed to an agent: which execution it is, and all that the agent needs to do it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_runtime::Correlation;
use tokio::time::Instant;
use uuid::Uuid;

use crate::payload::Payload;
use crate::watch::Watch;

/// One execution: which task, which part of it, which attempt, under which ownership.
///
/// Its result is taken once, by this whole name: what comes from an older attempt or epoch is
/// recorded and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkId {
    /// The task.
    pub task: Uuid,
    /// The part of the task, from 0: a branch, a stage or a voter.
    pub part: u16,
    /// The attempt at this part, from 1.
    pub attempt: u32,
    /// The epoch of the owner that dispatched it.
    pub epoch: u64,
}

impl fmt::Display for WorkId {
    /// `0197…-…/0/1@5`: task, part, attempt, epoch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}@{}", self.task, self.part, self.attempt, self.epoch)
    }
}

/// The text is not a [`WorkId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a work id (task/part/attempt@epoch)")]
pub struct InvalidWorkId(pub String);

impl FromStr for WorkId {
    type Err = InvalidWorkId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (rest, epoch) = text.split_once('@')?;
            let mut parts = rest.split('/');
            let id = Self {
                task: parts.next()?.parse().ok()?,
                part: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
                epoch: epoch.parse().ok()?,
            };
            parts.next().is_none().then_some(id)
        };
        parse().ok_or_else(|| InvalidWorkId(text.to_owned()))
    }
}

/// All that an agent gets to do one piece of work.
///
/// Whoever dispatches fills it, `state` included: the last state of this agent (by id) that was
/// committed with a result. The agent's own actor keeps none, so that a restart, a move to another
/// node and a result that was refused can never leave it with a state that was not committed.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Which execution this is; its result counts under this name only.
    pub work: WorkId,
    /// The kind of task, as its submitter named it.
    pub kind: String,
    /// The capability it was matched by; `None` when the agent was named and the task requires
    /// no capability.
    pub capability: Option<String>,
    /// The input.
    pub payload: Payload,
    /// When the result is of no more use.
    pub deadline: Instant,
    /// The same over all attempts at this work: what an agent hands to the systems it acts on, so
    /// that a second attempt does not act twice.
    pub idempotency_key: String,
    /// The trace this work belongs to. The agent gets it with a span of its own for this attempt,
    /// a child of what its submitter sent: the parent of all that it calls.
    pub correlation: Option<Correlation>,
    /// Labels of the task.
    pub labels: BTreeMap<String, String>,
    /// What this agent saved last and was committed; `None` when it never saved anything.
    pub state: Option<Bytes>,
    /// Where whoever keeps the execution sees signs of life and what it uses up.
    pub watch: Watch,
}

/// What came of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The output.
    pub payload: Payload,
    /// What the agent saved; to be committed together with the output and handed to the agent
    /// with its next assignment. `None`: it saved nothing, what was committed stands.
    pub state: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_id_reads_what_it_writes() {
        let work = WorkId { task: Uuid::from_u128(7), part: 2, attempt: 3, epoch: u64::MAX };
        assert_eq!(work.to_string().parse(), Ok(work));
    }

    #[test]
    fn a_malformed_work_id_is_refused() {
        let nil = Uuid::nil();
        for bad in ["", "x/0/1@1", &format!("{nil}/0/1"), &format!("{nil}/0/1/2@1")] {
            assert_eq!(bad.parse::<WorkId>(), Err(InvalidWorkId(bad.to_owned())));
        }
    }
}
