//! The ledger: a pure machine. Times come in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::ResourceUnits;
use crate::protocol::{Moment, Refusal};

/// Most grants at a time.
const MAX_GRANTS: usize = 100_000;
/// Bytes of the longest name of a holder.
const MAX_NAME: usize = 255;
/// The longest lease: a week.
const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What somebody is to be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Who; 1 to 255 bytes.
    pub holder: String,
    /// What; not nothing.
    pub units: ResourceUnits,
}

/// Units that somebody holds for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Its name and fencing token: higher than that of every grant before. Whoever is shown a
    /// lower one than it has seen before refuses it.
    pub fence: u64,
    /// Who holds it.
    pub holder: String,
    /// What it is of.
    pub units: ResourceUnits,
    /// When the lease is over; it is no longer held then.
    pub until: Moment,
}

/// Who holds which part of a capacity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger {
    capacity: ResourceUnits,
    free: ResourceUnits,
    grants: BTreeMap<u64, Grant>,
    by_end: BTreeSet<(Moment, u64)>,
    last_fence: u64,
}

impl Ledger {
    /// All of `capacity` is free.
    #[must_use]
    pub fn new(capacity: ResourceUnits) -> Self {
        let (grants, by_end) = (BTreeMap::new(), BTreeSet::new());
        Self { capacity, free: capacity, grants, by_end, last_fence: 0 }
    }

    /// All there is.
    #[must_use]
    pub fn capacity(&self) -> ResourceUnits {
        self.capacity
    }

    /// What nobody holds.
    #[must_use]
    pub fn free(&self) -> ResourceUnits {
        self.free
    }

    /// What is held, by fencing token.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    /// When the next lease is over.
    #[must_use]
    pub fn next_end(&self) -> Option<Moment> {
        self.by_end.first().map(|(end, _)| *end)
    }

    /// Grants all of this or nothing. Leases that are over are to be taken back first
    /// ([`Self::take_back`]): a grant counts until then.
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is not enough of a kind, or there are too many grants;
    /// [`Refusal::Invalid`] for a want without a holder or units, and a lease of nothing or more
    /// than a week.
    pub fn grant(
        &mut self,
        now: Moment,
        wants: &[Want],
        lease: Duration,
    ) -> Result<Vec<Grant>, Refusal> {
        let until = self.end_of(now, lease)?;
        let left = self.left_after(wants)?;
        self.free = left;
        let mut granted = Vec::with_capacity(wants.len());
        for want in wants {
            self.last_fence += 1;
            let (fence, holder) = (self.last_fence, want.holder.clone());
            let grant = Grant { fence, holder, units: want.units, until };
            self.by_end.insert((until, fence));
            self.grants.insert(fence, grant.clone());
            granted.push(grant);
        }
        Ok(granted)
    }

    fn left_after(&self, wants: &[Want]) -> Result<ResourceUnits, Refusal> {
        if self.grants.len().saturating_add(wants.len()) > MAX_GRANTS {
            let why = format!(
                "{} grants and {} more: the most is {MAX_GRANTS}; give some back",
                self.grants.len(),
                wants.len()
            );
            return Err(Refusal::Full(why));
        }
        let mut left = self.free;
        for (at, Want { holder, units }) in wants.iter().enumerate() {
            if holder.is_empty() || holder.len() > MAX_NAME {
                let why = format!("{} bytes, expected 1 to {MAX_NAME}", holder.len());
                return Err(Refusal::invalid(format!("wants[{at}].holder"), why));
            }
            if units.is_empty() {
                let why = "nothing of any kind, expected some";
                return Err(Refusal::invalid(format!("wants[{at}].units"), why));
            }
            left = left.checked_sub(units).ok_or_else(|| {
                let lacks = left.lacks(units).map(|(kind, has, wants)| {
                    format!("{wants} of {kind} are wanted by '{holder}', {has} are free")
                });
                Refusal::Full(lacks.unwrap_or_default())
            })?;
        }
        Ok(left)
    }

    /// Makes a lease longer or shorter, counted from now. Answers its new end.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when nobody holds anything under this token, or somebody else;
    /// [`Refusal::TooLate`] when the lease is over; [`Refusal::Invalid`] for a lease of nothing or
    /// more than a week.
    pub fn renew(
        &mut self,
        now: Moment,
        holder: &str,
        fence: u64,
        lease: Duration,
    ) -> Result<Moment, Refusal> {
        let until = self.end_of(now, lease)?;
        let before = self.held(now, holder, fence)?.until;
        self.by_end.remove(&(before, fence));
        self.by_end.insert((until, fence));
        if let Some(grant) = self.grants.get_mut(&fence) {
            grant.until = until;
        }
        Ok(until)
    }

    /// Gives units back.
    ///
    /// # Errors
    /// As [`Self::renew`]: what is given back twice, or after the lease, changes nothing.
    pub fn give_back(&mut self, now: Moment, holder: &str, fence: u64) -> Result<Grant, Refusal> {
        self.held(now, holder, fence)?;
        self.remove(fence).ok_or_else(|| unheld(fence))
    }

    /// Takes back whatever has a lease that is over.
    pub fn take_back(&mut self, now: Moment) -> Vec<Grant> {
        let mut taken = Vec::new();
        while let Some((_, fence)) = self.by_end.first().filter(|(end, _)| *end <= now).copied() {
            taken.extend(self.remove(fence));
        }
        taken
    }

    /// The grant that `holder` has under this token.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when there is none, [`Refusal::TooLate`] when its lease is over.
    pub fn held(&self, now: Moment, holder: &str, fence: u64) -> Result<&Grant, Refusal> {
        let grant = self.grants.get(&fence).ok_or_else(|| unheld(fence))?;
        if grant.holder != holder {
            return Err(Refusal::Conflict(format!("fence {fence} is not of '{holder}'")));
        }
        if grant.until <= now {
            return Err(Refusal::TooLate(format!("the lease of fence {fence} is over")));
        }
        Ok(grant)
    }

    fn remove(&mut self, fence: u64) -> Option<Grant> {
        let grant = self.grants.remove(&fence)?;
        self.by_end.remove(&(grant.until, fence));
        // What was granted was subtracted before, so the sum is at most the capacity.
        self.free = self.free.checked_add(&grant.units).unwrap_or(self.capacity);
        Some(grant)
    }

    fn end_of(&self, now: Moment, lease: Duration) -> Result<Moment, Refusal> {
        if lease.is_zero() || lease > MAX_LEASE {
            let why = format!("{lease:?}, expected more than nothing and at most {MAX_LEASE:?}");
            return Err(Refusal::invalid("lease", why));
        }
        Ok(now.after(lease))
    }
}

fn unheld(fence: u64) -> Refusal {
    Refusal::Conflict(format!("nothing is held under fence {fence}: given back, or never granted"))
}
