//! Version 1 of the stored shapes. Frozen: neither a field nor a variant may be added, removed,
//! renumbered or retyped here.
//!
//! Enumerations of the trade (priority, state, kind of error) are stored by the codes of
//! [`super::codes`]. A value is its JSON text, or the blob that holds it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunRecordV1 {
    pub run: [u8; 16],
    /// UTC microseconds.
    pub at: i64,
    pub note: Option<NoteV1>,
    pub standing: StandingV1,
    pub opened: Vec<HandleV1>,
    pub closed: Vec<HandleV1>,
    pub events: Vec<EventV1>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NoteV1 {
    pub trace: Option<TraceV1>,
    pub body: Option<[u8; 16]>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StandingV1 {
    pub state: u8,
    pub done: u32,
    pub total: u32,
    pub wake_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum HandleV1 {
    Approval { id: [u8; 16], deadline: Option<i64> },
    Topic(Arc<str>),
    Child([u8; 16]),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ValueV1 {
    Inline(Bytes),
    Blob { hash: [u8; 32], length: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EventV1 {
    Opened(Box<OpeningV1>),
    Carried { step: u32, visit: u32, result: CarriedV1 },
    Began { variables: Vec<VariableV1> },
    Started { spot: SpotV1, input: Option<ValueV1>, begun: BegunV1 },
    Retrying { spot: SpotV1, failure: FailureV1, until: i64 },
    Again { spot: SpotV1, begun: BegunV1 },
    Lost { spot: SpotV1, why: Arc<str> },
    Redispatched { spot: SpotV1 },
    HandedBack,
    Succeeded { spot: SpotV1, output: ValueV1, agent: Option<Arc<str>>, ran_us: u64 },
    Joined { step: u32 },
    Failed { spot: SpotV1, failure: FailureV1, handling: HandlingV1 },
    Skipped { step: u32 },
    Decided { spot: SpotV1, decided: DecidedV1 },
    Escalated { spot: SpotV1, number: u32 },
    LevelFailed { failure: FailureV1 },
    FellBack { variables: Vec<VariableV1> },
    CancelRequested { by: PrincipalV1, why: Arc<str>, compensate: bool },
    Paused { by: PrincipalV1 },
    Resumed { by: PrincipalV1 },
    ChildStopped { run: [u8; 16] },
    Late { ticket: TicketV1, error: Option<u8> },
    Checkpointed { name: Arc<str>, by: PrincipalV1 },
    RollbackBegan { to: Arc<str>, by: PrincipalV1, why: Arc<str> },
    RolledBack { to: Arc<str>, by: PrincipalV1, why: Arc<str> },
    Amended(Box<AmendedV1>),
    Concluded { ending: EndingV1 },
    Ended { ending: EndingV1 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OpeningV1 {
    pub definition: [u8; 32],
    pub name: Arc<str>,
    pub version: Arc<str>,
    pub inputs: ValueV1,
    pub variables: Vec<VariableV1>,
    pub timeout_us: Option<u64>,
    pub seed: u64,
    pub principal: PrincipalV1,
    pub priority: u8,
    pub tenant: Option<Arc<str>>,
    pub labels: Vec<(String, String)>,
    pub idempotency_key: Option<Arc<str>>,
    pub parent: Option<ParentV1>,
    pub origin: Option<OriginV1>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VariableV1 {
    pub name: Arc<str>,
    pub value: ValueV1,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParentV1 {
    pub run: [u8; 16],
    pub ticket: TicketV1,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OriginV1 {
    pub run: [u8; 16],
    pub events: u64,
    pub how: u8,
    pub by: PrincipalV1,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CarriedV1 {
    Completed(ValueV1),
    Skipped,
    Handled(FailureV1),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SpotV1 {
    pub step: u32,
    pub part: PartV1,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PartV1 {
    Whole,
    Item(u32),
    Compensation,
    OnFinish,
    OnCancel,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TicketV1 {
    pub revision: u16,
    pub level: u8,
    pub spot: SpotV1,
    pub visit: u32,
    pub attempt: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum BegunV1 {
    Execution,
    Timer { until: i64 },
    Child { run: [u8; 16] },
    Approval(Box<AskedV1>),
    Message { topic: Arc<str>, until: Option<i64> },
    Emission { topic: Arc<str> },
    Items { count: u32 },
    Race { count: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AskedV1 {
    pub id: [u8; 16],
    pub question: Arc<str>,
    pub payload: ValueV1,
    pub deadline: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FailureV1 {
    pub kind: u8,
    pub message: Arc<str>,
    pub agent: Option<Arc<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum HandlingV1 {
    Skip,
    Default(ValueV1),
    GoTo(u32),
    Compensate,
    Fail,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DecidedV1 {
    pub by: PrincipalV1,
    pub approved: bool,
    pub reason: Option<Arc<str>>,
    pub payload: Option<ValueV1>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AmendedV1 {
    pub definition: [u8; 32],
    pub variables: Vec<VariableV1>,
    pub by: PrincipalV1,
    pub why: Arc<str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EndingV1 {
    Completed(ValueV1),
    Failed { failure: FailureV1, step: Option<Arc<str>> },
    Cancelled { by: PrincipalV1, why: Arc<str> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PrincipalV1 {
    pub kind: PrincipalKindV1,
    pub name: Arc<str>,
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

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EngineRecordV1 {
    Opened { at: i64 },
    Began { at: i64 },
    Stopped { at: i64 },
    Forgot { ended_at: i64, run: [u8; 16], keys_before: i64, definitions: Vec<[u8; 32]> },
    Defined(DefinedV1),
    Named { name: Arc<str>, version: String, hash: [u8; 32], at: i64, by: PrincipalV1 },
    Unnamed { name: Arc<str>, version: String, at: i64, by: PrincipalV1 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DefinedV1 {
    pub hash: [u8; 32],
    pub name: Arc<str>,
    pub version: Arc<str>,
    pub description: Arc<str>,
    pub steps: u32,
    pub text: ValueV1,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV1 {
    pub sequence: u64,
    pub counters: CountersV1,
    pub definitions: Vec<DefinedV1>,
    pub names: Vec<NamedV1>,
    /// In order of use.
    pub keys: Vec<KeyUseV1>,
    pub packs: Vec<PackV1>,
    pub next_pack: u32,
    /// In order of acceptance.
    pub runs: Vec<EntryV1>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CountersV1 {
    pub accepted: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub executions: u64,
    pub steps_completed: u64,
    pub steps_failed: u64,
    pub steps_retried: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamedV1 {
    pub name: Arc<str>,
    pub version: String,
    pub hash: [u8; 32],
    pub at: i64,
    pub by: PrincipalV1,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeyUseV1 {
    pub scope: [u8; 16],
    pub run: [u8; 16],
    pub body: [u8; 16],
    pub used_at: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct PackV1 {
    pub number: u32,
    pub blob: [u8; 32],
    pub live: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryV1 {
    pub run: [u8; 16],
    pub sequence: u64,
    pub definition: [u8; 32],
    /// Of before it was amended.
    pub former: Vec<[u8; 32]>,
    pub priority: u8,
    pub labels: Vec<(String, String)>,
    pub principal: PrincipalV1,
    pub trace: Option<TraceV1>,
    pub key: Option<Arc<str>>,
    pub parent: Option<ParentV1>,
    pub origin: Option<OriginV1>,
    pub accepted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub standing: StandingV1,
    pub handles: Vec<HandleV1>,
    pub decided: Vec<[u8; 16]>,
    pub packed: Vec<ChunkV1>,
    pub recent: Vec<PieceV1>,
    pub events: u64,
    pub blobs: Vec<[u8; 32]>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct ChunkV1 {
    pub pack: u32,
    pub offset: u32,
    pub length: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PieceV1 {
    pub version: u16,
    pub bytes: Bytes,
}
