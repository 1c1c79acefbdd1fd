//! A kept result as it is stored. Frozen like all stored shapes: a change is another version.

use serde::{Deserialize, Serialize};
use synod_journal::{BlobId, Record, RecordKind, Versioned};

use super::v1::ValueV1;
use super::{RecordError, unknown};
use crate::history::KeptResult;
use crate::json::Json;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ResultV1 {
    pub scope: [u8; 16],
    /// UTC microseconds.
    pub at: i64,
    pub until: i64,
    pub output: ValueV1,
}

impl Versioned for ResultV1 {
    const KIND: RecordKind = super::RESULTS;
    const VERSION: u16 = 1;
    type Previous = Self;
}

/// The record of a result that is kept.
pub(super) fn record(result: &KeptResult) -> Result<Record, synod_journal::CodecError> {
    ResultV1::from(result).to_record()
}

impl From<&KeptResult> for ResultV1 {
    fn from(result: &KeptResult) -> Self {
        let KeptResult { scope, at, until, output, size, blob } = result;
        let output = match blob {
            Some(BlobId(hash)) => ValueV1::Blob { hash: *hash, length: *size },
            None => ValueV1::Inline(output.bytes().clone()),
        };
        Self { scope: *scope, at: *at, until: *until, output }
    }
}

impl TryFrom<ResultV1> for KeptResult {
    type Error = RecordError;

    fn try_from(stored: ResultV1) -> Result<Self, RecordError> {
        let ResultV1 { scope, at, until, output } = stored;
        let (output, size, blob) = match output {
            ValueV1::Inline(text) => {
                let size = text.len() as u64;
                let output = Json::stored(text).map_err(|error| unknown("JSON text", error))?;
                (output, size, None)
            }
            ValueV1::Blob { hash, length } => (Json::null(), length, Some(BlobId(hash))),
        };
        Ok(Self { scope, at, until, output, size, blob })
    }
}
