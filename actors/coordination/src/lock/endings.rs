//! How waits and grants end: by a turn that has come, by the clock, by force; and who is told.

use serde_json::json;
use synod_agents::{AgentId, Payload, Performative};
use synod_runtime::Principal;

use super::machine::{LockSpace, count};
use super::messages::{Ending, LockAnswer};
use super::table::{Item, OwnerNo};
use super::view::Ended;
use crate::protocol::{Dispatch, Effects, Moment, Protocol as _};

/// How many of the latest endings the view shows.
const RECENT: usize = 256;

/// What an owner lost at once.
pub(super) struct Lost {
    pub(super) items: Vec<Item>,
    pub(super) fences: Vec<u64>,
    pub(super) ticket: Option<u64>,
}

impl LockSpace {
    pub(super) fn close(
        &mut self,
        now: Moment,
        by: &Principal,
        reason: String,
        out: &mut Effects,
    ) -> LockAnswer {
        self.wake(now, out);
        let mut grants = 0;
        for no in self.table.owners.keys().copied().collect::<Vec<_>>() {
            let name = self.table.name_of(no).to_owned();
            let lost = self.strip(no, Ending::Closed, now);
            if lost.ticket.is_some() || !lost.fences.is_empty() {
                self.tell(&name, Ending::Closed, &lost, &reason, out);
            }
            grants += count(lost.fences.len());
            self.table.leave(no, None);
            self.table.drop_unused(&lost.items);
        }
        out.note(Ending::Closed.note(), by.name.as_ref(), &json!({ "grants": grants }), &*reason);
        self.closed = Some(reason);
        LockAnswer::Freed { grants }
    }

    pub(super) fn expire(&mut self, fence: u64, at: Moment, out: &mut Effects) {
        let Some(grant) = self.table.take_back(fence) else { return };
        let owner = self.table.name_of(grant.owner).to_owned();
        self.ledger.freed += 1;
        self.ended(&owner, None, Some(fence), Ending::Expired, at);
        let lost = Lost { items: grant.items, fences: vec![fence], ticket: None };
        self.tell(&owner, Ending::Expired, &lost, "the lease has ended", out);
        self.table.leave(grant.owner, None);
        self.promote(&lost.items, at, out);
    }

    pub(super) fn time_out(&mut self, ticket: u64, at: Moment, out: &mut Effects) {
        let Some(request) = self.table.dequeue(ticket) else { return };
        let owner = self.table.name_of(request.owner).to_owned();
        self.ended(&owner, Some(ticket), None, Ending::TimedOut, at);
        let lost = Lost { items: request.items, fences: Vec::new(), ticket: Some(ticket) };
        self.tell(&owner, Ending::TimedOut, &lost, "not free by its deadline", out);
        self.table.leave(request.owner, Some(self.remember_until(at)));
        self.promote(&lost.items, at, out);
    }

    /// Gives what is free to those who wait for it.
    pub(super) fn promote(&mut self, items: &[Item], now: Moment, out: &mut Effects) {
        for (ticket, fence) in self.table.promote(items, now) {
            let Some(grant) = self.table.grants.get(&fence).cloned() else { continue };
            let owner = self.table.name_of(grant.owner).to_owned();
            self.ledger.grants += 1;
            self.ended(&owner, Some(ticket), Some(fence), Ending::Granted, now);
            let names = self.names_of(&grant.items);
            let until = grant.until.0;
            let what = json!({
                "ticket": ticket, "fence": fence, "until_us": until, "resources": names,
            });
            out.note(Ending::Granted.note(), owner.as_str(), &what, "its turn has come");
            self.send(&owner, Performative::Inform, Ending::Granted, what, out);
        }
    }

    /// Takes from `owner` all that it holds and what it waits for.
    pub(super) fn strip(&mut self, owner: OwnerNo, ending: Ending, now: Moment) -> Lost {
        let known = self.table.owners.get(&owner);
        let fences: Vec<u64> = known.into_iter().flat_map(|it| it.grants.clone()).collect();
        let ticket = known.and_then(|it| it.waiting);
        let name = self.table.name_of(owner).to_owned();
        let mut items = Vec::new();
        for fence in &fences {
            items.extend(self.table.take_back(*fence).into_iter().flat_map(|grant| grant.items));
            self.ledger.freed += 1;
            self.ended(&name, None, Some(*fence), ending, now);
        }
        if let Some(request) = ticket.and_then(|ticket| self.table.dequeue(ticket)) {
            items.extend(request.items);
            self.ended(&name, ticket, None, ending, now);
        }
        Lost { items, fences, ticket }
    }

    /// Writes down how a wait (by its ticket) or a grant ended.
    pub(super) fn ended(
        &mut self,
        owner: &str,
        ticket: Option<u64>,
        fence: Option<u64>,
        ending: Ending,
        at: Moment,
    ) {
        if ticket.is_some() {
            *self.ledger.ended.entry(ending).or_default() += 1;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let owner = owner.to_owned();
        self.recent.push_back(Ended { owner, ticket, fence, ending, at_us: at.0 });
    }

    /// Notes that an owner lost something, and sends it word.
    pub(super) fn tell(
        &mut self,
        owner: &str,
        ending: Ending,
        lost: &Lost,
        why: &str,
        out: &mut Effects,
    ) {
        let names = self.names_of(&lost.items);
        let what = json!({ "ticket": lost.ticket, "fences": lost.fences, "resources": names });
        out.note(ending.note(), owner, &what, why);
        self.send(owner, Performative::Failure, ending, what, out);
    }

    fn send(
        &mut self,
        owner: &str,
        performative: Performative,
        ending: Ending,
        mut what: serde_json::Value,
        out: &mut Effects,
    ) {
        if !self.setup.tell_agents {
            return;
        }
        let Ok(to) = AgentId::new(owner) else { return };
        what["event"] = json!(ending.note());
        let Ok(content) = Payload::json(&what) else { return };
        self.dispatched += 1;
        let number = self.dispatched;
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within: None });
    }
}
