//! The interceptor seam: sees the metadata of every message before it is accepted, never its body.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::metadata::Metadata;
use crate::path::ActorPath;

/// What an interceptor says to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through.
    Deliver,
    /// Give it back to its sender with this reason, and leave a dead letter.
    Refuse(&'static str),
}

/// Judges messages by their metadata, on the sender's thread, on the node that owns the inbox.
///
/// It runs for every message, so it must not block. Results of work already dispatched (permits)
/// are not judged: their request was.
pub trait Interceptor: Send + Sync + 'static {
    /// Called before a message is accepted by the inbox of `to`.
    fn on_send(&self, to: &ActorPath, metadata: &Metadata) -> Verdict;
}

/// The interceptors of a node, in the order in which they were added; the first refusal counts.
#[derive(Default)]
pub struct Interceptors {
    // Read on every send, so that a node without interceptors pays one load and no lock.
    armed: AtomicBool,
    chain: RwLock<Vec<Arc<dyn Interceptor>>>,
}

impl Interceptors {
    /// Adds `interceptor` behind those already there.
    pub fn add(&self, interceptor: Arc<dyn Interceptor>) {
        self.chain.write().push(interceptor);
        self.armed.store(true, Ordering::Release);
    }

    /// Whether there is any.
    pub(crate) fn armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    /// The verdict of the chain.
    pub(crate) fn judge(&self, to: &ActorPath, metadata: &Metadata) -> Verdict {
        self.chain
            .read()
            .iter()
            .map(|interceptor| interceptor.on_send(to, metadata))
            .find(|verdict| *verdict != Verdict::Deliver)
            .unwrap_or(Verdict::Deliver)
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors").field("count", &self.chain.read().len()).finish()
    }
}
