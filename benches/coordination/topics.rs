//! Topics: one message to many plain subscribers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt as _, stream};
use synod_agents::Payload;
use synod_coordination::messaging::topics::{
    Listen, Publish, Subscribe, Subscription, TopicListener, Topics, TopicsConfig, TopicsMessage,
};
use synod_runtime::{Address, System};
use tokio::sync::Notify;

use crate::LONG;
use crate::figures::{Round, Stopwatch, rate, rates, rounds, share_of};
use crate::ground::Ready;

/// Publishers that wait for their answer at once.
const PUBLISHERS: usize = 64;
const TOPIC: &str = "news/of/today";
/// Bytes of a message.
const CONTENT: usize = 256;
/// Subscribers, and messages to each.
const CROWDS: [(u64, u64); 3] = [(1, 200_000), (1_000, 2_000), (100_000, 50)];

/// How subscribers have it.
#[derive(Clone, Copy)]
enum Way {
    /// A function is called.
    Listener,
    /// A queue that nobody reads yet.
    Queue,
    /// A queue with a reader that waits; what counts is what the readers have.
    Reader,
}

pub(crate) async fn print() {
    rates("Topics: from the publisher to plain subscribers, 256 bytes", "deliveries");
    let ways = [(Way::Listener, "listener"), (Way::Queue, "queue"), (Way::Reader, "reader")];
    for (way, name) in ways {
        for (subscribers, messages) in CROWDS {
            let mut taken = Vec::new();
            for _ in 0..rounds() {
                taken.push(measure(way, subscribers, share_of(messages)).await);
            }
            let what = format!("{subscribers} × {name}");
            let aim = if subscribers == 1 { "" } else { "≥ 2,000,000" };
            rate(&what, aim, &taken);
        }
    }
    println!("\nListener: a function is called. Queue: put into a queue each, capacity 65,536.");
    println!("Reader: a task for each subscriber waits at its queue and takes what is there.");
    println!("To one subscriber it is publishing that is measured: a request and its answer each,");
    println!("{PUBLISHERS} at a time.");
}

async fn measure(way: Way, subscribers: u64, messages: u64) -> Round {
    let system = System::builder().build();
    let spec = Topics::spec(TopicsConfig::default(), None, Arc::new(Ready("{}")));
    let topics = system.spawn(spec).expect("topics");
    let got = Arc::new(Got {
        count: AtomicU64::new(0),
        awaited: subscribers * messages,
        all: Notify::new(),
    });
    let mut kept = Vec::new();
    for _ in 0..subscribers {
        match way {
            Way::Listener => listen(&topics, Arc::clone(&got)).await,
            Way::Queue => kept.push(subscribe(&topics).await),
            Way::Reader => {
                let subscription = subscribe(&topics).await;
                tokio::spawn(read(subscription, Arc::clone(&got)));
            }
        }
    }
    let watch = Stopwatch::start();
    let publishing = stream::iter(0..messages).map(|_| publish(&topics));
    let plain = publishing.buffer_unordered(PUBLISHERS).fold(0, async |sum, one| sum + one).await;
    if !matches!(way, Way::Queue) {
        got.all.notified().await;
    }
    let round = watch.stop(Vec::new(), plain);
    assert_eq!(plain, subscribers * messages);
    drop(kept);
    system.stop(LONG).await.expect("an orderly end");
    round
}

/// What has arrived.
struct Got {
    count: AtomicU64,
    awaited: u64,
    all: Notify,
}

impl Got {
    fn add(&self, some: u64) {
        if self.count.fetch_add(some, Ordering::Relaxed) + some == self.awaited {
            self.all.notify_one();
        }
    }
}

async fn listen(topics: &Address<TopicsMessage>, got: Arc<Got>) {
    let listener = TopicListener::new(move |_| {
        got.add(1);
        true
    });
    let listen = Listen { filter: TOPIC.to_owned(), listener };
    topics.ask(listen, LONG).await.expect("an answer").expect("room");
}

async fn subscribe(topics: &Address<TopicsMessage>) -> Subscription {
    let subscribe = Subscribe { filter: "news/+/today".to_owned(), capacity: 65_536 };
    topics.ask(subscribe, LONG).await.expect("an answer").expect("room")
}

/// What was dropped counts as well: else the end would never be seen.
async fn read(mut subscription: Subscription, got: Arc<Got>) {
    while let Some(received) = subscription.receive(1_024).await {
        got.add(received.messages.len() as u64 + received.dropped);
    }
}

/// To how many.
async fn publish(topics: &Address<TopicsMessage>) -> u64 {
    let (topic, sender) = (TOPIC.to_owned(), "reporter".to_owned());
    let content = Payload::new("text/plain", vec![b'x'; CONTENT]);
    let publish = Publish { topic, sender, content, retain: false };
    topics.ask(publish, LONG).await.expect("an answer").expect("it is published").plain
}
