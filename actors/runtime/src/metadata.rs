//! What travels beside a message: how urgent it is, on whose behalf, for which request, until when.

use std::sync::Arc;

use tokio::time::Instant;

use crate::correlation::Correlation;
use crate::principal::Principal;
use crate::priority::Priority;

/// Who caused a message and in which trace; shared by all that is sent while handling it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) principal: Principal,
    pub(crate) correlation: Option<Correlation>,
}

/// What is known of a message without looking into it.
///
/// Principal and correlation stand behind one shared pointer, absent for anonymous traffic, so
/// that a plain send allocates nothing.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Which lane it waits in.
    pub priority: Priority,
    /// After this instant it is not handled any more; none means never.
    pub expires: Option<Instant>,
    pub(crate) kind: fn() -> &'static str,
    pub(crate) origin: Option<Arc<Origin>>,
}

impl Metadata {
    /// Metadata of an anonymous message of normal priority that never expires. `kind` names its
    /// type, as [`std::any::type_name`] does; it is asked only when somebody wants to know.
    #[must_use]
    pub fn new(kind: fn() -> &'static str) -> Self {
        Self { priority: Priority::Normal, expires: None, kind, origin: None }
    }

    /// The same with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The same on behalf of `principal`, within the trace of `correlation`.
    #[must_use]
    pub fn with_origin(mut self, principal: Principal, correlation: Option<Correlation>) -> Self {
        self.origin = Some(Arc::new(Origin { principal, correlation }));
        self
    }

    /// The type of the message, or of the request inside it, for people to read.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        (self.kind)()
    }

    /// On whose behalf it was sent.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.origin.as_ref().map_or(Principal::anonymous(), |origin| &origin.principal)
    }

    /// The trace that it belongs to.
    #[must_use]
    pub fn correlation(&self) -> Option<Correlation> {
        self.origin.as_ref().and_then(|origin| origin.correlation)
    }
}
