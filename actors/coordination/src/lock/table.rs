//! Who holds what and who waits for what. No policy: only what is so, kept consistent.
//!
//! A lock is a semaphore of 2²⁰ permits of which a reader takes one and a writer all; so one rule
//! says what fits. A request waits in the queues of all its resources and takes them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setup::LOCK;
use crate::protocol::Moment;

/// An owner, by its number in the space.
pub(super) type OwnerNo = u64;
/// A resource, by its number in the space.
pub(super) type ResourceNo = u64;
/// Where a request stands in a queue: the smaller is served first. Rank, then ticket.
pub(super) type Place = (i64, u64);

/// The rank of a request for more of what its owner holds: nobody before it could be served
/// without it.
pub(super) const UPGRADE: i64 = i64::MIN;

/// Someone who holds or waits, or is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) priority: u8,
    /// When its first request came.
    pub(super) since: Moment,
    /// That, less its priority times the step of aging. The smaller is
    /// the senior; the number of the owner breaks ties.
    pub(super) rank: i64,
    pub(super) grants: BTreeSet<u64>,
    pub(super) waiting: Option<u64>,
    /// When its age is forgotten, while it neither holds nor waits.
    pub(super) forget_at: Option<Moment>,
}

/// What an owner has of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Share {
    /// By fence.
    pub(super) grants: BTreeMap<u64, u32>,
    /// What they make together: of a lock the most, of a semaphore the sum.
    pub(super) amount: u32,
}

/// A lock or a semaphore.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) permits: u32,
    /// A declared one stays when nobody uses it.
    pub(super) is_semaphore: bool,
    pub(super) used: u64,
    pub(super) holders: BTreeMap<OwnerNo, Share>,
    pub(super) queue: BTreeMap<Place, u32>,
}

impl Resource {
    /// What `owner` would have with `amount` more, and whether that is possible when `freed`
    /// were free and requests for `ahead` came first.
    pub(super) fn takes(&self, owner: OwnerNo, amount: u32, freed: u64, ahead: u64) -> bool {
        let own = self.holders.get(&owner).map_or(0, |share| share.amount);
        let wanted = if self.is_semaphore { own.saturating_add(amount) } else { own.max(amount) };
        let others = self.used.saturating_sub(u64::from(own) + freed);
        wanted == own || others + u64::from(wanted) + ahead <= u64::from(self.permits)
    }

    /// How much the requests before `place` ask for; not all of them when that is too much.
    fn ahead_of(&self, place: Place) -> u64 {
        let mut ahead = 0;
        for amount in self.queue.range(..place).map(|(_, amount)| *amount) {
            ahead += u64::from(amount);
            if ahead >= u64::from(self.permits) {
                break;
            }
        }
        ahead
    }

    fn settle(&mut self, owner: OwnerNo, change: impl FnOnce(&mut Share)) {
        let share = self.holders.entry(owner).or_default();
        self.used -= u64::from(share.amount);
        change(share);
        let amounts = share.grants.values().copied();
        share.amount = if self.is_semaphore {
            amounts.fold(0, u32::saturating_add)
        } else {
            amounts.max().unwrap_or(0)
        };
        self.used += u64::from(share.amount);
        if share.grants.is_empty() {
            self.holders.remove(&owner);
        }
    }
}

/// A part of a request or of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) resource: ResourceNo,
    pub(super) amount: u32,
    /// Its rank in the queue of the resource.
    pub(super) rank: i64,
}

/// What an owner holds under one fence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) owner: OwnerNo,
    pub(super) items: Vec<Item>,
    pub(super) until: Moment,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) owner: OwnerNo,
    pub(super) items: Vec<Item>,
    pub(super) since: Moment,
    pub(super) deadline: Moment,
    pub(super) lease: Duration,
}

/// What happens when its time comes. At the same time leases end first: what becomes free then
/// still goes to someone whose wait would end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Due {
    Lease(u64),
    Wait(u64),
    Forget(OwnerNo),
}

/// The table of locks of a space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) owners: BTreeMap<OwnerNo, Owner>,
    pub(super) owner_names: BTreeMap<String, OwnerNo>,
    pub(super) resources: BTreeMap<ResourceNo, Resource>,
    pub(super) resource_names: BTreeMap<String, ResourceNo>,
    pub(super) grants: BTreeMap<u64, Grant>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    pub(super) due: BTreeSet<(Moment, Due)>,
    /// The last token and the last ticket that were given, and the last owner and resource.
    pub(super) last_fence: u64,
    pub(super) last_ticket: u64,
    last_number: u64,
}

impl Table {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn owner_named(&self, name: &str) -> Option<(OwnerNo, &Owner)> {
        let no = *self.owner_names.get(name)?;
        self.owners.get(&no).map(|owner| (no, owner))
    }

    pub(super) fn name_of(&self, owner: OwnerNo) -> &str {
        self.owners.get(&owner).map_or("", |owner| owner.name.as_str())
    }

    /// Seniority: the smaller came first, or is more urgent.
    pub(super) fn seniority(&self, owner: OwnerNo) -> (i64, OwnerNo) {
        (self.owners.get(&owner).map_or(i64::MAX, |owner| owner.rank), owner)
    }

    /// The owner of that name, who is known from now on.
    pub(super) fn enrol(&mut self, name: &str, priority: u8, since: Moment, rank: i64) -> OwnerNo {
        if let Some(no) = self.owner_names.get(name).copied() {
            if let Some(owner) = self.owners.get_mut(&no)
                && let Some(at) = owner.forget_at.take()
            {
                self.due.remove(&(at, Due::Forget(no)));
            }
            return no;
        }
        let no = self.number();
        self.owner_names.insert(name.to_owned(), no);
        let owner = Owner {
            name: name.to_owned(),
            priority,
            since,
            rank,
            grants: BTreeSet::new(),
            waiting: None,
            forget_at: None,
        };
        self.owners.insert(no, owner);
        no
    }

    /// Forgets an owner that neither holds nor waits, at `keep_until` or else now.
    pub(super) fn leave(&mut self, no: OwnerNo, keep_until: Option<Moment>) {
        let Some(owner) = self.owners.get_mut(&no) else { return };
        if !owner.grants.is_empty() || owner.waiting.is_some() {
            return;
        }
        if let Some(at) = owner.forget_at.take() {
            self.due.remove(&(at, Due::Forget(no)));
        }
        if let Some(at) = keep_until {
            owner.forget_at = Some(at);
            self.due.insert((at, Due::Forget(no)));
        } else if let Some(owner) = self.owners.remove(&no) {
            self.owner_names.remove(&owner.name);
        }
    }

    /// The semaphore of that name is there from now on.
    pub(super) fn declare(&mut self, name: &str, permits: u32) {
        self.add_resource(name, permits, true);
    }

    /// The resource of that name: a new lock when there is none.
    pub(super) fn resource(&mut self, name: &str) -> ResourceNo {
        match self.resource_names.get(name) {
            Some(no) => *no,
            None => self.add_resource(name, LOCK, false),
        }
    }

    fn add_resource(&mut self, name: &str, permits: u32, is_semaphore: bool) -> ResourceNo {
        let no = self.number();
        self.resource_names.insert(name.to_owned(), no);
        let (name, used) = (name.to_owned(), 0);
        let (holders, queue) = (BTreeMap::new(), BTreeMap::new());
        self.resources.insert(no, Resource { name, permits, is_semaphore, used, holders, queue });
        no
    }

    /// A lock that nobody holds and nobody waits for takes no memory.
    fn drop_if_unused(&mut self, no: ResourceNo) {
        let unused = self
            .resources
            .get(&no)
            .is_some_and(|it| !it.is_semaphore && it.holders.is_empty() && it.queue.is_empty());
        if unused && let Some(resource) = self.resources.remove(&no) {
            self.resource_names.remove(&resource.name);
        }
    }

    /// Drops locks that were looked up for a request that did not come to be.
    pub(super) fn drop_unused(&mut self, items: &[Item]) {
        for item in items {
            self.drop_if_unused(item.resource);
        }
    }

    /// Whether `owner` could have `item` at once, were it at its place with `ticket`.
    pub(super) fn fits(&self, owner: OwnerNo, item: &Item, ticket: u64) -> bool {
        self.resources.get(&item.resource).is_some_and(|resource| {
            resource.takes(owner, item.amount, 0, 0)
                && resource.takes(owner, item.amount, 0, resource.ahead_of((item.rank, ticket)))
        })
    }

    /// Puts a request into its queues.
    pub(super) fn enqueue(&mut self, ticket: u64, request: Waiting) {
        for item in &request.items {
            if let Some(resource) = self.resources.get_mut(&item.resource) {
                resource.queue.insert((item.rank, ticket), item.amount);
            }
        }
        if let Some(owner) = self.owners.get_mut(&request.owner) {
            owner.waiting = Some(ticket);
        }
        self.due.insert((request.deadline, Due::Wait(ticket)));
        self.waiting.insert(ticket, request);
    }

    /// Takes a request out of its queues.
    pub(super) fn dequeue(&mut self, ticket: u64) -> Option<Waiting> {
        let request = self.waiting.remove(&ticket)?;
        self.due.remove(&(request.deadline, Due::Wait(ticket)));
        if let Some(owner) = self.owners.get_mut(&request.owner) {
            owner.waiting = None;
        }
        for item in &request.items {
            if let Some(resource) = self.resources.get_mut(&item.resource) {
                resource.queue.remove(&(item.rank, ticket));
            }
        }
        Some(request)
    }

    /// Gives `items` to `owner` under a new token.
    pub(super) fn give(&mut self, owner: OwnerNo, items: Vec<Item>, until: Moment) -> u64 {
        self.last_fence += 1;
        let fence = self.last_fence;
        for item in &items {
            if let Some(resource) = self.resources.get_mut(&item.resource) {
                resource.settle(owner, |share| _ = share.grants.insert(fence, item.amount));
            }
        }
        if let Some(owner) = self.owners.get_mut(&owner) {
            owner.grants.insert(fence);
        }
        self.due.insert((until, Due::Lease(fence)));
        self.grants.insert(fence, Grant { owner, items, until });
        fence
    }

    /// Takes back what was given under `fence`. Whoever calls promotes those who waited for it.
    pub(super) fn take_back(&mut self, fence: u64) -> Option<Grant> {
        let grant = self.grants.remove(&fence)?;
        self.due.remove(&(grant.until, Due::Lease(fence)));
        for item in &grant.items {
            if let Some(resource) = self.resources.get_mut(&item.resource) {
                resource.settle(grant.owner, |share| _ = share.grants.remove(&fence));
            }
        }
        if let Some(owner) = self.owners.get_mut(&grant.owner) {
            owner.grants.remove(&fence);
        }
        Some(grant)
    }

    /// Moves the end of a lease.
    pub(super) fn extend(&mut self, fence: u64, until: Moment) {
        if let Some(grant) = self.grants.get_mut(&fence) {
            self.due.remove(&(grant.until, Due::Lease(fence)));
            grant.until = until;
            self.due.insert((until, Due::Lease(fence)));
        }
    }

    /// Gives what is free to those who wait for `items`, in order. The tickets and their tokens.
    pub(super) fn promote(&mut self, items: &[Item], now: Moment) -> Vec<(u64, u64)> {
        let mut open: BTreeSet<ResourceNo> = items.iter().map(|item| item.resource).collect();
        let mut granted = Vec::new();
        while let Some(no) = open.pop_first() {
            let (mut cursor, mut ahead) = (None, 0);
            while let Some(ticket) = self.next_ready(no, &mut cursor, &mut ahead) {
                let Some(request) = self.dequeue(ticket) else { break };
                open.extend(request.items.iter().map(|item| item.resource).filter(|it| *it != no));
                let until = now.after(request.lease);
                granted.push((ticket, self.give(request.owner, request.items, until)));
            }
            self.drop_if_unused(no);
        }
        granted
    }

    /// The next request after `cursor` in the queue of a resource that can be served: all it asks
    /// for is there. Those that can't keep their part: nobody behind them may take it.
    fn next_ready(
        &self,
        no: ResourceNo,
        cursor: &mut Option<Place>,
        ahead: &mut u64,
    ) -> Option<u64> {
        let resource = self.resources.get(&no)?;
        let from = match *cursor {
            Some(place) => std::ops::Bound::Excluded(place),
            None => std::ops::Bound::Unbounded,
        };
        for (place, amount) in resource.queue.range((from, std::ops::Bound::Unbounded)) {
            *cursor = Some(*place);
            let full = resource.used + *ahead >= u64::from(resource.permits);
            if full && place.0 != UPGRADE {
                return None;
            }
            let request = self.waiting.get(&place.1)?;
            let others = request.items.iter().filter(|item| item.resource != no);
            if resource.takes(request.owner, *amount, 0, *ahead)
                && others.into_iter().all(|item| self.fits(request.owner, item, place.1))
            {
                return Some(place.1);
            }
            *ahead += u64::from(*amount);
        }
        None
    }
}
