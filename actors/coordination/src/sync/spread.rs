//! The seam to other nodes: what is joined where a cluster is.

use bytes::Bytes;

/// The way to the shared state of other nodes. What they say comes as
/// [`SharedMessage::Heard`](super::SharedMessage::Heard).
pub trait Spread: Send + Sync {
    /// The other nodes that can be told now; asked often, and cheap.
    fn peers(&self) -> Vec<u64>;

    /// Sends bytes to one of them. It may be lost, late or doubled: rounds make good for it. Never
    /// waits.
    fn send(&self, to: u64, bytes: Bytes);
}

/// No other nodes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Spread for Alone {
    fn peers(&self) -> Vec<u64> {
        Vec::new()
    }

    fn send(&self, _to: u64, _bytes: Bytes) {}
}
