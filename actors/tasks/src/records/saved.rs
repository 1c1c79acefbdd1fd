//! Version 1 of the record of what an agent saved in an execution that its caller keeps. Frozen.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::machine::SavedState;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedStateV1<'a> {
    /// UTC microseconds.
    pub at: i64,
    /// The agent's id.
    pub agent: Cow<'a, str>,
    pub state: Bytes,
}

impl<'a> From<&'a SavedState> for SavedStateV1<'a> {
    fn from(SavedState { at, agent, state }: &'a SavedState) -> Self {
        Self { at: *at, agent: Cow::Borrowed(agent), state: state.clone() }
    }
}

impl From<SavedStateV1<'_>> for SavedState {
    fn from(SavedStateV1 { at, agent, state }: SavedStateV1<'_>) -> Self {
        Self { at, agent: agent.into_owned(), state }
    }
}
