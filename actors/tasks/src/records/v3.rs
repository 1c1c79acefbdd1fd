//! Version 3 of a task's record: how agents are chosen is stored with what was asked, and why one
//! was chosen with its start. Frozen, like all that it contains.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::v1::{EventV1, FailureV1};
use super::v2::{EntryV2, TaskRecordV2};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskRecordV3<'a> {
    pub task: [u8; 16],
    pub entries: Vec<EntryV3<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryV3<'a> {
    /// UTC microseconds.
    pub at: i64,
    pub event: EventV1<'a>,
    pub beside: BesideV3<'a>,
}

/// What is stored beside an event. Most have nothing, which takes a byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum BesideV3<'a> {
    Nothing,
    /// Why, of a part that was lost or came back undone.
    Why(FailureV1<'a>),
    /// How agents are chosen, of a task that was accepted; where it is not by default.
    Allocation(u8),
    /// Why this agent, of a part that was given to one.
    Chosen(Cow<'a, str>),
}

impl<'a> From<TaskRecordV2<'a>> for TaskRecordV3<'a> {
    fn from(TaskRecordV2 { task, entries }: TaskRecordV2<'a>) -> Self {
        let entry = |EntryV2 { at, event, why }| EntryV3 {
            at,
            event,
            beside: why.map_or(BesideV3::Nothing, BesideV3::Why),
        };
        Self { task, entries: entries.into_iter().map(entry).collect() }
    }
}
