//! Snapshots: the last two are kept, and a damaged one is never handed out.

use super::*;
use crate::simulated::SimulatedDisk;

const TASKS: Stream = Stream::new("tasks");

fn open(disk: &SimulatedDisk) -> Snapshots {
    Snapshots::open(Arc::new(disk.clone()), [7; 16], 1_000, Position(99)).unwrap()
}

fn snapshot(at: u64, state: &[u8]) -> SaveSnapshot {
    let bytes = Bytes::copy_from_slice(state);
    SaveSnapshot { stream: TASKS, at: Position(at), version: 2, bytes }
}

fn loaded(snapshots: &Snapshots) -> Option<(u64, Vec<u8>)> {
    let snapshot = snapshots.load(&TASKS, false).unwrap();
    snapshot.map(|snapshot| (snapshot.at.0, snapshot.bytes.to_vec()))
}

fn path(at: u64) -> String {
    format!("{SNAPSHOTS}/{}", name(&TASKS, Position(at)))
}

#[test]
fn the_newest_is_loaded_and_two_are_kept() {
    let disk = SimulatedDisk::new(1);
    let snapshots = open(&disk);
    for at in 1..=3 {
        snapshots.save(&snapshot(at, &[at as u8; 9])).unwrap();
    }
    assert_eq!(loaded(&snapshots), Some((3, vec![3; 9])));
    assert_eq!(disk.paths(), [path(2), path(3)]);
    assert_eq!(snapshots.covered_twice(&TASKS), Position(2));
    assert_eq!(loaded(&open(&disk)), Some((3, vec![3; 9])));
}

#[test]
fn one_snapshot_alone_covers_nothing_twice() {
    let snapshots = open(&SimulatedDisk::new(1));
    snapshots.save(&snapshot(5, b"state")).unwrap();
    assert_eq!(snapshots.covered_twice(&TASKS), Position::START);
}

#[test]
fn a_damaged_newest_falls_back_to_the_one_before_at_each_byte() {
    let disk = SimulatedDisk::new(1);
    let snapshots = open(&disk);
    snapshots.save(&snapshot(1, b"old")).unwrap();
    snapshots.save(&snapshot(2, b"new")).unwrap();
    for at in 0..disk.contents(&path(2)).len() as u64 {
        disk.flip(&path(2), at, 0x08);
        assert_eq!(loaded(&open(&disk)), Some((1, b"old".to_vec())), "byte {at}");
        disk.flip(&path(2), at, 0x08);
    }
    assert_eq!(loaded(&open(&disk)), Some((2, b"new".to_vec())));
}

#[test]
fn without_a_sound_one_the_log_must_hold_all() {
    let disk = SimulatedDisk::new(1);
    let snapshots = open(&disk);
    assert_eq!(snapshots.load(&TASKS, true), Ok(None));
    snapshots.save(&snapshot(1, b"state")).unwrap();
    disk.flip(&path(1), 60, 1);
    assert_eq!(snapshots.load(&TASKS, true), Ok(None));
    let damaged = snapshots.load(&TASKS, false);
    assert!(matches!(damaged, Err(SnapshotError::Damaged { .. })));
}

#[test]
fn a_snapshot_ahead_of_the_log_is_removed_before_its_position_is_used_again() {
    let disk = SimulatedDisk::new(1);
    open(&disk).save(&snapshot(4, b"sound")).unwrap();
    open(&disk).save(&snapshot(5, b"given up")).unwrap();
    let at = |last| Snapshots::open(Arc::new(disk.clone()), [7; 16], 1_000, Position(last));
    at(4).unwrap();
    assert_eq!(loaded(&at(9).unwrap()), Some((4, b"sound".to_vec())));
}

#[test]
fn a_snapshot_of_another_log_is_not_used() {
    let disk = SimulatedDisk::new(1);
    open(&disk).save(&snapshot(5, b"state")).unwrap();
    let other = Snapshots::open(Arc::new(disk), [8; 16], 1_000, Position(99)).unwrap();
    assert_eq!(other.load(&TASKS, true), Ok(None));
}

#[test]
fn an_older_or_too_large_one_is_refused() {
    let snapshots = open(&SimulatedDisk::new(1));
    snapshots.save(&snapshot(5, b"state")).unwrap();
    assert_eq!(snapshots.save(&snapshot(5, b"again")), Ok(()));
    let outdated = SnapshotError::Outdated { at: Position(4), newest: Position(5) };
    assert_eq!(snapshots.save(&snapshot(4, b"state")), Err(outdated));
    let too_large = SnapshotError::TooLarge { bytes: 1_001, limit: 1_000 };
    assert_eq!(snapshots.save(&snapshot(6, &[0; 1_001])), Err(too_large));
}

#[test]
fn a_crash_or_a_full_disk_leaves_what_was_there() {
    for seed in 0..100 {
        println!("seed {seed}");
        let disk = SimulatedDisk::new(seed);
        open(&disk).save(&snapshot(1, b"old")).unwrap();
        let snapshots = open(&disk);
        disk.crash_at(1 + seed % 8);
        let saved = snapshots.save(&snapshot(2, &[2; 900]));
        disk.crash();
        let loaded = loaded(&open(&disk)).unwrap().0;
        assert!(loaded == 2 || (loaded == 1 && saved.is_err()), "{saved:?}, {loaded}");
    }
    let disk = SimulatedDisk::new(1);
    let snapshots = open(&disk);
    snapshots.save(&snapshot(1, b"old")).unwrap();
    disk.set_free_bytes(100);
    let full = snapshots.save(&snapshot(2, &[2; 900]));
    assert!(matches!(full, Err(SnapshotError::DiskFull(_))));
    assert_eq!(loaded(&snapshots), Some((1, b"old".to_vec())));
    assert_eq!(disk.paths(), [path(1)]);
}
