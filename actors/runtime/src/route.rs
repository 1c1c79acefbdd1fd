//! The route seam: where a message goes whose receiver lives on another node.

use crate::error::TrySendError;
use crate::metadata::Metadata;

/// Carries messages to a receiver outside of this process; the cluster supplies it.
///
/// A sender can't tell a routed address from a local one: the same calls, the same errors.
pub trait Route<M>: Send + Sync + 'static {
    /// Takes the message, or gives it back at once when its own bounded queue is full or the
    /// receiver is known to be gone. Never waits.
    fn deliver(&self, message: M, metadata: Metadata) -> Result<(), TrySendError<M>>;

    /// Whether the receiver has ended for good.
    fn is_closed(&self) -> bool {
        false
    }
}
