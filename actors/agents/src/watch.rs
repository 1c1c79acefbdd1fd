//! Following work from outside while agents do it: signs of life, and what it used up.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::usage::Usage;

/// Follows one execution over all its parts and agents. Written in place where the work is done,
/// read by whoever keeps the execution, so that a talkative agent costs no messages.
///
/// One that was made by `default` follows nothing.
#[derive(Debug, Clone, Default)]
pub struct Watch(Option<Arc<Mutex<Seen>>>);

#[derive(Debug, Default)]
struct Seen {
    /// Agents that are at it.
    at_work: u32,
    /// The last sign of life of any of them.
    last: Option<Instant>,
    used: Usage,
}

/// What is known of the life of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// No agent is at it: it waits for one, or is done.
    Idle,
    /// Agents are at it, and this is when one of them began with it or reported last.
    Life(Instant),
}

impl Watch {
    /// Follows an execution.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// The last sign of life.
    #[must_use]
    pub fn sign(&self) -> Sign {
        let Some(seen) = &self.0 else { return Sign::Idle };
        let seen = seen.lock();
        match seen.last {
            Some(last) if seen.at_work > 0 => Sign::Life(last),
            _ => Sign::Idle,
        }
    }

    /// What was used up so far.
    #[must_use]
    pub fn used(&self) -> Usage {
        self.0.as_ref().map_or(Usage::default(), |seen| seen.lock().used)
    }

    /// An agent begins with it, and is at it for as long as this is kept.
    #[must_use]
    pub fn begin(&self) -> AtWork {
        if let Some(seen) = &self.0 {
            let mut seen = seen.lock();
            seen.at_work += 1;
            seen.last = Some(Instant::now());
        }
        AtWork(self.clone())
    }

    /// A sign of life of an agent that is at it.
    pub fn beat(&self) {
        if let Some(seen) = &self.0 {
            seen.lock().last = Some(Instant::now());
        }
    }

    /// So much more was used up.
    pub fn spend(&self, usage: Usage) {
        if let Some(seen) = &self.0 {
            let mut seen = seen.lock();
            seen.used = seen.used.and(usage);
        }
    }
}

/// An agent at work; see [`Watch::begin`].
#[derive(Debug)]
pub struct AtWork(Watch);

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(seen) = &self.0.0 {
            seen.lock().at_work -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sign_counts_only_while_an_agent_is_at_work() {
        let watch = Watch::new();
        assert_eq!(watch.sign(), Sign::Idle);
        let begun = Instant::now();
        let one = watch.begin();
        assert_eq!(watch.sign(), Sign::Life(begun));
        tokio::time::advance(Duration::from_secs(2)).await;
        watch.beat();
        assert_eq!(watch.sign(), Sign::Life(begun + Duration::from_secs(2)));
        let two = watch.begin();
        drop(one);
        assert_ne!(watch.sign(), Sign::Idle);
        drop(two);
        assert_eq!(watch.sign(), Sign::Idle);
    }

    #[test]
    fn copies_of_a_watch_see_the_same_and_a_default_one_sees_nothing() {
        let watch = Watch::new();
        watch.clone().spend(Usage { tokens: 3, money_micros: 0 });
        watch.clone().spend(Usage { tokens: 4, money_micros: 5 });
        assert_eq!(watch.used(), Usage { tokens: 7, money_micros: 5 });
        let none = Watch::default();
        none.spend(Usage { tokens: 3, money_micros: 0 });
        let _at_work = none.begin();
        assert_eq!((none.used(), none.sign()), (Usage::default(), Sign::Idle));
    }
}
