//! Reads the frames of a segment through a sliding window, so that no segment is held in memory.

use std::io;

use crate::disk::{DiskFile, read_full};
use crate::frame::{self, Frame, FrameFault, LogKey};

/// Bytes that are read at once.
pub(crate) const WINDOW_BYTES: usize = 256 << 10;

/// What was last read of a file.
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    /// Where the file is taken to end.
    limit: u64,
    start: u64,
    bytes: Vec<u8>,
    stride: usize,
}

impl<'a> Window<'a> {
    /// A window that reads so many bytes at once, up to `limit`.
    pub(crate) fn new(file: &'a dyn DiskFile, stride: usize, limit: u64) -> Self {
        Self { file, limit, start: 0, bytes: Vec::new(), stride }
    }

    /// The bytes from `offset` on: at least `wanted` of them unless the file ends before.
    pub(crate) fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let held = self.start..=end;
        if !held.contains(&offset) || (offset + wanted as u64).min(self.limit) > end {
            let rest = self.limit.saturating_sub(offset);
            self.bytes.resize(rest.min(wanted.max(self.stride) as u64) as usize, 0);
            // Until the read has succeeded the window shows nothing.
            self.start = u64::MAX / 2;
            let read = read_full(self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        Ok(&self.bytes[(offset - self.start) as usize..])
    }

    /// The frame at `offset`; `None` when no sound one stands there.
    pub(crate) fn frame(&mut self, offset: u64, key: LogKey) -> io::Result<Option<Frame<'_>>> {
        let wanted = match frame::claimed_length(self.at(offset, frame::HEAD_BYTES)?) {
            Ok(length) => length,
            Err(FrameFault::Short(_) | FrameFault::Invalid) => return Ok(None),
        };
        Ok(Frame::decode(self.at(offset, wanted)?, key).ok())
    }
}

/// Where the bytes of the range stop being other than zero; `None` when all of them are zero.
pub(crate) fn end_of_content(
    file: &dyn DiskFile,
    range: std::ops::Range<u64>,
) -> io::Result<Option<u64>> {
    let zeros = vec![0; WINDOW_BYTES];
    let mut buffer = vec![0; WINDOW_BYTES];
    let (mut offset, mut end) = (range.start, None);
    while offset < range.end {
        let wanted = (range.end - offset).min(buffer.len() as u64) as usize;
        let read = read_full(file, &mut buffer[..wanted], offset)?;
        if read == 0 {
            break;
        }
        // Comparing whole windows is fast; only one that differs is looked at byte by byte.
        if buffer[..read] != zeros[..read] {
            let last = buffer[..read].iter().rposition(|byte| *byte != 0).unwrap_or(0);
            end = Some(offset + last as u64 + 1);
        }
        offset += read as u64;
    }
    Ok(end)
}
