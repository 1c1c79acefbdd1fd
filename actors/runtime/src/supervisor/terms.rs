//! The terms of a role, packed: every actor carries one, and a node may have 100,000 of them.

use std::time::Duration;

use super::command::ChildPolicy;
use super::config::{Backoff, Restart, Shutdown, Strategy, Supervision};

/// How a role is supervised and how it supervises, in 40 bytes instead of 128.
///
/// Durations are kept in whole milliseconds: at most 49 days, and one at least unless zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) restart: Restart,
    strategy: Strategy,
    brutal: bool,
    shutdown: Millis,
    start_timeout: Millis,
    initial: Millis,
    max: Millis,
    reset_after: Millis,
    multiplier: f32,
    jitter: f32,
    intensity: u32,
    period: Millis,
}

impl Terms {
    pub(crate) fn new(policy: ChildPolicy, supervision: Supervision) -> Self {
        let (brutal, shutdown) = match policy.shutdown {
            Shutdown::Brutal => (true, Duration::ZERO),
            Shutdown::Within(time) => (false, time),
        };
        let Backoff { initial, max, multiplier, jitter, reset_after } = policy.backoff;
        Self {
            restart: policy.restart,
            strategy: supervision.strategy,
            brutal,
            shutdown: shutdown.into(),
            start_timeout: policy.start_timeout.into(),
            initial: initial.into(),
            max: max.into(),
            reset_after: reset_after.into(),
            multiplier: multiplier as f32,
            jitter: jitter as f32,
            intensity: supervision.intensity,
            period: supervision.period.into(),
        }
    }

    /// How its parent supervises it.
    pub(crate) fn policy(&self) -> ChildPolicy {
        let shutdown = Shutdown::Within(self.shutdown.into());
        ChildPolicy {
            restart: self.restart,
            shutdown: if self.brutal { Shutdown::Brutal } else { shutdown },
            start_timeout: self.start_timeout.into(),
            backoff: Backoff {
                initial: self.initial.into(),
                max: self.max.into(),
                multiplier: f64::from(self.multiplier),
                jitter: f64::from(self.jitter),
                reset_after: self.reset_after.into(),
            },
        }
    }

    /// How it supervises its own children.
    pub(crate) fn supervision(&self) -> Supervision {
        Supervision {
            strategy: self.strategy,
            intensity: self.intensity,
            period: self.period.into(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Millis(u32);

impl From<Duration> for Millis {
    fn from(time: Duration) -> Self {
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Self(if time.is_zero() { 0 } else { millis.max(1) })
    }
}

impl From<Millis> for Duration {
    fn from(Millis(millis): Millis) -> Self {
        Self::from_millis(u64::from(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let policy = ChildPolicy {
            restart: Restart::Transient,
            shutdown: Shutdown::Brutal,
            start_timeout: Duration::from_secs(10),
            backoff: Backoff { jitter: 0.25, ..Backoff::default() },
        };
        let supervision = Supervision::new(Strategy::RestForOne);
        let terms = Terms::new(policy, supervision);
        assert_eq!((terms.policy(), terms.supervision()), (policy, supervision));
        assert!(size_of::<Terms>() <= 40);
    }

    #[test]
    fn durations_out_of_range_are_cut() {
        let cut = |time: Duration| Duration::from(Millis::from(time));
        assert_eq!(cut(Duration::ZERO), Duration::ZERO);
        assert_eq!(cut(Duration::from_micros(3)), Duration::from_millis(1));
        assert_eq!(cut(Duration::MAX).as_secs() / 86_400, 49);
    }
}
