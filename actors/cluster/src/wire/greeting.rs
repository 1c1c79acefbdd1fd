//! What two nodes tell one another before anything else.

use serde::{Deserialize, Serialize};
use synod_journal::{Codec, CodecError};

use super::service::StreamKind;
use crate::node::{ClusterId, NodeId, NodeRecord};

/// The protocol: nodes of another major version are refused, of another minor one not.
pub(crate) const MAJOR: u16 = 1;
const MINOR: u16 = 0;
/// The format of what nodes replicate to one another.
pub(crate) const FORMAT: u16 = 1;
/// Bytes of the largest greeting.
pub(crate) const GREETING_LIMIT: usize = 64 << 10;

/// What a greeting of any version begins with.
const MAGIC: [u8; 8] = *b"synodlnk";
/// Magic, major, minor.
const PREFIX: usize = 12;

type GreetingCodec = Codec<GREETING_LIMIT>;

/// Who a node is and what it offers: the body of a `Hello` and of a `Welcome`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The format of what it replicates.
    pub(crate) format: u16,
    /// Its cluster, unless it has none yet.
    pub(crate) cluster: Option<ClusterId>,
    /// Who it is.
    pub(crate) record: NodeRecord,
    /// Who it takes the other one for; none when it has only an address.
    pub(crate) expects: Option<NodeId>,
    /// What the connection is for.
    pub(crate) stream: StreamKind,
    /// A random number that the other side repeats: nobody can replay what was said before.
    pub(crate) nonce: u64,
    /// The other side's nonce; zero in a `Hello`, which comes first.
    pub(crate) echo: u64,
    /// Frames of each service that it takes before it has handled them.
    pub(crate) window_frames: u32,
    /// Bytes of them.
    pub(crate) window_bytes: u32,
    /// Bytes of the largest body that it takes.
    pub(crate) max_body: u32,
}

/// Why a greeting could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GreetingFault {
    #[error("it doesn't speak Synod's protocol")]
    Magic,
    #[error("it speaks version {major}.{minor} of the protocol, this node {MAJOR}.{MINOR}")]
    Major { major: u16, minor: u16 },
    #[error("its greeting can't be read: {0}")]
    Codec(#[from] CodecError),
}

impl Greeting {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&MAJOR.to_le_bytes());
        bytes.extend_from_slice(&MINOR.to_le_bytes());
        bytes.extend_from_slice(&GreetingCodec::encode(self)?);
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, GreetingFault> {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or(GreetingFault::Magic)?;
        let [magic @ .., a, b, c, d] = *prefix;
        if magic != MAGIC {
            return Err(GreetingFault::Magic);
        }
        let (major, minor) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        if major != MAJOR {
            return Err(GreetingFault::Major { major, minor });
        }
        Ok(GreetingCodec::decode(rest)?)
    }
}

/// The caller has heard the welcome: it repeats the nonce in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) echo: u64,
}

impl Ready {
    pub(crate) fn encode(self) -> [u8; 8] {
        self.echo.to_le_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self { echo: u64::from_le_bytes(bytes.try_into().ok()?) })
    }
}

/// What a refusal is about, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum RefusalCode {
    /// It can't be read, or breaks the protocol.
    Malformed = 1,
    /// Another major version, or another format.
    Version = 2,
    /// Another cluster.
    Cluster = 3,
    /// An earlier start of a node that has been seen since.
    Stale = 4,
    /// The id is in use by another node that is alive.
    Twin = 5,
    /// Another node was expected at this address, or another name in the certificate.
    Stranger = 6,
    /// Both call one another; the other connection is the one that counts.
    Crossed = 7,
    /// It knows as many nodes as it may.
    Full = 8,
    /// Its certificate is of another authority, has expired, or is missing.
    Certificate = 9,
    /// A reason of a later version.
    Other = 255,
}

impl RefusalCode {
    const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Version,
        Self::Cluster,
        Self::Stale,
        Self::Twin,
        Self::Stranger,
        Self::Crossed,
        Self::Full,
        Self::Certificate,
    ];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Cluster => "cluster",
            Self::Stale => "stale",
            Self::Twin => "twin",
            Self::Stranger => "stranger",
            Self::Crossed => "crossed",
            Self::Full => "full",
            Self::Certificate => "certificate",
            Self::Other => "other",
        }
    }
}

/// Why there will be no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    pub(crate) code: RefusalCode,
    pub(crate) reason: String,
}

/// Bytes of the longest reason that is shown.
const REASON_LIMIT: usize = 512;

impl Refusal {
    pub(crate) fn new(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Its bytes, in the shape that no version changes: a code, and text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.code as u8];
        let mut end = self.reason.len().min(REASON_LIMIT);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend_from_slice(&self.reason.as_bytes()[..end]);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let (code, text) = bytes.split_first().unwrap_or((&0, &[]));
        let known = usize::from(*code).checked_sub(1).and_then(|at| RefusalCode::ALL.get(at));
        let text = &text[..text.len().min(REASON_LIMIT)];
        // It ends in a log: no control characters.
        let reason = String::from_utf8_lossy(text).replace(char::is_control, " ");
        Self { code: known.copied().unwrap_or(RefusalCode::Other), reason }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::node::{Incarnation, NodeName, Roles};

    fn greeting() -> Greeting {
        let record = NodeRecord {
            id: NodeId(7),
            name: NodeName::parse("a").unwrap(),
            address: "127.0.0.1:1".to_owned(),
            api: None,
            incarnation: Incarnation(3),
            roles: Roles::default(),
            capacity: 100,
            labels: BTreeMap::new(),
        };
        Greeting {
            format: FORMAT,
            cluster: Some(ClusterId(9)),
            record,
            expects: None,
            stream: StreamKind::Control,
            nonce: 1,
            echo: 0,
            window_frames: 2,
            window_bytes: 3,
            max_body: 4,
        }
    }

    #[test]
    fn a_greeting_survives_the_way_there_and_back() {
        let bytes = greeting().encode().unwrap();
        assert_eq!(Greeting::decode(&bytes), Ok(greeting()));
    }

    #[test]
    fn a_greeting_of_another_major_version_is_told_from_garbage() {
        let mut bytes = greeting().encode().unwrap();
        bytes[8] = 2;
        bytes.truncate(20);
        let fault = GreetingFault::Major { major: 2, minor: 0 };
        assert_eq!(Greeting::decode(&bytes), Err(fault));
        assert_eq!(Greeting::decode(b"GET / HTTP/1.1\r\n"), Err(GreetingFault::Magic));
        assert_eq!(Greeting::decode(&[]), Err(GreetingFault::Magic));
    }

    #[test]
    fn a_refusal_keeps_its_code_and_a_bounded_reason() {
        let refusal = Refusal::new(RefusalCode::Twin, "é".repeat(400));
        let read = Refusal::decode(&refusal.encode());
        assert_eq!(read.code, RefusalCode::Twin);
        assert_eq!(read.reason, "é".repeat(256));
        assert_eq!(Refusal::decode(&[200, b'x', b'\n']).reason, "x ");
        assert_eq!(Refusal::decode(&[]).code, RefusalCode::Other);
    }

    proptest! {
        #[test]
        fn random_bytes_never_make_a_greeting_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..256),
        ) {
            let _ = Greeting::decode(&bytes);
            let _ = Refusal::decode(&bytes);
            let _ = Ready::decode(&bytes);
            let mut close = greeting().encode().unwrap();
            for (at, byte) in bytes.iter().enumerate() {
                let len = close.len();
                close[PREFIX + at % (len - PREFIX)] ^= byte;
            }
            let _ = Greeting::decode(&close);
        }
    }
}
