//! Results of steps that are kept under keys of the steps' making, for other runs to take.

use std::collections::{BTreeSet, HashMap};

use synod_journal::BlobId;

use super::Half;
use crate::history::KeptResult;
use crate::json::Json;

/// Results that are kept at most, and their bytes.
const RESULTS: usize = 10_000;
const BYTES: u64 = 32 << 20;

/// Bytes of the largest result that is kept.
pub(crate) const MOST_KEPT: usize = BYTES as usize / 8;

/// Results by their scope; the oldest go first.
#[derive(Debug, Default, Clone)]
pub(crate) struct Results {
    kept: HashMap<Half, KeptResult>,
    by_time: BTreeSet<(i64, Half)>,
    bytes: u64,
}

impl Results {
    /// A result that is still to be taken at this time, UTC microseconds.
    pub(crate) fn get(&self, scope: &Half, now: i64) -> Option<&Json> {
        self.kept.get(scope).filter(|kept| kept.until > now).map(|kept| &kept.output)
    }

    pub(crate) fn keep(&mut self, result: KeptResult) {
        self.remove(&result.scope);
        let now = result.at;
        self.by_time.insert((result.at, result.scope));
        self.bytes += result.size;
        self.kept.insert(result.scope, result);
        while let Some((_, oldest)) = self.by_time.first().copied() {
            let full = self.bytes > BYTES || self.kept.len() > RESULTS;
            let over = self.kept.get(&oldest).is_none_or(|kept| kept.until <= now);
            if !full && !over {
                break;
            }
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, scope: &Half) {
        if let Some(gone) = self.kept.remove(scope) {
            self.by_time.remove(&(gone.at, *scope));
            self.bytes -= gone.size;
        }
    }

    /// Puts in what was in a blob.
    pub(crate) fn fill(&mut self, scope: &Half, output: Json) {
        if let Some(kept) = self.kept.get_mut(scope) {
            kept.output = output;
        }
    }

    /// Forgets one that can't be read.
    pub(crate) fn forget(&mut self, scope: &Half) {
        self.remove(scope);
    }

    /// All of them, the oldest first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &KeptResult> {
        self.by_time.iter().filter_map(|(_, scope)| self.kept.get(scope))
    }

    /// Those that are in blobs.
    pub(crate) fn in_blobs(&self) -> impl Iterator<Item = (Half, BlobId)> {
        self.kept.values().filter_map(|kept| Some((kept.scope, kept.blob?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(n: u8, at: i64, bytes: u64) -> KeptResult {
        let output = Json::from(json!(n));
        KeptResult { scope: [n; 16], at, until: at + 100, output, size: bytes, blob: None }
    }

    #[test]
    fn the_oldest_results_go_when_there_is_no_room() {
        let mut results = Results::default();
        for n in 0..12 {
            results.keep(result(n, i64::from(n), BYTES / 10));
        }
        let known = |results: &Results, n| results.get(&[n; 16], 12).is_some();
        assert_eq!([0, 1, 2, 11].map(|n| known(&results, n)), [false, false, true, true]);
        results.keep(result(11, 20, 1));
        assert_eq!(results.in_order().count(), 10);
        assert_eq!(results.in_order().last().map(|kept| kept.at), Some(20));
    }

    #[test]
    fn what_is_too_old_is_not_taken_and_goes_with_the_next_one() {
        let mut results = Results::default();
        results.keep(result(1, 0, 5));
        assert_eq!(results.get(&[1; 16], 99), Some(&Json::from(json!(1))));
        assert_eq!(results.get(&[1; 16], 100), None);
        results.keep(result(2, 100, 5));
        assert_eq!((results.in_order().count(), results.bytes), (1, 5));
    }
}
