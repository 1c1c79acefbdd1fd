//! What one node hosts: from its seats and what it should host to orders for its parts. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::command::{HostingCommand, seat_lease};
use super::config::PlacingConfig;
use crate::control::{ControlState, FencingToken, LeaseName, RENEWAL_LIMIT};
use crate::node::NodeId;

/// How long what could not be had is left alone.
const RETRY: Duration = Duration::from_millis(500);

/// How long what could not be started here is left to others.
const UNFIT: Duration = Duration::from_secs(30);

/// Renewals within the time of a lease.
const RENEWALS: u32 = 4;

/// What this node knows of something that it could host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many nodes host it.
    pub instances: u32,
    /// The longest that it takes to stop it by force; its seats are others' only after that.
    pub ends_within: Duration,
}

/// What the node sees when it looks.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The time, monotonic.
    pub now: Instant,
    /// The same, UTC microseconds.
    pub utc_us: i64,
    /// What this node knows to be agreed on.
    pub state: &'a ControlState,
    /// Who should host what.
    pub hosts: &'a BTreeMap<String, Vec<NodeId>>,
}

/// What a node hosts.
#[derive(Debug)]
pub struct Hosting {
    own: NodeId,
    lease: Duration,
    drain: Duration,
    things: BTreeMap<String, Thing>,
    /// The renewal under way, with the tokens of its leases.
    renewing: Option<BTreeMap<LeaseName, FencingToken>>,
    renew_at: Option<Instant>,
    departing: bool,
}

#[derive(Debug)]
struct Thing {
    terms: Terms,
    phase: Phase,
    /// Not tried before.
    wait_until: Option<Instant>,
    /// Until when others are to host it, as this node could not.
    unfit_until: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    /// An incarnation before this one may have left something running.
    Unknown {
        asked: bool,
    },
    /// Nothing of it runs here, and there is no seat.
    Away,
    Acquiring {
        slot: u32,
    },
    Seated(Seat),
    Releasing,
}

#[derive(Debug)]
struct Seat {
    slot: u32,
    lease: LeaseName,
    token: FencingToken,
    /// Until when the seat is certainly ours.
    until: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    /// Work in hand ends.
    Draining,
    /// It is stopped by force; `asked` until that failed.
    Ending {
        asked: bool,
    },
}

impl Hosting {
    /// A node that could host these things, of which it does not know yet whether any runs.
    #[must_use]
    pub fn new(own: NodeId, config: &PlacingConfig, could: BTreeMap<String, Terms>) -> Self {
        let thing = |terms| Thing {
            terms,
            phase: Phase::Unknown { asked: false },
            wait_until: None,
            unfit_until: None,
        };
        Self {
            own,
            lease: config.lease(),
            drain: config.drain(),
            things: could.into_iter().map(|(name, terms)| (name, thing(terms))).collect(),
            renewing: None,
            renew_at: None,
            departing: false,
        }
    }

    /// What this node could host now: what others are to be told.
    pub fn offers(&self, now: Instant) -> impl Iterator<Item = &str> {
        let fit = move |thing: &Thing| thing.unfit_until.is_none_or(|until| until <= now);
        let offered = self.things.iter().filter(move |(_, thing)| !self.departing && fit(thing));
        offered.map(|(name, _)| name.as_str())
    }

    /// What runs here, or is about to.
    pub fn hosted(&self) -> impl Iterator<Item = &str> {
        let seated = |thing: &Thing| matches!(thing.phase, Phase::Seated(_));
        self.things.iter().filter(move |(_, thing)| seated(thing)).map(|(name, _)| name.as_str())
    }

    /// Stops all, within this time, and takes nothing up any more.
    pub fn depart(&mut self, within: Duration) {
        (self.departing, self.drain) = (true, self.drain.min(within));
    }

    /// Whether nothing runs here, and no seat is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.things.values().all(|thing| matches!(thing.phase, Phase::Away))
    }

    /// Does what is to be done by now. To be called often: what is late is late by the time
    /// between two calls.
    pub fn look(&mut self, look: Look<'_>, out: &mut Vec<HostingCommand>) {
        for (name, thing) in &mut self.things {
            let hosts = look.hosts.get(name).map_or(&[][..], Vec::as_slice);
            let place = hosts.iter().position(|node| *node == self.own);
            let place = place.filter(|_| !self.departing);
            match &mut thing.phase {
                Phase::Unknown { asked } => {
                    if !std::mem::replace(asked, true) {
                        let (name, within) = (name.clone(), Duration::ZERO);
                        out.push(HostingCommand::Stop { name, token: None, within });
                    }
                }
                Phase::Away => thing.take_up(name, self.own, self.lease, place, look, out),
                Phase::Seated(seat) => {
                    let stays = place.is_some() && seat.slot < thing.terms.instances;
                    if let Some(within) = seat.stop(look.now, stays, self.drain) {
                        let (name, token) = (name.clone(), Some(seat.token));
                        out.push(HostingCommand::Stop { name, token, within });
                    }
                }
                Phase::Acquiring { .. } | Phase::Releasing => {}
            }
        }
        self.renew(look.now, out);
    }

    fn renew(&mut self, now: Instant, out: &mut Vec<HostingCommand>) {
        if self.renewing.is_some() || self.renew_at.is_some_and(|at| now < at) {
            return;
        }
        let lease = self.lease;
        let seated = self.things.values().filter_map(|thing| match &thing.phase {
            Phase::Seated(seat) => Some((seat, thing.terms.for_us(lease))),
            _ => None,
        });
        let mut seated: Vec<_> = seated.collect();
        if seated.is_empty() {
            return;
        }
        // Those that end first go first, when there are more than one command takes.
        seated.sort_by_key(|(seat, _)| seat.until);
        seated.truncate(RENEWAL_LIMIT);
        let leases = seated.iter().map(|(seat, for_us)| (seat.lease.clone(), *for_us)).collect();
        let tokens = seated.iter().map(|(seat, _)| (seat.lease.clone(), seat.token)).collect();
        (self.renewing, self.renew_at) = (Some(tokens), Some(now + lease / RENEWALS));
        out.push(HostingCommand::Renew { leases });
    }

    /// Leases that were asked to be renewed at `sent` are renewed; none when nothing is known.
    pub fn renewed(&mut self, sent: Instant, kept: Option<&[LeaseName]>, now: Instant) {
        let Some(asked) = self.renewing.take() else { return };
        let Some(kept) = kept else { return };
        for thing in self.things.values_mut() {
            let Phase::Seated(seat) = &mut thing.phase else { continue };
            if asked.get(&seat.lease) != Some(&seat.token) {
                continue;
            }
            let is_ours = kept.contains(&seat.lease);
            seat.until = if is_ours { seat.until.max(sent + self.lease) } else { now };
        }
    }

    /// A seat that was asked for at `sent` is ours, or not as far as is known.
    pub fn acquired(
        &mut self,
        name: &str,
        sent: Instant,
        token: Option<FencingToken>,
        now: Instant,
        out: &mut Vec<HostingCommand>,
    ) {
        let (until, departing) = (sent + self.lease, self.departing);
        let Some(thing) = self.things.get_mut(name) else { return };
        let Phase::Acquiring { slot } = thing.phase else { return };
        let (Some(token), Some(lease)) = (token, seat_lease(name, slot)) else {
            thing.phase = Phase::Away;
            thing.wait_until = Some(now + RETRY);
            return;
        };
        let name = name.to_owned();
        if departing || now >= until {
            thing.phase = Phase::Releasing;
            return out.push(HostingCommand::Release { name, lease, token });
        }
        let stage = Stage::Starting;
        thing.phase = Phase::Seated(Seat { slot, lease, token, until, stage });
        out.push(HostingCommand::Start { name, slot, token });
    }

    /// It runs, or could not be started.
    pub fn started(&mut self, name: &str, runs: bool, now: Instant) {
        let Some(thing) = self.things.get_mut(name) else { return };
        let Phase::Seated(seat) = &mut thing.phase else { return };
        if seat.stage != Stage::Starting {
            return;
        }
        seat.stage = if runs { Stage::Running } else { Stage::Ending { asked: false } };
        if !runs {
            thing.unfit_until = Some(now + UNFIT);
        }
    }

    /// Nothing of what was started with this token runs any more; or that is not known, and it is
    /// to be stopped again.
    pub fn stopped(
        &mut self,
        name: &str,
        token: Option<FencingToken>,
        gone: bool,
        out: &mut Vec<HostingCommand>,
    ) {
        let Some(thing) = self.things.get_mut(name) else { return };
        match &mut thing.phase {
            Phase::Unknown { .. } if gone => thing.phase = Phase::Away,
            Phase::Unknown { asked } => *asked = false,
            Phase::Seated(seat) if token == Some(seat.token) && gone => {
                let (name, lease, token) = (name.to_owned(), seat.lease.clone(), seat.token);
                thing.phase = Phase::Releasing;
                out.push(HostingCommand::Release { name, lease, token });
            }
            Phase::Seated(seat) if token == Some(seat.token) => {
                seat.stage = Stage::Ending { asked: false };
            }
            _ => {}
        }
    }

    /// A seat was given back, or is left to run out.
    pub fn released(&mut self, name: &str) {
        if let Some(thing) = self.things.get_mut(name)
            && matches!(thing.phase, Phase::Releasing)
        {
            (thing.phase, thing.wait_until) = (Phase::Away, None);
        }
    }
}

impl Terms {
    /// How long a seat is asked for: who has it has stopped by its end, and what it ran as well.
    fn for_us(&self, lease: Duration) -> u64 {
        let whole = lease.saturating_add(self.ends_within).as_micros();
        u64::try_from(whole).unwrap_or(u64::MAX)
    }
}

impl Thing {
    /// Takes a seat, if there is one for this node; gives one back that it does not need.
    fn take_up(
        &mut self,
        name: &str,
        own: NodeId,
        lease: Duration,
        place: Option<usize>,
        look: Look<'_>,
        out: &mut Vec<HostingCommand>,
    ) {
        let now_us = look.utc_us.max(look.state.clock_us);
        let holder = |lease: &LeaseName| look.state.holder(lease, now_us);
        let seats =
            (0..self.terms.instances).filter_map(|slot| Some((slot, seat_lease(name, slot)?)));
        let seats: Vec<(u32, LeaseName)> = seats.collect();
        let ours = seats.iter().find(|(_, lease)| holder(lease).is_some_and(|it| it.holder == own));
        let Some(place) = place else {
            // Left from a start before this one, or taken though nobody heard of it.
            if let Some((_, lease)) = ours
                && let Some(held) = holder(lease)
            {
                let (name, lease, token) = (name.to_owned(), lease.clone(), held.token);
                self.phase = Phase::Releasing;
                out.push(HostingCommand::Release { name, lease, token });
            }
            return;
        };
        if self.wait_until.is_some_and(|until| look.now < until) {
            return;
        }
        // Each begins at another seat, so that they seldom meet.
        let mut around = seats.iter().cycle().skip(place).take(seats.len());
        let free = ours.or_else(|| around.find(|(_, lease)| holder(lease).is_none()));
        if let Some((slot, seat)) = free {
            self.phase = Phase::Acquiring { slot: *slot };
            let (name, seat, for_us) = (name.to_owned(), seat.clone(), self.terms.for_us(lease));
            out.push(HostingCommand::Acquire { name, lease: seat, for_us });
        }
    }
}

impl Seat {
    /// Whether what runs is to be stopped now, and how long its work may take: another node is to
    /// have it, or the seat is no longer surely ours.
    fn stop(&mut self, now: Instant, stays: bool, drain: Duration) -> Option<Duration> {
        let lapsed = now >= self.until;
        let (next, within) = match self.stage {
            Stage::Running | Stage::Draining if lapsed => {
                (Stage::Ending { asked: true }, Duration::ZERO)
            }
            Stage::Ending { asked: false } => (Stage::Ending { asked: true }, Duration::ZERO),
            Stage::Running if !stays => (Stage::Draining, drain),
            _ => return None,
        };
        self.stage = next;
        Some(within)
    }
}
