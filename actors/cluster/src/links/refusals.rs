//! Connections that were refused: counted each time, logged once for each cause.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(crate) struct Refusals {
    total: AtomicU64,
}

impl Refusals {
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
