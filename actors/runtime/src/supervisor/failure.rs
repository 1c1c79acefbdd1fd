//! What follows a failure of a child: a restart after its back-off, of it or of its group, or
//! the end of the supervisor.

use tokio::time::Instant;

use super::command::{ChildKey, Command, Report, Supervised};
use super::config::{Restart, Strategy};
use super::machine::{Group, SupervisorMachine};
use super::table::Phase;
use crate::clock::after;
use crate::exit::ExitReason;

impl<C: Supervised> SupervisorMachine<C> {
    /// A child failed: forget it if it is temporary, else count it, then wait or give up.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        key: ChildKey,
        reason: ExitReason,
        out: &mut Vec<Command>,
    ) {
        out.push(Command::Report(key, Report::Exited(reason.clone())));
        let phase = self.table.phase(key);
        let Some(child) = self.table.get_mut(key) else { return };
        if child.kept.policy().restart == Restart::Temporary || self.ending.is_some() {
            self.forget(key, out);
            return;
        }
        let backoff = child.kept.policy().backoff;
        if let Some(Phase::Running { since }) = phase
            && now.duration_since(since) >= backoff.reset_after
        {
            child.failures = 0;
        }
        child.failures += 1;
        let ready_at = after(now, backoff.wait(child.failures, self.chance.next()));
        if self.is_beyond_intensity(now) {
            self.give_up(now, key, reason, out);
        } else if self.supervision.strategy.is_grouped() {
            self.set_phase(key, Phase::Resting);
            self.restart_group(key, ready_at);
        } else {
            self.table.settle(key);
            self.set_phase(key, Phase::BackOff { until: ready_at });
            self.expire(now, out); // without a back-off it starts in this step
        }
    }

    /// Counts a restart in the sliding window (OTP's `add_restart`).
    fn is_beyond_intensity(&mut self, now: Instant) -> bool {
        let period = self.supervision.period;
        self.restarts.push_back(now);
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > period) {
            self.restarts.pop_front();
        }
        self.restarts.len() > self.supervision.intensity as usize
    }

    fn give_up(&mut self, now: Instant, key: ChildKey, reason: ExitReason, out: &mut Vec<Command>) {
        let Some(name) = self.table.get(key).map(|child| child.kept.name().clone()) else {
            return;
        };
        let (count, period) = (self.restarts.len(), self.supervision.period);
        let text = format!("{count} failures within {period:?}, the last of `{name}`: {reason}");
        out.push(Command::Report(key, Report::GaveUp(reason)));
        self.forget(key, out);
        self.end(now, ExitReason::Escalated(text), out);
    }

    /// Begins a group restart, or widens the one under way.
    pub(super) fn restart_group(&mut self, failed: ChildKey, ready_at: Instant) {
        let everyone = self.supervision.strategy == Strategy::OneForAll;
        let from = if everyone { ChildKey(0) } else { failed };
        let group = self.group.get_or_insert(Group { from, ready_at });
        group.from = group.from.min(from);
        group.ready_at = group.ready_at.max(ready_at);
    }
}
