//! How a node finds its cluster, and how what gossip missed is found: seeds, and exchanges of all
//! members with one other node.

use std::time::Duration;

use bytes::Bytes;
use foca::{Member, State};
use rand::RngExt;

use super::events::{Command, Phase};
use super::machine::Machine;
use super::roster::{self, Letter};
use super::seat::{Mark, Seat};
use super::timers::Due;
use crate::node::{NodeId, NodeRecord};

/// Seeds that are tried at once.
const SEEDS_AT_ONCE: usize = 3;
/// Most seeds.
const MAX_SEEDS: usize = 64;
/// First and longest wait between attempts at seeds while none has answered.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// When everything is compared once more after joining: others join at the same time.
const SETTLING: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(2)];

/// Where a node looks for its cluster.
#[derive(Debug, Default)]
pub(super) struct Joining {
    seeds: Vec<String>,
    turn: usize,
    attempts: u32,
    has_joined: bool,
    /// Came back after it was taken for dead, and has not yet asked why.
    wonders: bool,
    pub(super) last_error: Option<String>,
}

impl Joining {
    pub(super) fn begin(&mut self, mut seeds: Vec<String>, own: &str) {
        seeds.retain(|seed| seed != own);
        seeds.truncate(MAX_SEEDS);
        *self = Self { seeds, ..Self::default() };
    }

    pub(super) fn is_looking(&self) -> bool {
        !self.has_joined && !self.seeds.is_empty()
    }

    pub(super) fn rejoined(&mut self) {
        self.wonders = true;
    }
}

impl Machine {
    // ---- seeds ----

    pub(super) fn seed_due(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if self.joining.is_looking() {
            return self.try_seeds(now, commands);
        }
        self.timers.set(now, self.config.seed(), Due::Seed);
        let is_member = |seed: &&String| self.table.up().any(|row| row.record.address == **seed);
        let missing: Vec<_> = self.joining.seeds.iter().filter(|seed| !is_member(seed)).collect();
        // A seed that is no member may be a cluster of its own by now.
        if !missing.is_empty() && self.is_in() {
            let seed = missing[self.joining.turn % missing.len()].clone();
            self.joining.turn = self.joining.turn.wrapping_add(1);
            commands.push(Command::Meet(seed));
        }
    }

    /// Tries the next few seeds, and comes back later.
    pub(super) fn try_seeds(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let joining = &mut self.joining;
        let count = joining.seeds.len();
        for step in 0..count.min(SEEDS_AT_ONCE) {
            commands.push(Command::Meet(joining.seeds[(joining.turn + step) % count].clone()));
        }
        joining.turn = joining.turn.wrapping_add(SEEDS_AT_ONCE);
        let wait = FIRST_WAIT.saturating_mul(1 << joining.attempts.min(8)).min(LONGEST_WAIT);
        joining.attempts = joining.attempts.saturating_add(1);
        let wait = wait.mul_f64(self.rng.random_range(0.5..1.0));
        self.timers.cancel(|due| matches!(due, Due::Seed));
        self.timers.set(now, wait, Due::Seed);
    }

    pub(super) fn met(
        &mut self,
        _now: Duration,
        answer: Result<NodeRecord, String>,
        commands: &mut Vec<Command>,
    ) {
        match answer {
            Ok(record) if record.id == self.foca.identity().id => {
                // An alias of this node's own address, unless somebody else has its id.
                let seat = Seat::new(std::sync::Arc::new(record), 0);
                self.door.lock().notice_self(seat);
            }
            Ok(record) => {
                let node = record.id;
                commands.push(Command::Learn(record));
                self.exchange(node, commands);
            }
            Err(error) => self.joining.last_error = Some(error),
        }
    }

    // ---- exchanges ----

    pub(super) fn exchange_due(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let wait = self.config.exchange().mul_f64(self.rng.random_range(0.75..1.25));
        self.timers.set(now, wait, Due::Exchange);
        self.exchange_with_some(1, self.foca.identity().id, commands);
    }

    pub(super) fn heal_due(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let wait = self.config.heal().mul_f64(self.rng.random_range(0.75..1.25));
        self.timers.set(now, wait, Due::Heal);
        if self.is_in()
            && let Some(node) = self.some_down()
        {
            self.exchange(node, commands);
        }
    }

    pub(super) fn link_up(&mut self, node: NodeId, commands: &mut Vec<Command>) {
        if self.is_down(node) {
            self.exchange(node, commands);
        }
    }

    /// A node that was taken for dead asks somebody what has become of it: it may be removed.
    pub(super) fn after_rejoin(&mut self, commands: &mut Vec<Command>) {
        if std::mem::take(&mut self.joining.wonders) {
            self.exchange_with_some(1, self.foca.identity().id, commands);
        }
    }

    fn exchange_with_some(&mut self, count: usize, without: NodeId, commands: &mut Vec<Command>) {
        if self.is_in() {
            for node in self.some_up(count, without) {
                self.exchange(node, commands);
            }
        }
    }

    fn exchange(&mut self, with: NodeId, commands: &mut Vec<Command>) {
        if let Some(body) = self.roster() {
            self.counters.sent += 1;
            commands.push(Command::Exchange { with, body });
        }
    }

    pub(super) fn asked(
        &mut self,
        now: Duration,
        ticket: u64,
        from: NodeId,
        body: &[u8],
        commands: &mut Vec<Command>,
    ) {
        self.counters.received += 1;
        let answer = if self.compare(now, from, body, commands) {
            self.roster().ok_or_else(|| "the members can't be told".to_owned())
        } else {
            Err("not a list of members".to_owned())
        };
        self.counters.sent += 1;
        commands.push(Command::Answer { ticket, answer });
    }

    pub(super) fn answered(
        &mut self,
        now: Duration,
        by: NodeId,
        answer: Result<Bytes, String>,
        commands: &mut Vec<Command>,
    ) {
        let body = match answer {
            Ok(body) => body,
            Err(error) => {
                self.joining.last_error = Some(error);
                return;
            }
        };
        self.counters.received += 1;
        let before = self.foca.identity().rank;
        let was_down = self.is_down(by);
        if !self.compare(now, by, &body, commands) {
            return;
        }
        if was_down || before != self.foca.identity().rank {
            self.announce(by);
        }
        if !self.joining.has_joined {
            self.joining.has_joined = true;
            self.joining.last_error = None;
            commands.push(Command::Joined);
            SETTLING.iter().for_each(|after| self.timers.set(now, *after, Due::Settle));
            self.exchange_with_some(2, by, commands);
        }
    }

    /// Once more after joining.
    pub(super) fn settle_due(&mut self, commands: &mut Vec<Command>) {
        self.exchange_with_some(1, self.foca.identity().id, commands);
    }

    /// Shows this node's seat to another one at once.
    pub(super) fn announce(&mut self, to: NodeId) {
        if let Some(seat) = self.table.get(to).map(|row| row.seat.clone()) {
            let result = self.foca.announce(seat, &mut self.runtime);
            self.note(result);
        }
    }

    /// Takes over what `from` knows. What one side holds for dead and the other for alive is
    /// asked to take a new seat rather than believed dead: it may be a partition that has healed.
    fn compare(
        &mut self,
        now: Duration,
        from: NodeId,
        body: &[u8],
        commands: &mut Vec<Command>,
    ) -> bool {
        let Some(theirs) = roster::decode(body, self.config.max_members + 1) else {
            self.counters.malformed += 1;
            tracing::debug!(node = %from, "not a list of members");
            return false;
        };
        let mut disputed = Vec::new();
        let mut undisputed = Vec::new();
        for member in theirs {
            if self.is_disputed(&member) {
                disputed.push(member.id().clone());
            } else {
                let passed = self.door.lock().pass(member);
                undisputed.push(passed);
            }
        }
        let result = self.foca.apply_many(undisputed.into_iter(), true, &mut self.runtime);
        self.note(result);
        self.refresh(now, commands);
        for seat in disputed {
            let rank = seat.rank;
            self.send(seat.id, &Letter::Renew(rank), commands);
        }
        true
    }

    fn is_disputed(&self, member: &Member<Seat>) -> bool {
        let seat = member.id();
        let Some(ours) = self.table.get(seat.id).filter(|row| row.seat == *seat) else {
            return false;
        };
        seat.mark() == Mark::Present && ours.is_up() != (member.state() != State::Down)
    }

    fn is_in(&self) -> bool {
        self.phase == Phase::In
    }
}
