//! What the engine knows of a run without replaying it.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_journal::BlobId;
use synod_runtime::{Correlation, Principal, Priority};

use super::keys::Half;
use crate::definition::DefinitionHash;
use crate::history::{Handle, Standing, Trail};
use crate::run::{ApprovalId, Origin, Parent};

/// A run that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its place in the order of acceptance.
    pub sequence: u64,
    /// What it is pinned to.
    pub definition: DefinitionHash,
    /// What it was pinned to before it was amended; its history needs them.
    pub former: Vec<DefinitionHash>,
    /// The definition's name and version, shared with it.
    pub name: Arc<str>,
    pub version: Arc<str>,
    pub priority: Priority,
    pub labels: BTreeMap<String, String>,
    pub principal: Principal,
    pub trace: Option<Correlation>,
    /// Its idempotency key, and what that is known by.
    pub key: Option<(Arc<str>, Half)>,
    pub parent: Option<Parent>,
    pub origin: Option<Origin>,
    /// UTC microseconds, like the other times.
    pub accepted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub standing: Standing,
    /// By what the outside finds it.
    pub handles: Vec<Handle>,
    /// Approvals that it asked for and that are no longer open.
    pub decided: Vec<ApprovalId>,
    pub trail: Trail,
    /// How many events it has.
    pub events: u64,
    /// The blobs that hold values of its events.
    pub blobs: Vec<BlobId>,
}

impl Entry {
    pub(crate) fn is_open(&self) -> bool {
        !self.standing.state.has_ended()
    }
}
