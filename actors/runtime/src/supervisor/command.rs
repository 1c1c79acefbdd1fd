//! What the supervision machine is told and what it answers.

use std::sync::Arc;
use std::time::Duration;

use super::config::{Backoff, Restart, Shutdown};
use crate::exit::ExitReason;

/// A child of one supervisor; keys grow in the order in which children were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildKey(pub(crate) u64);

/// How a child is to be supervised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChildPolicy {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) start_timeout: Duration,
    pub(crate) backoff: Backoff,
}

/// What the machine keeps for its shell beside each child.
pub(crate) trait Supervised {
    /// For the reason of an escalation.
    fn name(&self) -> &Arc<str>;
    /// How the child is to be supervised.
    fn policy(&self) -> ChildPolicy;
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A child's `start` and the first starts of its own children are done.
    Started(ChildKey),
    /// An incarnation of a child has ended, with all that it had started.
    Exited(ChildKey, ExitReason),
    /// A child is to end for good.
    Remove(ChildKey),
    /// A child is to be restarted by an operator: not counted, without back-off.
    Restart(ChildKey),
    /// All children are to end for good, then the supervisor with this reason.
    Stop(ExitReason),
    /// The machine's next deadline may have passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Start an incarnation of a child.
    Start(ChildKey),
    /// Ask a child to end after the message in hand.
    Stop(ChildKey),
    /// End a child at its next await.
    Kill(ChildKey),
    /// A killed child still has not ended: wait for it no longer.
    Abandon(ChildKey),
    /// A child has done its work; only a group restart starts it again. Close its mailbox.
    Close(ChildKey),
    /// Take the child out of the machine; its mailbox closes for good.
    Remove(ChildKey),
    /// Tell the supervising actor.
    Report(ChildKey, Report),
    /// All children have ended: the supervisor ends with this reason.
    Done(ExitReason),
}

/// News of a child for the supervising actor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    /// Its first start is done.
    Started,
    /// It runs again.
    Restarted,
    /// Its incarnation ended.
    Exited(ExitReason),
    /// It failed once more than the intensity allows.
    GaveUp(ExitReason),
}
