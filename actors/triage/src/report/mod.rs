//! The report of a triage: all that was found, who decided it, and what the work cost. Its JSON
//! form has stable names; [`render`] prints it for people.

mod outcome;
mod paint;
mod render;
mod tables;

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

pub use outcome::{Ballot, BallotedFinding, Outcome};
pub use paint::Style;
pub use render::render;

use crate::digest::Span;
use crate::finding::Finding;
use crate::judges::Verdict;
use crate::reader::Skipped;
use crate::reporters::Account;
use crate::severity::Severity;

/// Version of the JSON form; another number means that names changed or went.
pub const REPORT_VERSION: u32 = 1;

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriageReport {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Name of the run.
    pub run: String,
    /// What was read.
    pub input: String,
    /// What was counted.
    pub totals: Totals,
    /// The account of the reporter who was first.
    pub account: Account,
    /// Confirmed findings, the most important first.
    pub findings: Vec<JudgedFinding>,
    /// Findings that the judges rejected.
    pub rejected: Vec<JudgedFinding>,
    /// The most frequent templates.
    pub templates: Vec<TemplateLine>,
    /// Totals by file.
    pub files: Vec<FileLine>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// How fast it went.
    pub speed: Speed,
    /// How the team worked together.
    pub modes: Vec<ModeLine>,
    /// The crash on purpose, where there was one.
    pub crash: Option<CrashLine>,
    /// What became of every task of the run.
    pub ledger: Ledger,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files that were read.
    pub files: u64,
    /// Chunks that they were cut into.
    pub chunks: u64,
    /// Kinds of messages.
    pub templates: u64,
    /// Lines without a timestamp of their own.
    pub undated: u64,
    /// Indented lines that belong to the one before.
    pub continued: u64,
    /// Lines of which the end was cut off.
    pub cut: u64,
    /// First and last time.
    pub span: Option<Span>,
    /// Lines by severity; severities without lines are left out.
    pub severities: BTreeMap<Severity, u64>,
}

/// A finding and the votes on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The votes that were cast; the ballot closes when the outcome is fixed.
    pub votes: Vec<CastVote>,
}

/// A vote and who cast it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CastVote {
    /// The judge.
    pub judge: String,
    /// Confirm or reject.
    pub vote: Verdict,
    /// Why.
    pub reason: String,
}

/// A template and its share of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateLine {
    /// Stable name.
    pub id: String,
    /// The template.
    pub template: String,
    /// Its lines.
    pub count: u64,
    /// Its share of all messages, 0 to 1.
    pub share: f64,
    /// How bad it is.
    pub severity: Severity,
}

/// Totals of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileLine {
    /// Where it is.
    pub path: String,
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines without a timestamp of their own.
    pub undated: u64,
    /// First and last time.
    pub span: Option<Span>,
}

/// How fast it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// From the first chunk to the report, in milliseconds.
    pub elapsed_ms: u64,
    /// Lines a second over all of it.
    pub lines_per_second: f64,
    /// Megabytes (10^6) a second over all of it.
    pub megabytes_per_second: f64,
}

/// How many tasks of a mode there were, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeLine {
    /// The mode's name.
    pub mode: String,
    /// Tasks.
    pub tasks: u64,
    /// What they did.
    pub purpose: String,
}

/// A crash and what became of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashLine {
    /// The agent that crashed.
    pub agent: String,
    /// The chunk that it had in hand.
    pub chunk: u64,
    /// Executions that were lost with it.
    pub lost_executions: u32,
    /// The execution that did the work.
    pub done_by_attempt: u32,
    /// The work was done in the end.
    pub recovered: bool,
}

/// What became of every task: `accepted = completed + failed + cancelled + open + lost`. Its JSON
/// form holds `lost` as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ledger {
    /// Tasks that the engine accepted.
    pub accepted: u64,
    /// Ended with a result.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended before they were done.
    pub cancelled: u64,
    /// Not ended.
    pub open: u64,
    /// Tasks of which this run holds the acknowledgement.
    pub acknowledged: u64,
}

impl Ledger {
    /// Tasks that were acknowledged or accepted and of which nothing is known: always 0.
    pub fn lost(&self) -> u64 {
        let known = self.completed + self.failed + self.cancelled + self.open;
        self.accepted.max(self.acknowledged).saturating_sub(known)
    }
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Ledger", 7)?;
        fields.serialize_field("accepted", &self.accepted)?;
        fields.serialize_field("completed", &self.completed)?;
        fields.serialize_field("failed", &self.failed)?;
        fields.serialize_field("cancelled", &self.cancelled)?;
        fields.serialize_field("open", &self.open)?;
        fields.serialize_field("acknowledged", &self.acknowledged)?;
        fields.serialize_field("lost", &self.lost())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests;
