//! The history of a run: what happened, in order, for people and for programs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::Ask;

use super::start::RunId;

/// A page of what happened in a run, the oldest first; `None`: the run is unknown.
#[derive(Debug, Clone, Copy)]
pub struct RunHistory {
    /// Which run.
    pub id: RunId,
    /// The number of the last event that is known already; 0 for none.
    pub after: u64,
    /// Most events to return; at least 1, at most 10,000 are given.
    pub limit: usize,
}

impl Ask for RunHistory {
    type Reply = Option<HistoryPage>;
}

/// Some events of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryPage {
    /// The events, in order.
    pub events: Vec<HistoryEvent>,
    /// `after` of the next page; absent when there is no more at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryEvent {
    /// Its number in the run, from 1.
    pub number: u64,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened: `run.accepted`, `step.scheduled`, `step.completed`, ….
    pub name: String,
    /// The step it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// One sentence for people.
    pub text: String,
    /// What belongs to it, for programs.
    pub details: Value,
}
