//! The policies of supervision: when a child is restarted, how long it may take to start and to
//! stop, how restarts are spaced, and when a supervisor gives up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a child is started again after it ended (OTP's restart types).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Always, whatever the reason.
    #[default]
    Permanent,
    /// Only after an abnormal end: error, panic, kill, failed start, escalation.
    Transient,
    /// Never; and when it ends it is forgotten.
    Temporary,
}

/// Which children a failed child takes with it (OTP's strategies).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Only the failed child is restarted. First starts are in order; a child that fails to
    /// start lets the next one start and is retried after its back-off.
    #[default]
    OneForOne,
    /// All children end in reverse order, then all start again in order.
    OneForAll,
    /// The failed child and those that were added after it end and start again.
    RestForOne,
    /// Like [`Strategy::OneForOne`], for many like children that come and go: they start at
    /// once, without order, and stop all at the same time (OTP's `simple_one_for_one`).
    Dynamic,
}

impl Strategy {
    /// Whether a failure restarts a group of children.
    pub(crate) fn is_grouped(self) -> bool {
        matches!(self, Self::OneForAll | Self::RestForOne)
    }
}

/// How a child is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shutdown {
    /// It finishes the message in hand and its `stop` within this time, else it is killed.
    Within(Duration),
    /// It is killed at once.
    Brutal,
}

impl Default for Shutdown {
    /// Five seconds, as in OTP.
    fn default() -> Self {
        Self::Within(Duration::from_secs(5))
    }
}

/// The wait before the n-th restart in a row: `min(max, initial * multiplier^(n-1))`, less a
/// random share of at most `jitter` of it, so that many children which failed together don't
/// come back together (M. Brooker, "Exponential Backoff and Jitter", AWS 2015).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Wait before the first restart; zero restarts at once. Default 50 ms.
    pub initial: Duration,
    /// Longest wait. Default 10 s.
    pub max: Duration,
    /// Growth from one wait to the next, at least 1. Default 2.
    pub multiplier: f64,
    /// Largest share of the wait that chance may take off, 0 to 1. Default 0.2.
    pub jitter: f64,
    /// A child that ran at least this long counts from one again. Default 30 s.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(50),
            max: Duration::from_secs(10),
            multiplier: 2.0,
            jitter: 0.2,
            reset_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// No wait at all, as OTP does it.
    #[must_use]
    pub fn none() -> Self {
        Self { initial: Duration::ZERO, max: Duration::ZERO, ..Self::default() }
    }

    /// The same wait before each restart, without jitter.
    #[must_use]
    pub fn fixed(wait: Duration) -> Self {
        Self { initial: wait, max: wait, multiplier: 1.0, jitter: 0.0, ..Self::default() }
    }

    /// The wait before restart number `failures` (from 1) in a row; `chance` is in `[0, 1)`.
    #[must_use]
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        let longest = self.max.as_secs_f64();
        let growth = self.multiplier.max(1.0).powf(f64::from(failures.saturating_sub(1)));
        let full = (self.initial.as_secs_f64() * growth).min(longest);
        let share = 1.0 - self.jitter.clamp(0.0, 1.0) * chance;
        Duration::try_from_secs_f64(full * share).unwrap_or(self.max)
    }
}

/// How an actor supervises its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supervision {
    /// Which children a failed child takes with it. Default [`Strategy::OneForOne`].
    pub strategy: Strategy,
    /// Restarts allowed within `period`; one more and the supervisor stops its children in
    /// reverse order and ends [`Escalated`](crate::ExitReason::Escalated). Default 5.
    pub intensity: u32,
    /// Length of the sliding window in which restarts are counted. Default 30 s.
    pub period: Duration,
}

impl Default for Supervision {
    fn default() -> Self {
        Self { strategy: Strategy::default(), intensity: 5, period: Duration::from_secs(30) }
    }
}

impl Supervision {
    /// The default limits with another strategy.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// Allows `intensity` restarts within `period`.
    #[must_use]
    pub fn intensity(self, intensity: u32, period: Duration) -> Self {
        Self { intensity, period, ..self }
    }
}
