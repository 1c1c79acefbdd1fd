//! Where the records of a run are: the latest in memory, older ones in packs.
//!
//! A record is written once to the log, and once more to a pack when its log segment is about to
//! be dropped. A pack is a blob with records of many runs, those of one run beside each other.

use bytes::Bytes;

/// A stored record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The version of its shape.
    pub version: u16,
    pub bytes: Bytes,
}

impl Piece {
    /// Bytes that it takes in a pack.
    pub(crate) fn packed_size(&self) -> usize {
        HEADER + self.bytes.len()
    }
}

/// A part of a pack that holds records of one run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Which pack, by its number in the engine's table.
    pub pack: u32,
    pub offset: u32,
    pub length: u32,
}

/// All records of a run, in order: first those in packs, then those in memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Trail {
    pub packed: Vec<Chunk>,
    pub recent: Vec<Piece>,
}

impl Trail {
    /// Bytes that are held in memory.
    pub(crate) fn held(&self) -> u64 {
        self.recent.iter().map(|piece| piece.bytes.len() as u64).sum()
    }
}

/// Version and length before each record in a pack.
const HEADER: usize = 6;

/// Appends a record to a pack.
pub(crate) fn write_piece(pack: &mut Vec<u8>, piece: &Piece) {
    let length = u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX);
    pack.extend_from_slice(&piece.version.to_le_bytes());
    pack.extend_from_slice(&length.to_le_bytes());
    pack.extend_from_slice(&piece.bytes);
}

/// A chunk whose bytes are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of a pack holds no whole records")]
pub(crate) struct BadChunk;

/// The records of a chunk.
pub(crate) fn read_chunk(pack: &Bytes, chunk: Chunk) -> Result<Vec<Piece>, BadChunk> {
    let (from, length) = (chunk.offset as usize, chunk.length as usize);
    let to = from.checked_add(length).filter(|to| *to <= pack.len()).ok_or(BadChunk)?;
    let (mut at, mut pieces) = (from, Vec::new());
    while at < to {
        let header: [u8; HEADER] =
            pack.get(at..at + HEADER).and_then(|h| h.try_into().ok()).ok_or(BadChunk)?;
        let [a, b, c, d, e, f] = header;
        let (version, size) = (u16::from_le_bytes([a, b]), u32::from_le_bytes([c, d, e, f]));
        let begin = at + HEADER;
        let end = begin.checked_add(size as usize).filter(|end| *end <= to).ok_or(BadChunk)?;
        pieces.push(Piece { version, bytes: pack.slice(begin..end) });
        at = end;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(text: &'static str) -> Piece {
        Piece { version: 1, bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn a_chunk_gives_back_the_records_that_were_written() {
        let mut pack = b"before".to_vec();
        let pieces = [piece("one"), piece(""), piece("three")];
        pieces.iter().for_each(|piece| write_piece(&mut pack, piece));
        let length = (pack.len() - 6) as u32;
        pack.extend_from_slice(b"after");
        let chunk = Chunk { pack: 0, offset: 6, length };
        assert_eq!(read_chunk(&pack.into(), chunk).unwrap(), pieces);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            offset in 0..200_u32,
            length in any::<u32>(),
        ) {
            let _refused = read_chunk(&bytes.into(), Chunk { pack: 0, offset, length });
        }
    }
}
