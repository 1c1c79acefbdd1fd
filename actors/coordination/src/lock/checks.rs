//! What a lock space refuses. Nothing here changes anything.

use std::collections::BTreeSet;

use super::machine::LockSpace;
use super::messages::{Acquire, Mode};
use super::setup::{LOCK, MOST_GRANTS, MOST_OWNERS, MOST_WISHES, Reentrancy, check_name, in_range};
use crate::protocol::{Moment, Refusal};

/// Most locks and semaphores that are held or waited for at a time.
const MOST_RESOURCES: usize = 200_000;

impl LockSpace {
    /// Whether a request can be taken.
    pub(super) fn check(&self, ask: &Acquire) -> Result<(), Refusal> {
        check_name("owner", &ask.owner)?;
        in_range("lease_ms", ask.lease_ms, 1, self.setup.max_lease_ms)?;
        in_range("wait_ms", ask.wait_ms, 0, self.setup.max_wait_ms)?;
        let most = MOST_WISHES as u64;
        in_range("resources", ask.resources.len() as u64, 1, most)?;
        let mut names = BTreeSet::new();
        for (at, wish) in ask.resources.iter().enumerate() {
            check_name(&format!("resources[{at}].name"), &wish.name)?;
            if !names.insert(&wish.name) {
                let reason = format!("'{}' is named twice", wish.name);
                return Err(Refusal::invalid(format!("resources[{at}].name"), reason));
            }
            self.check_mode(at, &wish.name, wish.mode)?;
        }
        self.check_owner(ask)?;
        self.check_room(ask)
    }

    fn check_mode(&self, at: usize, name: &str, mode: Mode) -> Result<(), Refusal> {
        let Mode::Permits(permits) = mode else { return Ok(()) };
        let no = self.table.resource_names.get(name);
        let semaphore = no.and_then(|no| self.table.resources.get(no));
        let field = format!("resources[{at}].mode");
        match semaphore.filter(|it| it.is_semaphore) {
            Some(it) => in_range(&field, u64::from(permits), 1, u64::from(it.permits)),
            None => {
                let reason = format!("'{name}' is a lock: expected exclusive or shared");
                Err(Refusal::invalid(field, reason))
            }
        }
    }

    /// Whether the owner may ask: it waits for one request at a time, and asks for what it holds
    /// only where that is allowed and can be given some day.
    fn check_owner(&self, ask: &Acquire) -> Result<(), Refusal> {
        let Some((no, owner)) = self.table.owner_named(&ask.owner) else { return Ok(()) };
        if let Some(ticket) = owner.waiting {
            let reason = format!("'{}' waits already, by ticket {ticket}", ask.owner);
            return Err(Refusal::Conflict(reason));
        }
        for wish in &ask.resources {
            let resource = self.table.resource_names.get(&wish.name);
            let resource = resource.and_then(|it| self.table.resources.get(it));
            let share = resource.and_then(|it| Some((it, it.holders.get(&no)?)));
            let Some((resource, share)) = share else { continue };
            if self.setup.reentrancy == Reentrancy::Refuse {
                let reason = format!("'{}' holds '{}' already", ask.owner, wish.name);
                return Err(Refusal::Conflict(reason));
            }
            let wanted = share.amount.saturating_add(wish.mode.amount_of(resource.permits));
            if resource.is_semaphore && wanted > resource.permits {
                let (name, held, all) = (&wish.name, share.amount, resource.permits);
                let reason = format!("'{name}': {held} held, {wanted} in all asked for, of {all}");
                return Err(Refusal::Conflict(reason));
            }
        }
        Ok(())
    }

    fn check_room(&self, ask: &Acquire) -> Result<(), Refusal> {
        let most = self.setup.max_waiting as usize;
        let full = |what: &str, most: usize| {
            Err(Refusal::Full(format!("{most} {what} at most: try again when some have ended")))
        };
        if ask.wait_ms > 0 && self.table.waiting.len() >= most {
            return full("requests wait (max_waiting)", most);
        }
        if self.table.grants.len() >= MOST_GRANTS {
            return full("grants", MOST_GRANTS);
        }
        let known = self.table.owner_names.contains_key(&ask.owner);
        if !known && self.table.owners.len() >= MOST_OWNERS {
            return full("owners", MOST_OWNERS);
        }
        if self.table.resources.len() + ask.resources.len() > MOST_RESOURCES {
            return full("locks", MOST_RESOURCES);
        }
        Ok(())
    }

    /// Whether `fence` is the token of something that `owner` holds at this time.
    pub(super) fn check_fence(&self, now: Moment, owner: &str, fence: u64) -> Result<(), Refusal> {
        let grant = self.table.grants.get(&fence).filter(|grant| grant.until > now);
        match grant {
            Some(grant) if self.table.name_of(grant.owner) == owner => Ok(()),
            Some(_) => Err(Refusal::Conflict(format!("fence {fence} is not one of '{owner}'"))),
            None if fence == 0 || fence > self.table.last_fence => {
                let last = self.table.last_fence;
                Err(Refusal::Conflict(format!("fence {fence} was never given: the last is {last}")))
            }
            None => Err(Refusal::Conflict(format!(
                "fence {fence} is stale: given back, expired or taken"
            ))),
        }
    }

    /// Whether `owner` waits by `ticket` at this time.
    pub(super) fn check_ticket(
        &self,
        now: Moment,
        owner: &str,
        ticket: u64,
    ) -> Result<(), Refusal> {
        let request = self.table.waiting.get(&ticket).filter(|request| request.deadline > now);
        if request.is_some_and(|request| self.table.name_of(request.owner) == owner) {
            return Ok(());
        }
        Err(Refusal::Conflict(format!("'{owner}' does not wait by ticket {ticket}")))
    }
}

// A share of a lock counts as one permit: all owners together fit.
const _: () = assert!(MOST_OWNERS < LOCK as usize);
