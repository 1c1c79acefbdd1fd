//! A message in its lane, with as little beside it as will do.

use std::sync::Arc;

use tokio::time::Instant;

use crate::metadata::{Metadata, Origin};
use crate::priority::Priority;

/// What a queued message occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// A place within the bound.
    Bound,
    /// A slot that was reserved before the message existed.
    Slot,
}

/// A message on its way. Metadata in compact form: 48 bytes, no allocation for plain traffic.
#[derive(Debug)]
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) expires: Option<Instant>,
    /// Names the type of the message, or of the request inside it.
    pub(crate) kind: fn() -> &'static str,
    /// Order of acceptance over all lanes; set under the inbox's lock.
    pub(crate) sequence: u64,
    pub(crate) priority: Priority,
    pub(crate) charge: Charge,
}

impl<M> Envelope<M> {
    /// A message that takes a place within the bound.
    pub(crate) fn new(message: M, priority: Priority, origin: Option<Arc<Origin>>) -> Self {
        Self {
            message,
            origin,
            expires: None,
            kind: std::any::type_name::<M>,
            sequence: 0,
            priority,
            charge: Charge::Bound,
        }
    }

    /// What is known of the message without looking into it.
    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            priority: self.priority,
            expires: self.expires,
            kind: (self.kind)(),
            origin: self.origin.clone(),
        }
    }

    /// The message, and what is known of it.
    pub(crate) fn into_parts(self) -> (M, Metadata) {
        let metadata = Metadata {
            priority: self.priority,
            expires: self.expires,
            kind: (self.kind)(),
            origin: self.origin,
        };
        (self.message, metadata)
    }
}
