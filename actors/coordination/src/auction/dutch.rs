//! A falling clock: whoever stops it pays what it shows.
//!
//! Bids are limits. Each is worth something from the first step of the clock that shows no more
//! than it, and not before it was made; the first such step sells the lot, whenever anybody wakes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::machine::{Auction, Book, Phase, Turn};
use super::sealed::Offer;
use super::terms::Kind;
use crate::protocol::{Effects, Moment, Refusal};

/// A limit in the order in which limits stop the clock: the step, the highest first (by what it
/// lacks to the largest number), the turn among equals, who.
type Stop = (u64, u64, (Moment, u64), u32);

/// The limits that were named, and what the clock shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) clock: u64,
    of: BTreeMap<u32, (Offer, Stop)>,
    stops: BTreeSet<Stop>,
}

impl Limits {
    pub(super) fn from(start: u64) -> Self {
        Self { clock: start, of: BTreeMap::new(), stops: BTreeSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// The clock: where it starts, by how much it falls, every so many microseconds.
struct Clock {
    opened: Moment,
    start: u64,
    step: u64,
    every_us: u64,
    /// Its last step: one more would show less than the reserve.
    last: u64,
}

impl Clock {
    fn step_at(&self, now: Moment) -> u64 {
        let passed = u64::try_from(now.0.saturating_sub(self.opened.0)).unwrap_or(0);
        passed / self.every_us
    }

    fn shows(&self, step: u64) -> u64 {
        self.start.saturating_sub(self.step.saturating_mul(step))
    }

    /// The first step that the offer stops.
    fn stopped_by(&self, offer: &Offer) -> u64 {
        let down = self.start.saturating_sub(offer.amount).div_ceil(self.step);
        down.max(self.step_at(offer.at))
    }
}

impl Auction {
    fn clock(&self) -> Option<Clock> {
        let Kind::Dutch { start, step, every_ms } = self.setup.kind else { return None };
        let last = start.saturating_sub(self.setup.reserve) / step;
        let every_us = every_ms.saturating_mul(1_000);
        Some(Clock { opened: self.opened, start, step, every_us, last })
    }

    /// How long the clock runs.
    pub(super) fn clock_runs(&self) -> Option<Duration> {
        let clock = self.clock()?;
        Some(Duration::from_micros(clock.every_us.saturating_mul(clock.last + 1)))
    }

    /// When the clock falls next.
    pub(super) fn next_tick(&self) -> Option<Moment> {
        let (clock, Book::Dutch(limits)) = (self.clock()?, &self.book) else { return None };
        let step = clock.start.saturating_sub(limits.clock) / clock.step + 1;
        Some(self.opened.after(Duration::from_micros(clock.every_us.saturating_mul(step))))
    }

    /// Takes a limit; a higher one takes the place of the bidder's own before.
    pub(super) fn limit(
        &mut self,
        now: Moment,
        offer: Offer,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = self.name(offer.who).to_owned();
        let turn = offer.turn(self.seed);
        let (Some(clock), Book::Dutch(limits)) = (self.clock(), &mut self.book) else {
            return Ok(());
        };
        let before = limits.of.get(&offer.who).copied();
        if before.is_some_and(|(before, _)| before.amount >= offer.amount) {
            let why = format!("'{name}' has bid as much already");
            return Err(Refusal::Conflict(why));
        }
        let passed = self.entrants.get(offer.who as usize);
        if passed.is_some_and(|entrant| entrant.turn == Turn::Passed) {
            return Err(Refusal::Conflict(format!("'{name}' has passed")));
        }
        if let Some((_, stop)) = before {
            limits.stops.remove(&stop);
        }
        let stop = (clock.stopped_by(&offer), u64::MAX - offer.amount, turn, offer.who);
        limits.of.insert(offer.who, (offer, stop));
        limits.stops.insert(stop);
        self.bids += 1;
        self.turned(offer.who, Turn::Bid);
        out.note("auction.bid", name, &(), "a limit, not shown");
        self.tick(now, out);
        Ok(())
    }

    /// Lets the clock fall to where it is now, and sells to whoever stops it on the way.
    pub(super) fn tick(&mut self, now: Moment, out: &mut Effects) {
        let (Some(clock), Phase::Open { .. }) = (self.clock(), &self.phase) else { return };
        let Book::Dutch(limits) = &mut self.book else { return };
        let step = clock.step_at(now).min(clock.last);
        let stop = limits.stops.first().filter(|stop| stop.0 <= step).copied();
        let stopped =
            stop.and_then(|stop| limits.of.get(&stop.3).map(|(offer, _)| (stop.0, *offer)));
        limits.clock = clock.shows(stopped.map_or(step, |(step, _)| step));
        if let Some((_, offer)) = stopped {
            let price = limits.clock;
            let sale = self.lot_to(offer, price);
            self.sold(sale, out);
        }
    }
}
