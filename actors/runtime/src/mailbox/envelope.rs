//! A message in its lane, with as little beside it as will do.

use std::sync::Arc;

use tokio::time::Instant;

use crate::metadata::{Metadata, Origin};
use crate::priority::Priority;
use crate::scope::Scope;

/// What a queued message occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// A place within the bound.
    Bound,
    /// A slot that was reserved before the message existed.
    Slot,
}

/// Metadata in compact form: 40 bytes, and no allocation for plain traffic.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) expires: Option<Instant>,
    /// Names the type of the message, or of the request inside it.
    pub(crate) kind: fn() -> &'static str,
    pub(crate) priority: Priority,
    pub(crate) charge: Charge,
}

impl Header {
    /// Of a plain message of type `M` sent now: all is inherited.
    #[inline]
    pub(crate) fn inherited<M>() -> Self {
        let (priority, origin) = Scope::inherited();
        Self::new::<M>(priority, origin)
    }

    /// Of a message of type `M` that takes a place within the bound.
    #[inline]
    pub(crate) fn new<M>(priority: Priority, origin: Option<Arc<Origin>>) -> Self {
        let kind = std::any::type_name::<M>;
        Self { origin, expires: None, kind, priority, charge: Charge::Bound }
    }

    /// The readable form, which shares the origin.
    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            priority: self.priority,
            expires: self.expires,
            kind: (self.kind)(),
            origin: self.origin.clone(),
        }
    }

    /// The readable form.
    #[inline]
    pub(crate) fn into_metadata(self) -> Metadata {
        Metadata {
            priority: self.priority,
            expires: self.expires,
            kind: (self.kind)(),
            origin: self.origin,
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) header: Header,
    /// Order of acceptance over all lanes; set under the inbox's lock.
    pub(crate) sequence: u64,
}

impl<M> Envelope<M> {
    pub(crate) fn lane(&self) -> usize {
        self.header.priority.lane()
    }
}
