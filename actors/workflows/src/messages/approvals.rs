//! Approvals: durable questions to people, and their decisions.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::{Ask, Principal};

use super::start::RunId;
use crate::error::{DecideError, InvalidCursor};

/// A page of approvals: open ones in the order in which they were asked, or those that are no
/// longer open, the last asked first.
#[derive(Debug, Clone, Default)]
pub struct ListApprovals {
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Those that are no longer open instead of the open ones.
    pub decided: bool,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Most approvals to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ListApprovals {
    type Reply = Result<ApprovalPage, InvalidCursor>;
}

/// Some approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalPage {
    /// The approvals.
    pub approvals: Vec<ApprovalResponse>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Show this approval; `None`: it is unknown, or its run is forgotten.
#[derive(Debug, Clone)]
pub struct ShowApproval {
    /// Its id.
    pub id: String,
}

impl Ask for ShowApproval {
    type Reply = Option<ApprovalResponse>;
}

/// Decide.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which approval.
    pub id: String,
    /// What is decided.
    pub verdict: Verdict,
    /// The payload in another form, where it may be edited.
    pub payload: Option<Value>,
    /// Why, for people.
    pub reason: Option<String>,
    /// The role in which it is decided, where roles may decide.
    pub role: Option<String>,
    /// Who decides.
    pub principal: Principal,
}

impl Ask for Decide {
    type Reply = Result<ApprovalResponse, DecideError>;
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// How an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// It waits for decisions.
    Open,
    /// Enough said yes.
    Approved,
    /// Somebody said no, or nobody decided in time and that means no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Its run went on without it.
    Withdrawn,
}

impl fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        })
    }
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalResponse {
    /// Its id.
    pub id: String,
    /// The run that asks.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
    /// The name of the run's definition.
    pub workflow: String,
    /// The step that asks.
    pub step: String,
    /// How it stands.
    pub state: ApprovalState,
    /// What is asked.
    pub question: String,
    /// What it is about, as an agent suggests it.
    pub payload: Value,
    /// Whether whoever decides may change the payload.
    pub editable: bool,
    /// Who may decide: names and `role:…`; empty: everybody.
    pub deciders: Vec<String>,
    /// How many of them must say yes.
    pub needed: u32,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When it is decided without them.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What was decided so far.
    pub decisions: Vec<DecisionResponse>,
    /// The payload as it was decided, where it differs from what was suggested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_payload: Option<Value>,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DecisionResponse {
    /// What.
    pub verdict: Verdict,
    /// Who.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
