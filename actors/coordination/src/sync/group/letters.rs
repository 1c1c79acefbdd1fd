//! What members that are agents are told.

use serde::Serialize;

/// The content of what is told, as JSON: `{"event": "released", "barrier": "start", ...}`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Letter<'a> {
    /// All have come.
    Released { barrier: &'a str, generation: u64 },
    /// Whoever waits at it waits in vain.
    Broken { barrier: &'a str, generation: u64, why: &'a str },
    /// A phase has begun.
    Phase { phase: &'a str },
    /// All phases are over: done, or why not.
    PhasesOver { failed: Option<&'a str> },
    /// You lead; the token goes with whatever you do as the leader.
    Leads { token: u64, until_us: i64 },
    /// The group has ended.
    Ended { outcome: &'a super::setup::GroupOutcome },
}
