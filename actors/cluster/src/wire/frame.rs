//! One frame: its head, its body, and the decoder.

use bytes::{Buf, Bytes, BytesMut};

use super::service::Service;

/// Bytes before the body.
pub(crate) const FRAME_HEAD: usize = 15;
/// Bytes of the head that the length counts.
const COUNTED_HEAD: usize = FRAME_HEAD - 4;
/// The version of the frame itself.
const VERSION: u8 = 1;
/// Smaller bodies are copied out, so that a kept one doesn't keep the whole read buffer.
const COPIED: usize = 4 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Who calls.
    Hello = 1,
    /// Who answers the caller.
    Welcome = 2,
    /// The caller proves that it heard the welcome.
    Ready = 3,
    /// Why there will be no connection.
    Refusal = 4,
    /// A one-way message.
    Cast = 5,
    /// A request; its body begins with the milliseconds for which the caller waits.
    Call = 6,
    /// The answer to one.
    Answer = 7,
    /// Why there is no answer.
    Decline = 8,
    /// What may be sent of a service beyond what was granted before.
    Grant = 9,
    /// A sign of life.
    Beat = 10,
    /// The answer to one.
    BeatAnswer = 11,
    /// Nobody uses the connection here: may it be closed?
    Rest = 12,
    /// It may: nothing more will be sent on it.
    RestOk = 13,
    /// It may not.
    RestNo = 14,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::Hello,
        Self::Welcome,
        Self::Ready,
        Self::Refusal,
        Self::Cast,
        Self::Call,
        Self::Answer,
        Self::Decline,
        Self::Grant,
        Self::Beat,
        Self::BeatAnswer,
        Self::Rest,
        Self::RestOk,
        Self::RestNo,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether its frames are about a service.
    fn has_service(self) -> bool {
        matches!(self, Self::Cast | Self::Call | Self::Answer | Self::Decline | Self::Grant)
    }
}

/// A frame that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    /// What it is about; none of a frame about the connection itself.
    pub(crate) service: Option<Service>,
    pub(crate) body: Bytes,
}

/// Bytes that are no frame. The connection can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameFault {
    #[error("a frame of {0} bytes has no room for its head of {COUNTED_HEAD}")]
    Short(u32),
    #[error("a frame of {bytes} bytes, expected at most {limit}")]
    Large { bytes: u32, limit: usize },
    #[error("a frame of version {0}, expected {VERSION}")]
    Version(u8),
    #[error("a frame of kind {0}, expected 1 to 14")]
    Kind(u8),
    #[error("a frame about service {0}, which there isn't")]
    Service(u8),
}

/// The head of a frame with a body of `bytes`.
pub(crate) fn head(kind: Kind, id: u64, service: u8, bytes: usize) -> [u8; FRAME_HEAD] {
    let mut head = [0; FRAME_HEAD];
    let length = u32::try_from(bytes + COUNTED_HEAD).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4] = VERSION;
    head[5] = kind as u8;
    head[6..14].copy_from_slice(&id.to_le_bytes());
    head[14] = service;
    head
}

/// Takes the next frame out of `buffer`; none when more bytes are needed. `limit` is of the body.
pub(crate) fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameFault> {
    let Some(head) = buffer.first_chunk::<FRAME_HEAD>() else {
        // A length that can't be is refused before the rest of the head is waited for.
        if let Some(length) = buffer.first_chunk::<4>() {
            body_bytes(u32::from_le_bytes(*length), limit)?;
        }
        return Ok(None);
    };
    let [a, b, c, d, version, kind_number, i @ .., number] = *head;
    let bytes = body_bytes(u32::from_le_bytes([a, b, c, d]), limit)?;
    if version != VERSION {
        return Err(FrameFault::Version(version));
    }
    let kind = Kind::from_number(kind_number).ok_or(FrameFault::Kind(kind_number))?;
    let service = Service::from_number(number);
    if kind.has_service() != service.is_some() || (service.is_none() && number != 0) {
        return Err(FrameFault::Service(number));
    }
    if buffer.len() < FRAME_HEAD + bytes {
        return Ok(None);
    }
    buffer.advance(FRAME_HEAD);
    let body = if bytes <= COPIED {
        let body = Bytes::copy_from_slice(&buffer[..bytes]);
        buffer.advance(bytes);
        body
    } else {
        buffer.split_to(bytes).freeze()
    };
    Ok(Some(Frame { kind, id: u64::from_le_bytes(i), service, body }))
}

fn body_bytes(length: u32, limit: usize) -> Result<usize, FrameFault> {
    let bytes = (length as usize).checked_sub(COUNTED_HEAD).ok_or(FrameFault::Short(length))?;
    if bytes > limit {
        return Err(FrameFault::Large { bytes: length, limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn encoded(kind: Kind, id: u64, service: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_slice(&head(kind, id, service, body.len()));
        bytes.put_slice(body);
        bytes
    }

    proptest! {
        #[test]
        fn random_bytes_never_make_the_decoder_panic(
            bytes in vec(any::<u8>(), 0..256),
            limit in 0_usize..512,
        ) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = decode(&mut buffer, limit) {
                prop_assert!(frame.body.len() <= limit);
            }
        }

        #[test]
        fn a_frame_with_a_flipped_byte_never_makes_the_decoder_panic(
            body in vec(any::<u8>(), 0..64),
            at in 0_usize..64,
            mask in 1_u8..,
        ) {
            let mut buffer = encoded(Kind::Call, 9, 5, &body);
            let at = at % buffer.len();
            buffer[at] ^= mask;
            let _ = decode(&mut buffer, 64);
        }

        #[test]
        fn frames_survive_any_cut_of_their_bytes(
            bodies in vec(vec(any::<u8>(), 0..6000), 1..6),
            cut in 1_usize..2000,
        ) {
            let mut wire = BytesMut::new();
            for (id, body) in (0_u64..).zip(&bodies) {
                wire.extend_from_slice(&encoded(Kind::Cast, id, 4, body));
            }
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = decode(&mut buffer, LIMIT).unwrap() {
                    prop_assert_eq!(frame.service, Some(Service::Snapshot));
                    found.push(frame.body.to_vec());
                }
            }
            prop_assert_eq!(found, bodies);
        }
    }

    #[test]
    fn a_frame_is_judged_by_its_head_before_its_body_is_waited_for() {
        let large = &head(Kind::Cast, 1, 1, 65)[..4];
        let fault = FrameFault::Large { bytes: 76, limit: 64 };
        assert_eq!(decode(&mut BytesMut::from(large), 64), Err(fault));
        assert_eq!(decode(&mut BytesMut::from(&[3, 0, 0, 0][..]), 64), Err(FrameFault::Short(3)));
        let mut other = head(Kind::Cast, 1, 1, 8);
        other[4] = 2;
        assert_eq!(decode(&mut BytesMut::from(&other[..]), 64), Err(FrameFault::Version(2)));
        let mut other = head(Kind::Cast, 1, 1, 8);
        other[5] = 99;
        assert_eq!(decode(&mut BytesMut::from(&other[..]), 64), Err(FrameFault::Kind(99)));
        let other = head(Kind::Cast, 1, 99, 8);
        assert_eq!(decode(&mut BytesMut::from(&other[..]), 64), Err(FrameFault::Service(99)));
        let other = head(Kind::Beat, 1, 1, 8);
        assert_eq!(decode(&mut BytesMut::from(&other[..]), 64), Err(FrameFault::Service(1)));
    }
}
