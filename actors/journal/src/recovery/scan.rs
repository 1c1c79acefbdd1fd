//! Reads segments in order, and judges where a segment stops being sound.

use std::io;

use crate::catalog::{BLOCK_BYTES, Catalog, Run};
use crate::disk::DiskFile;
use crate::frame::{Frame, HEAD_BYTES, LogKey, MAGIC};
use crate::heads::Heads;
use crate::names::{Epoch, Partition, Position};
use crate::segment::{LogId, SegmentHeader};
use crate::window::{WINDOW_BYTES, Window, end_of_content};

/// The log as far as it was read.
pub(super) struct Scan {
    pub(super) log_id: LogId,
    pub(super) heads: Heads,
    pub(super) catalog: Catalog,
    /// The segment in hand, by its first position.
    pub(super) segment: Position,
    /// Where in it the last whole group ends.
    pub(super) end: u64,
    /// The position after the last whole group.
    pub(super) next: Position,
    /// The last whole group, when it is in the segment in hand.
    pub(super) last_group: Option<Group>,
    /// Where in the segment in hand no sound record stood, and which should have.
    pub(super) stopped: (u64, Position),
    /// How the segment in hand ends.
    pub(super) ending: Ending,
    key: LogKey,
    marked: Position,
    open: OpenGroup,
}

/// A commit group in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Where its first record begins.
    pub(super) offset: u64,
    first: Position,
    length: u32,
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the last record.
    Clean,
    /// With a group that was never synced; after `until` there are only zeros.
    Torn { until: u64 },
    /// With something that was synced and isn't sound.
    Damaged(String),
}

/// The group that is being read: nothing of it counts before its last record.
#[derive(Default)]
struct OpenGroup {
    group: Option<Group>,
    runs: Vec<Run>,
    epochs: Vec<(Partition, Epoch)>,
}

impl Scan {
    /// A scan that starts with the segment of this header.
    pub(super) fn new(oldest: &SegmentHeader, marked: Position) -> Self {
        Self {
            log_id: oldest.log_id,
            heads: oldest.heads.clone(),
            catalog: Catalog::default(),
            segment: oldest.first,
            end: 0,
            next: oldest.first,
            last_group: None,
            stopped: (0, oldest.first),
            ending: Ending::Clean,
            key: LogKey::new(&oldest.log_id),
            marked,
            open: OpenGroup::default(),
        }
    }

    /// Goes on to a segment.
    ///
    /// # Errors
    /// Why it can't be the one after those that were read.
    pub(super) fn begin_segment(
        &mut self,
        header: &SegmentHeader,
        records_at: u64,
    ) -> Result<(), String> {
        if header.log_id != self.log_id {
            return Err("the segment is of another log".into());
        }
        if header.heads != self.heads {
            return Err("the header does not agree with the records before it".into());
        }
        (self.segment, self.end, self.last_group) = (header.first, records_at, None);
        self.catalog.begin_segment(header.first, records_at);
        Ok(())
    }

    /// Reads the segment to its end. `following` is the first position of the one after it.
    pub(super) fn read(
        &mut self,
        file: &dyn DiskFile,
        following: Option<Position>,
    ) -> io::Result<()> {
        // Asked before the first read: what was read may count as content from then on.
        let limit = file.content_end()?;
        let mut window = Window::new(file, WINDOW_BYTES, limit);
        let (mut offset, mut position) = (self.end, self.next);
        while let Some(frame) = window.frame(offset, self.key)? {
            if frame.position != position || !self.open.takes(&frame, offset) {
                break;
            }
            offset += frame.length() as u64;
            position = position.next();
            if frame.ends_group() {
                self.close_group(offset, position);
            }
        }
        self.stopped = (offset, position);
        self.ending = self.judge(&mut window, (file, limit), following)?;
        self.open = OpenGroup::default();
        Ok(())
    }

    /// Counts the group that is now whole.
    fn close_group(&mut self, end: u64, next: Position) {
        for run in &self.open.runs {
            self.heads.advance(run.stream, run.last.0 + 1 - run.first.0);
        }
        for (partition, epoch) in self.open.epochs.drain(..) {
            self.heads.raise(partition, epoch);
        }
        self.catalog.extend(&self.open.runs, end);
        self.open.runs.clear();
        self.last_group = self.open.group.take();
        (self.end, self.next) = (end, next);
    }

    /// How the segment ends, having stopped. The numbers are those of the rules in the parent
    /// module.
    fn judge(
        &self,
        window: &mut Window<'_>,
        (file, limit): (&dyn DiskFile, u64),
        following: Option<Position>,
    ) -> io::Result<Ending> {
        let (offset, position) = self.stopped;
        let rest = end_of_content(file, offset..limit)?;
        let whole = self.open.group.is_none();
        if let Some(following) = following {
            let sound = rest.is_none() && whole && following == self.next;
            let reason = format!("the next segment begins with record {following}"); // rule 2
            return Ok(if sound { Ending::Clean } else { Ending::Damaged(reason) });
        }
        if self.marked >= self.next {
            let reason = format!("record {} was acknowledged", self.marked); // rule 3
            return Ok(Ending::Damaged(reason));
        }
        let Some(until) = rest else {
            let torn = Ending::Torn { until: offset };
            return Ok(if whole { Ending::Clean } else { torn }); // rules 1 and 5
        };
        let later = self.later_group(window, offset..until, position)?;
        Ok(match later {
            Some((at, found)) => {
                let reason = format!("record {found} of a later group stands at {at}"); // rule 4
                Ending::Damaged(reason)
            }
            None => Ending::Torn { until }, // rule 5
        })
    }

    /// The first sound frame in the range that isn't of the unfinished group but of a later one.
    fn later_group(
        &self,
        window: &mut Window<'_>,
        range: std::ops::Range<u64>,
        position: Position,
    ) -> io::Result<Option<(u64, Position)>> {
        let mut offset = range.start;
        while offset < range.end {
            let bytes = window.at(offset, HEAD_BYTES)?;
            let Some(step) = bytes.windows(MAGIC.len()).position(|part| part == MAGIC) else {
                // The last bytes may be the beginning of a magic.
                offset += bytes.len().saturating_sub(MAGIC.len() - 1).max(1) as u64;
                continue;
            };
            offset += step as u64;
            if let Some(frame) = window.frame(offset, self.key)? {
                let later = frame.group_first() > self.next && frame.position >= position;
                if later {
                    return Ok(Some((offset, frame.position)));
                }
            }
            offset += 1;
        }
        Ok(None)
    }
}

impl OpenGroup {
    /// Takes the next record of the log; `false` when it can't belong to the group, or to a new
    /// one when there is none.
    fn takes(&mut self, frame: &Frame<'_>, offset: u64) -> bool {
        let (first, length) = (frame.group_first(), frame.group.length);
        match self.group {
            None if frame.group.index == 0 => self.group = Some(Group { offset, first, length }),
            Some(group) if group.first == first && group.length == length => {}
            _ => return false,
        }
        self.add_run(frame, offset);
        if self.epochs.last() != Some(&(frame.partition, frame.epoch)) {
            self.epochs.push((frame.partition, frame.epoch));
        }
        true
    }

    fn add_run(&mut self, frame: &Frame<'_>, offset: u64) {
        let (stream, position) = (frame.stream, frame.position);
        match self.runs.last_mut() {
            Some(run)
                if run.stream == stream && run.offset / BLOCK_BYTES == offset / BLOCK_BYTES =>
            {
                run.last = position;
            }
            _ => self.runs.push(Run { stream, first: position, last: position, offset }),
        }
    }
}
