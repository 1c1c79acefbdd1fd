//! A barrier: so many wait for each other, then all go on. Pure.
//!
//! It goes on and on (generations), and breaks rather than lets some wait for what can't come:
//! when one that waits dies or leaves, when too few are left, when time runs out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::protocol::Moment;

/// A barrier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Barrier {
    /// How many it takes.
    parties: u32,
    /// How long the first may wait for the last, in milliseconds.
    within_ms: u64,
    /// How often it has let go, and once more: the first is 1.
    generation: u64,
    waiting: BTreeSet<String>,
    /// Until when the last must have come, while somebody waits.
    until: Option<Moment>,
    /// Why it is broken.
    broken: Option<String>,
}

/// What an arrival came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// So many are still to come.
    Waits {
        /// In which generation.
        generation: u64,
        /// How many are missing.
        missing: u32,
    },
    /// It was the last: all go on.
    Released {
        /// In which generation.
        generation: u64,
    },
}

/// Why an arrival does not count. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalRefusal {
    /// It waits already.
    #[error("'{0}' waits at the barrier already")]
    WaitsAlready(String),
    /// Those who wait have waited too long already.
    #[error("the barrier's time is over")]
    Late,
    /// The barrier is broken and has to be reset.
    #[error("the barrier is broken ({0}); reset it")]
    Broken(String),
}

impl Barrier {
    /// A barrier of `parties`, at least one.
    #[must_use]
    pub fn new(parties: u32, within_ms: u64) -> Self {
        Self {
            parties: parties.max(1),
            within_ms,
            generation: 1,
            waiting: BTreeSet::new(),
            until: None,
            broken: None,
        }
    }

    /// Somebody has come.
    ///
    /// # Errors
    /// [`ArrivalRefusal`].
    pub fn arrive(&mut self, now: Moment, who: &str) -> Result<Arrival, ArrivalRefusal> {
        if let Some(why) = &self.broken {
            return Err(ArrivalRefusal::Broken(why.clone()));
        }
        if self.until.is_some_and(|until| now >= until) {
            return Err(ArrivalRefusal::Late);
        }
        if !self.waiting.insert(who.to_owned()) {
            return Err(ArrivalRefusal::WaitsAlready(who.to_owned()));
        }
        let missing = self.parties.saturating_sub(self.waiting.len() as u32);
        let generation = self.generation;
        if missing > 0 {
            let wait = std::time::Duration::from_millis(self.within_ms);
            self.until.get_or_insert(now.after(wait));
            return Ok(Arrival::Waits { generation, missing });
        }
        self.let_go();
        Ok(Arrival::Released { generation })
    }

    fn let_go(&mut self) {
        self.generation += 1;
        self.waiting.clear();
        self.until = None;
    }

    /// Somebody is gone, and so many are left who may still come. True when that breaks it.
    pub fn lost(&mut self, who: &str, left: u32) -> bool {
        if self.broken.is_some() || self.waiting.is_empty() {
            return false;
        }
        if self.waiting.contains(who) {
            return self.break_for(format!("'{who}' is gone while it waited"));
        }
        if left < self.parties {
            let parties = self.parties;
            return self.break_for(format!("'{who}' is gone: {left} are left of {parties}"));
        }
        false
    }

    /// Time has passed. True when that breaks it.
    pub fn expire(&mut self, now: Moment) -> bool {
        if self.until.is_none_or(|until| now < until) {
            return false;
        }
        let (came, parties) = (self.waiting.len(), self.parties);
        self.break_for(format!("{came} of {parties} came in time"))
    }

    /// Breaks it.
    pub fn break_for(&mut self, why: String) -> bool {
        self.broken = Some(why);
        self.until = None;
        true
    }

    /// Mends it: those who waited have to come again, in a new generation. False when it is not
    /// broken.
    pub fn reset(&mut self) -> bool {
        if self.broken.take().is_none() {
            return false;
        }
        self.let_go();
        true
    }

    /// How many it takes.
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.parties
    }

    /// Which generation those who come now belong to, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Who waits; once it is broken, who waited.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(String::as_str)
    }

    /// Why it is broken, if it is.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Until when the last must have come.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000);

    #[test]
    fn all_go_on_when_the_last_has_come_and_the_next_generation_begins() {
        let mut barrier = Barrier::new(2, 1000);
        for generation in 1..4 {
            let waits = barrier.arrive(NOW, "a");
            assert_eq!(waits, Ok(Arrival::Waits { generation, missing: 1 }));
            let again = barrier.arrive(NOW, "a");
            assert_eq!(again, Err(ArrivalRefusal::WaitsAlready("a".into())));
            assert_eq!(barrier.arrive(NOW, "b"), Ok(Arrival::Released { generation }));
            assert_eq!((barrier.until(), barrier.waiting().count()), (None, 0));
        }
    }

    #[test]
    fn it_breaks_when_one_that_waits_is_lost_or_too_few_are_left() {
        let mut barrier = Barrier::new(2, 1000);
        assert!(!barrier.lost("a", 1), "nobody waits");
        barrier.arrive(NOW, "a").unwrap();
        assert!(!barrier.lost("c", 2));
        assert!(barrier.lost("b", 1));
        assert!(matches!(barrier.arrive(NOW, "b"), Err(ArrivalRefusal::Broken(_))));
        assert!(barrier.reset() && !barrier.reset());
        barrier.arrive(NOW, "a").unwrap();
        assert!(barrier.lost("a", 5));
        assert_eq!(barrier.broken(), Some("'a' is gone while it waited"));
    }

    #[test]
    fn it_breaks_when_the_first_has_waited_too_long() {
        let mut barrier = Barrier::new(2, 1000);
        barrier.arrive(NOW, "a").unwrap();
        assert_eq!(barrier.until(), Some(Moment(2_000_000)));
        assert!(!barrier.expire(Moment(1_999_999)));
        assert_eq!(barrier.arrive(Moment(2_000_000), "b"), Err(ArrivalRefusal::Late));
        assert!(barrier.expire(Moment(2_000_000)));
        assert_eq!((barrier.broken(), barrier.until()), (Some("1 of 2 came in time"), None));
    }
}
