//! What a sender may say about one message beyond its body.

use std::sync::Arc;
use std::time::Duration;

use crate::correlation::Correlation;
use crate::mailbox::Header;
use crate::principal::Principal;
use crate::priority::Priority;

/// Overrides for one message; what is not said is inherited from what is being handled.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct SendOptions {
    priority: Option<Priority>,
    time_to_live: Option<Duration>,
    principal: Option<Principal>,
    correlation: Option<Correlation>,
}

impl SendOptions {
    /// Everything inherited.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which lane it waits in.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// After this long it is not handled any more and becomes a dead letter.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// On whose behalf it is sent.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// The trace that it belongs to.
    pub fn correlation(mut self, correlation: Correlation) -> Self {
        self.correlation = Some(correlation);
        self
    }

    /// The header of a message of type `M` sent now, and its own time-to-live.
    pub(super) fn resolve<M>(self) -> (Header, Option<Duration>) {
        let mut header = Header::inherited::<M>();
        if let Some(priority) = self.priority {
            header = header.with_priority(priority);
        }
        if self.principal.is_some() || self.correlation.is_some() {
            let mut origin = header.origin.map(|origin| (*origin).clone()).unwrap_or_default();
            origin.principal = self.principal.unwrap_or(origin.principal);
            origin.correlation = self.correlation.or(origin.correlation);
            header.origin = Some(Arc::new(origin));
        }
        (header, self.time_to_live)
    }
}
