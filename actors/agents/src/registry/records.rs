//! What the registry writes to the journal. Released shapes are frozen.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_journal::{CodecError, Record, RecordCodec, RecordKind, StoredRecord, Stream, Versioned};

use crate::card::AgentCard;
use crate::id::{AgentId, AgentKey};

/// The stream of run-time registrations.
pub(super) const STREAM: Stream = Stream::new("agents");

/// An agent was registered at run time. The card is JSON: it holds JSON Schemas, which bincode
/// can't carry, and its own fields all have defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RegisteredV1 {
    card_json: Bytes,
}

impl Versioned for RegisteredV1 {
    const KIND: RecordKind = RecordKind::new("agent.registered");
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// A run-time registration came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RetiredV1 {
    id: String,
    version: String,
    reason: String,
}

impl Versioned for RetiredV1 {
    const KIND: RecordKind = RecordKind::new("agent.retired");
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// All run-time registrations at one position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SnapshotV1 {
    cards_json: Vec<Bytes>,
}

/// The version of the snapshot that is written.
pub(super) const SNAPSHOT_VERSION: u16 = 1;

/// What happened, as the registry's memory takes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    Registered(Box<AgentCard>),
    Retired(AgentKey),
}

/// A record or snapshot that can't be read, or a card that can't be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("the card of an agent: {0}")]
    Card(#[from] serde_json::Error),
    #[error("the key of an agent: {0}")]
    Key(String),
    #[error("unknown record '{0}' in the stream of agents")]
    Kind(String),
}

pub(super) fn registered(card: &AgentCard) -> Result<Record, RecordError> {
    let card_json = serde_json::to_vec(card)?.into();
    Ok(RegisteredV1 { card_json }.to_record()?)
}

pub(super) fn retired(key: &AgentKey, reason: &str) -> Result<Record, RecordError> {
    let (id, version) = (key.id.to_string(), key.version.to_string());
    Ok(RetiredV1 { id, version, reason: reason.to_owned() }.to_record()?)
}

pub(super) fn read(record: &StoredRecord) -> Result<Event, RecordError> {
    let (version, bytes) = (record.version, &record.bytes);
    if record.kind == RegisteredV1::KIND.as_str() {
        let RegisteredV1 { card_json } = RegisteredV1::decode(version, bytes)?;
        return Ok(Event::Registered(Box::new(serde_json::from_slice(&card_json)?)));
    }
    if record.kind == RetiredV1::KIND.as_str() {
        let RetiredV1 { id, version, .. } = RetiredV1::decode(version, bytes)?;
        let id = AgentId::new(id).map_err(|error| RecordError::Key(error.to_string()))?;
        let version = version.parse().map_err(|_| RecordError::Key(version))?;
        return Ok(Event::Retired(AgentKey { id, version }));
    }
    Err(RecordError::Kind(record.kind.clone()))
}

pub(super) fn snapshot<'a>(
    cards: impl Iterator<Item = &'a Arc<AgentCard>>,
) -> Result<Bytes, RecordError> {
    let cards_json = cards
        .map(|card| serde_json::to_vec(card.as_ref()).map(Bytes::from))
        .collect::<Result<_, _>>()?;
    Ok(RecordCodec::encode(&SnapshotV1 { cards_json })?)
}

pub(super) fn read_snapshot(version: u16, bytes: &[u8]) -> Result<Vec<AgentCard>, RecordError> {
    if version != SNAPSHOT_VERSION {
        return Err(RecordError::Kind(format!("snapshot version {version}")));
    }
    let SnapshotV1 { cards_json } = RecordCodec::decode(bytes)?;
    cards_json.iter().map(|json| Ok(serde_json::from_slice(json)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{AgentKind, Capability};

    /// What version 1 wrote when it was released.
    const REGISTERED_V1: &[u8] = include_bytes!("../../tests/golden/agent.registered.v1.bin");
    const RETIRED_V1: &[u8] = include_bytes!("../../tests/golden/agent.retired.v1.bin");
    const SNAPSHOT: &[u8] = include_bytes!("../../tests/golden/agents.snapshot.v1.bin");

    fn card() -> AgentCard {
        let count = Capability::new("text.count").input(serde_json::json!({"type": "string"}));
        AgentCard::new("word-count", "1.2.0")
            .capability(count)
            .kind(AgentKind::Http)
            .endpoint("http://127.0.0.1:9/perform")
            .meta("team", "text")
    }

    fn stored(kind: &str, bytes: &'static [u8]) -> StoredRecord {
        StoredRecord {
            position: synod_journal::Position(1),
            partition: synod_journal::Partition::from_low_bits(0),
            stream: STREAM,
            epoch: synod_journal::Epoch(0),
            kind: kind.into(),
            version: 1,
            recorded_at_us: 0,
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn golden_records_of_version_1_decode() {
        let event = read(&stored("agent.registered", REGISTERED_V1)).unwrap();
        assert_eq!(event, Event::Registered(Box::new(card())));
        let event = read(&stored("agent.retired", RETIRED_V1)).unwrap();
        assert_eq!(event, Event::Retired(card().key()));
        assert_eq!(read_snapshot(1, SNAPSHOT).unwrap(), [card()]);
    }

    #[test]
    fn what_is_written_today_is_the_golden_bytes() {
        assert_eq!(registered(&card()).unwrap().bytes, REGISTERED_V1);
        assert_eq!(retired(&card().key(), "gone").unwrap().bytes, RETIRED_V1);
        assert_eq!(snapshot([Arc::new(card())].iter()).unwrap(), SNAPSHOT);
    }

    #[test]
    fn a_damaged_record_is_an_error_and_no_panic() {
        for cut in 0..REGISTERED_V1.len() {
            assert!(read(&stored("agent.registered", &REGISTERED_V1[..cut])).is_err());
        }
        assert!(matches!(read(&stored("agent.other", b"")), Err(RecordError::Kind(_))));
    }
}
