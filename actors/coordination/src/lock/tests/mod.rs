//! Tests of the lock space; after every step the whole table is looked over.

mod fencing;
mod graph;
mod policies;
mod queues;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};

use synod_runtime::Principal;
use uuid::Uuid;

use super::table::{Due, Table};
use super::{Acquire, DeadlockPolicy, Ended, LockAnswer, LockInput, LockSetup, LockSpace, Wish};
use crate::protocol::{Effects, Moment, Note, Opening, Protocol, Refusal};

/// A lock space and its time in milliseconds.
pub(super) struct World {
    pub(super) space: LockSpace,
    pub(super) now_ms: i64,
    pub(super) notes: Vec<Note>,
    pub(super) endings: Vec<Ended>,
}

impl World {
    pub(super) fn new(setup: LockSetup) -> Self {
        let opening = Opening {
            id: Uuid::nil(),
            now: Moment(0),
            seed: 0,
            by: Principal::anonymous().clone(),
        };
        let mut out = Effects::default();
        let space = LockSpace::open(setup, &opening, &mut out).unwrap();
        Self { space, now_ms: 0, notes: out.notes, endings: Vec::new() }
    }

    pub(super) fn with(policy: DeadlockPolicy) -> Self {
        Self::new(LockSetup { policy, ..LockSetup::default() })
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.now_ms * 1_000)
    }

    pub(super) fn step(&mut self, input: LockInput) -> Result<LockAnswer, Refusal> {
        let before = self.space.clone();
        let mut out = Effects::default();
        let answer = self.space.step(self.now(), Principal::anonymous(), input, &mut out);
        if answer.is_err() {
            assert_eq!(self.space, before, "a refusal changes nothing");
            assert!(out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.take(out);
        answer
    }

    /// Lets so many milliseconds pass, waking the space whenever it wants to be.
    pub(super) fn pass(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while let Some(at) = self.space.next_wake()
            && at <= Moment(end * 1_000)
        {
            let mut out = Effects::default();
            self.space.wake(at, &mut out);
            self.take(out);
        }
        self.now_ms = end;
    }

    fn take(&mut self, out: Effects) {
        self.notes.extend(out.notes);
        self.endings.extend(self.space.recent.drain(..));
        audit(&self.space);
    }

    pub(super) fn ask(&mut self, ask: Acquire) -> Result<LockAnswer, Refusal> {
        self.step(LockInput::Acquire(ask))
    }

    /// All of each of `names`, for 1 s, waiting 10 s.
    pub(super) fn lock(&mut self, owner: &str, names: &[&str]) -> LockAnswer {
        self.ask(acquire(owner, names.iter().map(|name| Wish::exclusive(*name)).collect())).unwrap()
    }

    pub(super) fn release(&mut self, owner: &str, fence: u64) -> Result<LockAnswer, Refusal> {
        self.step(LockInput::Release { owner: owner.into(), fence })
    }

    /// Who holds `name`.
    pub(super) fn holders(&self, name: &str) -> Vec<String> {
        let view = self.space.view();
        let holding = view.grants.iter().filter(|it| it.resources.contains_key(name));
        holding.map(|it| it.owner.clone()).collect()
    }

    pub(super) fn told(&self, kind: &str, who: &str) -> bool {
        self.notes.iter().any(|note| note.kind == kind && note.who == who)
    }
}

pub(super) fn acquire(owner: &str, resources: Vec<Wish>) -> Acquire {
    Acquire { owner: owner.into(), resources, lease_ms: 1_000, wait_ms: 10_000, priority: 0 }
}

pub(super) fn fence(answer: &LockAnswer) -> u64 {
    match answer {
        LockAnswer::Granted { fence, .. } => *fence,
        other => panic!("expected a grant, got {other:?}"),
    }
}

pub(super) fn ticket(answer: &LockAnswer) -> u64 {
    match answer {
        LockAnswer::Waiting { ticket, .. } => *ticket,
        other => panic!("expected a wait, got {other:?}"),
    }
}

/// Looks over the whole table: nothing is held beyond what there is, nothing is left behind, who
/// can be served has been, and nobody waits in a circle.
pub(super) fn audit(space: &LockSpace) {
    let table = &space.table;
    for (no, resource) in &table.resources {
        assert_eq!(table.resource_names.get(&resource.name), Some(no));
        let shares: u64 = resource.holders.values().map(|it| u64::from(it.amount)).sum();
        assert_eq!(resource.used, shares, "{}", resource.name);
        assert!(shares <= u64::from(resource.permits), "{} is held beyond it", resource.name);
        let used = !resource.holders.is_empty() || !resource.queue.is_empty();
        assert!(used || resource.is_semaphore, "{} is left behind", resource.name);
    }
    audit_grants(table);
    audit_waits(table);
    assert!(table.owner_names.len() == table.owners.len());
    let ledger = &space.ledger;
    assert_eq!(ledger.waits, table.waiting.len() as u64 + ledger.ended.values().sum::<u64>());
    assert_eq!(ledger.grants, table.grants.len() as u64 + ledger.freed);
    if space.setup.policy != DeadlockPolicy::Timeout {
        assert!(table.deadlocks().is_empty(), "a deadlock stays: {:?}", space.view());
    }
}

fn audit_grants(table: &Table) {
    let mut held = BTreeMap::new();
    for (fence, grant) in &table.grants {
        assert!(*fence <= table.last_fence);
        assert!(table.due.contains(&(grant.until, Due::Lease(*fence))));
        assert!(table.owners[&grant.owner].grants.contains(fence));
        for item in &grant.items {
            held.insert((item.resource, grant.owner, *fence), item.amount);
        }
    }
    let mut shares = BTreeMap::new();
    for (no, resource) in &table.resources {
        for (owner, share) in &resource.holders {
            assert!(!share.grants.is_empty() && share.amount > 0);
            shares.extend(share.grants.iter().map(|(fence, n)| ((*no, *owner, *fence), *n)));
        }
    }
    assert_eq!(held, shares, "grants and holders agree");
}

fn audit_waits(table: &Table) {
    let mut places = BTreeSet::new();
    for (ticket, request) in &table.waiting {
        assert_eq!(table.owners[&request.owner].waiting, Some(*ticket));
        assert!(table.due.contains(&(request.deadline, Due::Wait(*ticket))));
        let fits = |item| table.fits(request.owner, item, *ticket);
        assert!(!request.items.iter().all(fits), "ticket {ticket} could be served");
        places.extend(request.items.iter().map(|it| (it.resource, (it.rank, *ticket))));
    }
    let queued = table.resources.iter();
    let queued = queued.flat_map(|(no, it)| it.queue.keys().map(move |place| (*no, *place)));
    assert_eq!(queued.collect::<BTreeSet<_>>(), places, "requests and queues agree");
    let leases = table.due.iter().filter(|(_, due)| matches!(due, Due::Lease(_))).count();
    let waits = table.due.iter().filter(|(_, due)| matches!(due, Due::Wait(_))).count();
    assert_eq!((leases, waits), (table.grants.len(), table.waiting.len()));
    for (no, owner) in &table.owners {
        let idle = owner.grants.is_empty() && owner.waiting.is_none();
        assert_eq!(idle, owner.forget_at.is_some(), "{} is left behind", owner.name);
        assert!(owner.forget_at.is_none_or(|at| table.due.contains(&(at, Due::Forget(*no)))));
    }
}
