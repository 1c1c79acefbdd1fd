//! Dead letters: what could not be delivered or handled, and why.
//!
//! The ring is bounded and forgets the oldest; the counts are monotonic and forget nothing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::correlation::Correlation;
use crate::metadata::Metadata;
use crate::path::ActorPath;
use crate::principal::Principal;
use crate::priority::Priority;

/// Why a message was not handled, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum DeadReason {
    /// The receiver crashed while handling it; it is never handled twice.
    Crash = 0,
    /// The receiver ended for good while it was queued, or before it came.
    Closed = 1,
    /// Its time-to-live or its asker's deadline was over before its turn came.
    Expired = 2,
    /// It gave way to a newer message under the policy `shed_oldest`.
    Shed = 3,
    /// An interceptor refused it.
    Refused = 4,
}

impl DeadReason {
    /// Every reason, in the order of [`DeadLetters::counts`].
    pub const ALL: [Self; 5] =
        [Self::Crash, Self::Closed, Self::Expired, Self::Shed, Self::Refused];

    /// The name in lower case, as in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::Shed => "shed",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One message that was not handled; its body is gone, what was known of it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Whom it was for.
    pub to: ActorPath,
    /// The type of the message or of the request inside it.
    pub kind: &'static str,
    /// How urgent it was.
    pub priority: Priority,
    /// Why it was not handled.
    pub reason: DeadReason,
    /// When that happened.
    pub at: jiff::Timestamp,
    /// On whose behalf it was sent.
    pub principal: Principal,
    /// The trace that it belonged to.
    pub correlation: Option<Correlation>,
}

type Listener = Arc<dyn Fn(&DeadLetter) + Send + Sync>;

/// The dead letters of a node.
pub struct DeadLetters {
    capacity: usize,
    ring: Mutex<VecDeque<DeadLetter>>,
    counts: [AtomicU64; DeadReason::ALL.len()],
    listener: OnceLock<Listener>,
}

impl DeadLetters {
    /// Keeps the last `capacity` letters.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ring: Mutex::default(),
            counts: Default::default(),
            listener: OnceLock::new(),
        }
    }

    /// Calls `listener` with each letter from now on, on the thread that found it; false when
    /// there is a listener already.
    pub fn listen(&self, listener: impl Fn(&DeadLetter) + Send + Sync + 'static) -> bool {
        self.listener.set(Arc::new(listener)).is_ok()
    }

    /// The letters still kept, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<DeadLetter> {
        self.ring.lock().iter().cloned().collect()
    }

    /// How many there have ever been, by reason in the order of [`DeadReason::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u64; DeadReason::ALL.len()] {
        std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed))
    }

    /// How many there have ever been for `reason`.
    #[must_use]
    pub fn count(&self, reason: DeadReason) -> u64 {
        self.counts[reason as usize].load(Ordering::Relaxed)
    }

    /// How many there have ever been.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// Records that the message of `metadata` for `to` was not handled.
    pub fn record(
        &self,
        to: &ActorPath,
        metadata: &Metadata,
        reason: DeadReason,
        at: jiff::Timestamp,
    ) {
        self.counts[reason as usize].fetch_add(1, Ordering::Relaxed);
        metrics::counter!("synod_dead_letters_total", "reason" => reason.as_str()).increment(1);
        tracing::debug!(%to, kind = metadata.kind(), %reason, "dead letter");
        let letter = DeadLetter {
            to: to.clone(),
            kind: metadata.kind(),
            priority: metadata.priority,
            reason,
            at,
            principal: metadata.principal().clone(),
            correlation: metadata.correlation(),
        };
        if let Some(listener) = self.listener.get() {
            listener(&letter);
        }
        self.keep(letter);
    }

    fn keep(&self, letter: DeadLetter) {
        if self.capacity == 0 {
            return;
        }
        let mut ring = self.ring.lock();
        if ring.len() == self.capacity {
            ring.pop_front();
        }
        ring.push_back(letter);
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_forgets_the_oldest_and_the_counts_forget_nothing() {
        let letters = DeadLetters::new(2);
        for to in ["/one", "/two", "/three"] {
            let at = jiff::Timestamp::UNIX_EPOCH;
            letters.record(&to.into(), &Metadata::new(|| "m"), DeadReason::Shed, at);
        }
        let kept: Vec<_> = letters.recent().into_iter().map(|letter| letter.to).collect();
        assert_eq!(kept, ["/two".into(), "/three".into()]);
        assert_eq!(letters.count(DeadReason::Shed), 3);
        assert_eq!(letters.total(), 3);
    }

    #[test]
    fn a_listener_hears_each_letter() {
        let letters = DeadLetters::new(0);
        let heard = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&heard);
        assert!(letters.listen(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(!letters.listen(|_| ()));
        let at = jiff::Timestamp::UNIX_EPOCH;
        letters.record(&"/x".into(), &Metadata::new(|| "m"), DeadReason::Crash, at);
        assert_eq!(heard.load(Ordering::Relaxed), 1);
        assert!(letters.recent().is_empty());
    }
}
