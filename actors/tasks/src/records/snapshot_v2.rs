//! Version 2 of a snapshot: with how the agents of each task are chosen, and why those of its
//! parts were. Frozen, like all that it contains.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::v1::{CountersV1, KeyUseV1, SnapshotV1, TaskV1};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV2<'a> {
    pub epoch: u64,
    pub sequence: u64,
    pub counters: CountersV1,
    /// In order of acceptance.
    pub tasks: Vec<TaskV2<'a>>,
    /// In order of use.
    pub keys: Vec<KeyUseV1>,
    pub agent_states: Vec<(Cow<'a, str>, Bytes)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskV2<'a> {
    pub task: TaskV1<'a>,
    pub allocation: u8,
    /// Why the agent of a part was chosen, with the number of the part; of those it is known of.
    pub chosen: Vec<(u16, Cow<'a, str>)>,
}

impl<'a> From<SnapshotV1<'a>> for SnapshotV2<'a> {
    fn from(known: SnapshotV1<'a>) -> Self {
        let SnapshotV1 { epoch, sequence, counters, tasks, keys, agent_states } = known;
        let task = |task| TaskV2 { task, allocation: 0, chosen: Vec::new() };
        let tasks = tasks.into_iter().map(task).collect();
        Self { epoch, sequence, counters, tasks, keys, agent_states }
    }
}
