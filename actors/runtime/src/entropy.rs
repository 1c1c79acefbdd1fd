//! The entropy seam: the only source of randomness of a node, so that a seed repeats a run.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// Where random bits come from; shared by the whole node, so its methods take `&self`.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bits.
    fn fill(&self, bytes: &mut [u8]);

    /// 64 uniform random bits.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    fn fraction(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A generator of its own for a caller that draws much or must not be disturbed by others'
    /// draws; seeded from here, with a stream that no release of a crate changes (ChaCha12).
    fn child(&self) -> ChaCha12Rng {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        ChaCha12Rng::from_seed(seed)
    }
}

impl<E: Entropy + ?Sized> Entropy for Arc<E> {
    fn fill(&self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}

/// Cryptographic randomness of this thread's generator, seeded by the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Reproducible randomness: the same seed gives the same sequence on every machine.
///
/// Never for secrets: the seed is printed by tests.
#[derive(Debug)]
pub struct SeededEntropy {
    generator: Mutex<ChaCha12Rng>,
}

impl SeededEntropy {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::seed_from_u64(seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.generator.lock().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (left, right) = (SeededEntropy::new(7), SeededEntropy::new(7));
        for _ in 0..100 {
            assert_eq!(left.next_u64(), right.next_u64());
        }
        assert_eq!(left.child().next_u64(), right.child().next_u64());
        assert_ne!(left.next_u64(), SeededEntropy::new(8).next_u64());
    }

    #[test]
    fn a_fraction_is_never_one() {
        let entropy = SeededEntropy::new(1);
        for _ in 0..10_000 {
            let fraction = entropy.fraction();
            assert!((0.0..1.0).contains(&fraction));
        }
    }

    #[test]
    fn the_machine_gives_different_bits_each_time() {
        assert_ne!(OsEntropy.next_u64(), OsEntropy.next_u64());
    }
}
