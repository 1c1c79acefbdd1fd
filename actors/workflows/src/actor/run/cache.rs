//! Results that steps let the node keep, under keys of their own making. Volatile: a result that is
//! not here any more is made again.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::json::Json;

/// Results that are kept at most, and their bytes.
const RESULTS: usize = 10_000;
const BYTES: usize = 32 << 20;

/// Results by key, the oldest of which go first.
#[derive(Debug, Default)]
pub(in crate::actor) struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    results: HashMap<String, Json>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<Json> {
        self.kept.lock().results.get(key).cloned()
    }

    pub(super) fn keep(&self, key: String, result: Json) {
        if result.size() > BYTES / 8 {
            return;
        }
        let mut kept = self.kept.lock();
        kept.bytes += result.size();
        match kept.results.insert(key.clone(), result) {
            Some(former) => kept.bytes -= former.size(),
            None => kept.order.push_back(key),
        }
        while kept.bytes > BYTES || kept.order.len() > RESULTS {
            let Some(oldest) = kept.order.pop_front() else { break };
            let gone = kept.results.remove(&oldest);
            kept.bytes -= gone.map_or(0, |gone| gone.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_results_go_when_there_is_no_room() {
        let cache = Cache::default();
        let big = Json::from(json!("x".repeat(BYTES / 10)));
        for n in 0..12 {
            cache.keep(n.to_string(), big.clone());
        }
        assert_eq!((cache.get("0"), cache.get("11")), (None, Some(big)));
        cache.keep("11".to_owned(), Json::null());
        assert_eq!(cache.get("11"), Some(Json::null()));
        cache.keep("huge".to_owned(), Json::from(json!("x".repeat(BYTES))));
        assert_eq!(cache.get("huge"), None);
    }
}
