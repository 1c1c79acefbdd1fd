//! What opening the log makes of crashes and of damage.

mod crashes;
mod damage;

use crate::error::{Damage, OpenError};
use crate::names::Position;
use crate::simulated::SimulatedDisk;
use crate::test_log::{TASKS, TestLog, append, small};

/// Opens the log again, with whatever came of the one before.
fn open(disk: &SimulatedDisk) -> Result<TestLog, OpenError> {
    TestLog::open(disk, small())
}

/// A disk with a log of so many groups of one record, closed in an orderly way.
fn log_of(contents: &[Vec<u8>]) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk).unwrap();
    for bytes in contents {
        log.append(append(TASKS, &[bytes])).unwrap();
    }
    disk
}

/// The offset and the length of each frame in a segment, as its header and frames tell.
fn frames(disk: &SimulatedDisk, path: &str) -> Vec<(usize, usize)> {
    let bytes = disk.contents(path);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut frames, mut at) = (Vec::new(), word(16));
    while bytes.get(at..at + 4).is_some_and(|magic| magic == crate::frame::MAGIC) {
        frames.push((at, word(at + 8)));
        at += word(at + 8);
    }
    frames
}

/// The damage that opening reports; the disk must be as it was.
fn damage(disk: &SimulatedDisk) -> Option<Damage> {
    let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    let outcome = open(disk);
    let OpenError::Damaged(damage) = outcome.err()? else { return None };
    let after: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    assert!(before == after, "a refused log was changed");
    Some(*damage)
}

#[test]
fn a_new_log_is_empty_and_an_old_one_goes_on() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk).unwrap();
    assert_eq!((log.machine.last(), log.catalog.segments()), (Position::START, 1));
    log.append(append(TASKS, &[b"one", b"two"])).unwrap();
    drop(log);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.contents(TASKS), [b"one", b"two"]);
    let committed = log.append(append(TASKS, &[b"three"])).unwrap();
    assert_eq!((committed.first, committed.stream_version), (Position(3), 3));
    assert_eq!(log.contents(TASKS), [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_second_log_in_the_folder_is_refused() {
    let disk = SimulatedDisk::new(1);
    let _first = open(&disk).unwrap();
    assert!(matches!(open(&disk).err(), Some(OpenError::InUse { .. })));
}
