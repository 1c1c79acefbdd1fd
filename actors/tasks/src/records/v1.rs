//! Version 1 of the stored shapes. Frozen: neither a field nor a variant may be added, removed,
//! renumbered or retyped here.
//!
//! Text that is only lent while a record is written is a `Cow`. Enumerations of the trade
//! (priority, mode, failure) are stored by the codes that their types give them.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

type Text<'a> = Cow<'a, str>;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskRecordV1<'a> {
    pub task: [u8; 16],
    pub entries: Vec<EntryV1<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryV1<'a> {
    /// UTC microseconds.
    pub at: i64,
    pub event: EventV1<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EventV1<'a> {
    Accepted { spec: Box<SpecV1<'a>>, input: BodyV1<'a> },
    Planned(Vec<NeedsV1<'a>>),
    Started { part: u16, attempt: u32, agent: Text<'a>, cost: u64 },
    Succeeded { part: u16, output: BodyV1<'a>, saved: Option<Bytes> },
    Retried { part: u16, failure: FailureV1<'a>, until: i64 },
    Resumed { part: u16 },
    Lost { part: u16 },
    Returned { part: u16 },
    PartFailed { part: u16, failure: FailureV1<'a> },
    Ended(VerdictV1<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SpecV1<'a> {
    pub kind: Text<'a>,
    pub priority: u8,
    pub mode: u8,
    pub capabilities: Vec<CapabilityV1<'a>>,
    pub agents: Vec<Text<'a>>,
    pub replicas: u16,
    pub allow_partial: bool,
    pub rules: Option<RulesV1>,
    /// `None` stands for [`RetryV1::USUAL`].
    pub retry: Option<RetryV1>,
    pub deadline: i64,
    pub tenant: Text<'a>,
    pub budget: Option<u64>,
    pub labels: Vec<(Text<'a>, Text<'a>)>,
    pub key: Option<KeyV1<'a>>,
    pub principal: PrincipalV1<'a>,
    pub trace: Option<TraceV1>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CapabilityV1<'a> {
    pub name: Text<'a>,
    pub min_version: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum BodyV1<'a> {
    Inline { content_type: ContentTypeV1<'a>, bytes: Bytes },
    Blob { content_type: ContentTypeV1<'a>, hash: [u8; 32], length: u64 },
}

/// The usual content types take one byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ContentTypeV1<'a> {
    None,
    Json,
    Text,
    Other(Text<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum NeedsV1<'a> {
    All,
    Capabilities(Vec<u8>),
    Agent(Text<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FailureV1<'a> {
    pub kind: u8,
    pub message: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum VerdictV1<'a> {
    CompletedBy(u16),
    Completed(BodyV1<'a>),
    Failed(FailureV1<'a>, Option<u16>),
    Cancelled(PrincipalV1<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RetryV1 {
    pub max_attempts: u32,
    pub max_lost: u32,
    pub initial_ms: u64,
    pub multiplier: f64,
    pub max_ms: u64,
    pub jitter: f64,
}

impl RetryV1 {
    /// The policy of a node that configures none, when version 1 was released.
    pub(super) const USUAL: Self = Self {
        max_attempts: 3,
        max_lost: 5,
        initial_ms: 200,
        multiplier: 2.0,
        max_ms: 30_000,
        jitter: 0.2,
    };
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct RulesV1 {
    pub quorum: QuorumV1,
    pub threshold: ThresholdV1,
    pub tie: TieV1,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum QuorumV1 {
    Voters(u32),
    Share(f64),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum ThresholdV1 {
    Plurality,
    Majority,
    Unanimous,
    Share(f64),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum TieV1 {
    StatusQuo,
    First,
    Random,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeyV1<'a> {
    pub text: Text<'a>,
    pub scope: [u8; 16],
    pub body: [u8; 16],
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PrincipalV1<'a> {
    pub kind: PrincipalKindV1,
    pub name: Text<'a>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum PrincipalKindV1 {
    User,
    Agent,
    Node,
    Anonymous,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct TraceV1 {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    pub flags: u8,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum EngineRecordV1 {
    Opened { at: i64 },
    Began { epoch: u64, at: i64 },
    Stopped { at: i64 },
    Forgot { ended_at: i64, task: [u8; 16], keys_before: i64 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV1<'a> {
    pub epoch: u64,
    pub sequence: u64,
    pub counters: CountersV1,
    /// In order of acceptance.
    pub tasks: Vec<TaskV1<'a>>,
    /// In order of use.
    pub keys: Vec<KeyUseV1>,
    pub agent_states: Vec<(Text<'a>, Bytes)>,
}

/// Each number by priority, the most urgent first.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CountersV1 {
    pub accepted: [u64; 5],
    pub completed: [u64; 5],
    pub failed: [u64; 5],
    pub cancelled: [u64; 5],
    pub parts: PartCountersV1,
    pub changes: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct PartCountersV1 {
    pub planned: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub started: u64,
    pub retried: u64,
    pub lost: u64,
    pub returned: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskV1<'a> {
    pub task: [u8; 16],
    pub sequence: u64,
    pub spec: SpecV1<'a>,
    pub input: BodyV1<'a>,
    pub accepted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub planned: bool,
    pub spent: u64,
    pub parts: Vec<PartV1<'a>>,
    pub verdict: Option<VerdictV1<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PartV1<'a> {
    pub needs: NeedsV1<'a>,
    pub phase: PhaseV1<'a>,
    pub attempt: u32,
    pub errors: u32,
    pub lost: u32,
    pub returned: u32,
    pub cost: u64,
    pub agent: Option<Text<'a>>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub last_error: Option<FailureV1<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PhaseV1<'a> {
    Ready,
    Backoff { until: i64 },
    Running,
    Done(BodyV1<'a>),
    Failed(FailureV1<'a>),
    Cancelled,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeyUseV1 {
    pub scope: [u8; 16],
    pub task: [u8; 16],
    pub body: [u8; 16],
    pub used_at: i64,
    pub state: u8,
}
