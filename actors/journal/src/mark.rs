//! The mark: up to which position the log is known to have been synced.
//!
//! It is overwritten in place after each sync and before the answers, and not synced itself: a
//! crash of the process loses nothing of it, a loss of power some seconds at most. So it may be
//! behind the log, never ahead. What it covers was acknowledged; when that isn't sound any more,
//! it is damage and not an unfinished write. A missing or unreadable mark covers nothing.
//!
//! ```text
//!  0   8  magic "SYNODMRK"
//!  8   4  crc32c of everything from byte 12
//! 12   4  zero
//! 16  16  id of the log
//! 32   8  position
//! ```

use std::io;

use crate::disk::{Disk, DiskFile, read_whole, write_all};
use crate::frame::{u32_at, u64_at};
use crate::names::Position;
use crate::segment::LogId;

/// Where the mark is.
pub(crate) const PATH: &str = "log/mark";

const MAGIC: [u8; 8] = *b"SYNODMRK";
const BYTES: usize = 40;

/// The open mark of a log.
pub(crate) struct Mark {
    file: Box<dyn DiskFile>,
    bytes: [u8; BYTES],
}

impl Mark {
    /// Opens the mark or makes one, and sets it.
    pub(crate) fn open(disk: &dyn Disk, log_id: LogId, at: Position) -> io::Result<Self> {
        let file = match disk.open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(PATH),
            opened => opened,
        };
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[16..32].copy_from_slice(&log_id);
        let mut mark = Self { file: file?, bytes };
        mark.set(at)?;
        Ok(mark)
    }

    /// Moves the mark.
    pub(crate) fn set(&mut self, at: Position) -> io::Result<()> {
        self.bytes[32..].copy_from_slice(&at.0.to_le_bytes());
        let checksum = crc32c::crc32c(&self.bytes[12..]);
        self.bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        write_all(&*self.file, &self.bytes, 0).map_err(|(_, error)| error)
    }

    /// Makes the mark durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Which log is marked, and how far; `None` when there is no sound mark.
pub(crate) fn read(disk: &dyn Disk) -> io::Result<Option<(LogId, Position)>> {
    let bytes = read_whole(disk, PATH, BYTES as u64);
    match bytes {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        bytes => Ok(bytes?.as_deref().and_then(decode)),
    }
}

fn decode(bytes: &[u8]) -> Option<(LogId, Position)> {
    let whole = bytes.len() == BYTES && bytes.starts_with(&MAGIC);
    let sound = whole && u32_at(bytes, 8)? == crc32c::crc32c(&bytes[12..]);
    let log_id = *bytes.get(16..)?.first_chunk()?;
    sound.then_some((log_id, Position(u64_at(bytes, 32)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::SimulatedDisk;

    #[test]
    fn a_mark_is_read_back_and_a_broken_one_is_none() -> io::Result<()> {
        let disk = SimulatedDisk::new(1);
        assert_eq!(read(&disk)?, None);
        Mark::open(&disk, [5; 16], Position(3))?.set(Position(9))?;
        assert_eq!(read(&disk)?, Some(([5; 16], Position(9))));
        for at in 0..BYTES {
            disk.flip(PATH, at as u64, 0x40);
            assert_eq!(read(&disk)?, None, "flip at {at}");
            disk.flip(PATH, at as u64, 0x40);
        }
        Ok(())
    }
}
