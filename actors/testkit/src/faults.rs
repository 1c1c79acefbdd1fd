//! Faults on a plan: which call fails or panics is decided by its number or by the seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::seed::Seed;

/// A failure that a test has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedFault {
    /// The site that was called.
    pub site: String,
    /// Which call of the site it was, from 1.
    pub call: u64,
}

impl std::fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "injected fault: call {} of {}", self.call, self.site)
    }
}

impl std::error::Error for InjectedFault {}

#[derive(Debug, Clone, Copy)]
enum Effect {
    Fail,
    Panic,
}

#[derive(Debug)]
enum Trigger {
    /// On this call, once.
    At(u64),
    /// On each call with this probability.
    Chance(f64, Box<ChaCha12Rng>),
}

impl Trigger {
    fn strikes(&mut self, call: u64) -> bool {
        match self {
            Self::At(at) => *at == call,
            Self::Chance(probability, rng) => rng.random_bool(*probability),
        }
    }
}

#[derive(Debug, Default)]
struct Site {
    calls: u64,
    plan: Vec<(Trigger, Effect)>,
}

/// The faults of one test, by named site; shared with the code under test by cloning.
///
/// ```
/// use synod_testkit::Faults;
///
/// let faults = Faults::none().fail_nth("disk.sync", 2);
/// assert!(faults.check("disk.sync").is_ok());
/// assert!(faults.check("disk.sync").is_err());
/// assert!(faults.check("disk.sync").is_ok());
/// assert_eq!(faults.calls("disk.sync"), 3);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    sites: Arc<Mutex<BTreeMap<String, Site>>>,
}

impl Faults {
    /// Nothing fails.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The `call`-th call of `site` (from 1) fails.
    #[must_use]
    pub fn fail_nth(self, site: &str, call: u64) -> Self {
        self.plan(site, Trigger::At(call), Effect::Fail)
    }

    /// The `call`-th call of `site` (from 1) panics.
    #[must_use]
    pub fn panic_nth(self, site: &str, call: u64) -> Self {
        self.plan(site, Trigger::At(call), Effect::Panic)
    }

    /// Each call of `site` fails with `probability` (0 to 1).
    #[must_use]
    pub fn fail_at_random(self, site: &str, probability: f64, seed: &Seed) -> Self {
        let trigger = Trigger::Chance(probability, site_rng(site, seed));
        self.plan(site, trigger, Effect::Fail)
    }

    /// Each call of `site` panics with `probability` (0 to 1).
    #[must_use]
    pub fn panic_at_random(self, site: &str, probability: f64, seed: &Seed) -> Self {
        let trigger = Trigger::Chance(probability, site_rng(site, seed));
        self.plan(site, trigger, Effect::Panic)
    }

    /// Counts a call of `site`, and fails or panics when the plan says so.
    ///
    /// # Errors
    /// The fault, when this call is to fail.
    ///
    /// # Panics
    /// When this call is to panic.
    pub fn check(&self, site: &str) -> Result<(), InjectedFault> {
        let (call, effect) = self.next(site);
        let fault = InjectedFault { site: site.to_owned(), call };
        match effect {
            None => Ok(()),
            Some(Effect::Fail) => Err(fault),
            Some(Effect::Panic) => panic!("{fault}"),
        }
    }

    /// How often `site` has been called.
    #[must_use]
    pub fn calls(&self, site: &str) -> u64 {
        self.sites.lock().get(site).map_or(0, |site| site.calls)
    }

    fn plan(self, site: &str, trigger: Trigger, effect: Effect) -> Self {
        self.sites.lock().entry(site.to_owned()).or_default().plan.push((trigger, effect));
        self
    }

    fn next(&self, site: &str) -> (u64, Option<Effect>) {
        let mut sites = self.sites.lock();
        let site = sites.entry(site.to_owned()).or_default();
        site.calls += 1;
        let call = site.calls;
        // Every trigger draws on every call, so that adding one doesn't change the others.
        let struck = site
            .plan
            .iter_mut()
            .filter_map(|(trigger, effect)| trigger.strikes(call).then_some(*effect));
        (call, struck.collect::<Vec<_>>().first().copied())
    }
}

/// A stream of its own for each site, so that calls of one don't move the faults of another.
fn site_rng(site: &str, seed: &Seed) -> Box<ChaCha12Rng> {
    let number = site
        .bytes()
        .fold(0_u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(byte)));
    Box::new(ChaCha12Rng::seed_from_u64(seed.round(number).value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let run = || {
            let faults = Faults::none().fail_at_random("net", 0.3, &Seed::fixed(9));
            (0..200).map(|_| faults.check("net").is_err()).collect::<Vec<_>>()
        };
        let failed = run().iter().filter(|failed| **failed).count();
        assert_eq!(run(), run());
        assert!((30..90).contains(&failed), "{failed}");
    }

    #[test]
    #[should_panic(expected = "call 2 of worker")]
    fn a_planned_panic_says_which_call_it_was() {
        let faults = Faults::none().panic_nth("worker", 2);
        assert_eq!(faults.check("worker"), Ok(()));
        let _ = faults.check("worker");
    }
}
