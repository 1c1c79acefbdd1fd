//! Which segments there are, and where in them each stream has records.
//!
//! A segment is divided into blocks of 64 KiB. For each stream the catalog keeps the blocks that
//! hold a record of it, with the place of its first record there; so reading a stream never looks
//! at a block without one. It is built while the log is checked at the start and grows with every
//! commit; it is never stored.

use std::collections::HashMap;

use crate::names::{Position, Stream};

/// Bytes of a block. Within one a reader scans, so it bounds what a rare record costs to find.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;

/// Consecutive records of one stream that begin in one block of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stream: Stream,
    pub(crate) first: Position,
    pub(crate) last: Position,
    /// Where the first of them begins in the segment.
    pub(crate) offset: u64,
}

/// All segments, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    first: Position,
    next: Position,
    /// Where the next record would begin.
    end: u64,
    spans: HashMap<Stream, Span>,
}

/// A stream's records in one segment.
#[derive(Clone, Debug)]
struct Span {
    last: Position,
    records: u64,
    /// For each block with a record of the stream: the first one's position and place.
    blocks: Vec<(Position, u64)>,
}

/// A part of a segment in which a stream has records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The segment, by its first position.
    pub(crate) segment: Position,
    /// Where to begin.
    pub(crate) from: u64,
    /// Records that begin here or later are another piece's.
    pub(crate) to: u64,
}

/// What to read for one page of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) pieces: Vec<Piece>,
    /// The last record of the stream that the pieces hold.
    pub(crate) reaches: Position,
    /// The last record that the stream has.
    pub(crate) last: Position,
}

impl Catalog {
    /// Begins a segment whose records start at `offset`.
    pub(crate) fn begin_segment(&mut self, first: Position, offset: u64) {
        // A segment that was begun and got no record is begun again under the same name.
        self.segments.retain(|segment| segment.first != first);
        let spans = HashMap::new();
        self.segments.push(Segment { first, next: first, end: offset, spans });
    }

    /// Adds records to the newest segment, which then ends at `end`.
    pub(crate) fn extend(&mut self, runs: &[Run], end: u64) {
        let Some(segment) = self.segments.last_mut() else { return };
        for run in runs {
            segment.add(run);
        }
        segment.end = end;
    }

    /// What to read for up to `records` records of a stream after a position.
    pub(crate) fn plan(&self, stream: &Stream, after: Position, records: usize) -> Plan {
        let mut plan = Plan::default();
        // The first block may hold nothing after `after`; one more makes sure of progress.
        let most = records.saturating_add(1);
        for segment in &self.segments {
            let Some(span) = segment.spans.get(stream) else { continue };
            plan.last = span.last;
            if span.last > after && plan.pieces.len() < most {
                plan.reaches = segment.pieces(span, after, most, &mut plan.pieces);
            }
        }
        plan
    }

    /// Whether every record that the stream ever had is still in the log.
    pub(crate) fn holds_all(&self, stream: &Stream, version: u64) -> bool {
        let spans = self.segments.iter().filter_map(|segment| segment.spans.get(stream));
        spans.map(|span| span.records).sum::<u64>() == version
    }

    /// The oldest segments whose records are all before `before` and, for each stream in them,
    /// not after `kept(stream)`. Never the newest segment.
    pub(crate) fn droppable(
        &self,
        before: Position,
        kept: impl Fn(&Stream) -> Position,
    ) -> Vec<Position> {
        let Some((_, older)) = self.segments.split_last() else { return Vec::new() };
        let droppable = |segment: &&Segment| {
            let covered = segment.spans.iter().all(|(stream, span)| span.last <= kept(stream));
            segment.next <= before && covered
        };
        older.iter().take_while(droppable).map(|segment| segment.first).collect()
    }

    /// Forgets the oldest segments.
    pub(crate) fn drop_oldest(&mut self, segments: usize) {
        self.segments.drain(..segments.min(self.segments.len()));
    }

    /// The first position that the log has, or will have.
    pub(crate) fn first(&self) -> Position {
        self.segments.first().map_or(Position(1), |segment| segment.first)
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes that the segments use.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }
}

impl Segment {
    fn add(&mut self, run: &Run) {
        let empty = Span { last: run.first, records: 0, blocks: Vec::new() };
        let span = self.spans.entry(run.stream).or_insert(empty);
        let block = run.offset / BLOCK_BYTES;
        if span.blocks.last().is_none_or(|(_, offset)| offset / BLOCK_BYTES != block) {
            span.blocks.push((run.first, run.offset));
        }
        span.records += run.last.0 + 1 - run.first.0;
        span.last = run.last;
        self.next = run.last.next();
    }

    /// Adds the pieces after a position, up to `most` in all, and says how far they reach.
    fn pieces(&self, span: &Span, after: Position, most: usize, out: &mut Vec<Piece>) -> Position {
        // The block before the first that begins after `after` may hold later records too.
        let begin = span.blocks.partition_point(|(first, _)| *first <= after).saturating_sub(1);
        let room = most - out.len();
        let blocks = &span.blocks[begin..];
        out.extend(blocks.iter().take(room).map(|(_, from)| Piece {
            segment: self.first,
            from: *from,
            to: ((from / BLOCK_BYTES + 1) * BLOCK_BYTES).min(self.end),
        }));
        blocks.get(room).map_or(span.last, |(next, _)| next.previous())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Stream = Stream::new("a");
    const B: Stream = Stream::new("b");

    fn run(stream: Stream, first: u64, last: u64, offset: u64) -> Run {
        Run { stream, first: Position(first), last: Position(last), offset }
    }

    /// Two segments; `a` is in both, `b` in the first alone.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.begin_segment(Position(1), 100);
        catalog.extend(&[run(A, 1, 2, 100), run(B, 3, 3, 300)], 400);
        catalog.extend(&[run(A, 4, 9, 400), run(A, 10, 10, BLOCK_BYTES + 5)], BLOCK_BYTES + 80);
        catalog.begin_segment(Position(11), 100);
        catalog.extend(&[run(A, 11, 12, 100)], 250);
        catalog
    }

    fn starts(plan: &Plan) -> Vec<(u64, u64)> {
        plan.pieces.iter().map(|piece| (piece.segment.0, piece.from)).collect()
    }

    #[test]
    fn a_plan_names_only_blocks_with_records_of_the_stream() {
        let plan = catalog().plan(&A, Position::START, 10);
        assert_eq!(starts(&plan), [(1, 100), (1, BLOCK_BYTES + 5), (11, 100)]);
        assert_eq!((plan.reaches, plan.last), (Position(12), Position(12)));
        let plan = catalog().plan(&B, Position::START, 10);
        assert_eq!(starts(&plan), [(1, 300)]);
        assert_eq!(plan.last, Position(3));
    }

    #[test]
    fn a_plan_begins_in_the_block_of_the_next_record() {
        assert_eq!(starts(&catalog().plan(&A, Position(4), 0)), [(1, 100)]);
        // Nothing in the first block is after 9, so the plan must have the second as well.
        assert_eq!(catalog().plan(&A, Position(9), 1).reaches, Position(10));
        assert_eq!(starts(&catalog().plan(&A, Position(10), 10)), [(11, 100)]);
        assert_eq!(starts(&catalog().plan(&A, Position(12), 10)), []);
    }

    #[test]
    fn a_plan_that_is_cut_short_says_how_far_it_reaches() {
        let plan = catalog().plan(&A, Position::START, 1);
        assert_eq!((plan.reaches, plan.last), (Position(10), Position(12)));
    }

    #[test]
    fn a_segment_goes_only_when_every_stream_in_it_is_covered() {
        let catalog = catalog();
        let covered = |a, b| move |s: &Stream| Position(if *s == A { a } else { b });
        assert_eq!(catalog.droppable(Position(99), covered(10, 3)), [Position(1)]);
        assert_eq!(catalog.droppable(Position(99), covered(10, 2)), []);
        assert_eq!(catalog.droppable(Position(99), covered(9, 3)), []);
        assert_eq!(catalog.droppable(Position(10), covered(10, 3)), []);
        assert_eq!(catalog.droppable(Position(11), covered(99, 99)), [Position(1)]);
    }

    #[test]
    fn what_was_dropped_is_no_longer_held() {
        let mut catalog = catalog();
        assert!(catalog.holds_all(&A, 11) && catalog.holds_all(&B, 1));
        catalog.drop_oldest(1);
        assert_eq!(catalog.first(), Position(11));
        assert!(!catalog.holds_all(&A, 11) && !catalog.holds_all(&B, 1));
        assert!(catalog.holds_all(&Stream::new("never"), 0));
    }
}
