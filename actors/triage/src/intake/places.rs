//! Where the lines of a log lie by their time, so that lines can be quoted from it later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Span;
use crate::reader::{ChunkRef, LogFile};

/// Places that are kept; when there are more, neighbours become one.
const MAX_PLACES: usize = 2_048;
/// Bytes of a place, which are read at once to quote from it.
const MAX_BYTES: u64 = 16 << 20;

/// A part of a file, and when its lines were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Number of its first chunk.
    pub number: u64,
    /// Index of the file.
    pub file: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Number of the line in which it starts, from 1.
    pub first_line: u64,
    /// It starts within a line of which the place before has the start.
    pub continues: bool,
    /// First and last time.
    pub span: Span,
}

/// Places in files, a bounded number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The files that they are in.
    pub files: BTreeMap<u32, LogFile>,
    /// The places, by number.
    pub list: BTreeMap<u64, Place>,
}

impl Places {
    /// Adds a chunk of a file; where there is no room for it, it is left out.
    pub(super) fn add(&mut self, chunk: &ChunkRef, span: Span) {
        if self.list.len() >= MAX_PLACES {
            self.coarsen();
        }
        if self.list.len() >= MAX_PLACES {
            return;
        }
        self.files.entry(chunk.file).or_insert_with(|| LogFile {
            path: chunk.path.clone(),
            bytes: chunk.length,
            layout: chunk.layout.clone(),
            written: chunk.written,
        });
        let ChunkRef { number, file, offset, length, first_line, continues, .. } = *chunk;
        let place = Place { number, file, offset, length, first_line, continues, span };
        self.list.insert(number, place);
    }

    /// Makes one of two places that follow each other.
    fn coarsen(&mut self) {
        let mut merged: BTreeMap<u64, Place> = BTreeMap::new();
        let mut last: Option<Place> = None;
        for place in std::mem::take(&mut self.list).into_values() {
            last = match last.take() {
                Some(before) if before.joins(&place) => {
                    let joined = before.with(&place);
                    merged.insert(joined.number, joined);
                    None
                }
                before => {
                    merged.extend(before.map(|before| (before.number, before)));
                    Some(place)
                }
            };
        }
        merged.extend(last.map(|last| (last.number, last)));
        self.list = merged;
    }

    /// The place in a file that has lines of this time, as a chunk.
    pub(crate) fn find(&self, file: u32, span: Span) -> Option<ChunkRef> {
        let place = self.list.values().find(|place| {
            place.file == file
                && place.span.first_ms <= span.last_ms
                && span.first_ms <= place.span.last_ms
        })?;
        let Place { number, file, offset, length, first_line, continues, .. } = *place;
        let LogFile { path, layout, written, .. } = self.files.get(&file)?.clone();
        Some(ChunkRef {
            number,
            file,
            path,
            offset,
            length,
            first_line,
            continues,
            layout,
            written,
        })
    }
}

impl Place {
    /// Whether `next` goes on where this ends, and both together can be read at once.
    fn joins(&self, next: &Self) -> bool {
        self.file == next.file
            && self.offset + self.length == next.offset
            && self.length + next.length <= MAX_BYTES
    }

    fn with(&self, next: &Self) -> Self {
        let (first, second) = (self.span, next.span);
        let span = Span {
            first_ms: first.first_ms.min(second.first_ms),
            last_ms: first.last_ms.max(second.last_ms),
        };
        Self { length: self.length + next.length, span, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::{Layout, WrittenAt};

    fn chunk(number: u64, length: u64) -> ChunkRef {
        ChunkRef {
            number,
            file: 0,
            path: "x.log".into(),
            offset: number * length,
            length,
            first_line: number * 10 + 1,
            continues: false,
            layout: Layout::default(),
            written: WrittenAt::from_ms(0),
        }
    }

    fn at(number: u64) -> Span {
        let ms = i64::try_from(number).unwrap() * 1_000;
        Span { first_ms: ms, last_ms: ms + 999 }
    }

    #[test]
    fn a_place_is_found_by_file_and_time() {
        let mut places = Places::default();
        (0..10).for_each(|number| places.add(&chunk(number, 100), at(number)));
        assert_eq!(places.find(0, at(7)), Some(chunk(7, 100)));
        assert_eq!((places.find(1, at(7)), places.find(0, at(70))), (None, None));
    }

    #[test]
    fn many_places_become_fewer_that_still_hold_every_line() {
        let mut places = Places::default();
        let most = u64::try_from(MAX_PLACES).unwrap();
        (0..most * 3).for_each(|number| places.add(&chunk(number, 1 << 20), at(number)));
        assert!(places.list.len() <= MAX_PLACES);
        for number in [0, 5_000, most * 3 - 1] {
            let found = places.find(0, at(number)).expect("a place");
            let range = found.offset..found.offset + found.length;
            assert!(range.contains(&(number << 20)), "{number}: {found:?}");
            assert!(found.length <= MAX_BYTES && found.first_line == found.number * 10 + 1);
        }
    }
}
