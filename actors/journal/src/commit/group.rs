//! What goes to the disk together, and where it is once it is there.

use crate::catalog::{BLOCK_BYTES, Catalog, Run};
use crate::frame;
use crate::messages::Record;
use crate::names::{Epoch, Partition, Position, Stream};

/// Records to be written and synced together.
#[derive(Clone, Debug)]
pub(crate) struct GroupWrite {
    /// The segment they go to, by its first position.
    pub(crate) segment: Position,
    /// The segment's header, when it must be begun first.
    pub(crate) begins_segment: Option<Vec<u8>>,
    /// Where in the segment.
    pub(crate) offset: u64,
    /// The first record's position.
    pub(crate) first: Position,
    /// How many records.
    pub(crate) records: u32,
    /// How many bytes.
    pub(crate) bytes: u64,
    pub(crate) appends: Vec<AppendWrite>,
}

impl GroupWrite {
    /// The last record's position.
    pub(crate) fn last(&self) -> Position {
        self.first.plus(self.records.into()).previous()
    }
}

/// What of an append goes to the disk.
#[derive(Clone, Debug)]
pub(crate) struct AppendWrite {
    pub(crate) stream: Stream,
    pub(crate) partition: Partition,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_us: i64,
    pub(crate) records: Vec<Record>,
}

/// A group that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedGroup {
    /// Set when the group began a segment: its first position, and where its records start.
    pub(crate) began_segment: Option<(Position, u64)>,
    /// Where its records are.
    pub(crate) runs: Vec<Run>,
    /// Where the segment now ends.
    pub(crate) end: u64,
    pub(crate) appends: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl CommittedGroup {
    /// Tells the catalog.
    pub(crate) fn enter(&self, catalog: &mut Catalog) {
        if let Some((first, offset)) = self.began_segment {
            catalog.begin_segment(first, offset);
        }
        catalog.extend(&self.runs, self.end);
    }
}

/// Where the records of a group will be: one run for each append and block.
pub(super) fn runs(first: Position, offset: u64, appends: &[AppendWrite]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(appends.len());
    let (mut position, mut offset) = (first, offset);
    for append in appends {
        let stream = append.stream;
        let mut block = None;
        for record in &append.records {
            let here = Some(offset / BLOCK_BYTES);
            match runs.last_mut() {
                Some(run) if block == here => run.last = position,
                _ => runs.push(Run { stream, first: position, last: position, offset }),
            }
            block = here;
            position = position.next();
            offset += frame::length(&stream, record.kind.as_str(), record.bytes.len()) as u64;
        }
    }
    runs
}
