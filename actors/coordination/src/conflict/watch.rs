//! Watches what is decided and what is changed, and says when it does not go together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::detect::Found;
use super::setup::{Cause, Party};
use super::version::{Order, VersionVector};
use crate::sync::Stamp;

/// Most that is remembered of one subject: more parties than that are not compared.
const MOST_OF_A_SUBJECT: usize = 64;

/// What somebody decided about a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// About what.
    pub subject: String,
    /// What: two outcomes go together when they are equal.
    pub outcome: String,
    /// Who decided it.
    pub by: String,
    /// With what authority; the greater the more.
    pub authority: u32,
    /// When, by a clock that respects causes.
    pub at: Stamp,
}

/// A decision that does not go together with former ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The decision.
    pub decision: Decision,
    /// Those it contradicts, each the latest of its author.
    pub with: Vec<Decision>,
}

/// A change of something that several may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Of what.
    pub subject: String,
    /// Who made it.
    pub by: String,
    /// What it contains.
    pub version: VersionVector,
    /// When, by a clock that respects causes.
    pub at: Stamp,
    /// The state it leads to, as JSON or text.
    pub value: String,
}

/// A change that others have been made beside, without seeing each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrent {
    /// The change.
    pub update: Update,
    /// The others.
    pub with: Vec<Update>,
}

/// Remembers what was said of each subject; when there are too many, the subject that was heard
/// of longest ago is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BySubject<T> {
    most: usize,
    said: BTreeMap<String, (u64, Vec<T>)>,
    /// Subjects by when they were last heard of.
    order: BTreeMap<u64, String>,
    last: u64,
}

impl<T> BySubject<T> {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), said: BTreeMap::new(), order: BTreeMap::new(), last: 0 }
    }

    fn of(&mut self, subject: &str) -> &mut Vec<T> {
        self.last += 1;
        match self.said.get(subject) {
            Some((heard, _)) => _ = self.order.remove(heard),
            None if self.said.len() >= self.most => {
                if let Some((_, oldest)) = self.order.pop_first() {
                    self.said.remove(&oldest);
                }
            }
            None => {}
        }
        self.order.insert(self.last, subject.to_owned());
        let (heard, said) = self.said.entry(subject.to_owned()).or_insert_with(|| (0, Vec::new()));
        *heard = self.last;
        said
    }
}

/// The latest decision of each author about each subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionLog {
    by_subject: BySubject<Decision>,
}

impl DecisionLog {
    /// A log of at most `subjects` subjects (at least one), of each at most 64 authors: the
    /// oldest is forgotten for a new one.
    #[must_use]
    pub fn new(subjects: usize) -> Self {
        Self { by_subject: BySubject::new(subjects) }
    }

    /// Takes note of a decision. Says what it contradicts: an author may change their mind, but
    /// others' decisions stand. One that is older than the author's latest changes nothing.
    pub fn observe(&mut self, decision: Decision) -> Option<Contradiction> {
        let standing = self.by_subject.of(&decision.subject);
        if let Some(at) = standing.iter().position(|it| it.by == decision.by) {
            if standing[at].at > decision.at {
                return None;
            }
            standing.remove(at);
        }
        let others = standing.iter().filter(|it| it.outcome != decision.outcome);
        let with: Vec<Decision> = others.cloned().collect();
        if standing.len() >= MOST_OF_A_SUBJECT {
            standing.remove(0);
        }
        standing.push(decision.clone());
        (!with.is_empty()).then_some(Contradiction { decision, with })
    }

    /// A subject has been settled: what was decided about it contradicts nothing any more.
    pub fn settle(&mut self, subject: &str) {
        self.by_subject.of(subject).clear();
    }
}

/// The latest changes of each subject that no other contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateLog {
    by_subject: BySubject<Update>,
}

impl UpdateLog {
    /// A log of at most `subjects` subjects (at least one), of each at most 64 changes beside each
    /// other: the oldest is forgotten for a new one.
    #[must_use]
    pub fn new(subjects: usize) -> Self {
        Self { by_subject: BySubject::new(subjects) }
    }

    /// Takes note of a change. Says which were made beside it; what it contains is done with, and
    /// one that is contained in another changes nothing.
    pub fn observe(&mut self, update: Update) -> Option<Concurrent> {
        let latest = self.by_subject.of(&update.subject);
        let order = |it: &Update| it.version.compare(&update.version);
        if latest.iter().any(|it| matches!(order(it), Order::After | Order::Equal)) {
            return None;
        }
        latest.retain(|it| order(it) == Order::Concurrent);
        let with = latest.clone();
        if latest.len() >= MOST_OF_A_SUBJECT {
            latest.remove(0);
        }
        latest.push(update.clone());
        (!with.is_empty()).then_some(Concurrent { update, with })
    }
}

impl From<Contradiction> for Found {
    fn from(it: Contradiction) -> Self {
        let subject = it.decision.subject.clone();
        let party = |decision: Decision| Party {
            authority: decision.authority,
            claim: decision.outcome,
            stamp: decision.at,
            ..Party::named(decision.by)
        };
        let parties = it.with.into_iter().chain([it.decision]).map(party).collect();
        Self { cause: Cause::Decisions, subject, parties }
    }
}

impl From<Concurrent> for Found {
    fn from(it: Concurrent) -> Self {
        let subject = it.update.subject.clone();
        let mut parties: BTreeMap<String, Party> = BTreeMap::new();
        for update in it.with.into_iter().chain([it.update]) {
            // Of several changes by one replica the last stands for it.
            let party = Party {
                claim: update.value,
                stamp: update.at,
                version: update.version,
                ..Party::named(update.by)
            };
            parties.insert(party.name.clone(), party);
        }
        Self { cause: Cause::Updates, subject, parties: parties.into_values().collect() }
    }
}
