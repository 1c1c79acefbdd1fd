//! Reads one page of a stream.

use std::io;

use bytes::Bytes;

use crate::catalog::{BLOCK_BYTES, Piece, Plan};
use crate::disk::{Disk, DiskFile};
use crate::error::ReadError;
use crate::frame::{Frame, LogKey};
use crate::messages::{Page, ReadStream, StoredRecord};
use crate::names::Position;
use crate::segment;
use crate::window::Window;

/// Reads what the plan names until the page is full.
///
/// # Errors
/// [`ReadError`]; a missing segment is [`ReadError::Truncated`].
pub(crate) fn read_page(
    disk: &dyn Disk,
    key: LogKey,
    request: &ReadStream,
    plan: &Plan,
) -> Result<Page, ReadError> {
    let mut page = Filling { request, records: Vec::new(), bytes: 0 };
    let mut open: Option<(Position, Box<dyn DiskFile>)> = None;
    for piece in &plan.pieces {
        let file = match open.take() {
            Some((segment, file)) if segment == piece.segment => file,
            _ => disk.open(&segment::path(piece.segment)).map_err(read_error)?,
        };
        page.read_piece(disk, &*file, key, piece)?;
        if page.is_full() {
            break;
        }
        open = Some((piece.segment, file));
    }
    let seen = match page.records.last() {
        Some(last) if page.is_full() => last.position,
        _ => plan.reaches,
    };
    Ok(Page { records: page.records, next: (seen < plan.last).then_some(seen) })
}

struct Filling<'a> {
    request: &'a ReadStream,
    records: Vec<StoredRecord>,
    bytes: u64,
}

impl Filling<'_> {
    fn is_full(&self) -> bool {
        self.records.len() >= self.request.max_records as usize
            || self.bytes >= self.request.max_bytes
    }

    fn read_piece(
        &mut self,
        disk: &dyn Disk,
        file: &dyn DiskFile,
        key: LogKey,
        piece: &Piece,
    ) -> Result<(), ReadError> {
        let mut window = Window::new(file, BLOCK_BYTES as usize, u64::MAX);
        let mut offset = piece.from;
        while offset < piece.to && !self.is_full() {
            let Some(frame) = window.frame(offset, key).map_err(read_error)? else {
                let file = disk.display(&segment::path(piece.segment));
                return Err(ReadError::Damaged { file, offset });
            };
            offset += frame.length() as u64;
            if frame.stream == self.request.stream && frame.position > self.request.after {
                self.bytes += frame.payload.len() as u64;
                self.records.push(stored(&frame));
            }
        }
        Ok(())
    }
}

fn stored(frame: &Frame<'_>) -> StoredRecord {
    StoredRecord {
        position: frame.position,
        partition: frame.partition,
        stream: frame.stream,
        epoch: frame.epoch,
        kind: frame.kind.to_owned(),
        version: frame.version,
        recorded_at_us: frame.recorded_at_us,
        // A copy, so that one small record doesn't hold on to the whole window.
        bytes: Bytes::copy_from_slice(frame.payload),
    }
}

fn read_error(error: io::Error) -> ReadError {
    if error.kind() == io::ErrorKind::NotFound {
        return ReadError::Truncated;
    }
    ReadError::Io(error.to_string())
}
