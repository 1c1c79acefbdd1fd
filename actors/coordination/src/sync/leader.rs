//! The leader of a group: a lease with a fencing token, successors by rank. Pure.
//!
//! The token rises with every leader, so that whatever the leader touches can refuse one that was
//! (Kleppmann, 2016; leases: Gray, Cheriton, 1989).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::Moment;

/// Who leads, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub holder: String,
    /// The fencing token: higher than that of any leader before.
    pub token: u64,
    /// Until when, unless it is renewed.
    pub until: Moment,
}

/// Leadership of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leadership {
    lease_ms: u64,
    /// The last token that was given.
    token: u64,
    lease: Option<Lease>,
    /// Who let a lease run out, or stepped down: others come first until all have.
    passed_over: BTreeSet<String>,
}

/// Why a leader's word does not count. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{who}' does not lead with token {token}: {}", leader(.current.as_ref()))]
pub struct NotLeader {
    /// Who spoke.
    pub who: String,
    /// With which token.
    pub token: u64,
    /// Who leads.
    pub current: Option<Lease>,
}

fn leader(lease: Option<&Lease>) -> String {
    match lease {
        Some(Lease { holder, token, .. }) => format!("'{holder}' does with token {token}"),
        None => "nobody does".into(),
    }
}

impl Leadership {
    /// Nobody leads; leases last so long.
    #[must_use]
    pub fn new(lease_ms: u64) -> Self {
        Self { lease_ms, token: 0, lease: None, passed_over: BTreeSet::new() }
    }

    /// Who leads, and until when.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether somebody leads with this token now.
    #[must_use]
    pub fn holds(&self, now: Moment, who: &str, token: u64) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|lease| lease.holder == who && lease.token == token && now < lease.until)
    }

    /// Makes the first of these the leader, those last that let go before. Nothing happens while
    /// somebody leads, or when there is nobody.
    pub fn appoint<'a>(
        &mut self,
        now: Moment,
        by_rank: impl Iterator<Item = &'a str>,
    ) -> Option<&Lease> {
        if self.lease.is_some() {
            return None;
        }
        let mut first = None;
        let mut next = None;
        for member in by_rank {
            first.get_or_insert(member);
            if !self.passed_over.contains(member) {
                next = Some(member);
                break;
            }
        }
        let holder = next.or(first)?.to_owned();
        if next.is_none() {
            // All have let go: it begins again.
            self.passed_over.clear();
        }
        self.token += 1;
        let until = now.after(Duration::from_millis(self.lease_ms));
        Some(self.lease.insert(Lease { holder, token: self.token, until }))
    }

    /// The leader goes on.
    ///
    /// # Errors
    /// [`NotLeader`].
    pub fn renew(&mut self, now: Moment, who: &str, token: u64) -> Result<&Lease, NotLeader> {
        if !self.holds(now, who, token) {
            return Err(self.not_leader(who, token));
        }
        let until = now.after(Duration::from_millis(self.lease_ms));
        match &mut self.lease {
            Some(lease) => {
                lease.until = until;
                Ok(lease)
            }
            None => Err(NotLeader { who: who.to_owned(), token, current: None }),
        }
    }

    fn not_leader(&self, who: &str, token: u64) -> NotLeader {
        NotLeader { who: who.to_owned(), token, current: self.lease.clone() }
    }

    /// The leader steps down; somebody else is to be appointed.
    ///
    /// # Errors
    /// [`NotLeader`].
    pub fn step_down(&mut self, now: Moment, who: &str, token: u64) -> Result<(), NotLeader> {
        if !self.holds(now, who, token) {
            return Err(self.not_leader(who, token));
        }
        self.let_go();
        Ok(())
    }

    /// A member is gone. True when it led.
    pub fn lost(&mut self, who: &str) -> bool {
        let led = self.lease.take_if(|lease| lease.holder == who).is_some();
        self.passed_over.remove(who);
        led
    }

    /// Time has passed. Gives who led, when the lease has run out by that.
    pub fn expire(&mut self, now: Moment) -> Option<String> {
        self.lease.as_ref().filter(|lease| now >= lease.until)?;
        self.let_go()
    }

    fn let_go(&mut self) -> Option<String> {
        let holder = self.lease.take()?.holder;
        self.passed_over.insert(holder.clone());
        Some(holder)
    }

    /// Until when the lease lasts.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        self.lease.as_ref().map(|lease| lease.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appointed(leadership: &mut Leadership, now: i64) -> Option<(String, u64)> {
        let members = ["a", "b", "c"];
        let lease = leadership.appoint(Moment(now), members.into_iter())?;
        Some((lease.holder.clone(), lease.token))
    }

    #[test]
    fn successors_follow_by_rank_each_with_a_higher_token() {
        let mut leadership = Leadership::new(1);
        assert_eq!(appointed(&mut leadership, 0), Some(("a".into(), 1)));
        assert_eq!(appointed(&mut leadership, 0), None, "one leads");
        assert!(leadership.renew(Moment(999), "a", 1).is_ok());
        assert!(leadership.expire(Moment(1_998)).is_none());
        assert_eq!(leadership.expire(Moment(1_999)), Some("a".into()));
        assert_eq!(appointed(&mut leadership, 2_000), Some(("b".into(), 2)));
        assert!(leadership.renew(Moment(2_001), "a", 1).is_err(), "it has been fenced off");
        leadership.step_down(Moment(2_001), "b", 2).unwrap();
        assert_eq!(appointed(&mut leadership, 2_001), Some(("c".into(), 3)));
        assert!(leadership.lost("c") && !leadership.lost("c"));
        assert_eq!(appointed(&mut leadership, 2_002), Some(("c".into(), 4)));
        leadership.step_down(Moment(2_002), "c", 4).unwrap();
        assert_eq!(appointed(&mut leadership, 2_003), Some(("a".into(), 5)), "all had let go");
    }

    #[test]
    fn a_lease_that_has_run_out_is_no_lease_before_anybody_says_so() {
        let mut leadership = Leadership::new(1);
        appointed(&mut leadership, 0);
        assert!(leadership.holds(Moment(999), "a", 1));
        assert!(!leadership.holds(Moment(1_000), "a", 1));
        let refused = leadership.renew(Moment(1_000), "a", 1).unwrap_err();
        assert_eq!(refused.to_string(), "'a' does not lead with token 1: 'a' does with token 1");
        assert!(leadership.step_down(Moment(1), "b", 1).is_err());
    }
}
