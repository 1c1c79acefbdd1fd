//! Conflicts that a lock table shows.

use std::collections::BTreeMap;

use super::setup::{Cause, ConflictSetup, Party, Strategy};
use crate::lock::LockSpace;

/// A conflict that has been found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Of which kind.
    pub cause: Cause,
    /// About what.
    pub subject: String,
    /// Between whom.
    pub parties: Vec<Party>,
}

impl Found {
    /// How a conversation about it is opened, to be settled by `strategies` within an hour.
    #[must_use]
    pub fn settled_by(self, strategies: Vec<Strategy>) -> ConflictSetup {
        let Self { cause, subject, parties } = self;
        ConflictSetup { subject, cause, parties, strategies, ..ConflictSetup::default() }
    }
}

/// The resources for which at least `least` requests wait, with who holds them and who waits.
#[must_use]
pub fn contentions(space: &LockSpace, least: u64) -> Vec<Found> {
    let contended = space.contention().into_iter().filter(|it| it.waiting >= least.max(1));
    let found = contended.map(|it| {
        let mut parties: BTreeMap<String, Party> = BTreeMap::new();
        for name in it.waiters {
            parties.insert(name.clone(), party(space, name, false));
        }
        // Whoever holds it and wants more of it is a holder.
        for name in it.holders {
            parties.insert(name.clone(), party(space, name, true));
        }
        let parties = parties.into_values().collect();
        Found { cause: Cause::Contention, subject: it.resource, parties }
    });
    // Two owners at least: whoever waits for more of what it alone holds waits for a queue.
    found.filter(|it| it.parties.len() > 1).collect()
}

/// The owners who can't go on whatever the others do, in groups that wait for each other.
#[must_use]
pub fn deadlocks(space: &LockSpace) -> Vec<Found> {
    let groups = space.deadlocked().into_iter();
    let found = groups.map(|group| {
        let subject = group.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
        let parties = group.into_iter().map(|name| party(space, name, true)).collect();
        Found { cause: Cause::Deadlock, subject, parties }
    });
    found.collect()
}

fn party(space: &LockSpace, name: String, holds: bool) -> Party {
    let (priority, since_us) = space.standing(&name).unwrap_or_default();
    let locks = u32::try_from(space.locks_of(&name)).unwrap_or(u32::MAX);
    Party { priority: priority.into(), since_us, holds, locks, ..Party::named(name) }
}
