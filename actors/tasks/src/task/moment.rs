//! Time as the machine is given it.

/// A reading of both clocks. Monotonic time drives timers; UTC is what is recorded and replayed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Microseconds since the engine began.
    pub mono: u64,
    /// Microseconds since the Unix epoch, in UTC.
    pub utc: i64,
}

impl Moment {
    /// When the recorded time `utc` comes on the monotonic clock; now, if it has passed.
    pub(crate) fn due(self, utc: i64) -> u64 {
        let ahead = u64::try_from(utc.saturating_sub(self.utc)).unwrap_or(0);
        self.mono.saturating_add(ahead)
    }
}
