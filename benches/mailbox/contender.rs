//! Who takes part, and what each can do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::measure::{Sample, Stopwatch};
use crate::{channel_peer, kameo_peer, ractor_peer, synod_side};

/// A measurement under way.
pub(crate) type Measuring = Pin<Box<dyn Future<Output = Sample> + Send>>;

/// Actors being spawned in a child process; ends when all are idle, and gives what keeps them.
pub(crate) type Spawning = Pin<Box<dyn Future<Output = Box<dyn Send>> + Send>>;

/// One side of the comparison.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Several producers send so many messages in all to one consumer.
    pub(crate) flood: fn(producers: u64, messages: u64) -> Measuring,
    /// So many requests, each answered before the next.
    pub(crate) round_trip: Option<fn(count: u64) -> Measuring>,
    /// So many actors that have handled nothing yet.
    pub(crate) spawn: Option<fn(count: u64) -> Spawning>,
}

/// Everyone; the first one is what the others are compared with.
pub(crate) fn contenders() -> Vec<Contender> {
    vec![
        Contender {
            name: "ractor cast",
            flood: |producers, messages| Box::pin(ractor_peer::flood(producers, messages)),
            round_trip: Some(|count| Box::pin(ractor_peer::round_trip(count))),
            spawn: Some(|count| Box::pin(ractor_peer::spawn(count))),
        },
        Contender {
            name: "synod, bounded 1,024, fair",
            flood: |producers, messages| Box::pin(synod_side::flood_bounded(producers, messages)),
            round_trip: Some(|count| Box::pin(synod_side::round_trip(count))),
            spawn: Some(|count| Box::pin(synod_side::spawn(count))),
        },
        Contender {
            name: "synod, unbounded",
            flood: |producers, messages| Box::pin(synod_side::flood_unbounded(producers, messages)),
            round_trip: None,
            spawn: None,
        },
        Contender {
            name: "kameo, bounded 1,024",
            flood: |producers, messages| {
                Box::pin(kameo_peer::flood(Some(1024), producers, messages))
            },
            round_trip: Some(|count| Box::pin(kameo_peer::round_trip(count))),
            spawn: Some(|count| Box::pin(kameo_peer::spawn(count))),
        },
        Contender {
            name: "kameo, unbounded",
            flood: |producers, messages| Box::pin(kameo_peer::flood(None, producers, messages)),
            round_trip: None,
            spawn: None,
        },
        Contender {
            name: "tokio mpsc, bounded 1,024",
            flood: |producers, messages| Box::pin(channel_peer::flood_bounded(producers, messages)),
            round_trip: Some(|count| Box::pin(channel_peer::round_trip(count))),
            spawn: Some(|count| Box::pin(channel_peer::spawn(count))),
        },
        Contender {
            name: "tokio mpsc, unbounded",
            flood: |producers, messages| {
                Box::pin(channel_peer::flood_unbounded(producers, messages))
            },
            round_trip: None,
            spawn: None,
        },
    ]
}

/// The message of every flood: 24 bytes.
pub(crate) type Load = [u64; 3];

/// Counts what a consumer has handled, and rings when all is done.
pub(crate) struct Tally {
    started: AtomicU64,
    left: AtomicU64,
    done: Notify,
}

impl Tally {
    pub(crate) fn new(messages: u64) -> Arc<Self> {
        let (started, left) = (AtomicU64::new(0), AtomicU64::new(messages));
        Arc::new(Self { started, left, done: Notify::new() })
    }

    /// One more actor has started.
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// How many actors have started.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// One more is done. The consumer alone writes, so this is a load and a store.
    pub(crate) fn count(&self) {
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left == 0 {
            self.done.notify_one();
        }
    }

    pub(crate) async fn finished(&self) {
        self.done.notified().await;
    }
}

/// Lets others have a turn every 128 messages, as tokio makes every producer do that awaits its
/// sends. One that never did would first queue up all its messages, and the page faults of that
/// backlog would be measured.
pub(crate) async fn breathe(number: u64) {
    if number % 128 == 127 {
        tokio::task::yield_now().await;
    }
}

/// Runs `produce(how many)` in as many tasks as there are producers, until all is handled.
pub(crate) async fn flood<F>(
    producers: u64,
    messages: u64,
    tally: Arc<Tally>,
    produce: impl Fn(u64) -> F,
) -> Sample
where
    F: Future<Output = ()> + Send + 'static,
{
    let watch = Stopwatch::start();
    for _ in 0..producers {
        tokio::spawn(produce(messages / producers));
    }
    tally.finished().await;
    watch.stop(messages)
}
