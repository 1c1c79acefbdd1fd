//! What topics write to the journal. Released shapes are frozen.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload};
use synod_journal::{Codec, CodecError, RecordKind, Stream, Versioned};

use super::durable::{Terms, TopicLetter};
use super::messages::Published;

/// The stream of durable subscriptions.
pub(super) const STREAM: Stream = Stream::new("coordination.topics");

/// The version of snapshots that are written.
pub(super) const SNAPSHOT_VERSION: u16 = 1;

/// The codec of snapshots: up to 1 GiB.
type SnapshotCodec = Codec<{ 1 << 30 }>;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum EventV1 {
    /// A durable subscription is kept.
    Kept { name: String, filter: String, agent: Option<AgentId>, terms: Terms },
    /// It is forgotten.
    Removed { name: String },
    /// A message was published that somebody durable has to read, or that is a last value.
    Published {
        number: u64,
        topic: String,
        sender: String,
        content: Payload,
        at_us: i64,
        retain: bool,
    },
    /// A subscription is done with all up to this message.
    Acknowledged { name: String, up_to: u64 },
    /// A message of it became a dead letter.
    Buried { name: String, number: u64, reason: String, at_us: i64 },
}

impl Versioned for EventV1 {
    const KIND: RecordKind = RecordKind::new("coordination.topics");
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// A message in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MessageV1 {
    number: u64,
    topic: String,
    sender: String,
    content: Payload,
    at_us: i64,
}

impl From<&Arc<Published>> for MessageV1 {
    fn from(message: &Arc<Published>) -> Self {
        Self {
            number: message.number,
            topic: message.topic.clone(),
            sender: message.sender.clone(),
            content: message.content.clone(),
            at_us: message.at_us,
        }
    }
}

impl From<MessageV1> for Published {
    fn from(message: MessageV1) -> Self {
        let MessageV1 { number, topic, sender, content, at_us } = message;
        Self { number, topic, sender, content, at_us, retained: false }
    }
}

/// A durable subscription in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptV1 {
    pub(super) name: String,
    pub(super) filter: String,
    pub(super) agent: Option<AgentId>,
    pub(super) terms: Terms,
    pub(super) backlog: Vec<u64>,
    pub(super) acknowledged: u64,
    pub(super) dead: u64,
}

/// All at one position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SnapshotV1 {
    pub(super) last: u64,
    pub(super) kept: Vec<KeptV1>,
    pub(super) messages: Vec<MessageV1>,
    pub(super) retained: Vec<MessageV1>,
    pub(super) letters: Vec<TopicLetter>,
    pub(super) total_letters: u64,
}

pub(super) fn snapshot(state: &SnapshotV1) -> Result<Bytes, CodecError> {
    SnapshotCodec::encode(state)
}

pub(super) fn read_snapshot(version: u16, bytes: &[u8]) -> Result<SnapshotV1, CodecError> {
    if version != SNAPSHOT_VERSION {
        let (kind, newest) = (EventV1::KIND, SNAPSHOT_VERSION);
        return Err(CodecError::UnknownVersion { kind, version, newest });
    }
    SnapshotCodec::decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        "s".to_owned()
    }

    /// Every kind of event, and its bytes when version 1 was released.
    fn golden() -> Vec<(EventV1, &'static [u8])> {
        let (filter, terms) = ("a/#".to_owned(), Terms::default());
        let kept = EventV1::Kept { name: name(), filter, agent: None, terms };
        let published = EventV1::Published {
            number: 1,
            topic: "a".to_owned(),
            sender: "p".to_owned(),
            content: Payload::new("t", "x"),
            at_us: 5,
            retain: true,
        };
        let reason = "r".to_owned();
        vec![
            (kept, b"\0\x01s\x03a/#\0\xfb\x10\x27\0\xfb\x30\x75\xfb\xe8\x03\xfb\x60\xea\x05"),
            (EventV1::Removed { name: name() }, b"\x01\x01s"),
            (published, b"\x02\x01\x01a\x01p\x01t\x01x\x0a\x01"),
            (EventV1::Acknowledged { name: name(), up_to: 7 }, b"\x03\x01s\x07"),
            (
                EventV1::Buried { name: name(), number: 1, reason, at_us: 5 },
                b"\x04\x01s\x01\x01r\x0a",
            ),
        ]
    }

    #[test]
    fn records_of_version_1_are_read_and_written_as_they_were_released() {
        for (event, bytes) in golden() {
            let record = event.to_record().unwrap();
            assert_eq!(record.bytes, bytes, "{event:?}");
            let read = EventV1::from_record("coordination.topics", 1, bytes).unwrap();
            assert_eq!(read, event);
            for cut in 0..bytes.len() {
                assert!(EventV1::from_record("coordination.topics", 1, &bytes[..cut]).is_err());
            }
        }
    }
}
