//! Publish and subscribe by topic: an actor called `topics`.
//!
//! ```text
//!  Publish ─▶ durable subscriptions? ── journal ──▶ backlog ─ Fetch, Acknowledge ─▶ consumer
//!     │                                              └ Receive ─▶ agent
//!     └─▶ trie of filters ─▶ queues (drop oldest, count) and listeners
//! ```
//!
//! Names and filters are those of MQTT (version 5.0, section 4.7): levels parted by `/`; in a
//! filter `+` stands for one level and `#`, at the end, for all that follow, none included.
//!
//! Invariants:
//! - What a durable subscription was told to have is on the disk before its publisher hears so, and
//!   is given again until it is acknowledged or becomes a dead letter with its reason.
//! - Of one durable subscription everything is given in the order in which it was published.
//! - A plain subscriber that is slow loses its oldest messages, is told how many, and slows nobody.

mod actor;
mod config;
mod durable;
mod error;
mod filter;
mod messages;
mod plain;
mod records;
#[cfg(test)]
mod tests;
mod trie;

pub use actor::Topics;
pub use config::TopicsConfig;
pub use durable::{Given, Overflow, SubscriptionView, Terms, TopicLetter};
pub use error::TopicError;
pub use filter::{MAX_LEVELS, MAX_TOPIC_BYTES, TopicFilter, check_topic};
pub use messages::{
    Acknowledge, Fetch, KeepSubscription, ListRetained, ListSubscriptions, ListTopicLetters,
    Listen, Publish, Published, PublishedTo, Reject, RemoveSubscription, ShowRetained,
    ShowSubscription, Subscribe, TopicListener, TopicsMessage,
};
pub use plain::{Received, Subscription};
