//! Connections that were refused: counted each time, logged once for each cause.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::wire::{Refusal, RefusalCode};

/// Causes that are remembered as told; above it all are told again.
const REMEMBERED: usize = 1_024;

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// This node.
    Us,
    /// The other one.
    Them,
}

#[derive(Default)]
pub(crate) struct Refusals {
    total: AtomicU64,
    told: Mutex<BTreeSet<(By, RefusalCode, String)>>,
}

impl Refusals {
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a refusal. `party` is what is known of the other side: a node, or an address without
    /// its port, since a caller has another one each time. True when it was told of too.
    pub(crate) fn note(&self, by: By, party: &str, refusal: &Refusal) -> bool {
        self.total.fetch_add(1, Ordering::Relaxed);
        let side = if by == By::Us { "here" } else { "there" };
        let code = refusal.code.name();
        metrics::counter!("synod_link_refusals_total", "by" => side, "cause" => code).increment(1);
        let mut told = self.told.lock();
        if told.len() >= REMEMBERED {
            told.clear();
        }
        let is_new = told.insert((by, refusal.code, party.to_owned()));
        if is_new {
            tracing::warn!(node = party, refused = side, cause = code, reason = %refusal.reason,
                "a connection between nodes was refused");
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_each_time_and_told_once() {
        let refusals = Refusals::default();
        let refusal = Refusal::new(RefusalCode::Cluster, "another cluster");
        assert!(refusals.note(By::Us, "b", &refusal));
        assert!(!refusals.note(By::Us, "b", &refusal));
        assert!(refusals.note(By::Them, "b", &refusal));
        assert!(refusals.note(By::Us, "c", &refusal));
        assert_eq!(refusals.total(), 4);
    }
}
