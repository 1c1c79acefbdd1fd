//! Phases: a group goes from one to the next when all, or enough, have done the one. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::Moment;

/// How many have to be done with a phase.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// All members that there are.
    #[default]
    All,
    /// So many, at least 1; all when there are fewer members.
    Quorum(u32),
}

impl Needed {
    fn of(self, members: u32) -> u32 {
        match self {
            Self::All => members,
            Self::Quorum(quorum) => quorum.min(members),
        }
    }
}

/// Phases in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Phases {
    names: Vec<String>,
    needed: Needed,
    /// How long one may last.
    within_ms: u64,
    current: usize,
    done: BTreeSet<String>,
    until: Option<Moment>,
    failed: Option<String>,
}

/// What a phase came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// It goes on.
    Waits {
        /// How many are missing.
        missing: u32,
    },
    /// The next has begun.
    To {
        /// Which.
        phase: String,
    },
    /// That was the last.
    Finished,
}

/// Why that somebody is done does not count. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhaseRefusal {
    /// It is not the phase that goes on.
    #[error("phase '{named}' does not go on; it is the turn of {}", turn(.current.as_ref()))]
    NotNow {
        /// Which was named.
        named: String,
        /// Which goes on; none when all are over.
        current: Option<String>,
    },
    /// Its time is over.
    #[error("the time of phase '{0}' is over")]
    Late(String),
    /// It was done before.
    #[error("'{0}' has said so before")]
    DoneAlready(String),
}

fn turn(current: Option<&String>) -> &str {
    current.map_or("none", String::as_str)
}

impl Phases {
    /// Begins with the first.
    #[must_use]
    pub fn new(now: Moment, names: Vec<String>, needed: Needed, within_ms: u64) -> Self {
        let until = (!names.is_empty()).then(|| now.after(Duration::from_millis(within_ms)));
        let (current, done) = (0, BTreeSet::new());
        Self { names, needed, within_ms, current, done, until, failed: None }
    }

    /// The phase that goes on; none when all are over, or one has failed.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        let goes_on = self.failed.is_none();
        self.names.get(self.current).filter(|_| goes_on).map(String::as_str)
    }

    /// All of them, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Who is done with the current one.
    pub fn done_by(&self) -> impl Iterator<Item = &str> {
        self.done.iter().map(String::as_str)
    }

    /// Why one has failed.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Until when the current one may last.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        self.until
    }

    /// A member, of so many, is done with a phase.
    ///
    /// # Errors
    /// [`PhaseRefusal`].
    pub fn done(
        &mut self,
        now: Moment,
        who: &str,
        phase: &str,
        members: u32,
    ) -> Result<Moved, PhaseRefusal> {
        if self.current() != Some(phase) {
            let (named, current) = (phase.to_owned(), self.current().map(str::to_owned));
            return Err(PhaseRefusal::NotNow { named, current });
        }
        if self.until.is_some_and(|until| now >= until) {
            return Err(PhaseRefusal::Late(phase.to_owned()));
        }
        if !self.done.insert(who.to_owned()) {
            return Err(PhaseRefusal::DoneAlready(who.to_owned()));
        }
        Ok(self.look(now, members))
    }

    /// A member is gone, so many are left: the rest may be enough now. What it did still counts
    /// where a quorum is asked for.
    pub fn lost(&mut self, now: Moment, who: &str, members: u32) -> Moved {
        if self.needed == Needed::All {
            self.done.remove(who);
        }
        // When nobody is left, nobody is done.
        if members == 0 || self.current().is_none() {
            return Moved::Waits { missing: 0 };
        }
        self.look(now, members)
    }

    fn look(&mut self, now: Moment, members: u32) -> Moved {
        let missing = self.needed.of(members).saturating_sub(self.done.len() as u32);
        if missing > 0 {
            return Moved::Waits { missing };
        }
        self.done.clear();
        self.current += 1;
        match self.names.get(self.current) {
            Some(next) => {
                self.until = Some(now.after(Duration::from_millis(self.within_ms)));
                Moved::To { phase: next.clone() }
            }
            None => {
                self.until = None;
                Moved::Finished
            }
        }
    }

    /// Time has passed. True when the current phase has failed by that, and with it the rest.
    pub fn expire(&mut self, now: Moment) -> bool {
        if self.until.is_none_or(|until| now < until) {
            return false;
        }
        let (done, phase) = (self.done.len(), self.current().unwrap_or_default());
        self.failed = Some(format!("{done} were done with '{phase}' in time"));
        self.until = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    fn phases(needed: Needed) -> Phases {
        Phases::new(NOW, vec!["plan".into(), "build".into()], needed, 1000)
    }

    #[test]
    fn the_next_begins_when_all_are_done_and_never_twice() {
        let mut phases = phases(Needed::All);
        assert_eq!(phases.done(NOW, "a", "plan", 2), Ok(Moved::Waits { missing: 1 }));
        let again = phases.done(NOW, "a", "plan", 2);
        assert_eq!(again, Err(PhaseRefusal::DoneAlready("a".into())));
        let later = phases.done(NOW, "b", "build", 2);
        assert!(matches!(later, Err(PhaseRefusal::NotNow { .. })));
        let next = Moved::To { phase: "build".into() };
        assert_eq!(phases.done(Moment(500), "b", "plan", 2), Ok(next));
        assert_eq!(phases.until(), Some(Moment(1_000_500)));
        phases.done(NOW, "b", "build", 2).unwrap();
        assert_eq!(phases.done(NOW, "a", "build", 2), Ok(Moved::Finished));
        assert_eq!((phases.current(), phases.until()), (None, None));
    }

    #[test]
    fn the_death_of_the_one_all_wait_for_lets_the_rest_go_on() {
        let mut phases = phases(Needed::All);
        phases.done(NOW, "a", "plan", 3).unwrap();
        phases.done(NOW, "c", "plan", 3).unwrap();
        assert_eq!(phases.lost(NOW, "a", 2), Moved::Waits { missing: 1 });
        assert_eq!(phases.lost(NOW, "b", 1), Moved::To { phase: "build".into() });
        assert_eq!(phases.lost(NOW, "c", 0), Moved::Waits { missing: 0 });
    }

    #[test]
    fn a_quorum_is_enough_and_too_late_is_a_failure() {
        let mut phases = phases(Needed::Quorum(2));
        phases.done(NOW, "a", "plan", 5).unwrap();
        assert_eq!(phases.done(NOW, "b", "plan", 5), Ok(Moved::To { phase: "build".into() }));
        let late = phases.done(Moment(1_000_000), "a", "build", 5);
        assert_eq!(late, Err(PhaseRefusal::Late("build".into())));
        assert!(!phases.expire(Moment(999_999)) && phases.expire(Moment(1_000_000)));
        assert_eq!(phases.failed(), Some("0 were done with 'build' in time"));
        assert!(phases.done(NOW, "a", "build", 5).is_err());
    }
}
