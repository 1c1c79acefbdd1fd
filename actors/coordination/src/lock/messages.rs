//! What a lock space is told and what it answers.

use serde::{Deserialize, Serialize};

/// How much of a resource is asked for.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of it.
    #[default]
    Exclusive,
    /// A lock beside others who share it; one permit of a semaphore.
    Shared,
    /// So many permits of a semaphore, 1 to all.
    Permits(u32),
}

impl Mode {
    /// How many of `permits` it takes.
    pub(super) fn amount_of(self, permits: u32) -> u32 {
        match self {
            Self::Exclusive => permits,
            Self::Shared => 1,
            Self::Permits(some) => some,
        }
    }
}

/// A resource that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Which: 1 to 256 bytes.
    pub name: String,
    /// How much of it; by default all.
    #[serde(default)]
    pub mode: Mode,
}

impl Wish {
    /// All of `name`.
    #[must_use]
    pub fn exclusive(name: impl Into<String>) -> Self {
        Self { name: name.into(), mode: Mode::Exclusive }
    }

    /// A share of `name`.
    #[must_use]
    pub fn shared(name: impl Into<String>) -> Self {
        Self { name: name.into(), mode: Mode::Shared }
    }

    /// So many permits of `name`.
    #[must_use]
    pub fn permits(name: impl Into<String>, permits: u32) -> Self {
        Self { name: name.into(), mode: Mode::Permits(permits) }
    }
}

/// A request for all of `resources` at once, or none of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// For whom: the name of an agent or a user, 1 to 256 bytes.
    pub owner: String,
    /// What: 1 to 64 resources, each named once.
    pub resources: Vec<Wish>,
    /// How long it is kept without a renewal, in milliseconds from when it is given.
    pub lease_ms: u64,
    /// How long it may wait, in milliseconds; 0 asks for it now or not at all.
    #[serde(default)]
    pub wait_ms: u64,
    /// How urgent it is: 0 (the least) to 255. An owner keeps that of its first request, and its
    /// age, until it has given back all it held; one that lost its wait for `remember_ms` longer.
    #[serde(default)]
    pub priority: u8,
}

/// What a lock space is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LockInput {
    /// Asks for resources. An owner waits for one request at a time.
    Acquire(Acquire),
    /// Gives back what was given under this fence.
    Release {
        /// Who holds it.
        owner: String,
        /// Under which token.
        fence: u64,
    },
    /// Keeps it for longer: until `lease_ms` from now.
    Renew {
        /// Who holds it.
        owner: String,
        /// Under which token.
        fence: u64,
        /// For how many milliseconds from now.
        lease_ms: u64,
    },
    /// Waits no longer.
    CancelWait {
        /// Who waits.
        owner: String,
        /// For which request.
        ticket: u64,
    },
    /// The owner is gone: all that it holds is free, and it waits no longer.
    OwnerGone {
        /// Who.
        owner: String,
    },
    /// Ends the space: whatever is held is free, whoever waits is told. Whoever opened it may.
    Close {
        /// Why, at most 4 KiB.
        reason: String,
    },
}

/// What whoever told it hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockAnswer {
    /// It is theirs.
    Granted {
        /// The token to show to whatever is changed under the lock. Each is above all before it.
        fence: u64,
        /// Until when (UTC microseconds).
        until_us: i64,
    },
    /// It is not free. What came of it is told by a note (`lock.granted`, `lock.timed_out`, ...)
    /// and shown in the view.
    Waiting {
        /// The name of the waiting request.
        ticket: u64,
        /// How many are before it where most are, counted to 1,000.
        position: u32,
        /// When it ends, whatever happens (UTC microseconds).
        deadline_us: i64,
    },
    /// It is not free, and the request did not want to wait.
    Busy {
        /// Somebody who stands in the way.
        by: String,
    },
    /// The owner has lost all it held, and its request, rather than wait in a circle. It may ask
    /// again and keeps its age.
    Died {
        /// For whom.
        by: String,
        /// By which rule.
        ending: Ending,
        /// How many of its grants were taken back.
        lost: u32,
    },
    /// Given back, cancelled, or closed; so many grants have become free.
    Freed {
        /// How many.
        grants: u32,
    },
}

/// How a waiting request or a grant ended that its owner did not give back.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The wait ended with a grant.
    Granted,
    /// The wait reached its deadline.
    TimedOut,
    /// The owner did not want to wait any longer.
    Cancelled,
    /// An older owner took what it held (wound-wait).
    Wounded,
    /// It would have had to wait for an older owner (wait-die).
    Died,
    /// It was chosen to break a circle.
    Victim,
    /// The lease ended without a renewal.
    Expired,
    /// The owner is gone.
    Gone,
    /// The space was closed.
    Closed,
}

impl Ending {
    /// The kind of its note.
    #[must_use]
    pub fn note(self) -> &'static str {
        match self {
            Self::Granted => "lock.granted",
            Self::TimedOut => "lock.timed_out",
            Self::Cancelled => "lock.cancelled",
            Self::Wounded => "lock.wounded",
            Self::Died => "lock.died",
            Self::Victim => "lock.victim",
            Self::Expired => "lock.expired",
            Self::Gone => "lock.gone",
            Self::Closed => "lock.closed",
        }
    }
}
