//! The lock space: requests, releases, the clock.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_runtime::Principal;

use super::messages::{Acquire, Ending, LockAnswer, LockInput};
use super::setup::{DeadlockPolicy, LockSetup, in_range};
use super::table::{Due, Item, OwnerNo, Table, UPGRADE, Waiting};
use super::view::{Ended, LockLedger, LockView};
use crate::protocol::{Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for};

/// To how many a position in a queue is counted.
const FARTHEST: usize = 1_000;
/// Longest reason for closing a space, in bytes.
const LONGEST_REASON: usize = 4 << 10;

/// A namespace of locks and semaphores, with who holds them and who waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockSpace {
    pub(super) setup: LockSetup,
    pub(super) table: Table,
    pub(super) recent: VecDeque<Ended>,
    pub(super) ledger: LockLedger,
    pub(super) closed: Option<String>,
    opened_by: String,
    /// The latest time it was told of: it never goes back.
    latest: Moment,
    pub(super) dispatched: u64,
}

impl Protocol for LockSpace {
    const KIND: &'static str = "lock-space";
    const VERSION: u16 = 1;

    type Setup = LockSetup;
    type Input = LockInput;
    type Answer = LockAnswer;
    type View = LockView;

    fn open(setup: LockSetup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        setup.validate()?;
        let mut table = Table::default();
        for semaphore in &setup.semaphores {
            table.declare(&semaphore.name, semaphore.permits);
        }
        let what = json!({ "name": setup.name, "policy": setup.policy });
        out.note("lock.opened", opening.by.name.as_ref(), &what, "");
        Ok(Self {
            setup,
            table,
            recent: VecDeque::new(),
            ledger: LockLedger::default(),
            closed: None,
            opened_by: opening.by.name.to_string(),
            latest: opening.now,
            dispatched: 0,
        })
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: LockInput,
        out: &mut Effects,
    ) -> Result<LockAnswer, Refusal> {
        if let Some(reason) = &self.closed {
            return Err(Refusal::TooLate(format!("the lock space is closed: {reason}")));
        }
        let now = now.max(self.latest);
        match input {
            LockInput::Acquire(ask) => {
                may_speak_for(by, &ask.owner)?;
                self.check(&ask)?;
                Ok(self.acquire(now, ask, out))
            }
            LockInput::Release { owner, fence } => {
                may_speak_for(by, &owner)?;
                self.check_fence(now, &owner, fence)?;
                Ok(self.release(now, &owner, fence, out))
            }
            LockInput::Renew { owner, fence, lease_ms } => {
                may_speak_for(by, &owner)?;
                in_range("lease_ms", lease_ms, 1, self.setup.max_lease_ms)?;
                self.check_fence(now, &owner, fence)?;
                Ok(self.renew(now, &owner, fence, lease_ms, out))
            }
            LockInput::CancelWait { owner, ticket } => {
                may_speak_for(by, &owner)?;
                self.check_ticket(now, &owner, ticket)?;
                Ok(self.cancel(now, &owner, ticket, out))
            }
            LockInput::OwnerGone { owner } => {
                may_speak_for(by, &owner)?;
                self.owner_gone(now, &owner, out)
            }
            LockInput::Close { reason } => {
                may_speak_for(by, &self.opened_by)?;
                if reason.len() > LONGEST_REASON {
                    let why = format!("{} bytes: at most {LONGEST_REASON}", reason.len());
                    return Err(Refusal::invalid("reason", why));
                }
                Ok(self.close(now, by, reason, out))
            }
        }
    }

    /// Ends what has come to its end, each at its own time: a grant that a late call makes is
    /// as long as if the call had been in time.
    fn wake(&mut self, now: Moment, out: &mut Effects) {
        self.latest = self.latest.max(now);
        while let Some((at, due)) = self.table.due.first().copied()
            && at <= now
        {
            match due {
                Due::Lease(fence) => self.expire(fence, at, out),
                Due::Wait(ticket) => self.time_out(ticket, at, out),
                Due::Forget(owner) => self.table.leave(owner, None),
            }
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        self.table.due.first().map(|(at, _)| *at)
    }

    fn heard(&mut self, _now: Moment, _about: u64, _heard: &Heard, _out: &mut Effects) {
        // What owners are sent asks for no answer.
    }

    fn has_ended(&self) -> bool {
        self.closed.is_some()
    }

    fn resume(&self, _out: &mut Effects) {
        // What owners are sent asks for no answer: whoever carries it hands it over.
    }

    fn view(&self) -> LockView {
        LockView::of(self)
    }
}

impl LockSpace {
    fn acquire(&mut self, now: Moment, ask: Acquire, out: &mut Effects) -> LockAnswer {
        self.wake(now, out);
        let rank = now.0.saturating_sub(self.headstart(ask.priority));
        let was_known = self.table.owner_names.contains_key(&ask.owner);
        let owner = self.table.enrol(&ask.owner, ask.priority, now, rank);
        let ticket = self.table.last_ticket + 1;
        let items = self.items(owner, &ask, now);
        let lease = Duration::from_millis(ask.lease_ms);
        if items.iter().all(|item| self.table.fits(owner, item, ticket)) {
            return self.grant(now, owner, items, lease, out);
        }
        if ask.wait_ms == 0 {
            let by = self.in_the_way(owner, &items, ticket).next();
            let by = by.map_or_else(String::new, |no| self.table.name_of(no).to_owned());
            self.table.drop_unused(&items);
            // One that is remembered does not lose its age by asking.
            self.table.leave(owner, was_known.then(|| self.remember_until(now)));
            return LockAnswer::Busy { by };
        }
        self.table.last_ticket = ticket;
        self.ledger.waits += 1;
        let senior = self.setup.policy == DeadlockPolicy::WaitDie;
        if senior && let Some(before) = self.senior_in_the_way(owner, &items, ticket) {
            return self.die(now, owner, before, &items, out);
        }
        let deadline = now.after(Duration::from_millis(ask.wait_ms));
        let request = Waiting { owner, items, since: now, deadline, lease };
        self.wait(now, ticket, request, out)
    }

    fn wait(
        &mut self,
        now: Moment,
        ticket: u64,
        request: Waiting,
        out: &mut Effects,
    ) -> LockAnswer {
        let (owner, deadline, last) = (request.owner, request.deadline, self.table.last_fence);
        let name = self.table.name_of(owner).to_owned();
        self.table.enqueue(ticket, request);
        let position = self.position(ticket);
        let what = json!({ "ticket": ticket, "position": position, "deadline_us": deadline.0 });
        out.note("lock.waiting", name.as_str(), &what, self.why_waiting(ticket));
        let lost = self.settle(owner, ticket, now, out);
        if self.table.waiting.contains_key(&ticket) {
            return LockAnswer::Waiting { ticket, position, deadline_us: deadline.0 };
        }
        let given = self.table.owners.get(&owner).and_then(|it| it.grants.last().copied());
        let given = given.filter(|fence| *fence > last);
        match given.and_then(|fence| Some((fence, self.table.grants.get(&fence)?.until))) {
            Some((fence, until)) => LockAnswer::Granted { fence, until_us: until.0 },
            None => LockAnswer::Died { by: name, ending: Ending::Victim, lost },
        }
    }

    fn grant(
        &mut self,
        now: Moment,
        owner: OwnerNo,
        items: Vec<Item>,
        lease: Duration,
        out: &mut Effects,
    ) -> LockAnswer {
        let until = now.after(lease);
        let fence = self.table.give(owner, items, until);
        self.ledger.grants += 1;
        let items = self.table.grants.get(&fence).map_or(&[][..], |grant| &grant.items);
        let names = self.names_of(items);
        let what = json!({ "fence": fence, "until_us": until.0, "resources": names });
        out.note("lock.granted", self.table.name_of(owner), &what, "free, and nobody before it");
        LockAnswer::Granted { fence, until_us: until.0 }
    }

    fn release(&mut self, now: Moment, owner: &str, fence: u64, out: &mut Effects) -> LockAnswer {
        self.wake(now, out);
        let Some(grant) = self.table.take_back(fence) else {
            return LockAnswer::Freed { grants: 0 };
        };
        self.ledger.freed += 1;
        let what = json!({ "fence": fence, "resources": self.names_of(&grant.items) });
        out.note("lock.released", owner, &what, "given back");
        self.table.leave(grant.owner, None);
        self.promote(&grant.items, now, out);
        LockAnswer::Freed { grants: 1 }
    }

    fn renew(
        &mut self,
        now: Moment,
        owner: &str,
        fence: u64,
        lease_ms: u64,
        out: &mut Effects,
    ) -> LockAnswer {
        self.wake(now, out);
        let until = now.after(Duration::from_millis(lease_ms));
        self.table.extend(fence, until);
        let what = json!({ "fence": fence, "until_us": until.0 });
        out.note("lock.renewed", owner, &what, "");
        LockAnswer::Granted { fence, until_us: until.0 }
    }

    fn cancel(&mut self, now: Moment, owner: &str, ticket: u64, out: &mut Effects) -> LockAnswer {
        let Some(request) = self.table.dequeue(ticket) else {
            return LockAnswer::Freed { grants: 0 };
        };
        self.ended(owner, Some(ticket), None, Ending::Cancelled, now);
        let what = json!({ "ticket": ticket });
        out.note(Ending::Cancelled.note(), owner, &what, "its owner no longer waits");
        self.table.leave(request.owner, None);
        self.wake(now, out);
        self.promote(&request.items, now, out);
        LockAnswer::Freed { grants: 0 }
    }

    fn owner_gone(
        &mut self,
        now: Moment,
        owner: &str,
        out: &mut Effects,
    ) -> Result<LockAnswer, Refusal> {
        if self.table.owner_named(owner).is_none() {
            let reason = format!("'{owner}' neither holds anything here nor waits");
            return Err(Refusal::Conflict(reason));
        }
        self.wake(now, out);
        let Some(no) = self.table.owner_named(owner).map(|(no, _)| no) else {
            return Ok(LockAnswer::Freed { grants: 0 });
        };
        let lost = self.strip(no, Ending::Gone, now);
        let what = json!({ "ticket": lost.ticket, "fences": lost.fences });
        out.note(Ending::Gone.note(), owner, &what, "its owner is gone");
        self.table.leave(no, None);
        self.promote(&lost.items, now, out);
        Ok(LockAnswer::Freed { grants: count(lost.fences.len()) })
    }

    /// How many microseconds older a priority makes.
    pub(super) fn headstart(&self, priority: u8) -> i64 {
        let step = i64::try_from(self.setup.aging_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        step.saturating_mul(i64::from(priority))
    }

    pub(super) fn remember_until(&self, now: Moment) -> Moment {
        now.after(Duration::from_millis(self.setup.remember_ms))
    }

    /// What a request takes of each resource, and its rank in each queue.
    fn items(&mut self, owner: OwnerNo, ask: &Acquire, now: Moment) -> Vec<Item> {
        let known = self.table.owners.get(&owner);
        let rank = match self.setup.policy {
            DeadlockPolicy::WoundWait => known.map_or(now.0, |it| it.rank),
            DeadlockPolicy::WaitDie => 0,
            DeadlockPolicy::Detect | DeadlockPolicy::Timeout => {
                let priority = known.map_or(ask.priority, |it| it.priority);
                now.0.saturating_sub(self.headstart(priority))
            }
        };
        let mut items = Vec::with_capacity(ask.resources.len());
        for wish in &ask.resources {
            let no = self.table.resource(&wish.name);
            let Some(resource) = self.table.resources.get(&no) else { continue };
            let amount = wish.mode.amount_of(resource.permits);
            let rank = if resource.holders.contains_key(&owner) { UPGRADE } else { rank };
            items.push(Item { resource: no, amount, rank });
        }
        items
    }

    fn position(&self, ticket: u64) -> u32 {
        let items = self.table.waiting.get(&ticket).map_or(&[][..], |it| &it.items);
        let before = items.iter().filter_map(|item| {
            let queue = &self.table.resources.get(&item.resource)?.queue;
            Some(queue.range(..(item.rank, ticket)).take(FARTHEST).count())
        });
        count(before.max().unwrap_or(0))
    }

    pub(super) fn names_of(&self, items: &[Item]) -> Vec<&str> {
        let resource = |item: &Item| self.table.resources.get(&item.resource);
        items.iter().filter_map(resource).map(|it| it.name.as_str()).collect()
    }
}

pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
