//! What a sender may say about one message beyond its body.

use std::sync::Arc;
use std::time::Duration;

use crate::correlation::Correlation;
use crate::metadata::Origin;
use crate::principal::Principal;
use crate::priority::Priority;
use crate::scope::Scope;

/// Overrides for one message; what is not said is inherited from what is being handled.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct SendOptions {
    priority: Option<Priority>,
    pub(super) time_to_live: Option<Duration>,
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

    /// Priority and origin after inheritance; and what is left of the options.
    pub(super) fn resolve(self) -> (Priority, Option<Arc<Origin>>) {
        let (priority, inherited) = Scope::inherited();
        let priority = self.priority.unwrap_or(priority);
        if self.principal.is_none() && self.correlation.is_none() {
            return (priority, inherited);
        }
        let mut origin = inherited.map(|origin| (*origin).clone()).unwrap_or_default();
        origin.principal = self.principal.unwrap_or(origin.principal);
        origin.correlation = self.correlation.or(origin.correlation);
        (priority, Some(Arc::new(origin)))
    }
}
