//! Locks and the seats of singletons: leased, and fenced by tokens that only rise.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::node::NodeId;

/// Bytes of the longest name of a lease.
pub const LEASE_NAME_LIMIT: usize = 128;

/// Shortest and longest duration of a lease, microseconds: 100 ms to a day.
pub(super) const LEASE_RANGE_US: (u64, u64) = (100_000, 86_400_000_000);

/// Leases that there may be at once.
pub const LEASE_LIMIT: usize = 100_000;

/// Leases that one command may renew.
pub const RENEWAL_LIMIT: usize = 1_000;

/// What a lease is of, such as `singleton/reporter`: 1 to 128 bytes of `[a-z0-9._/-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LeaseName(Arc<str>);

impl LeaseName {
    /// The name, if it is one.
    ///
    /// # Errors
    /// [`InvalidLease`] when it isn't 1 to 128 bytes of `[a-z0-9._/-]`.
    pub fn parse(name: &str) -> Result<Self, InvalidLease> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-');
        if (1..=LEASE_NAME_LIMIT).contains(&name.len()) && name.bytes().all(fits) {
            return Ok(Self(name.into()));
        }
        Err(InvalidLease)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LeaseName {
    type Error = InvalidLease;

    fn try_from(name: String) -> Result<Self, InvalidLease> {
        Self::parse(&name)
    }
}

impl From<LeaseName> for String {
    fn from(name: LeaseName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text names no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lease name: expected 1 to 128 bytes of [a-z0-9._/-]")]
pub struct InvalidLease;

/// Which grant of a lease this is. Of two tokens of one name the later is greater, so that who
/// guards a resource refuses what comes with a lesser one than it has seen (Kleppmann 2016).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FencingToken {
    /// The term in which it was given.
    pub epoch: u64,
    /// The index in the control group's log.
    pub position: u64,
}

/// A lease that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who has it.
    pub holder: NodeId,
    /// With which fence.
    pub token: FencingToken,
    /// Until when, UTC microseconds of the leaders' clocks.
    pub until_us: i64,
}
