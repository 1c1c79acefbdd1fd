//! The seed of a test: from the environment to repeat a run, else random and told on failure.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use synod_runtime::SeededEntropy;

/// Where the seed of a run to repeat is taken from.
const VARIABLE: &str = "SYNOD_SEED";

/// Where all randomness of one test comes from.
///
/// Dropped while the test panics, it prints how to run the same again.
#[derive(Debug)]
pub struct Seed {
    value: u64,
    told: bool,
}

impl Seed {
    /// The seed in `SYNOD_SEED`, or a random one.
    ///
    /// # Panics
    /// When `SYNOD_SEED` is no number: a run that was meant to be repeated must not be another.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var(VARIABLE) {
            Ok(text) => match text.parse() {
                Ok(value) => Self::fixed(value),
                Err(_) => panic!("{VARIABLE}={text} is no unsigned 64-bit number"),
            },
            Err(_) => Self::fixed(rand::random()),
        }
    }

    /// This very seed.
    #[must_use]
    pub fn fixed(value: u64) -> Self {
        Self { value, told: false }
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// A generator whose stream no release of a crate changes.
    #[must_use]
    pub fn rng(&self) -> ChaCha12Rng {
        ChaCha12Rng::seed_from_u64(self.value)
    }

    /// The entropy of a node under test.
    #[must_use]
    pub fn entropy(&self) -> Arc<SeededEntropy> {
        Arc::new(SeededEntropy::new(self.value))
    }

    /// Another seed, determined by this one and `number`: for the rounds of a test.
    #[must_use]
    pub fn round(&self, number: u64) -> Self {
        // SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers give unrelated seeds.
        let mut mixed = self.value.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Only the seed of the whole test repeats the run.
        Self { value: mixed ^ (mixed >> 31), told: true }
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.told {
            eprintln!("to repeat this run: {VARIABLE}={}", self.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (left, right) = (Seed::fixed(3), Seed::fixed(3));
        assert_eq!(left.rng().next_u64(), right.rng().next_u64());
        assert_eq!(left.round(4).value(), right.round(4).value());
        assert_ne!(left.round(4).value(), left.round(5).value());
    }
}
