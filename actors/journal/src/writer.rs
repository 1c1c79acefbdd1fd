//! Writes commit groups to the newest segment and syncs them; all its calls block.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::commit::{GroupWrite, WriteFault};
use crate::disk::{Disk, DiskFile, is_full, write_all};
use crate::frame::{Frame, GroupPlace, LogKey};
use crate::mark::Mark;
use crate::names::Position;
use crate::spare;
use crate::window::WINDOW_BYTES;

/// What the writer needs beside the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterLimits {
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// Bytes of the disk that are left to others.
    pub(crate) reserve_bytes: u64,
    /// Whether the next segment is made ahead of need, on a thread of its own.
    pub(crate) ahead: bool,
}

/// The one writer of a log.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    limits: WriterLimits,
    key: LogKey,
    file: Box<dyn DiskFile>,
    mark: Option<Mark>,
    spare: Spare,
    buffer: Vec<u8>,
}

/// The segment after the newest.
enum Spare {
    None,
    Making(JoinHandle<io::Result<()>>),
    Ready,
}

/// What a group cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// The time that the sync took.
    pub(crate) sync: Duration,
}

impl Writer {
    /// The writer of a log that was just opened.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        limits: WriterLimits,
        log: (LogKey, Box<dyn DiskFile>, Option<Mark>),
    ) -> Self {
        let (key, file, mark) = log;
        Self { disk, limits, key, file, mark, spare: Spare::None, buffer: Vec::new() }
    }

    /// Writes a group and syncs it.
    ///
    /// # Errors
    /// [`WriteFault::Full`] when there was no room and nothing of the group is there;
    /// [`WriteFault::Failed`] when it is unknown what is there.
    pub(crate) fn commit(&mut self, group: &GroupWrite) -> Result<Written, WriteFault> {
        if let Some(header) = &group.begins_segment {
            self.begin_segment(group.segment, header)?;
        }
        self.encode(group);
        if let Err((written, error)) = write_all(&*self.file, &self.buffer, group.offset) {
            return Err(self.withdraw(group.offset, written as u64, error));
        }
        let begun = Instant::now();
        self.file.sync().map_err(|error| WriteFault::Failed(format!("sync failed: {error}")))?;
        let written = Written { sync: begun.elapsed() };
        self.move_mark(group.last());
        Ok(written)
    }

    /// Makes the next segment ahead of need, once the newest is half full.
    pub(crate) fn look_ahead(&mut self, group: &GroupWrite) {
        let half = group.offset >= self.limits.segment_bytes / 2;
        if !self.limits.ahead || !half || !matches!(self.spare, Spare::None) {
            return;
        }
        if self.require_room().is_err() {
            return; // It is said when the room is needed.
        }
        let (disk, bytes) = (self.disk.clone(), self.limits.segment_bytes);
        let thread = std::thread::Builder::new().name("journal-spare".into());
        match thread.spawn(move || spare::fill(&*disk, bytes)) {
            Ok(making) => self.spare = Spare::Making(making),
            Err(error) => tracing::warn!(%error, "the next segment is made when it is needed"),
        }
    }

    /// Whether there is room again for a segment, which is then made.
    ///
    /// # Errors
    /// Those of [`Writer::commit`].
    pub(crate) fn probe(&mut self) -> Result<(), WriteFault> {
        self.make_spare().map_err(fault)
    }

    /// Makes the mark durable: after an orderly end nothing is taken for unfinished.
    pub(crate) fn close(&mut self) {
        self.finish_spare();
        if let Some(Err(error)) = self.mark.as_ref().map(Mark::sync) {
            tracing::warn!(%error, "the mark could not be synced");
        }
    }

    fn begin_segment(&mut self, first: Position, header: &[u8]) -> Result<(), WriteFault> {
        self.make_spare().map_err(fault)?;
        self.spare = Spare::None;
        self.file = spare::install(&*self.disk, first, header).map_err(fault)?;
        Ok(())
    }

    fn make_spare(&mut self) -> io::Result<()> {
        self.finish_spare();
        if matches!(self.spare, Spare::None) {
            self.require_room()?;
            spare::fill(&*self.disk, self.limits.segment_bytes)?;
            self.spare = Spare::Ready;
        }
        Ok(())
    }

    fn finish_spare(&mut self) {
        if let Spare::Making(making) = std::mem::replace(&mut self.spare, Spare::None) {
            match making.join() {
                Ok(Ok(())) => self.spare = Spare::Ready,
                Ok(Err(error)) => tracing::warn!(%error, "the next segment could not be made"),
                Err(_) => tracing::error!("making the next segment panicked"),
            }
        }
    }

    fn require_room(&self) -> io::Result<()> {
        let free = self.disk.free_bytes()?;
        let needed = self.limits.segment_bytes.saturating_add(self.limits.reserve_bytes);
        if free >= needed {
            return Ok(());
        }
        let reason = format!("{free} bytes are free, {needed} are needed for the next segment");
        Err(io::Error::new(io::ErrorKind::StorageFull, reason))
    }

    fn encode(&mut self, group: &GroupWrite) {
        self.buffer.clear();
        self.buffer.reserve(group.bytes as usize);
        let mut place = GroupPlace { index: 0, length: group.records };
        for append in &group.appends {
            for record in &append.records {
                let frame = Frame {
                    position: group.first.plus(place.index.into()),
                    group: place,
                    partition: record.partition.unwrap_or(append.partition),
                    epoch: append.epoch,
                    recorded_at_us: append.recorded_at_us,
                    version: record.version,
                    stream: append.stream,
                    kind: record.kind.as_str(),
                    payload: &record.bytes,
                };
                frame.encode(self.key, &mut self.buffer);
                place.index += 1;
            }
        }
    }

    /// Takes back what was written of a group before the disk was full.
    fn withdraw(&self, offset: u64, written: u64, error: io::Error) -> WriteFault {
        let zeros = vec![0; (written as usize).min(WINDOW_BYTES)];
        let mut done = 0;
        while done < written {
            let count = (written - done).min(zeros.len() as u64);
            if let Err((_, error)) = write_all(&*self.file, &zeros[..count as usize], offset + done)
            {
                return WriteFault::Failed(format!("a partial write stands: {error}"));
            }
            done += count;
        }
        match self.file.sync() {
            Ok(()) => fault(error),
            Err(error) => WriteFault::Failed(format!("sync failed: {error}")),
        }
    }

    fn move_mark(&mut self, last: Position) {
        // Without the mark recovery is only less sharp, so its errors don't stop the log.
        if let Some(Err(error)) = self.mark.as_mut().map(|mark| mark.set(last)) {
            tracing::warn!(%error, "the mark is not kept any longer");
            self.mark = None;
        }
    }
}

fn fault(error: io::Error) -> WriteFault {
    if is_full(&error) {
        return WriteFault::Full(error.to_string());
    }
    WriteFault::Failed(format!("write failed: {error}"))
}
