//! Who waits for whom, read off the table: circles and deadlocks.
//!
//! The graph is the table itself, so an acquire or a release changes nothing else. Its spots are
//! owners, places in queues and the holders of resources; an edge leads to what is waited for:
//!
//! ```text
//!  Owner ─▶ its places ─▶ the place before ─▶ ... ─▶ the first place ─▶ Holders ─▶ Owner ...
//!                    └─▶ the owner at the place before
//! ```
//!
//! Each wait has as many edges as it asks for resources, each hold has one, whatever the length
//! of the queues. An owner waits for one request at a time, so only a new wait can close a
//! circle, and one that it closes leads through it. The search goes from it both ways, along the
//! side of which it has seen fewer edges, and ends when either side does: it costs
//! O(min(F, B) log n) for F edges ahead of the new wait and B behind it. Who holds nothing that
//! others want has B = 0, who waits for somebody that does not wait has a small F: the common
//! cases cost O(log n) in a graph of any size. Waits that join parts that were apart see
//! O(n log n) edges in all, as each that is seen is on the smaller side. The worst single one,
//! between two chains of equal length, sees as many edges as one of them has.
//!
//! A circle need not be a deadlock where there are permits: another holder may give one back. So
//! a circle is confirmed by reduction (Holt: Some deadlock properties of computer systems, ACM
//! Computing Surveys 4(3), 1972): whoever does not wait gives back all, whoever can then go on
//! does, and who is left at the end is in the deadlock or behind it. That sees all that the new
//! wait depends on.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Item, OwnerNo, Place, ResourceNo, Table, UPGRADE};

/// A node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Owner(OwnerNo),
    Place(ResourceNo, Place),
    Holders(ResourceNo),
}

/// One side of a search.
struct Side {
    seen: BTreeSet<Spot>,
    open: Vec<Spot>,
    edges: usize,
}

impl Side {
    fn from(start: Spot) -> Self {
        Self { seen: BTreeSet::from([start]), open: vec![start], edges: 0 }
    }
}

impl Table {
    /// Whether `owner`, who has just begun to wait, may wait for itself. Never false when it does.
    /// The second is how many edges the search has seen.
    pub(super) fn may_close_a_circle(&self, owner: OwnerNo) -> (bool, usize) {
        let mut ahead = Side::from(Spot::Owner(owner));
        let mut behind = Side::from(Spot::Owner(owner));
        let mut next = Vec::new();
        loop {
            let forward = ahead.edges <= behind.edges;
            let (side, other) = if forward { (&mut ahead, &behind) } else { (&mut behind, &ahead) };
            let Some(spot) = side.open.pop() else { return (false, ahead.edges + behind.edges) };
            next.clear();
            if forward {
                self.waits_for(spot, &mut next)
            } else {
                self.awaited_by(spot, &mut next)
            }
            side.edges += next.len().max(1);
            for spot in next.drain(..) {
                if other.seen.contains(&spot) {
                    return (true, ahead.edges + behind.edges);
                }
                if side.seen.insert(spot) {
                    side.open.push(spot);
                }
            }
        }
    }

    /// Who can't go on, whatever the others do, among those that `owner` depends on: empty when
    /// `owner` itself can.
    pub(super) fn deadlock_of(&self, owner: OwnerNo) -> BTreeSet<OwnerNo> {
        let mut side = Side::from(Spot::Owner(owner));
        let mut next = Vec::new();
        while let Some(spot) = side.open.pop() {
            self.waits_for(spot, &mut next);
            for spot in next.drain(..).filter(|spot| side.seen.insert(*spot)) {
                side.open.push(spot);
            }
        }
        let owners = side.seen.into_iter().filter_map(|spot| match spot {
            Spot::Owner(no) => Some(no),
            Spot::Place(..) | Spot::Holders(_) => None,
        });
        let stuck = Reduction::of(self, owners.collect()).stuck();
        if stuck.contains(&owner) { stuck } else { BTreeSet::new() }
    }

    /// All who can't go on whatever the others do, in groups that depend on each other. Costs as
    /// much as the whole table has edges, times log n.
    pub(super) fn deadlocks(&self) -> Vec<BTreeSet<OwnerNo>> {
        let stuck = Reduction::of(self, self.owners.keys().copied().collect()).stuck();
        let mut left = stuck.clone();
        let mut groups = Vec::new();
        while let Some(first) = left.pop_first() {
            let mut group = BTreeSet::from([first]);
            let mut open = vec![Spot::Owner(first)];
            let mut seen = BTreeSet::from([Spot::Owner(first)]);
            let mut next = Vec::new();
            while let Some(spot) = open.pop() {
                self.waits_for(spot, &mut next);
                self.awaited_by(spot, &mut next);
                for spot in next.drain(..).filter(|spot| seen.insert(*spot)) {
                    if let Spot::Owner(no) = spot {
                        if !stuck.contains(&no) {
                            continue;
                        }
                        left.remove(&no);
                        group.insert(no);
                    }
                    open.push(spot);
                }
            }
            groups.push(group);
        }
        groups
    }

    /// What `spot` waits for.
    fn waits_for(&self, spot: Spot, out: &mut Vec<Spot>) {
        match spot {
            Spot::Owner(no) => out.extend(self.places_of(no)),
            Spot::Place(no, place) => {
                let Some(resource) = self.resources.get(&no) else { return };
                match resource.queue.range(..place).next_back() {
                    Some((before, _)) => {
                        out.push(Spot::Place(no, *before));
                        out.extend(self.owner_at(*before));
                    }
                    None => out.push(Spot::Holders(no)),
                }
            }
            Spot::Holders(no) => {
                let holders = self.resources.get(&no).map(|resource| resource.holders.keys());
                out.extend(holders.into_iter().flatten().map(|owner| Spot::Owner(*owner)));
            }
        }
    }

    /// What waits for `spot`.
    fn awaited_by(&self, spot: Spot, out: &mut Vec<Spot>) {
        let behind = |no: ResourceNo, place: Place| {
            let after = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
            let next = self.resources.get(&no).and_then(|it| it.queue.range(after).next());
            next.map(|(place, _)| Spot::Place(no, *place))
        };
        match spot {
            Spot::Owner(owner) => {
                let grants = self.owners.get(&owner).into_iter().flat_map(|it| &it.grants);
                let items = grants.filter_map(|fence| self.grants.get(fence));
                let held = items.flat_map(|grant| &grant.items);
                out.extend(held.map(|item| Spot::Holders(item.resource)));
                out.extend(self.places_of(owner).filter_map(|spot| match spot {
                    Spot::Place(no, place) => behind(no, place),
                    Spot::Owner(_) | Spot::Holders(_) => None,
                }));
            }
            Spot::Place(no, place) => {
                out.extend(self.owner_at(place));
                out.extend(behind(no, place));
            }
            Spot::Holders(no) => {
                let first = self.resources.get(&no).and_then(|it| it.queue.keys().next());
                out.extend(first.map(|place| Spot::Place(no, *place)));
            }
        }
    }

    fn places_of(&self, owner: OwnerNo) -> impl Iterator<Item = Spot> + '_ {
        let ticket = self.owners.get(&owner).and_then(|it| it.waiting);
        let request = ticket.and_then(|ticket| Some((ticket, self.waiting.get(&ticket)?)));
        request.into_iter().flat_map(|(ticket, request)| {
            request.items.iter().map(move |it| Spot::Place(it.resource, (it.rank, ticket)))
        })
    }

    fn owner_at(&self, place: Place) -> Option<Spot> {
        self.waiting.get(&place.1).map(|request| Spot::Owner(request.owner))
    }
}

/// What would be if whoever can go on did, and gave back all.
struct Reduction<'a> {
    table: &'a Table,
    /// Who may go on or not.
    among: BTreeSet<OwnerNo>,
    gone: BTreeSet<OwnerNo>,
    freed: BTreeMap<ResourceNo, u64>,
}

impl<'a> Reduction<'a> {
    fn of(table: &'a Table, among: BTreeSet<OwnerNo>) -> Self {
        Self { table, among, gone: BTreeSet::new(), freed: BTreeMap::new() }
    }

    /// Who is left when nobody else can go on.
    fn stuck(mut self) -> BTreeSet<OwnerNo> {
        let waits = |no: &OwnerNo| self.table.owners.get(no).is_some_and(|it| it.waiting.is_some());
        let mut open: Vec<OwnerNo> = self.among.iter().copied().filter(|no| !waits(no)).collect();
        while let Some(owner) = open.pop() {
            if !self.gone.insert(owner) {
                continue;
            }
            for no in self.give_back(owner) {
                self.ready_at(no, &mut open);
            }
        }
        self.among.difference(&self.gone).copied().collect()
    }

    /// Frees what `owner` holds; the resources that it held or stood in the queues of.
    fn give_back(&mut self, owner: OwnerNo) -> BTreeSet<ResourceNo> {
        let Some(it) = self.table.owners.get(&owner) else { return BTreeSet::new() };
        let held = it.grants.iter().filter_map(|fence| self.table.grants.get(fence));
        let items = |items: &[Item]| items.iter().map(|it| it.resource).collect::<Vec<_>>();
        let held: BTreeSet<ResourceNo> = held.flat_map(|grant| items(&grant.items)).collect();
        for no in &held {
            let share = self.table.resources.get(no).and_then(|it| it.holders.get(&owner));
            let amount = share.map_or(0, |share| u64::from(share.amount));
            *self.freed.entry(*no).or_default() += amount;
        }
        let request = it.waiting.and_then(|ticket| self.table.waiting.get(&ticket));
        let waited = request.map(|request| items(&request.items)).unwrap_or_default();
        held.into_iter().chain(waited).collect()
    }

    /// Adds those in the queue of `no` that can now go on.
    fn ready_at(&self, no: ResourceNo, open: &mut Vec<OwnerNo>) {
        let Some(resource) = self.table.resources.get(&no) else { return };
        let free = self.freed.get(&no).copied().unwrap_or(0);
        let mut ahead = 0;
        for (place, amount) in &resource.queue {
            let Some(request) = self.table.waiting.get(&place.1) else { continue };
            if self.gone.contains(&request.owner) {
                continue;
            }
            let full = resource.used.saturating_sub(free) + ahead >= u64::from(resource.permits);
            if full && place.0 != UPGRADE {
                break;
            }
            if self.among.contains(&request.owner) && self.can_go_on(place.1) {
                open.push(request.owner);
            }
            ahead += u64::from(*amount);
        }
    }

    fn can_go_on(&self, ticket: u64) -> bool {
        let Some(request) = self.table.waiting.get(&ticket) else { return true };
        request.items.iter().all(|item| {
            let Some(resource) = self.table.resources.get(&item.resource) else { return true };
            let freed = self.freed.get(&item.resource).copied().unwrap_or(0);
            let most = u64::from(resource.permits);
            let mut ahead = 0;
            if !resource.takes(request.owner, item.amount, freed, 0) {
                return false;
            }
            for (place, amount) in resource.queue.range(..(item.rank, ticket)) {
                let owner = self.table.waiting.get(&place.1).map(|it| it.owner);
                if owner.is_none_or(|owner| self.gone.contains(&owner)) {
                    continue;
                }
                ahead += u64::from(*amount);
                if ahead >= most {
                    break;
                }
            }
            resource.takes(request.owner, item.amount, freed, ahead)
        })
    }
}
