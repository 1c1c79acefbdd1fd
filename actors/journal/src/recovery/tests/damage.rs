//! Torn tails are cut, damage is refused: every byte is tried.

use super::{damage, frames, log_of, open};
use crate::error::OpenError;
use crate::mark;
use crate::names::Position;
use crate::simulated::SimulatedDisk;
use crate::test_log::{AGENTS, TASKS, TestLog, append, segments, small};

fn contents(count: u8, bytes: usize) -> Vec<Vec<u8>> {
    (1..=count).map(|value| vec![value; bytes]).collect()
}

/// The disk of `log_of(all)` with the mark as it was before the last record: what a loss of power
/// leaves between the last sync and the answer.
fn unmarked_tail(all: &[Vec<u8>]) -> SimulatedDisk {
    let earlier = log_of(&all[..all.len() - 1]).contents(mark::PATH);
    let disk = log_of(all);
    disk.set_contents(mark::PATH, &earlier);
    disk
}

#[test]
fn a_torn_tail_is_recovered_at_each_byte_of_the_last_record() {
    let all = contents(3, 90);
    let path = segments(&log_of(&all)).remove(0);
    let (last, length) = frames(&log_of(&all), &path)[2];
    for kept in 0..length {
        for shortened in [false, true] {
            let disk = unmarked_tail(&all);
            let mut bytes = disk.contents(&path);
            bytes[last + kept..].fill(0);
            bytes.truncate(if shortened { last + kept } else { bytes.len() });
            disk.set_contents(&path, &bytes);

            let mut log = open(&disk).unwrap();
            assert_eq!(log.contents(TASKS), all[..2], "{kept} bytes kept");
            assert_eq!(log.append(append(TASKS, &[b"again"])).unwrap().stream_version, 3);
            drop(log);
            let again = open(&disk).unwrap();
            assert_eq!(again.contents(TASKS).last().unwrap(), b"again");
            assert_eq!(again.cut_bytes, 0);
        }
    }
}

#[test]
fn a_flipped_byte_in_any_record_is_refused_and_named() {
    let all = contents(4, 60);
    let path = segments(&log_of(&all)).remove(0);
    let frames = frames(&log_of(&all), &path);
    // With the mark gone the last record could have been under way; the others never.
    for (marked, damageable) in [(true, 4), (false, 3)] {
        for (index, (start, length)) in frames[..damageable].iter().enumerate() {
            for at in *start..start + length {
                let disk = log_of(&all);
                if !marked {
                    disk.set_contents(mark::PATH, b"");
                }
                disk.flip(&path, at as u64, 0xff);
                let damage = damage(&disk).unwrap_or_else(|| panic!("byte {at} went unnoticed"));
                assert_eq!(damage.position, Position(index as u64 + 1));
                assert_eq!(damage.offset, *start as u64);
                let told = damage.to_string();
                assert!(told.contains(&path) && told.contains("Restore"), "{told}");
            }
        }
    }
}

#[test]
fn what_the_advice_says_opens_the_log_again() {
    let all = contents(4, 60);
    let disk = log_of(&all);
    let path = segments(&disk).remove(0);
    disk.flip(&path, frames(&disk, &path)[1].0 as u64 + 20, 1);
    let damage = damage(&disk).unwrap();
    disk.set_contents(&path, &disk.contents(&path)[..damage.offset as usize]);
    disk.set_contents(mark::PATH, b"");
    let mut log = open(&disk).unwrap();
    assert_eq!(log.contents(TASKS), all[..1]);
    assert_eq!(log.append(append(TASKS, &[b"on"])).unwrap().first, Position(2));
}

#[test]
fn a_flipped_byte_in_a_header_is_refused() {
    let disk = log_of(&contents(1, 10));
    let path = segments(&disk).remove(0);
    for at in 0..frames(&disk, &path)[0].0 {
        let disk = log_of(&contents(1, 10));
        disk.flip(&path, at as u64, 0x10);
        let refused = open(&disk).err();
        let found = matches!(
            refused,
            Some(OpenError::Damaged(_) | OpenError::NewerFormat { found: 17.., .. })
        );
        assert!(found, "byte {at}: {refused:?}");
    }
}

#[test]
fn a_hole_in_the_last_group_is_torn_and_the_same_hole_before_a_later_group_is_damage() {
    let records: Vec<Vec<u8>> = contents(6, 400);
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let write = |groups: usize| {
        let disk = log_of(&contents(1, 30));
        let mut log = open(&disk).unwrap();
        let group = || append(TASKS, &records);
        (0..groups).for_each(|_| assert!(log.append(group()).is_ok()));
        disk.set_contents(mark::PATH, b"");
        disk
    };
    let path = segments(&write(1)).remove(0);
    let frames = frames(&write(1), &path);
    let (start, end) = (frames[1].0, frames[6].0 + frames[6].1);
    for sector in start / 512..=end / 512 {
        let hole = (sector * 512).max(start)..(sector * 512 + 512).min(end);
        for groups in [1, 2] {
            let disk = write(groups);
            let mut bytes = disk.contents(&path);
            bytes[hole.clone()].fill(0);
            disk.set_contents(&path, &bytes);
            if groups == 2 {
                assert!(damage(&disk).is_some(), "a hole at {hole:?} of the first group");
                continue;
            }
            let log = open(&disk).unwrap();
            assert_eq!(log.contents(TASKS), [vec![1; 30]], "a hole at {hole:?}");
            assert!(log.cut_bytes > 0);
        }
    }
}

#[test]
fn a_group_that_ends_too_early_is_cut_as_a_whole() {
    let disk = log_of(&contents(1, 30));
    let mut log = open(&disk).unwrap();
    log.append(append(TASKS, &[b"of", b"one", b"group"])).unwrap();
    drop(log);
    let path = segments(&disk).remove(0);
    let (last, _) = frames(&disk, &path)[3];
    let mut bytes = disk.contents(&path);
    bytes[last..].fill(0);
    disk.set_contents(&path, &bytes);
    assert!(damage(&disk).is_some(), "the mark covers the group");
    disk.set_contents(mark::PATH, b"");
    assert_eq!(open(&disk).unwrap().contents(TASKS), [vec![1; 30]]);
}

#[test]
fn a_log_that_ends_before_the_mark_is_damaged() {
    let all = contents(3, 30);
    let disk = log_of(&all);
    let path = segments(&disk).remove(0);
    let (last, _) = frames(&disk, &path)[2];
    let mut bytes = disk.contents(&path);
    bytes[last..].fill(0);
    disk.set_contents(&path, &bytes);
    let damage = damage(&disk).unwrap();
    assert_eq!((damage.position, damage.offset), (Position(3), last as u64));
}

/// A log of several segments, in which each record of `TASKS` has a neighbour in `AGENTS`.
fn several_segments() -> (SimulatedDisk, Vec<String>) {
    let disk = SimulatedDisk::new(3);
    let mut log = TestLog::open(&disk, small()).unwrap();
    for value in 0..40 {
        log.append(append(TASKS, &[&[value; 5_000]])).unwrap();
        log.append(append(AGENTS, &[&[value]])).unwrap();
    }
    let segments = segments(&disk);
    assert!(segments.len() > 3, "{segments:?}");
    (disk, segments)
}

#[test]
fn a_missing_segment_is_damage_except_the_oldest() {
    for index in 0..4 {
        let (disk, segments) = several_segments();
        crate::disk::Disk::remove(&disk, &segments[index]).unwrap();
        if index == 0 {
            let log = open(&disk).unwrap();
            assert!(log.catalog.first() > Position(1));
            assert_eq!(log.machine.heads().version(&TASKS), Some(40));
        } else {
            let damage = damage(&disk).unwrap();
            assert_eq!(damage.file, segments[if index == 3 { 2 } else { index - 1 }]);
        }
    }
}

#[test]
fn an_earlier_segment_that_ends_too_early_is_damage() {
    let (disk, segments) = several_segments();
    let (last, _) = *frames(&disk, &segments[1]).last().unwrap();
    let mut bytes = disk.contents(&segments[1]);
    bytes[last..].fill(0);
    disk.set_contents(&segments[1], &bytes);
    assert_eq!(damage(&disk).unwrap().file, segments[1]);
}

#[test]
fn a_log_without_its_segments_is_damage() {
    let (disk, segments) = several_segments();
    segments.iter().for_each(|path| crate::disk::Disk::remove(&disk, path).unwrap());
    assert!(damage(&disk).is_some());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_makes_it_panic_or_lose_a_marked_record(
        flips in proptest::collection::vec((0_usize..2_500, 1_u8..), 1..6),
    ) {
        let all = contents(12, 100);
        let disk = log_of(&all);
        let path = segments(&disk).remove(0);
        flips.iter().for_each(|(at, mask)| disk.flip(&path, *at as u64, *mask));
        if let Ok(log) = open(&disk) {
            proptest::prop_assert_eq!(log.contents(TASKS), all);
        }
    }
}
