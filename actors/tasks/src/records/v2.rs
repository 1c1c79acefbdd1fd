//! Version 2 of a task's record: what set a part back is stored with the event. Frozen, like all
//! that it contains.

use serde::{Deserialize, Serialize};

use super::v1::{EntryV1, EventV1, FailureV1, TaskRecordV1};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskRecordV2<'a> {
    pub task: [u8; 16],
    pub entries: Vec<EntryV2<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryV2<'a> {
    /// UTC microseconds.
    pub at: i64,
    pub event: EventV1<'a>,
    /// Why, of a part that was lost or came back undone.
    pub why: Option<FailureV1<'a>>,
}

impl<'a> From<TaskRecordV1<'a>> for TaskRecordV2<'a> {
    fn from(TaskRecordV1 { task, entries }: TaskRecordV1<'a>) -> Self {
        let entry = |EntryV1 { at, event }| EntryV2 { at, event, why: None };
        Self { task, entries: entries.into_iter().map(entry).collect() }
    }
}
