//! Between what happens to the engine and its stored form.

use std::sync::Arc;

use bytes::Bytes;
use semver::Version;
use synod_journal::{BlobId, CodecError, Record, Versioned};
use uuid::Uuid;

use super::v1::{DefinedV1, EngineRecordV1, ValueV1};
use super::{RecordError, unknown};
use crate::definition::DefinitionHash;
use crate::history::{DefinedAs, EngineEvent};

/// The record of something that happened to the engine.
pub(crate) fn encode_engine(event: &EngineEvent) -> Result<Record, CodecError> {
    let stored = match event {
        EngineEvent::Kept(result) => return super::results::record(result),
        EngineEvent::Opened { at } => EngineRecordV1::Opened { at: *at },
        EngineEvent::Began { at } => EngineRecordV1::Began { at: *at },
        EngineEvent::Stopped { at } => EngineRecordV1::Stopped { at: *at },
        EngineEvent::Forgot { through: (ended_at, run), keys_before, definitions } => {
            EngineRecordV1::Forgot {
                ended_at: *ended_at,
                run: run.into_bytes(),
                keys_before: *keys_before,
                definitions: definitions.iter().map(|hash| hash.0).collect(),
            }
        }
        EngineEvent::Defined(known) => EngineRecordV1::Defined((&**known).into()),
        EngineEvent::Named { name, version, hash, at, by } => EngineRecordV1::Named {
            name: Arc::clone(name),
            version: version.to_string(),
            hash: hash.0,
            at: *at,
            by: by.into(),
        },
        EngineEvent::Unnamed { name, version, at, by } => EngineRecordV1::Unnamed {
            name: Arc::clone(name),
            version: version.to_string(),
            at: *at,
            by: by.into(),
        },
    };
    stored.to_record()
}

pub(super) fn version(text: &str) -> Result<Version, RecordError> {
    Version::parse(text).map_err(|_| unknown("version", text))
}

/// Texts of definitions above this many bytes are in blobs.
const INLINE_TEXT: usize = 64 << 10;

/// The blob that the text of a definition goes to, if it is too large for a record.
pub(crate) fn text_blob(text: &Bytes) -> Option<(BlobId, Bytes)> {
    (text.len() > INLINE_TEXT).then(|| (BlobId::of(text), text.clone()))
}

fn text_value(known: &DefinedAs) -> ValueV1 {
    match known.blob {
        Some(BlobId(hash)) => ValueV1::Blob { hash, length: known.text.len() as u64 },
        None => ValueV1::Inline(known.text.clone()),
    }
}

impl From<&DefinedAs> for DefinedV1 {
    fn from(known: &DefinedAs) -> Self {
        Self {
            hash: known.hash.0,
            name: Arc::clone(&known.name),
            version: Arc::clone(&known.version),
            description: Arc::clone(&known.description),
            steps: known.steps,
            text: text_value(known),
        }
    }
}

impl From<DefinedV1> for DefinedAs {
    fn from(known: DefinedV1) -> Self {
        let DefinedV1 { hash, name, version, description, steps, text } = known;
        let (text, blob) = match text {
            ValueV1::Inline(text) => (text, None),
            ValueV1::Blob { hash, .. } => (Bytes::new(), Some(BlobId(hash))),
        };
        Self { hash: DefinitionHash(hash), name, version, description, steps, text, blob }
    }
}

impl TryFrom<EngineRecordV1> for EngineEvent {
    type Error = RecordError;

    fn try_from(record: EngineRecordV1) -> Result<Self, RecordError> {
        Ok(match record {
            EngineRecordV1::Opened { at } => Self::Opened { at },
            EngineRecordV1::Began { at } => Self::Began { at },
            EngineRecordV1::Stopped { at } => Self::Stopped { at },
            EngineRecordV1::Forgot { ended_at, run, keys_before, definitions } => Self::Forgot {
                through: (ended_at, Uuid::from_bytes(run)),
                keys_before,
                definitions: definitions.into_iter().map(DefinitionHash).collect(),
            },
            EngineRecordV1::Defined(known) => Self::Defined(Box::new(known.into())),
            EngineRecordV1::Named { name, version: text, hash, at, by } => {
                let (version, hash) = (version(&text)?, DefinitionHash(hash));
                Self::Named { name, version, hash, at, by: by.into() }
            }
            EngineRecordV1::Unnamed { name, version: text, at, by } => {
                Self::Unnamed { name, version: version(&text)?, at, by: by.into() }
            }
        })
    }
}
