//! Giving: what is next, what was acknowledged, what is given again and what is given up.

use std::sync::Arc;

use super::state::Phase;
use super::{Durable, Given};
use crate::messaging::topics::error::TopicError;
use crate::messaging::topics::records::EventV1;
use crate::protocol::Moment;

impl Durable {
    /// Gives at most so many messages, if any may be given now: of those up to `stored`.
    pub(in crate::messaging::topics) fn give(
        &mut self,
        now: Moment,
        name: &str,
        most: usize,
        stored: u64,
    ) -> Result<Vec<Given>, TopicError> {
        let unknown = || TopicError::Unknown(name.to_owned());
        let kept = self.kept(name).ok_or_else(unknown)?;
        if !self.is_ready(name, stored) {
            return Ok(Vec::new());
        }
        let mut given = Vec::new();
        let next = kept.backlog.iter().take_while(|number| **number <= stored);
        for (index, number) in next.take(most).enumerate() {
            let Some(message) = self.message(*number) else { continue };
            // What follows the first one is given once more with it, and not for its own sake.
            let attempt = if index == 0 { kept.failures + 1 } else { 1 };
            given.push(Given { number: *number, attempt, message: Arc::clone(message) });
        }
        let until = now.after(kept.terms.acknowledge_within());
        self.enter(name, Phase::Given { count: given.len(), until });
        Ok(given)
    }

    /// What an acknowledgement comes to; nothing when it was made before.
    pub(in crate::messaging::topics) fn acknowledge(
        &self,
        name: &str,
        up_to: u64,
    ) -> Result<Option<EventV1>, TopicError> {
        let kept = self.kept(name).ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        if up_to <= kept.acknowledged {
            return Ok(None);
        }
        let count = match kept.phase {
            Phase::Given { count, .. } => count,
            Phase::Ready | Phase::Waiting { .. } => 0,
        };
        let last = count.checked_sub(1).and_then(|index| kept.backlog.get(index));
        match last {
            Some(last) if up_to <= *last => {
                Ok(Some(EventV1::Acknowledged { name: name.to_owned(), up_to }))
            }
            Some(last) => Err(TopicError::Conflict(format!(
                "message {up_to} was not given yet, the last that was is {last}"
            ))),
            None => Err(TopicError::Conflict(format!(
                "message {up_to} is not in hand: it was not given, or not acknowledged in time and \
                 will be given again"
            ))),
        }
    }

    /// The first of what was given could not be worked on. Returns what is stored of that.
    pub(in crate::messaging::topics) fn reject(
        &mut self,
        now: Moment,
        name: &str,
        reason: &str,
    ) -> Result<Option<EventV1>, TopicError> {
        let kept = self.kept_mut(name).ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        let (Phase::Given { .. }, Some(first)) = (kept.phase, kept.backlog.front().copied()) else {
            let reason =
                "nothing is in hand: what was given is acknowledged, or will be given again";
            return Err(TopicError::Conflict(reason.to_owned()));
        };
        kept.failures += 1;
        let failures = kept.failures;
        if failures < kept.terms.max_attempts {
            let until = now.after(kept.terms.wait(failures));
            self.enter(name, Phase::Waiting { until });
            return Ok(None);
        }
        // What comes after it is given at once.
        self.enter(name, Phase::Ready);
        let reason = format!("given {failures} times; at last: {reason}");
        Ok(Some(EventV1::Buried { name: name.to_owned(), number: first, reason, at_us: now.0 }))
    }

    /// Time has passed: what is stored of that, and whose messages may be given now.
    /// At most so many are looked at; the rest stays due.
    pub(in crate::messaging::topics) fn wake(
        &mut self,
        now: Moment,
        most: usize,
    ) -> (Vec<EventV1>, Vec<String>) {
        let (mut events, mut ready) = (Vec::new(), Vec::new());
        while ready.len() < most
            && let Some((until, name)) = self.due.first().cloned()
            && until <= now
        {
            self.due.remove(&(until, name.clone()));
            match self.kept(&name).map(|kept| kept.phase) {
                Some(Phase::Given { .. }) => {
                    let reason = "it was not acknowledged in time";
                    // Something is in hand, so it is never refused.
                    events.extend(self.reject(now, &name, reason).ok().flatten());
                }
                _ => self.enter(&name, Phase::Ready),
            }
            ready.push(name);
        }
        (events, ready)
    }

    /// When time is next of use.
    pub(in crate::messaging::topics) fn next_wake(&self) -> Option<Moment> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Whether something of this subscription may be given now.
    pub(in crate::messaging::topics) fn is_ready(&self, name: &str, stored: u64) -> bool {
        self.kept(name).is_some_and(|kept| {
            let next = kept.backlog.front().is_some_and(|first| *first <= stored);
            next && kept.phase == Phase::Ready
        })
    }
}
