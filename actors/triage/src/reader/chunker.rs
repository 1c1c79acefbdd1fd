//! Cuts a stream of bytes into chunks that end at the end of a line.

use std::io::{self, Read};

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it starts in the stream.
    pub offset: u64,
    /// Number of the line in which it starts, from 1.
    pub first_line: u64,
    /// It starts within that line: the line was longer than a chunk.
    pub continues: bool,
}

/// Reads pieces of at most `size` bytes. A line is split over pieces only where it is longer than
/// that; no byte is lost or given twice.
#[derive(Debug)]
pub(crate) struct Chunker<R> {
    reader: R,
    size: usize,
    carried: Vec<u8>,
    offset: u64,
    line: u64,
    continues: bool,
    ended: bool,
}

impl<R: Read> Chunker<R> {
    pub(crate) fn new(reader: R, size: usize) -> Self {
        let carried = Vec::new();
        Self { reader, size, carried, offset: 0, line: 1, continues: false, ended: false }
    }

    /// The next piece; none at the end.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = std::mem::take(&mut self.carried);
        self.fill(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if !self.ended
            && let Some(end) = memchr::memrchr(b'\n', &bytes)
        {
            self.carried = bytes.split_off(end + 1);
        }
        let piece_start = (self.offset, self.line, self.continues);
        self.offset += bytes.len() as u64;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        self.continues = bytes.last() != Some(&b'\n');
        let (offset, first_line, continues) = piece_start;
        Ok(Some(Piece { bytes, offset, first_line, continues }))
    }

    fn fill(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let missing = self.size.saturating_sub(bytes.len());
        if self.ended || missing == 0 {
            return Ok(());
        }
        let read = self.reader.by_ref().take(missing as u64).read_to_end(bytes)?;
        self.ended = read < missing;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &[u8], size: usize) -> Vec<Piece> {
        let mut chunker = Chunker::new(text, size);
        std::iter::from_fn(|| chunker.next_piece().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn no_byte_and_no_line_is_lost_or_given_twice(
            lines in prop::collection::vec("[a-z]{0,40}", 0..60),
            size in 1_usize..64,
            ends in any::<bool>(),
        ) {
            let mut text = lines.join("\n");
            if ends {
                text.push('\n');
            }
            let pieces = pieces(text.as_bytes(), size);
            let joined: Vec<u8> = pieces.iter().flat_map(|p| p.bytes.clone()).collect();
            prop_assert_eq!(joined, text.as_bytes());
            for piece in &pieces {
                prop_assert!(piece.bytes.len() <= size);
                let before = &text.as_bytes()[..piece.offset as usize];
                let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
                prop_assert_eq!(piece.first_line, line);
                let within = before.last().is_some_and(|b| *b != b'\n');
                prop_assert_eq!(piece.continues, within);
            }
        }
    }

    #[test]
    fn an_empty_stream_has_no_pieces() {
        assert!(pieces(b"", 10).is_empty());
    }

    #[test]
    fn a_line_longer_than_a_chunk_is_continued() {
        let pieces = pieces(b"aaaaaaaaaa\nb\n", 4);
        let starts: Vec<_> = pieces.iter().map(|p| (p.first_line, p.continues)).collect();
        assert_eq!(starts, [(1, false), (1, true), (1, true), (2, false)]);
    }
}
