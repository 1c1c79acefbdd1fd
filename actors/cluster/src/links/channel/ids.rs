//! A hash for ids that rise by one: they need no mixing but for the table's tag.

use std::hash::{BuildHasherDefault, Hasher};

pub(super) type IdHash = BuildHasherDefault<IdHasher>;

/// Multiplies, since the table takes its tag from the high bits (Fibonacci hashing, Knuth 6.4).
#[derive(Clone, Copy, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}
