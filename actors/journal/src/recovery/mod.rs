//! Opening the log: all segments are read once, every record is checked, and an unfinished last
//! group is cut off.
//!
//! **What counts as unfinished.** Records are written in commit groups, and a group is written
//! only after the one before it was synced; so at a crash at most the last group is unsynced, and
//! any part of it may be on the disk: a prefix, a suffix, or one with holes. None of it was
//! acknowledged. Every frame tells its group's first position and length. Reading in order, let X
//! be the first place where no sound frame with the next position stands, and T the first position
//! of the group that is unfinished there (the group that the record before X belongs to when that
//! one isn't whole, else a new one). Then:
//!
//! 1. X is followed by zeros alone, or by the end of the file, and no group is unfinished: a clean
//!    end.
//! 2. A later segment exists: damage, since it was begun after all before it was synced.
//! 3. The mark (`mark.rs`) covers T: damage, since it was synced.
//! 4. Behind X stands a sound frame, with the next position or a later one, of a group that begins
//!    after T: damage, since T's group was synced before that one was written.
//! 5. Otherwise T's group is a torn tail, with holes or not, and is cut off as a whole.
//!
//! A clean end before the mark, or before the first position of the next segment, is damage too.
//! Damage refuses to open and changes nothing. Of a group whose sync isn't proven by the mark the
//! bytes are written and synced again before anyone sees them: after a failed sync the page cache
//! may show what the disk never got.

mod scan;
#[cfg(test)]
mod tests;

use std::io;

use crate::catalog::Catalog;
use crate::disk::{Disk, DiskFile, LOG, TEMPORARY, read_full, write_all};
use crate::error::{Damage, OpenError};
use crate::heads::Heads;
use crate::mark::{self, Mark};
use crate::names::Position;
use crate::segment::{self, HeaderFault, LogId, SegmentHeader};
use crate::spare;
use crate::window::{WINDOW_BYTES, Window};
use scan::{Ending, Group, Scan};

/// An open log.
pub(crate) struct OpenLog {
    pub(crate) log_id: LogId,
    pub(crate) heads: Heads,
    pub(crate) catalog: Catalog,
    pub(crate) end: LogEnd,
    /// The newest segment.
    pub(crate) file: Box<dyn DiskFile>,
    /// None when the disk had no room for it.
    pub(crate) mark: Option<Mark>,
    /// Bytes of an unfinished group that were cut off.
    pub(crate) cut_bytes: u64,
}

/// Where the next record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// The newest segment, by its first position.
    pub(crate) segment: Position,
    /// Where in it.
    pub(crate) offset: u64,
    /// The position that the next record gets.
    pub(crate) next: Position,
}

/// What a log that is new is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) log_id: LogId,
    pub(crate) segment_bytes: u64,
    pub(crate) now_us: i64,
}

/// Bytes that are read of a segment to learn how long its header is.
const HEADER_WINDOW: usize = 4_096;

/// Opens the log, or makes one in an empty folder. The folder must be locked.
///
/// # Errors
/// [`OpenError`]; the folder was left as it is.
pub(crate) fn open_log(disk: &dyn Disk, birth: &Birth) -> Result<OpenLog, OpenError> {
    let segments = segments(disk)?;
    let marked = mark::read(disk).map_err(io_error(disk, "read", mark::PATH))?;
    let Some(first) = segments.first() else { return create(disk, birth, marked) };
    let (header, _) = read_header(disk, *first)?;
    let marked = marked.filter(|(log_id, _)| *log_id == header.log_id);
    let marked = marked.map_or(Position::START, |(_, position)| position);
    let mut scan = Scan::new(&header, marked);
    for (index, first) in segments.iter().enumerate() {
        scan_segment(disk, &mut scan, *first, segments.get(index + 1).copied())?;
    }
    finish(disk, scan, marked)
}

/// Reads one segment to its end.
fn scan_segment(
    disk: &dyn Disk,
    scan: &mut Scan,
    first: Position,
    following: Option<Position>,
) -> Result<(), OpenError> {
    let path = segment::path(first);
    let (header, records_at) = read_header(disk, first)?;
    let file = disk.open(&path).map_err(io_error(disk, "open", &path))?;
    let begun = scan.begin_segment(&header, records_at);
    let read = begun.map(|()| scan.read(&*file, following));
    match read {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(io_error(disk, "read", &path)(error)),
        Err(reason) => return Err(damage(disk, first, 0, first, reason)),
    }
    if let Ending::Damaged(reason) = &scan.ending {
        let (offset, position) = scan.stopped;
        return Err(damage(disk, first, offset, position, reason.clone()));
    }
    tracing::info!(segment = first.0, next = scan.next.0, bytes = scan.end, "segment is sound");
    Ok(())
}

/// Cuts an unfinished group off, makes the last one durable, and opens what the writer needs.
fn finish(disk: &dyn Disk, scan: Scan, marked: Position) -> Result<OpenLog, OpenError> {
    let end = LogEnd { segment: scan.segment, offset: scan.end, next: scan.next };
    let path = segment::path(end.segment);
    let file = disk.open(&path).map_err(io_error(disk, "open", &path))?;
    let cut_bytes = match scan.ending {
        Ending::Torn { until } => {
            cut(&*file, end.offset, until).map_err(io_error(disk, "cut", &path))?;
            tracing::warn!(file = %disk.display(&path), offset = end.offset, next = end.next.0,
                bytes = until - end.offset, "an unfinished group was cut off");
            until - end.offset
        }
        Ending::Clean | Ending::Damaged(_) => 0,
    };
    if let Some(group) = scan.last_group.filter(|_| marked < end.next.previous()) {
        write_again(&*file, group, end.offset).map_err(io_error(disk, "sync", &path))?;
    }
    remove_leftovers(disk)?;
    // The newest segment's name may not be durable yet if the last process failed there.
    disk.sync_folder(LOG).map_err(io_error(disk, "sync", LOG))?;
    let mark = open_mark(disk, scan.log_id, end.next.previous());
    let (heads, catalog) = (scan.heads, scan.catalog);
    Ok(OpenLog { log_id: scan.log_id, heads, catalog, end, file, mark, cut_bytes })
}

/// Makes a new log.
fn create(
    disk: &dyn Disk,
    birth: &Birth,
    marked: Option<(LogId, Position)>,
) -> Result<OpenLog, OpenError> {
    if let Some((_, position)) = marked.filter(|(_, position)| *position > Position::START) {
        let reason = format!("no segment is there, but record {position} was acknowledged");
        return Err(damage(disk, Position(1), 0, Position(1), reason));
    }
    let first = Position(1);
    let Birth { log_id, segment_bytes, now_us } = *birth;
    let header = SegmentHeader { log_id, first, created_at_us: now_us, heads: Heads::default() };
    let path = segment::path(first);
    let made = header.encode().map_err(io::Error::other).and_then(|bytes| {
        let offset = bytes.len() as u64;
        spare::allocate(disk, segment_bytes)?;
        Ok((spare::install(disk, first, &bytes)?, offset))
    });
    let (file, offset) = made.map_err(io_error(disk, "create", &path))?;
    let mut catalog = Catalog::default();
    catalog.begin_segment(first, offset);
    let end = LogEnd { segment: first, offset, next: first };
    let mark = open_mark(disk, log_id, Position::START);
    Ok(OpenLog { log_id, heads: header.heads, catalog, end, file, mark, cut_bytes: 0 })
}

/// The first positions of all segments, in order.
fn segments(disk: &dyn Disk) -> Result<Vec<Position>, OpenError> {
    let entries = disk.list(LOG).map_err(io_error(disk, "list", LOG))?;
    let mut firsts: Vec<_> =
        entries.iter().filter_map(|entry| segment::first_of(&entry.name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

fn read_header(disk: &dyn Disk, first: Position) -> Result<(SegmentHeader, u64), OpenError> {
    let path = segment::path(first);
    let failed = io_error(disk, "read", &path);
    let read = disk.open(&path).and_then(|file| {
        let mut window = Window::new(&*file, HEADER_WINDOW, u64::MAX);
        let length = segment::claimed_length(window.at(0, HEADER_WINDOW)?);
        Ok(SegmentHeader::decode(window.at(0, length)?))
    });
    match read.map_err(failed)? {
        Ok((header, length)) if header.first == first => Ok((header, length as u64)),
        Ok(_) => Err(damage(disk, first, 0, first, "the header is of another segment".into())),
        Err(HeaderFault::NewerFormat(found)) => {
            let (file, supported) = (disk.display(&path), segment::FORMAT);
            Err(OpenError::NewerFormat { file, found, supported })
        }
        Err(HeaderFault::Invalid) => {
            Err(damage(disk, first, 0, first, "the segment's header is not sound".into()))
        }
    }
}

/// Overwrites with zeros. Repeating it after a crash comes to the same end.
fn cut(file: &dyn DiskFile, from: u64, until: u64) -> io::Result<()> {
    let zeros = vec![0; WINDOW_BYTES];
    let mut offset = from;
    while offset < until {
        let count = (until - offset).min(zeros.len() as u64);
        write_all(file, &zeros[..count as usize], offset).map_err(|(_, error)| error)?;
        offset += count;
    }
    file.sync()
}

fn write_again(file: &dyn DiskFile, group: Group, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; WINDOW_BYTES];
    let mut offset = group.offset;
    while offset < end {
        let count = (end - offset).min(buffer.len() as u64) as usize;
        let read = read_full(file, &mut buffer[..count], offset)?;
        write_all(file, &buffer[..read], offset).map_err(|(_, error)| error)?;
        offset += count as u64;
    }
    file.sync()
}

/// Removes what a crash left of files that were being made.
fn remove_leftovers(disk: &dyn Disk) -> Result<(), OpenError> {
    for entry in disk.list(LOG).map_err(io_error(disk, "list", LOG))? {
        if entry.name.ends_with(TEMPORARY) {
            let path = format!("{LOG}/{}", entry.name);
            disk.remove(&path).map_err(io_error(disk, "remove", &path))?;
        }
    }
    Ok(())
}

/// The mark only sharpens recovery, so a disk without room for it still opens.
fn open_mark(disk: &dyn Disk, log_id: LogId, at: Position) -> Option<Mark> {
    Mark::open(disk, log_id, at)
        .inspect_err(|error| tracing::warn!(%error, "no mark can be kept"))
        .ok()
}

fn damage(
    disk: &dyn Disk,
    segment: Position,
    offset: u64,
    position: Position,
    reason: String,
) -> OpenError {
    let file = disk.display(&segment::path(segment));
    OpenError::Damaged(Box::new(Damage { file, offset, position, reason }))
}

pub(crate) fn io_error<'a>(
    disk: &'a dyn Disk,
    action: &'static str,
    path: &'a str,
) -> impl Fn(io::Error) -> OpenError + 'a {
    move |cause| OpenError::Io { action, file: disk.display(path), cause }
}
