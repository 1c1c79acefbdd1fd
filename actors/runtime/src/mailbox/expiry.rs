//! When a message expires, in one word.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds from an instant of this process's start, before or after it.
///
/// An `Option<Instant>` takes twice the room in every queued message, in an awkward layout; this
/// reaches 292 years either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expiry(i64);

static ZERO: LazyLock<Instant> = LazyLock::new(|| Instant::from_std(std::time::Instant::now()));

impl Expiry {
    /// Later than everything.
    pub(crate) const NEVER: Self = Self(i64::MAX);

    pub(crate) fn at(instant: Instant) -> Self {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match instant.checked_duration_since(*ZERO) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(ZERO.duration_since(instant))),
        }
    }

    #[inline]
    pub(crate) fn is_never(self) -> bool {
        self == Self::NEVER
    }

    #[inline]
    pub(crate) fn instant(self) -> Option<Instant> {
        if self.is_never() { None } else { Some(self.exact()) }
    }

    #[cold]
    fn exact(self) -> Instant {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        if self.0 < 0 { *ZERO - distance } else { *ZERO + distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_comes_back_as_it_went_in() {
        let now = Instant::now();
        for instant in [now, now + Duration::from_secs(1 << 20), now - Duration::from_nanos(1)] {
            assert_eq!(Expiry::at(instant).instant(), Some(instant));
        }
        assert_eq!(Expiry::NEVER.instant(), None);
        assert!(Expiry::at(now) < Expiry::NEVER);
    }
}
