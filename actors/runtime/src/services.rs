//! What every inbox of a node shares: time, dead letters, interceptors, deadlines.

use std::sync::Arc;

use crate::clock::Clock;
use crate::dead_letters::DeadLetters;
use crate::deadlines::Deadlines;
use crate::interceptor::Interceptors;

/// The node's services to its inboxes; one per system, shared by pointer.
pub struct Services {
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// Where undelivered messages are told of.
    pub dead_letters: Arc<DeadLetters>,
    /// Who judges messages before they are accepted.
    pub interceptors: Interceptors,
    pub(crate) deadlines: Arc<Deadlines>,
}

impl Services {
    /// Services with no interceptor yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, dead_letters: Arc<DeadLetters>) -> Self {
        Self {
            clock,
            dead_letters,
            interceptors: Interceptors::default(),
            deadlines: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("dead_letters", &self.dead_letters)
            .field("interceptors", &self.interceptors)
            .finish_non_exhaustive()
    }
}
