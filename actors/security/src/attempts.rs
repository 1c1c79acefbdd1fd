//! Failures by source address: who fails too often is told to wait, and is no longer written down.
//!
//! A fixed window per source: pure, bounded, and cheap enough to stand before every request. What
//! is limited are failures alone: a caller with a valid token is served whatever others behind the
//! same address do, so that nobody can lock somebody else out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// How many failures a source may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Failures of one source in a window.
    pub failures: u32,
    /// The window.
    pub window: Duration,
    /// Sources that are remembered at a time; all others together are one source then.
    pub sources: usize,
}

/// What becomes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is one of a few: write it down, and tell what was wrong.
    Told,
    /// It is the last that is written down in this window.
    Last,
    /// There were too many: say only when the next try makes sense.
    Silenced {
        /// Time until the window ends.
        retry_after: Duration,
    },
}

/// The failures of a while.
#[derive(Debug)]
pub struct Attempts {
    limits: AttemptLimits,
    sources: HashMap<IpAddr, Window>,
    /// Of those that found no room among the sources.
    others: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Attempts {
    /// Without any failure so far.
    #[must_use]
    pub fn new(limits: AttemptLimits) -> Self {
        Self { limits, sources: HashMap::new(), others: None }
    }

    /// Notes a failure of `source` at `now`, and says what is to be done about it.
    pub fn failed(&mut self, source: IpAddr, now: Instant) -> Verdict {
        let source = network(source);
        let AttemptLimits { window: within, sources: most, failures } = self.limits;
        if !self.sources.contains_key(&source) && self.sources.len() >= most {
            self.sources.retain(|_, window| !window.is_over(now, within));
        }
        let fresh = Window { began: now, failures: 0 };
        let window = if self.sources.contains_key(&source) || self.sources.len() < most {
            self.sources.entry(source).or_insert(fresh)
        } else {
            self.others.get_or_insert(fresh)
        };
        if window.is_over(now, within) {
            *window = fresh;
        }
        window.failures = window.failures.saturating_add(1);
        match window.failures {
            n if n < failures => Verdict::Told,
            n if n == failures => Verdict::Last,
            _ => Verdict::Silenced { retry_after: window.left(now, within) },
        }
    }

    /// Sources that are remembered.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len()
    }
}

impl Window {
    fn left(&self, now: Instant, within: Duration) -> Duration {
        within.saturating_sub(now.saturating_duration_since(self.began))
    }

    fn is_over(&self, now: Instant, within: Duration) -> bool {
        self.left(now, within).is_zero()
    }
}

/// Who has an IPv6 address has its whole /64: they count as one.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits =
        AttemptLimits { failures: 3, window: Duration::from_secs(60), sources: 2 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_fails_too_often_is_silenced_until_its_window_ends() {
        let (mut attempts, start) = (Attempts::new(LIMITS), Instant::now());
        let bad = ip("10.0.0.1");
        assert_eq!(attempts.failed(bad, start), Verdict::Told);
        assert_eq!(attempts.failed(bad, start), Verdict::Told);
        assert_eq!(attempts.failed(bad, start), Verdict::Last);
        let later = start + Duration::from_secs(20);
        let retry_after = Duration::from_secs(40);
        assert_eq!(attempts.failed(bad, later), Verdict::Silenced { retry_after });
        assert_eq!(attempts.failed(ip("10.0.0.2"), later), Verdict::Told, "another is not");
        assert_eq!(attempts.failed(bad, start + Duration::from_secs(60)), Verdict::Told);
    }

    #[test]
    fn sources_beyond_the_limit_share_one_window_and_memory_stays_bounded() {
        let (mut attempts, start) = (Attempts::new(LIMITS), Instant::now());
        for last in 1..=200_u8 {
            attempts.failed(IpAddr::from([10, 0, 0, last]), start);
            assert!(attempts.sources() <= 2);
        }
        let verdict = attempts.failed(ip("10.9.9.9"), start);
        assert!(matches!(verdict, Verdict::Silenced { .. }), "{verdict:?}");
        let after = start + Duration::from_secs(61);
        assert_eq!(attempts.failed(ip("10.9.9.9"), after), Verdict::Told, "old ones make room");
    }

    #[test]
    fn a_whole_ipv6_network_is_one_source() {
        let (mut attempts, start) = (Attempts::new(LIMITS), Instant::now());
        attempts.failed(ip("2001:db8::1"), start);
        attempts.failed(ip("2001:db8::2"), start);
        assert_eq!(attempts.failed(ip("2001:db8::3"), start), Verdict::Last);
        attempts.failed(ip("::ffff:10.0.0.1"), start);
        attempts.failed(ip("10.0.0.1"), start);
        assert_eq!(attempts.sources(), 2);
    }
}
