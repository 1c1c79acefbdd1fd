//! The log-triage team: agents that read logs, find what stands out and tell it.
//!
//! ```text
//!                  reader          miner                  detectors     judges
//! logs ─► chunks ─► dated lines ─► templates ─► digest ─► findings ─► confirmed ─► report
//!                  └─ a pipeline per chunk ─┘   audited   in parallel  by vote     raced
//! ```
//!
//! The parts are pure: [`survey`] and [`Planner`] find and cut the input, [`Layout`] takes lines
//! apart, [`Miner`] groups them ([`group`]: Drain, refined), [`Digest`] is what is left of them,
//! [`detect_rare`], [`detect_spikes`] and [`detect_failures`] look at it, [`Criterion`] judges,
//! [`Voice`] tells, [`render`] prints. A [`Team`] makes agents of them, and the workflow
//! `config/workflows/log_triage.yaml` has these work together. The chunks of a log, as many as it
//! is long, are tasks that the foreman gives out; what comes after is a step each.
//!
//! Invariants:
//! - Never does memory grow with the input: a chunk is bounded, and so is a digest.
//! - Never is a line lost or counted twice, whatever crashes: a chunk is named by its place, its
//!   digest is a function of its text, and a digest takes in each chunk once. An auditor checks.
//! - Never does the text of a log travel in a task, but for the few lines that show a finding.
//! - Never does a log's text reach a terminal with its control characters.

mod agents;
mod config;
mod detectors;
mod digest;
mod error;
mod finding;
mod intake;
mod judges;
mod miner;
mod reader;
mod report;
mod reporters;
mod severity;

pub use agents::{
    Audit, AuditedDigest, ChunkTask, Quoted, Quoting, Ranked, RankedCase, Ranking, ReadTask,
    Reading, TakenTasks, Team, TeamOptions,
};
pub use config::{ConfigFault, DetectorConfig, DrainConfig, MinerConfig, TriageConfig};
pub use detectors::{detect_failures, detect_rare, detect_spikes, grouped_digits, human_duration};
pub use digest::{
    Digest, Evidence, FailureTally, FileTally, OVERFLOW, Ranges, Series, Source, SourceKind, Span,
    Tally, printable,
};
pub use error::{InputError, ReadError, TriageError};
pub use finding::{Finding, FindingKind, Strength, rank, stable_id};
pub use intake::{Place, Places, Progress};
pub use judges::{Case, Criterion, Rival, Verdict, Vote};
pub use miner::{DatedLine, Group, Masker, Miner, WILDCARD, group};
pub use reader::{
    ChunkReading, ChunkRef, Citation, Column, Entities, Input, Layout, LogFile, Parts, Planner,
    Readable, Skipped, Sources, Stamp, TimestampForm, WrittenAt, cite, digest_chunk, entities,
    format_time, read_chunk, survey,
};
pub use report::{
    Ballot, BallotedFinding, CastVote, CrashLine, FileLine, JudgedFinding, Ledger, ModeLine,
    Outcome, REPORT_VERSION, Speed, Style, TemplateLine, Totals, TriageReport, render,
};
pub use reporters::{Account, Facts, Voice};
pub use severity::{Severity, Wording, wording};
