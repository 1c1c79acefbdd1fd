//! The supervision of children as a pure machine: inputs with their time go in, commands come
//! out. It knows no task, no clock and no actor, only keys.
//!
//! ```text
//!            Add                Started            Exited / timeout
//!   Waiting ─────▶ Starting ───────────▶ Running ─────────────────┐
//!      ▲               │ Exited, timeout                          ▼
//!      │               └───────────────▶ failed ── intensity ──▶ ending (Escalated)
//!      │      due                          │
//!      │  Starting ◀───── BackOff ◀────────┤ one_for_one, dynamic
//!      │   all of the group have ended     │
//!      └────────────── Resting ◀── group ◀─┘ one_for_all, rest_for_one
//! ```
//!
//! Invariants: no child of a group starts while another of the group still runs; ordered stops
//! take one child at a time, the youngest first; after [`Command::Done`] nothing starts or stops.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::chance::Chance;
use super::command::{ChildKey, Command, Input, Report, Supervised};
use super::config::{Restart, Shutdown, Strategy, Supervision};
use super::table::{Phase, Table, Then};
use crate::clock::after;
use crate::exit::ExitReason;

/// After a kill, how long to wait until a child counts as abandoned: a kill acts at the next
/// await, so a child that blocks its thread can't be ended from outside.
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(5);

/// A group restart: children from `from` on end, and start again from `ready_at` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) from: ChildKey,
    pub(super) ready_at: Instant,
}

/// See the module's diagram. A step costs O(log n) in the number of children, and O(m log n)
/// when it moves m of them.
#[derive(Debug)]
pub(crate) struct SupervisorMachine<C> {
    pub(super) supervision: Supervision,
    pub(super) table: Table<C>,
    /// The child whose ordered start is under way.
    lane: Option<ChildKey>,
    pub(super) group: Option<Group>,
    /// Times of the restarts within the period, oldest first; at most intensity + 1 of them.
    pub(super) restarts: VecDeque<Instant>,
    pub(super) ending: Option<ExitReason>,
    done: bool,
    pub(super) chance: Chance,
}

impl<C: Supervised> SupervisorMachine<C> {
    /// A supervisor without children; `seed` feeds the jitter of its back-offs.
    pub(crate) fn new(supervision: Supervision, seed: u64) -> Self {
        Self {
            supervision,
            table: Table::default(),
            lane: None,
            group: None,
            restarts: VecDeque::new(),
            ending: None,
            done: false,
            chance: Chance(seed),
        }
    }

    /// When the next [`Input::Tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let is_quiet = |group: &Group| self.table.youngest_live(group.from).is_none();
        let group = self.group.filter(is_quiet).map(|group| group.ready_at);
        group.into_iter().chain(self.table.next_deadline()).min()
    }

    /// Whether each child's first start is over: done, or failed where the strategy goes on.
    pub(crate) fn is_settled(&self) -> bool {
        self.table.is_settled()
    }

    /// Why all children end or have ended, if they do.
    pub(crate) fn ending(&self) -> Option<&ExitReason> {
        self.ending.as_ref()
    }

    /// What the shell keeps of a child, until it takes it.
    pub(crate) fn child(&self, key: ChildKey) -> Option<&C> {
        self.table.kept(key)
    }

    pub(crate) fn child_mut(&mut self, key: ChildKey) -> Option<&mut C> {
        self.table.kept_mut(key)
    }

    /// What the shell keeps of all children, oldest first.
    pub(crate) fn children(&self) -> impl Iterator<Item = &C> {
        self.table.iter()
    }

    /// Carries out [`Command::Remove`].
    pub(crate) fn take(&mut self, key: ChildKey) -> Option<C> {
        self.table.take(key)
    }

    /// Adds a child behind all others: `key` is higher than any before.
    pub(crate) fn add(&mut self, now: Instant, key: ChildKey, child: C, out: &mut Vec<Command>) {
        self.table.insert(key, child);
        if self.ending.is_some() {
            self.forget(key, out);
        } else if self.supervision.strategy == Strategy::Dynamic {
            self.start(now, key, out);
        }
        self.advance(now, out);
    }

    /// Takes one input and appends what is to be done to `out`.
    pub(crate) fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        if self.done {
            return;
        }
        match input {
            Input::Started(key) => self.started(now, key, out),
            Input::Exited(key, reason) => self.exited(now, key, reason, out),
            Input::Remove(key) => self.remove(now, key, out),
            Input::Restart(key) => self.restart(now, key, out),
            Input::Stop(reason) => self.end(now, reason, out),
            Input::Tick => self.expire(now, out),
        }
        self.advance(now, out);
    }

    fn started(&mut self, now: Instant, key: ChildKey, out: &mut Vec<Command>) {
        let Some(Phase::Starting { .. }) = self.table.phase(key) else {
            return; // it was asked to end meanwhile
        };
        self.set_phase(key, Phase::Running { since: now });
        self.table.settle(key);
        if let Some(child) = self.table.get_mut(key) {
            let again = std::mem::replace(&mut child.started, true);
            let report = if again { Report::Restarted } else { Report::Started };
            out.push(Command::Report(key, report));
        }
    }

    fn exited(&mut self, now: Instant, key: ChildKey, reason: ExitReason, out: &mut Vec<Command>) {
        let Some(phase) = self.table.phase(key) else { return };
        match phase {
            Phase::Stopping { then, .. } | Phase::Killing { then, .. } => {
                self.stopped(now, key, then, reason, out);
            }
            Phase::Starting { .. } | Phase::Running { .. } => {
                self.ended_by_itself(now, key, reason, out);
            }
            Phase::Waiting | Phase::BackOff { .. } | Phase::Resting | Phase::Gone => {}
        }
    }

    /// A child ended that had been asked to.
    fn stopped(
        &mut self,
        now: Instant,
        key: ChildKey,
        then: Then,
        reason: ExitReason,
        out: &mut Vec<Command>,
    ) {
        if then == Then::FailStart {
            self.failed(now, key, ExitReason::StartTimedOut, out);
            return;
        }
        out.push(Command::Report(key, Report::Exited(reason)));
        if then == Then::Restart && self.ending.is_none() {
            self.start(now, key, out);
        } else {
            self.rest_or_forget(key, then == Then::Rest, out);
        }
    }

    /// A child ended that nobody had asked to.
    fn ended_by_itself(
        &mut self,
        now: Instant,
        key: ChildKey,
        reason: ExitReason,
        out: &mut Vec<Command>,
    ) {
        let Some(restart) = self.table.get(key).map(|child| child.kept.policy().restart) else {
            return;
        };
        let again = match restart {
            Restart::Permanent => true,
            Restart::Transient => !reason.is_normal(),
            Restart::Temporary => false,
        };
        let was_to_stop =
            self.ending.is_some() || self.group.is_some_and(|group| group.from <= key);
        if again && !was_to_stop {
            self.failed(now, key, reason, out);
            return;
        }
        out.push(Command::Report(key, Report::Exited(reason)));
        let rests = was_to_stop || self.supervision.strategy.is_grouped();
        self.rest_or_forget(key, rests, out);
        if !was_to_stop && self.table.phase(key).is_some() {
            self.table.settle(key);
            out.push(Command::Close(key));
        }
    }

    /// An incarnation is over: the child rests until its group starts, or is forgotten.
    fn rest_or_forget(&mut self, key: ChildKey, rests: bool, out: &mut Vec<Command>) {
        let Some(child) = self.table.get(key) else { return };
        if rests && self.ending.is_none() && child.kept.policy().restart != Restart::Temporary {
            self.set_phase(key, Phase::Resting);
        } else {
            self.forget(key, out);
        }
    }

    fn remove(&mut self, now: Instant, key: ChildKey, out: &mut Vec<Command>) {
        match self.table.phase(key) {
            Some(phase) if phase.is_live() => self.stop(now, key, Then::Forget, out),
            Some(_) => self.forget(key, out),
            None => {}
        }
    }

    fn restart(&mut self, now: Instant, key: ChildKey, out: &mut Vec<Command>) {
        let Some(phase) = self.table.phase(key) else { return };
        let Some(child) = self.table.get_mut(key) else { return };
        child.failures = 0;
        let alone = !self.supervision.strategy.is_grouped()
            || child.kept.policy().restart == Restart::Temporary;
        match phase {
            Phase::BackOff { .. } => self.start(now, key, out),
            Phase::Running { .. } if alone => self.stop(now, key, Then::Restart, out),
            Phase::Running { .. } => self.restart_group(key, now),
            Phase::Resting if self.group.is_none() => self.set_phase(key, Phase::Waiting),
            _ => {} // its start is under way or due, or it has been asked to end
        }
    }

    /// Begins the final stop of all children; the first reason stays.
    pub(super) fn end(&mut self, now: Instant, reason: ExitReason, out: &mut Vec<Command>) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(reason);
        self.group = None;
        for key in self.table.idle() {
            self.forget(key, out);
        }
        if self.supervision.strategy == Strategy::Dynamic {
            for key in self.table.live() {
                self.stop(now, key, Then::Forget, out);
            }
        }
    }

    /// Acts on each deadline that has passed.
    pub(super) fn expire(&mut self, now: Instant, out: &mut Vec<Command>) {
        while let Some((key, phase)) = self.table.due(now) {
            match phase {
                Phase::Starting { .. } => self.kill(now, key, Then::FailStart, out),
                Phase::Stopping { then, .. } => self.kill(now, key, then, out),
                Phase::Killing { .. } => {
                    out.push(Command::Abandon(key));
                    self.exited(now, key, ExitReason::Killed, out);
                }
                Phase::BackOff { .. } => self.start(now, key, out),
                Phase::Waiting | Phase::Running { .. } | Phase::Resting | Phase::Gone => return,
            }
        }
    }

    /// Moves the ordered work on: stops of all or of a group, then starts.
    fn advance(&mut self, now: Instant, out: &mut Vec<Command>) {
        if self.done {
            return;
        }
        if let Some(reason) = &self.ending {
            let reason = reason.clone();
            match self.table.youngest_live(ChildKey(0)) {
                Some(youngest) => self.stop(now, youngest, Then::Forget, out),
                None => {
                    self.done = true;
                    out.push(Command::Done(reason));
                }
            }
            return;
        }
        if let Some(group) = self.group {
            if let Some(youngest) = self.table.youngest_live(group.from) {
                self.stop(now, youngest, Then::Rest, out);
                return;
            }
            if now < group.ready_at {
                return;
            }
            self.group = None;
            for key in self.table.keys_from(group.from) {
                self.set_phase(key, Phase::Waiting);
            }
        }
        if self.lane.is_none()
            && let Some(next) = self.table.first_waiting()
        {
            self.lane = Some(next);
            self.start(now, next, out);
        }
    }

    fn start(&mut self, now: Instant, key: ChildKey, out: &mut Vec<Command>) {
        let Some(child) = self.table.get(key) else { return };
        let until = after(now, child.kept.policy().start_timeout);
        self.set_phase(key, Phase::Starting { until });
        out.push(Command::Start(key));
    }

    /// Asks a child to end. Where that is under way, only the aim changes, unless it is final.
    fn stop(&mut self, now: Instant, key: ChildKey, then: Then, out: &mut Vec<Command>) {
        let Some(child) = self.table.get(key) else { return };
        let shutdown = child.kept.policy().shutdown;
        match (self.table.phase(key), shutdown) {
            (
                Some(
                    Phase::Stopping { then: Then::Forget, .. }
                    | Phase::Killing { then: Then::Forget, .. },
                ),
                _,
            ) => {}
            (Some(Phase::Stopping { until, .. }), _) => {
                self.set_phase(key, Phase::Stopping { until, then });
            }
            (Some(Phase::Killing { until, .. }), _) => {
                self.set_phase(key, Phase::Killing { until, then });
            }
            (_, Shutdown::Within(time)) => {
                self.set_phase(key, Phase::Stopping { until: after(now, time), then });
                out.push(Command::Stop(key));
            }
            (_, Shutdown::Brutal) => self.kill(now, key, then, out),
        }
    }

    fn kill(&mut self, now: Instant, key: ChildKey, then: Then, out: &mut Vec<Command>) {
        self.set_phase(key, Phase::Killing { until: now + KILL_WAIT, then });
        out.push(Command::Kill(key));
    }

    /// The lane of ordered starts is free again as soon as its child's start is over; one that
    /// takes too long is not over before the child has ended.
    pub(super) fn set_phase(&mut self, key: ChildKey, phase: Phase) {
        self.table.set_phase(key, phase);
        let starts =
            matches!(phase, Phase::Starting { .. } | Phase::Killing { then: Then::FailStart, .. });
        if self.lane == Some(key) && !starts {
            self.lane = None;
        }
    }

    pub(super) fn forget(&mut self, key: ChildKey, out: &mut Vec<Command>) {
        self.set_phase(key, Phase::Gone);
        self.table.forget(key);
        out.push(Command::Remove(key));
    }
}
