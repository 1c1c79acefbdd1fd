//! What the agents are handed, where it is not a type of the part that does the work.

use serde::{Deserialize, Serialize};
use synod_agents::AgentError;

use crate::digest::{Digest, Ranges};
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
