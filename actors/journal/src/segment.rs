//! A segment's name and header, format 1.
//!
//! ```text
//!  0   8  magic "SYNODLOG"
//!  8   4  format
//! 12   4  crc32c of everything from byte 16 to the end of the header
//! 16   4  length of the whole header
//! 20   4  zero
//! 24  16  id of the log
//! 40   8  position of the segment's first record
//! 48   8  created at, UTC microseconds
//! 56      streams' versions and partitions' epochs before that record (bincode)
//! ```
//!
//! The last part is why versions and epochs survive the truncation of all that came before.

use crate::codec::{Codec, CodecError};
use crate::disk::LOG;
use crate::frame::{u32_at, u64_at};
use crate::heads::Heads;
use crate::names::Position;

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Bytes before the checkpoint.
const HEAD_BYTES: usize = 56;
/// Bytes of the largest checkpoint: 4,096 streams with long names and as many epochs.
const CHECKPOINT_LIMIT: usize = 1 << 20;
/// Bytes of the longest header.
const HEADER_LIMIT: usize = HEAD_BYTES + CHECKPOINT_LIMIT;

const MAGIC: [u8; 8] = *b"SYNODLOG";
const SUFFIX: &str = ".segment";

/// What a log is known by: random, and the same in all its segments.
pub(crate) type LogId = [u8; 16];

/// What stands before the first record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) log_id: LogId,
    pub(crate) first: Position,
    pub(crate) created_at_us: i64,
    pub(crate) heads: Heads,
}

/// Why no header stands at the start of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// It is one of a newer program.
    NewerFormat(u32),
    /// It isn't one, or not any more.
    Invalid,
}

impl SegmentHeader {
    /// Its bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] for more streams than the configuration can allow.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let checkpoint = Codec::<CHECKPOINT_LIMIT>::encode(&self.heads.checkpoint())?;
        let length = HEAD_BYTES + checkpoint.len();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(length as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.log_id);
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.created_at_us.to_le_bytes());
        out.extend_from_slice(&checkpoint);
        let checksum = crc32c::crc32c(&out[16..]);
        out[12..16].copy_from_slice(&checksum.to_le_bytes());
        Ok(out)
    }

    /// Reads the header at the start of `bytes`, and says how long it is.
    ///
    /// # Errors
    /// [`HeaderFault`]; never panics, whatever the bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), HeaderFault> {
        let format = u32_at(bytes, 8).filter(|_| bytes.starts_with(&MAGIC));
        match format {
            Some(FORMAT) => sound(bytes).ok_or(HeaderFault::Invalid),
            // A flipped bit there looks the same; both are left to people.
            Some(newer) if newer > FORMAT => Err(HeaderFault::NewerFormat(newer)),
            _ => Err(HeaderFault::Invalid),
        }
    }
}

/// How many bytes the header at the start of `bytes` claims to have, within the format's limit.
pub(crate) fn claimed_length(bytes: &[u8]) -> usize {
    u32_at(bytes, 16).map_or(0, |length| (length as usize).min(HEADER_LIMIT))
}

fn sound(bytes: &[u8]) -> Option<(SegmentHeader, usize)> {
    let length = u32_at(bytes, 16)? as usize;
    let whole = bytes.get(..length).filter(|_| length >= HEAD_BYTES)?;
    if u32_at(whole, 12)? != crc32c::crc32c(&whole[16..]) {
        return None;
    }
    let checkpoint = Codec::<CHECKPOINT_LIMIT>::decode(&whole[HEAD_BYTES..]).ok()?;
    let header = SegmentHeader {
        log_id: *whole.get(24..)?.first_chunk()?,
        first: Position(u64_at(whole, 40)?),
        created_at_us: u64_at(whole, 48)?.cast_signed(),
        heads: Heads::from_checkpoint(&checkpoint)?,
    };
    Some((header, length))
}

/// The path of the segment that begins at a position.
pub(crate) fn path(first: Position) -> String {
    format!("{LOG}/{}", name(first))
}

/// The name of the segment that begins at a position.
pub(crate) fn name(first: Position) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

/// The position that a segment's name tells; `None` for other files.
pub(crate) fn first_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SUFFIX)?;
    let first = Position(digits.parse().ok()?);
    (self::name(first) == name).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Epoch, Partition, Stream};

    fn header() -> SegmentHeader {
        let mut heads = Heads::default();
        heads.advance(Stream::new("tasks"), 41);
        heads.raise(Partition::from_low_bits(7), Epoch(2));
        SegmentHeader { log_id: [3; 16], first: Position(42), created_at_us: 5, heads }
    }

    #[test]
    fn a_header_survives_the_way_there_and_back() -> Result<(), CodecError> {
        let mut bytes = header().encode()?;
        let length = bytes.len();
        bytes.extend_from_slice(&[9; 100]);
        assert_eq!(SegmentHeader::decode(&bytes), Ok((header(), length)));
        Ok(())
    }

    #[test]
    fn a_flipped_bit_or_a_cut_anywhere_is_found() -> Result<(), CodecError> {
        let sound = header().encode()?;
        for at in 0..sound.len() {
            assert!(SegmentHeader::decode(&sound[..at]).is_err(), "cut at {at}");
            let mut bytes = sound.clone();
            bytes[at] ^= 0x10;
            assert!(SegmentHeader::decode(&bytes).is_err(), "flip at {at}");
        }
        Ok(())
    }

    #[test]
    fn a_newer_format_is_told_apart() -> Result<(), CodecError> {
        let mut bytes = header().encode()?;
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::NewerFormat(2)));
        Ok(())
    }

    #[test]
    fn a_name_tells_the_position() {
        assert_eq!(name(Position(42)), "00000000000000000042.segment");
        assert_eq!(first_of("00000000000000000042.segment"), Some(Position(42)));
        assert_eq!(first_of("42.segment"), None);
        assert_eq!(first_of("mark"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = SegmentHeader::decode(&[&MAGIC[..], &1_u32.to_le_bytes(), &bytes].concat());
        }
    }
}
