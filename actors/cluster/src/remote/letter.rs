//! What two desks say to each other, as bytes.
//!
//! ```text
//!  u32 length of the head │ head (bincode) │ body: the message as it is
//! ```

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_journal::{Codec, CodecError};
use synod_runtime::{Correlation, Metadata, Principal, Priority, SendOptions, WireMessage};
use tokio::time::Instant;

use super::error::RemoteError;
use super::watching::MonitorNews;

/// Bytes of the largest message: what a link carries by default, less room for the head.
const BODY_LIMIT: usize = 15 << 20;
/// Bytes of the largest head.
const HEAD_LIMIT: usize = 64 << 10;
/// Bytes that say how long the head is.
const PREFIX: usize = 4;

pub(super) type BodyCodec = Codec<BODY_LIMIT>;
type HeadCodec = Codec<HEAD_LIMIT>;

/// An answer, or why there is none.
pub(super) type Answered<T> = Result<T, RemoteError>;

/// What is said without waiting for an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Cast {
    /// A message; the body is in the letter.
    Tell { number: u64, label: Label },
    /// All messages up to this number have come.
    Seen { upto: u64 },
    /// A message was not accepted.
    Back { number: u64, why: RemoteError },
    /// What became of an actor that the other node watches.
    News { watch: u64, news: MonitorNews },
    /// The watch is over.
    Unwatch { watch: u64 },
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Call {
    /// A request; answered with `Answered<Vec<u8>>`, the reply's bytes.
    Ask { label: Label },
    /// Who is offered so? Answered with `Answered<String>`, a path.
    Find { name: String, kind: String, version: u16 },
    /// Tell what becomes of it. Answered with `Answered<()>`.
    Watch { name: String, watch: u64 },
    /// Make one of this type; the body is what it is made of. Answered with `Answered<()>`.
    Spawn { kind: String, version: u16, name: String },
}

/// For whom a message is, what it is, and what travels beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) version: u16,
    priority: Priority,
    principal: Option<Principal>,
    correlation: Option<Correlation>,
    /// Microseconds until it expires: nodes do not share a clock.
    within_us: Option<u64>,
}

impl Label {
    /// The label of a message of type `M` sent now.
    pub(super) fn of<M: WireMessage>(name: &str, metadata: &Metadata, now: Instant) -> Self {
        let principal = metadata.principal();
        let left = |expires: Instant| {
            let left = expires.saturating_duration_since(now).as_micros();
            u64::try_from(left).unwrap_or(u64::MAX)
        };
        Self {
            name: name.to_owned(),
            kind: M::KIND.to_owned(),
            version: M::VERSION,
            priority: metadata.priority,
            principal: (!principal.is_anonymous()).then(|| principal.clone()),
            correlation: metadata.correlation(),
            within_us: metadata.expires.map(left),
        }
    }

    /// How long it is worth handling; none without a limit.
    pub(super) fn within(&self) -> Option<Duration> {
        self.within_us.map(Duration::from_micros)
    }

    /// The same beside the message as it is given to its receiver.
    pub(super) fn options(&self) -> SendOptions {
        let mut options = SendOptions::new().priority(self.priority);
        if let Some(principal) = &self.principal {
            options = options.principal(principal.clone());
        }
        if let Some(correlation) = self.correlation {
            options = options.correlation(correlation);
        }
        match self.within() {
            Some(within) => options.time_to_live(within),
            None => options,
        }
    }
}

/// A head and a body in one piece.
pub(super) fn seal<H: Serialize>(head: &H, body: &[u8]) -> Result<Bytes, CodecError> {
    let head = HeadCodec::encode(head)?;
    let mut letter = BytesMut::with_capacity(PREFIX + head.len() + body.len());
    // At most `HEAD_LIMIT`.
    letter.put_u32_le(head.len() as u32);
    letter.put_slice(&head);
    letter.put_slice(body);
    Ok(letter.freeze())
}

/// The head and the body apart.
///
/// # Errors
/// Why the bytes are no letter.
pub(super) fn open<H: DeserializeOwned>(mut letter: Bytes) -> Result<(H, Bytes), String> {
    let Some(prefix) = letter.first_chunk::<PREFIX>() else {
        return Err("a letter without a head".to_owned());
    };
    let length = u32::from_le_bytes(*prefix) as usize;
    if length > letter.len() - PREFIX {
        return Err("a letter that is cut off".to_owned());
    }
    let head = letter.split_to(PREFIX + length);
    let head = HeadCodec::decode(&head[PREFIX..]).map_err(|why| why.to_string())?;
    Ok((head, letter))
}

/// An answer as bytes; one that is too large is told of instead.
pub(super) fn answer<T: Serialize>(answer: &Answered<T>) -> Result<Bytes, CodecError> {
    BodyCodec::encode(answer)
}

/// The answer in the bytes.
pub(super) fn answered<T: DeserializeOwned>(bytes: &[u8]) -> Answered<T> {
    BodyCodec::decode::<Answered<T>>(bytes)
        .map_err(|why| RemoteError::Unreadable(format!("the answer: {why}")))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_letter_opens_as_it_was_sealed() {
        let sealed = seal(&Cast::Seen { upto: 7 }, b"body").unwrap();
        let (head, body) = open::<Cast>(sealed).unwrap();
        assert!(matches!(head, Cast::Seen { upto: 7 }));
        assert_eq!(&body[..], b"body");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_desk_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = open::<Cast>(Bytes::from(bytes.clone()));
            let _ = open::<Call>(Bytes::from(bytes.clone()));
            let _ = answered::<Vec<u8>>(&bytes);
        }
    }
}
