//! What the agents are handed, where it is not a type of the part that does the work.

use serde::{Deserialize, Serialize};
use synod_agents::AgentError;

use super::MAX_INPUT_BYTES;
use crate::config::MinerConfig;
use crate::digest::{Digest, Ranges, Span};
use crate::finding::{Finding, rank};
use crate::judges::Case;
use crate::reader::ChunkRef;

/// The input of `log.read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTask {
    /// Which chunk.
    pub chunk: ChunkRef,
    /// Crash at the first attempt, to show what becomes of the work.
    pub rehearse_crash: bool,
}

/// The input of `log.audit` and `log.summarise`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedDigest {
    /// The chunks that were done.
    pub chunks: Ranges,
    /// Their bytes.
    pub bytes: u64,
    /// The digest that is said to hold them.
    pub digest: Digest,
}

/// The output of `log.audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Lines that are accounted for.
    pub lines: u64,
    /// Messages that are counted under a template.
    pub messages: u64,
}

/// The input of `log.gather`: what came of each chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gathering {
    /// The chunks that were given out.
    pub chunks: Vec<ChunkRef>,
    /// Their digests, in any order.
    pub digests: Vec<Digest>,
}

impl Gathering {
    /// One digest of all chunks.
    ///
    /// # Errors
    /// `Refused` when two digests hold the same chunk, or when the whole is too large for a task.
    pub(super) fn gather(self, config: &MinerConfig) -> Result<AuditedDigest, AgentError> {
        let mut chunks = Ranges::default();
        self.chunks.iter().for_each(|chunk| chunks.join(&Ranges::one(chunk.number)));
        let bytes = self.chunks.iter().map(|chunk| chunk.length).sum();
        let mut digest = Digest::default();
        for part in self.digests {
            if !digest.merge(part, config) {
                return Err(AgentError::refused("two digests hold the same chunk"));
            }
        }
        if !digest.shrink_to(MAX_INPUT_BYTES, config) {
            return Err(AgentError::refused("the digest is too large for a task"));
        }
        Ok(AuditedDigest { chunks, bytes, digest })
    }
}

/// The input of `log.rank`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Of the whole log.
    pub digest: Digest,
    /// What each detector found.
    pub findings: Vec<Vec<Finding>>,
}

/// The output of `log.rank`: what judges and reporters need to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Lines of the log.
    pub lines: u64,
    /// Its templates.
    pub templates: u64,
    /// First and last time.
    pub span: Option<Span>,
    /// A case for each finding, the most important first.
    pub cases: Vec<RankedCase>,
}

/// A case and its place in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedCase {
    /// From 0.
    pub place: usize,
    /// What a judge gets.
    #[serde(flatten)]
    pub case: Case,
}

impl Ranking {
    /// Orders the findings; at most `most` are kept.
    pub(super) fn rank(self, most: usize) -> Ranked {
        let mut findings: Vec<_> = self.findings.into_iter().flatten().collect();
        rank(&mut findings);
        findings.truncate(most);
        let cases = (0..findings.len())
            .map(|place| RankedCase { place, case: Case::of(&findings, place) })
            .collect();
        Ranked {
            lines: self.digest.lines(),
            templates: self.digest.templates.len() as u64,
            span: self.digest.span(),
            cases,
        }
    }
}

impl AuditedDigest {
    /// Checks that each chunk is in the digest once, and each line under one template and one
    /// severity.
    ///
    /// # Errors
    /// `Refused` with what does not add up; another attempt would find the same.
    pub(super) fn audit(&self) -> Result<Audit, AgentError> {
        let digest = &self.digest;
        let files = digest.files.values();
        let messages: u64 =
            files.clone().map(|file| file.lines - file.blank - file.continued).sum();
        let counted: u64 = digest.templates.values().map(|tally| tally.count).sum();
        let classed: u64 = digest.severities.iter().sum();
        let checks = [
            ("chunks", self.chunks.len(), digest.chunks.len()),
            ("chunks in common", self.chunks.len(), self.chunks.common(&digest.chunks)),
            ("bytes", self.bytes, digest.bytes()),
            ("messages by template", messages, counted),
            ("messages by severity", messages, classed),
        ];
        for (what, expected, got) in checks {
            if expected != got {
                let message = format!("{what}: {got} instead of {expected}");
                return Err(AgentError::refused(message));
            }
        }
        Ok(Audit { lines: digest.lines(), messages })
    }
}
