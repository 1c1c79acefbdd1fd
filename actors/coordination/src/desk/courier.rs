//! How a conversation reaches agents.

use std::time::Duration;

use synod_agents::{BoxFuture, Envelope};

/// Hands envelopes to agents and brings their answers back.
///
/// An envelope may be handed over more than once: after a restart the same one is sent again, under
/// the same id.
pub trait Courier: Send + Sync + 'static {
    /// Hands an envelope over. An answer is waited for when the envelope has a `reply_with`: at
    /// most for `within`. The outcome is the answer, none when none was asked for, or why the
    /// envelope did not reach its agent or no answer came, in words.
    ///
    /// The future is dropped when the answer is no longer of use, and when it takes longer than
    /// `within`.
    fn deliver(
        &self,
        envelope: Envelope,
        within: Duration,
    ) -> BoxFuture<'static, Result<Option<Envelope>, String>>;
}
