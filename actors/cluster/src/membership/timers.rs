//! What is to happen when, and how this node's own lateness is kept from being read as others'
//! deaths.

use std::collections::BTreeMap;
use std::time::Duration;

use foca::Timer;

use super::roster::Doubt;
use super::seat::Seat;

/// What a timer is for.
#[derive(Debug)]
pub(super) enum Due {
    /// The protocol's own.
    Protocol(Timer<Seat>),
    /// Tell a suspect of it, if it still is one: it alone can refute.
    Doubt(Doubt),
    /// Look at all members: suspicions have no other sign.
    Look,
    /// Compare everything with some member.
    Exchange,
    /// Try a member that is down.
    Heal,
    /// Try seeds.
    Seed,
    /// Compare everything once more after joining.
    Settle,
}

/// The timers of a machine, on a clock that stands still while the node can't run: what nobody
/// could answer in that time, nobody failed to answer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(Duration, u8, u64), Due>,
    next: u64,
    /// How long the clock stood still altogether.
    asleep: Duration,
}

impl Timers {
    pub(super) fn set(&mut self, now: Duration, after: Duration, due: Due) {
        // The protocol wants the second stage of a probe before the next probe.
        let rank = match due {
            Due::Protocol(Timer::SendIndirectProbe { .. }) => 0,
            Due::Protocol(Timer::ProbeRandomMember(_)) => 1,
            _ => 2,
        };
        let at = self.local(now).saturating_add(after);
        self.due.insert((at, rank, self.next), due);
        self.next += 1;
    }

    pub(super) fn cancel(&mut self, which: impl Fn(&Due) -> bool) {
        self.due.retain(|_, due| !which(due));
    }

    /// How late the first timer is. If that is more than `tolerance`, the clock stood still for
    /// that long.
    pub(super) fn oversleep(&mut self, now: Duration, tolerance: Duration) -> Option<Duration> {
        let ((at, ..), _) = self.due.first_key_value()?;
        let late = self.local(now).saturating_sub(*at);
        if late <= tolerance {
            return None;
        }
        self.asleep += late;
        Some(late)
    }

    pub(super) fn pop(&mut self, now: Duration) -> Option<Due> {
        let local = self.local(now);
        let first = self.due.first_entry().filter(|entry| entry.key().0 <= local)?;
        Some(first.remove())
    }

    /// When the first timer is due, on the caller's clock.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first_key_value().map(|((at, ..), _)| at.saturating_add(self.asleep))
    }

    fn local(&self, now: Duration) -> Duration {
        now.saturating_sub(self.asleep)
    }
}

/// How far this node is from being able to judge others: after the local health awareness of
/// Lifeguard (Dadgar, Phillips, Currey, 2018), measured by the lateness of its own timers.
#[derive(Debug, Default)]
pub(super) struct LocalHealth {
    weakness: u32,
    calm_since: Duration,
}

/// Greatest weakness, as in Lifeguard.
const MAX_WEAKNESS: u32 = 8;
/// After this long without lateness a node is a step less weak.
const CALM: Duration = Duration::from_secs(2);

impl LocalHealth {
    /// 0 (healthy) to 8.
    pub(super) fn weakness(&self) -> u32 {
        self.weakness
    }

    /// How much more silence of others is this node's own fault.
    pub(super) fn slack(&self) -> Duration {
        Duration::from_millis(500) * self.weakness
    }

    /// A timer was late by this much.
    pub(super) fn overslept(&mut self, now: Duration, late: Duration) {
        let steps = 1 + u32::try_from(late.as_secs()).unwrap_or(MAX_WEAKNESS);
        self.weakness = self.weakness.saturating_add(steps).min(MAX_WEAKNESS);
        self.calm_since = now;
    }

    /// Nothing was late until `now`.
    pub(super) fn is_calm(&mut self, now: Duration) {
        if self.weakness > 0 && now.saturating_sub(self.calm_since) >= CALM {
            self.weakness -= 1;
            self.calm_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn time_asleep_does_not_count() {
        let mut timers = Timers::default();
        timers.set(ms(0), ms(100), Due::Look);
        timers.set(ms(0), ms(500), Due::Heal);
        assert_eq!(timers.oversleep(ms(60_100), ms(200)), Some(ms(60_000)));
        assert!(matches!(timers.pop(ms(60_100)), Some(Due::Look)));
        assert!(timers.pop(ms(60_400)).is_none());
        assert_eq!(timers.next(), Some(ms(60_500)));
        assert_eq!(timers.oversleep(ms(60_600), ms(200)), None);
        assert!(matches!(timers.pop(ms(60_600)), Some(Due::Heal)));
    }

    #[test]
    fn a_node_that_was_late_recovers_step_by_step() {
        let mut health = LocalHealth::default();
        health.overslept(ms(0), ms(2500));
        assert_eq!(health.weakness(), 3);
        health.is_calm(ms(1999));
        assert_eq!(health.weakness(), 3);
        health.is_calm(ms(2000));
        health.is_calm(ms(4000));
        health.is_calm(ms(6000));
        assert_eq!((health.weakness(), health.slack()), (0, ms(0)));
        health.overslept(ms(7000), Duration::MAX);
        assert_eq!(health.weakness(), 8);
    }
}
