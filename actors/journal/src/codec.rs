//! How the families' records become bytes: bincode 2 with a size limit, and versions that upcast.
//!
//! bincode isn't self-describing. A type that goes through here must not contain
//! `serde_json::Value`, untagged or internally tagged enums, `skip_serializing_if`, `flatten` or
//! fields with added defaults. A released type is frozen: a change is a new [`Versioned`] type
//! whose `Previous` is the old one.

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::messages::Record;
use crate::names::RecordKind;

/// Bytes of the largest value that [`RecordCodec`] encodes or decodes: 16 MiB.
pub const RECORD_LIMIT: usize = 16 << 20;

/// Bytes of memory that a thread keeps for encoding.
const MOST_SCRATCH: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The codec of what is inside a record.
pub type RecordCodec = Codec<RECORD_LIMIT>;

/// bincode 2, standard configuration (little-endian, variable-length integers), at most `LIMIT`
/// bytes. The limit also bounds what a lying length prefix can make the decoder allocate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codec<const LIMIT: usize>;

impl<const LIMIT: usize> Codec<LIMIT> {
    /// Encodes a value.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above the limit, [`CodecError::Encode`] when serde refuses.
    pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
        // Written into memory that is used again, then copied once: no growth by doubling, and what
        // is kept has no room to spare.
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let written =
            bincode::serde::encode_into_std_write(value, &mut scratch, bincode::config::standard());
        let encoded = match written {
            Err(error) => Err(CodecError::Encode(error.to_string())),
            Ok(bytes) if bytes > LIMIT => Err(CodecError::TooLarge { bytes, limit: LIMIT }),
            Ok(_) => Ok(Bytes::copy_from_slice(&scratch)),
        };
        if scratch.capacity() <= MOST_SCRATCH {
            SCRATCH.set(scratch);
        }
        encoded
    }

    /// Decodes a value that takes up all of `bytes`.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above the limit, [`CodecError::Decode`] when the bytes aren't a
    /// value of this type or go on after it. Never panics.
    pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        if bytes.len() > LIMIT {
            return Err(CodecError::TooLarge { bytes: bytes.len(), limit: LIMIT });
        }
        let config = bincode::config::standard().with_limit::<LIMIT>();
        let (value, used) = bincode::serde::decode_from_slice(bytes, config)
            .map_err(|error| CodecError::Decode(error.to_string()))?;
        if used != bytes.len() {
            let rest = bytes.len() - used;
            return Err(CodecError::Decode(format!("{rest} bytes after the value")));
        }
        Ok(value)
    }
}

/// A released shape of a record, and the way up from the shape before it.
///
/// The first version names itself as `Previous`:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use synod_journal::{Versioned, RecordKind};
///
/// #[derive(Serialize, Deserialize)]
/// struct RenamedV1 { name: String }
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Renamed { name: String, by: Option<String> }
///
/// impl Versioned for RenamedV1 {
///     const KIND: RecordKind = RecordKind::new("item.renamed");
///     const VERSION: u16 = 1;
///     type Previous = Self;
/// }
/// impl Versioned for Renamed {
///     const KIND: RecordKind = RecordKind::new("item.renamed");
///     const VERSION: u16 = 2;
///     type Previous = RenamedV1;
/// }
/// impl From<RenamedV1> for Renamed {
///     fn from(old: RenamedV1) -> Self { Self { name: old.name, by: None } }
/// }
///
/// let old = RenamedV1 { name: "a".into() }.to_record()?;
/// let new = Renamed::from_record(old.kind.as_str(), old.version, &old.bytes)?;
/// assert_eq!(new, Renamed { name: "a".into(), by: None });
/// # Ok::<(), synod_journal::CodecError>(())
/// ```
pub trait Versioned: Serialize + DeserializeOwned {
    /// What the record tells; the same in all versions.
    const KIND: RecordKind;
    /// The version of this shape, from 1.
    const VERSION: u16;
    /// The shape of the version before; `Self` in the first.
    type Previous: Versioned + Into<Self>;

    /// Decodes any released version and brings it up to this one.
    ///
    /// # Errors
    /// [`CodecError::UnknownVersion`] for one that is newer than this, or older than the first;
    /// otherwise those of [`Codec::decode`].
    fn decode(version: u16, bytes: &[u8]) -> Result<Self, CodecError> {
        if version == Self::VERSION {
            return RecordCodec::decode(bytes);
        }
        if version < Self::VERSION && Self::Previous::VERSION < Self::VERSION {
            return Self::Previous::decode(version, bytes).map(Into::into);
        }
        Err(CodecError::UnknownVersion { kind: Self::KIND, version, newest: Self::VERSION })
    }

    /// Decodes a stored record, whose kind must be this one.
    ///
    /// # Errors
    /// [`CodecError::WrongKind`], otherwise those of [`Versioned::decode`].
    fn from_record(kind: &str, version: u16, bytes: &[u8]) -> Result<Self, CodecError> {
        if kind != Self::KIND.as_str() {
            return Err(CodecError::WrongKind { expected: Self::KIND, found: kind.to_owned() });
        }
        Self::decode(version, bytes)
    }

    /// The record of this value, in the append's own partition.
    ///
    /// # Errors
    /// Those of [`Codec::encode`].
    fn to_record(&self) -> Result<Record, CodecError> {
        Ok(Record::new(Self::KIND, Self::VERSION, RecordCodec::encode(self)?))
    }
}

/// Bytes that can't become a value, or a value that can't become bytes. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The encoded value is over the limit.
    #[error("{bytes} bytes are more than the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// serde or bincode refused the value.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// The bytes are cut short, go on too long or aren't of this type.
    #[error("cannot decode: {0}")]
    Decode(String),
    /// The record was written by a newer program, or never released.
    #[error("{kind} has no version {version}; this program knows up to {newest}")]
    UnknownVersion {
        /// The kind of record.
        kind: RecordKind,
        /// The version that was found.
        version: u16,
        /// The newest that this program knows.
        newest: u16,
    },
    /// The record is of another kind than the one that was asked for.
    #[error("expected a record of kind {expected}, found {found}")]
    WrongKind {
        /// The kind that was asked for.
        expected: RecordKind,
        /// The kind that was found.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_way_there_and_back() -> Result<(), CodecError> {
        let value = (7_u64, "seven".to_owned(), vec![1_u8, 2, 3]);
        let bytes = RecordCodec::encode(&value)?;
        assert_eq!(RecordCodec::decode::<(u64, String, Vec<u8>)>(&bytes)?, value);
        Ok(())
    }

    /// Encodes something else while it is encoded.
    struct Nested(u8);

    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = RecordCodec::encode(&self.0).map_err(serde::ser::Error::custom)?;
            serializer.serialize_bytes(&inner)
        }
    }

    #[test]
    fn a_value_can_encode_another_while_it_is_encoded() -> Result<(), CodecError> {
        let bytes = RecordCodec::encode(&(1_u8, Nested(7), 2_u8))?;
        assert_eq!(RecordCodec::decode::<(u8, Vec<u8>, u8)>(&bytes)?, (1, vec![7], 2));
        Ok(())
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        assert!(matches!(RecordCodec::decode::<u8>(&[1, 2]), Err(CodecError::Decode(_))));
    }

    #[test]
    fn a_lying_length_allocates_nothing() {
        // The prefix claims 2^60 elements.
        let lie = [253, 0, 0, 0, 0, 0, 0, 0, 16];
        assert!(RecordCodec::decode::<Vec<u64>>(&lie).is_err());
        assert!(RecordCodec::decode::<String>(&lie).is_err());
    }

    #[test]
    fn a_value_over_the_limit_is_refused_both_ways() {
        let long = "x".repeat(20);
        let refused = CodecError::TooLarge { bytes: 21, limit: 16 };
        assert_eq!(Codec::<16>::encode(&long), Err(refused.clone()));
        assert_eq!(Codec::<16>::decode::<String>(&[0; 21]), Err(refused));
    }
}
