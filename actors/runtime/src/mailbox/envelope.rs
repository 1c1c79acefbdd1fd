//! A message in its lane, with as little beside it as will do.

use std::sync::Arc;

use tokio::time::Instant;

use super::expiry::Expiry;
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

/// Lane, charge and order of acceptance in one word.
#[derive(Debug, Clone, Copy)]
struct Stamp(u64);

impl Stamp {
    const LANE: u64 = 0b0111;
    const SLOT: u64 = 0b1000;
    const BITS: u32 = 4;
}

/// Metadata in compact form: four words, so that it is moved without a stall, and no allocation
/// for plain traffic.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) expires: Expiry,
    /// Names the type of the message, or of the request inside it.
    pub(crate) kind: fn() -> &'static str,
    stamp: Stamp,
}

impl Header {
    /// Of a plain message of type `M` sent now: all is inherited.
    #[inline]
    pub(crate) fn inherited<M>() -> Self {
        Self::new::<M>(Scope::priority(), Scope::origin())
    }

    /// Of a message of type `M` that takes a place within the bound.
    #[inline]
    pub(crate) fn new<M>(priority: Priority, origin: Option<Arc<Origin>>) -> Self {
        let stamp = Stamp(priority as u64);
        Self { origin, expires: Expiry::NEVER, kind: std::any::type_name::<M>, stamp }
    }

    /// The same for a message with a request of type `Q` inside: it expires with its asker's
    /// patience.
    #[inline]
    pub(crate) fn of_request<Q>(mut self, deadline: Instant) -> Self {
        self.kind = std::any::type_name::<Q>;
        self.expires = Expiry::at(deadline);
        self
    }

    /// The same for a message that has a slot.
    pub(crate) fn in_slot(mut self) -> Self {
        self.stamp.0 |= Stamp::SLOT;
        self
    }

    /// The same with another priority.
    pub(crate) fn with_priority(mut self, priority: Priority) -> Self {
        self.stamp.0 = self.stamp.0 & !Stamp::LANE | priority as u64;
        self
    }

    /// The message is accepted as number `sequence` of its inbox.
    #[inline]
    pub(crate) fn accept(&mut self, sequence: u64) {
        self.stamp.0 |= sequence << Stamp::BITS;
    }

    /// Order of acceptance.
    pub(crate) fn sequence(&self) -> u64 {
        self.stamp.0 >> Stamp::BITS
    }

    #[inline]
    pub(crate) fn lane(&self) -> usize {
        (self.stamp.0 & Stamp::LANE) as usize
    }

    #[inline]
    pub(crate) fn charge(&self) -> Charge {
        if self.stamp.0 & Stamp::SLOT == 0 { Charge::Bound } else { Charge::Slot }
    }

    /// The readable form, which shares the origin.
    pub(crate) fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new(self.kind).with_priority(Priority::ALL[self.lane()]);
        metadata.expires = self.expires.instant();
        metadata.origin = self.origin.clone();
        metadata
    }
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) header: Header,
}
