//! What is done so that nobody waits in a circle: wound-wait, wait-die, a victim.

use std::collections::BTreeSet;

use serde_json::json;

use super::machine::{LockSpace, count};
use super::messages::{Ending, LockAnswer};
use super::setup::DeadlockPolicy;
use super::table::{Item, OwnerNo};
use crate::protocol::{Effects, Moment};

/// How many owners of a circle its note names.
const NAMED: usize = 16;

impl LockSpace {
    /// Does what the policy says about a request that has just begun to wait. How many grants its
    /// owner has lost.
    pub(super) fn settle(
        &mut self,
        owner: OwnerNo,
        ticket: u64,
        now: Moment,
        out: &mut Effects,
    ) -> u32 {
        match self.setup.policy {
            DeadlockPolicy::Timeout => return 0,
            DeadlockPolicy::WoundWait => self.wound_juniors(owner, ticket, now, out),
            DeadlockPolicy::WaitDie | DeadlockPolicy::Detect => {}
        }
        // Requests for more of what is held pass others by, so a circle can come about even where
        // only the younger wait for the older, or only the older for the younger.
        self.break_circles(owner, now, out)
    }

    /// Takes from the younger what the request needs, the youngest first, until it is served.
    fn wound_juniors(&mut self, owner: OwnerNo, ticket: u64, now: Moment, out: &mut Effects) {
        let senior = self.table.seniority(owner);
        let items = self.table.waiting.get(&ticket).map(|it| it.items.clone()).unwrap_or_default();
        let mut juniors = BTreeSet::new();
        for item in items.iter().filter(|item| self.lacks(owner, item)) {
            let holders = self.table.resources.get(&item.resource).map(|it| it.holders.keys());
            let ranks = holders.into_iter().flatten().map(|no| self.table.seniority(*no));
            juniors.extend(ranks.filter(|rank| *rank > senior));
        }
        let by = self.table.name_of(owner).to_owned();
        for (_, junior) in juniors.into_iter().rev() {
            let served = !self.table.waiting.contains_key(&ticket);
            if served {
                return;
            }
            let in_the_way = items.iter().any(|item| {
                let resource = self.table.resources.get(&item.resource);
                resource.is_some_and(|it| it.holders.contains_key(&junior))
                    && self.lacks(owner, item)
            });
            if in_the_way {
                let why = format!("'{by}' is older and needs what it held");
                self.abort(junior, Ending::Wounded, &why, now, out);
            }
        }
    }

    /// Whether what others hold is in the way of `item`.
    fn lacks(&self, owner: OwnerNo, item: &Item) -> bool {
        let resource = self.table.resources.get(&item.resource);
        resource.is_some_and(|it| !it.takes(owner, item.amount, 0, 0))
    }

    /// Who holds or waits, with `ticket` to come, where `items` are not free.
    pub(super) fn in_the_way<'a>(
        &'a self,
        owner: OwnerNo,
        items: &'a [Item],
        ticket: u64,
    ) -> impl Iterator<Item = OwnerNo> + 'a {
        let missing = items.iter().filter(move |item| !self.table.fits(owner, item, ticket));
        missing.flat_map(move |item| {
            let resource = self.table.resources.get(&item.resource);
            resource.into_iter().flat_map(move |resource| {
                let holders = resource.holders.keys().copied().filter(move |no| *no != owner);
                let ahead = resource.queue.range(..(item.rank, ticket));
                let waiting = ahead.filter_map(|(place, _)| self.table.waiting.get(&place.1));
                holders.chain(waiting.map(|request| request.owner))
            })
        })
    }

    /// Somebody in the way who is older.
    pub(super) fn senior_in_the_way(
        &self,
        owner: OwnerNo,
        items: &[Item],
        ticket: u64,
    ) -> Option<OwnerNo> {
        let own = self.table.seniority(owner);
        self.in_the_way(owner, items, ticket).find(|no| self.table.seniority(*no) < own)
    }

    /// Lets an owner die rather than wait for `before`.
    pub(super) fn die(
        &mut self,
        now: Moment,
        owner: OwnerNo,
        before: OwnerNo,
        items: &[Item],
        out: &mut Effects,
    ) -> LockAnswer {
        let by = self.table.name_of(owner).to_owned();
        *self.ledger.ended.entry(Ending::Died).or_default() += 1;
        let why = format!("'{}' is older and in the way", self.table.name_of(before));
        let lost = self.abort(owner, Ending::Died, &why, now, out);
        self.table.drop_unused(items);
        LockAnswer::Died { by, ending: Ending::Died, lost }
    }

    /// Breaks the circles that the wait of `owner` has closed. How many grants it has lost itself.
    fn break_circles(&mut self, owner: OwnerNo, now: Moment, out: &mut Effects) -> u32 {
        let mut lost = 0;
        while self.table.owners.get(&owner).is_some_and(|it| it.waiting.is_some())
            && self.table.may_close_a_circle(owner).0
        {
            let stuck = self.table.deadlock_of(owner);
            let Some(victim) = self.victim_of(&stuck, now) else { break };
            let name = |no: &OwnerNo| self.table.name_of(*no).to_owned();
            let names: Vec<String> = stuck.iter().take(NAMED).map(name).collect();
            let what = json!({ "owners": names, "of": stuck.len(), "victim": name(&victim) });
            let why = format!("{} owners wait for each other", stuck.len());
            out.note("lock.deadlock", name(&victim), &what, &*why);
            let why = "of those in the circle the least urgent, youngest, with the fewest locks";
            let taken = self.abort(victim, Ending::Victim, why, now, out);
            if victim == owner {
                lost = taken;
            }
        }
        lost
    }

    /// The one of the lowest priority, where each `aging_ms` since its first request counts as a
    /// step more so that nobody is the victim for ever; then the youngest; then the one with the
    /// fewest locks.
    fn victim_of(&self, stuck: &BTreeSet<OwnerNo>, now: Moment) -> Option<OwnerNo> {
        let step = self.headstart(1);
        stuck.iter().copied().min_by_key(|no| {
            let known = self.table.owners.get(no);
            let (priority, since) = known.map_or((0, now), |it| (it.priority, it.since));
            let age = now.0.saturating_sub(since.0);
            let aged = age.checked_div(step).unwrap_or(0).saturating_add(i64::from(priority));
            let grants = known.into_iter().flat_map(|it| &it.grants);
            let items = |fence| self.table.grants.get(fence).map_or(0, |it| it.items.len());
            let locks: usize = grants.map(items).sum();
            (aged, std::cmp::Reverse(since), locks, std::cmp::Reverse(*no))
        })
    }

    /// Takes from an owner all that it holds and waits for. How many grants that were.
    fn abort(
        &mut self,
        owner: OwnerNo,
        ending: Ending,
        why: &str,
        now: Moment,
        out: &mut Effects,
    ) -> u32 {
        let name = self.table.name_of(owner).to_owned();
        let lost = self.strip(owner, ending, now);
        self.tell(&name, ending, &lost, why, out);
        self.table.leave(owner, Some(self.remember_until(now)));
        self.promote(&lost.items, now, out);
        count(lost.fences.len())
    }

    /// For people: what a request waits for.
    pub(super) fn why_waiting(&self, ticket: u64) -> String {
        let Some(request) = self.table.waiting.get(&ticket) else { return String::new() };
        let first = self.in_the_way(request.owner, &request.items, ticket).next();
        let first = first.map_or("", |no| self.table.name_of(no));
        format!("'{first}' is before it")
    }
}
