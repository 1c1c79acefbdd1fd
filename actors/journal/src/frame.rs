//! The bytes of one record in the log, format 1.
//!
//! ```text
//!  0  4  magic "SyR1"
//!  4  4  crc32c over the log's id and everything from byte 8 to the end of the frame
//!  8  4  length of the whole frame
//! 12  4  index of the record in its commit group, from 0
//! 16  4  number of records in its commit group
//! 20  2  partition
//! 22  2  version of the record
//! 24  8  position
//! 32  8  epoch
//! 40  8  recorded at, UTC microseconds
//! 48  1  length of the stream's name
//! 49  1  length of the kind's name
//! 50  2  zero
//! 52     stream, kind, payload
//! ```
//!
//! Integers are little-endian. The log's id goes into the checksum, so that a frame of another log
//! that stands in a payload is never taken for one of this log.

use crate::names::{
    Epoch, Partition, Position, RECORD_KIND_LIMIT, STREAM_NAME_LIMIT, Stream, is_name,
};

/// Bytes before the names.
pub(crate) const HEAD_BYTES: usize = 52;
/// Bytes of the largest payload that the format allows; the configuration may allow less.
pub(crate) const PAYLOAD_LIMIT: usize = 16 << 20;
/// Bytes of the longest frame that the format allows.
pub(crate) const FRAME_LIMIT: usize =
    HEAD_BYTES + STREAM_NAME_LIMIT + RECORD_KIND_LIMIT + PAYLOAD_LIMIT;

/// What a frame begins with.
pub(crate) const MAGIC: [u8; 4] = *b"SyR1";

/// The checksum of a log's id, from which the checksums of its frames go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogKey(u32);

impl LogKey {
    pub(crate) fn new(log_id: &[u8; 16]) -> Self {
        Self(crc32c::crc32c(log_id))
    }

    fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// Where a record stands in what was written and synced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupPlace {
    /// Its index, from 0.
    pub(crate) index: u32,
    /// How many records the group has.
    pub(crate) length: u32,
}

/// One record, as the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) position: Position,
    pub(crate) group: GroupPlace,
    pub(crate) partition: Partition,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_us: i64,
    pub(crate) version: u16,
    pub(crate) stream: Stream,
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of this frame in the log.
    pub(crate) fn length(&self) -> usize {
        length(&self.stream, self.kind, self.payload.len())
    }

    /// The position of the first record of its group.
    pub(crate) fn group_first(&self) -> Position {
        Position(self.position.0.saturating_sub(u64::from(self.group.index)))
    }

    /// Whether it is the last record of its group.
    pub(crate) fn ends_group(&self) -> bool {
        self.group.index + 1 == self.group.length
    }

    /// Appends its bytes.
    pub(crate) fn encode(&self, key: LogKey, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(self.length() as u32).to_le_bytes());
        out.extend_from_slice(&self.group.index.to_le_bytes());
        out.extend_from_slice(&self.group.length.to_le_bytes());
        out.extend_from_slice(&self.partition.get().to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.recorded_at_us.to_le_bytes());
        out.extend_from_slice(&[self.stream.as_bytes().len() as u8, self.kind.len() as u8, 0, 0]);
        out.extend_from_slice(self.stream.as_bytes());
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(self.payload);
        let checksum = key.checksum(&out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the frame at the start of `bytes`, which may go on after it.
    ///
    /// # Errors
    /// [`FrameFault`]; never panics, whatever the bytes.
    pub(crate) fn decode(bytes: &[u8], key: LogKey) -> Result<Frame<'_>, FrameFault> {
        let length = claimed_length(bytes)?;
        let Some(whole) = bytes.get(..length) else { return Err(FrameFault::Short(length)) };
        if u32_at(whole, 4) != Some(key.checksum(&whole[8..])) {
            return Err(FrameFault::Invalid);
        }
        // The checksum is right, so what follows fails only for a writer that was wrong.
        fields(whole).ok_or(FrameFault::Invalid)
    }
}

/// Why no frame stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// It may be one, but that many bytes are needed to tell.
    Short(usize),
    /// It isn't one.
    Invalid,
}

/// Bytes of a frame with these contents.
pub(crate) fn length(stream: &Stream, kind: &str, payload: usize) -> usize {
    HEAD_BYTES + stream.as_bytes().len() + kind.len() + payload
}

/// The length that a frame's head claims, once it is plausible.
pub(crate) fn claimed_length(bytes: &[u8]) -> Result<usize, FrameFault> {
    if bytes.len() < HEAD_BYTES {
        let shown = bytes.len().min(MAGIC.len());
        let plausible = bytes[..shown] == MAGIC[..shown];
        return Err(if plausible { FrameFault::Short(HEAD_BYTES) } else { FrameFault::Invalid });
    }
    let length = u32_at(bytes, 8).unwrap_or(0) as usize;
    if bytes[..4] != MAGIC || !(HEAD_BYTES..=FRAME_LIMIT).contains(&length) {
        return Err(FrameFault::Invalid);
    }
    Ok(length)
}

/// The fields of a whole frame; `None` when one of them is out of its range.
fn fields(whole: &[u8]) -> Option<Frame<'_>> {
    let group = GroupPlace { index: u32_at(whole, 12)?, length: u32_at(whole, 16)? };
    let (stream_length, kind_length) = (usize::from(whole[48]), usize::from(whole[49]));
    let (stream, rest) = whole[HEAD_BYTES..].split_at_checked(stream_length)?;
    let (kind, payload) = rest.split_at_checked(kind_length)?;
    if group.index >= group.length || !is_name(kind, RECORD_KIND_LIMIT) {
        return None;
    }
    Some(Frame {
        position: Position(u64_at(whole, 24)?),
        group,
        partition: Partition::new(u16_at(whole, 20)?)?,
        epoch: Epoch(u64_at(whole, 32)?),
        recorded_at_us: u64_at(whole, 40)?.cast_signed(),
        version: u16_at(whole, 22)?,
        stream: Stream::parse(std::str::from_utf8(stream).ok()?).ok()?,
        kind: std::str::from_utf8(kind).ok()?,
        payload,
    })
}

/// The little-endian integer at `at`; `None` past the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

/// The little-endian integer at `at`; `None` past the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

/// The little-endian integer at `at`; `None` past the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [7; 16];

    fn frame() -> Frame<'static> {
        Frame {
            position: Position(9),
            group: GroupPlace { index: 2, length: 4 },
            partition: Partition::from_low_bits(513),
            epoch: Epoch(3),
            recorded_at_us: -1,
            version: 5,
            stream: Stream::new("tasks"),
            kind: "task.accepted",
            payload: b"payload",
        }
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        frame().encode(LogKey::new(&KEY), &mut bytes);
        bytes
    }

    #[test]
    fn a_frame_survives_the_way_there_and_back() {
        let mut bytes = encoded();
        assert_eq!(bytes.len(), frame().length());
        bytes.extend_from_slice(b"what follows");
        assert_eq!(Frame::decode(&bytes, LogKey::new(&KEY)), Ok(frame()));
        assert_eq!(frame().group_first(), Position(7));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let sound = encoded();
        for at in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(Frame::decode(&bytes, LogKey::new(&KEY)).is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_short() {
        let sound = encoded();
        for length in 0..sound.len() {
            let fault = Frame::decode(&sound[..length], LogKey::new(&KEY));
            assert!(matches!(fault, Err(FrameFault::Short(_))), "{length}: {fault:?}");
        }
    }

    #[test]
    fn a_frame_of_another_log_is_no_frame() {
        assert_eq!(Frame::decode(&encoded(), LogKey::new(&[8; 16])), Err(FrameFault::Invalid));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, head: bool) {
            if head {
                bytes.splice(0..0, MAGIC);
            }
            let _ = Frame::decode(&bytes, LogKey::new(&KEY));
            let _ = fields(&[bytes.as_slice(), &[0; HEAD_BYTES]].concat());
        }
    }
}
