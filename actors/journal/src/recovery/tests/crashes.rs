//! Power cuts, full disks and failing syncs at random moments, by seed.

use std::collections::BTreeMap;

use crate::error::AppendError;
use crate::names::{Epoch, Partition, Position};
use crate::simulated::SimulatedDisk;
use crate::test_log::{AGENTS, TASKS, TestLog, append, small};

/// A small source of numbers for the test itself.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

/// What a client knows: which contents it sent, and where those that were acknowledged stand.
#[derive(Default)]
struct Client {
    next: u64,
    sent: BTreeMap<u64, Vec<Vec<u8>>>,
    acknowledged: BTreeMap<u64, Position>,
}

impl Client {
    fn submit(&mut self, log: &mut TestLog, dice: &mut Dice) {
        let (token, records) = (self.next, 1 + dice.below(4));
        self.next += 1;
        let contents: Vec<Vec<u8>> = (0..records)
            .map(|index| {
                let length = 16 + dice.below(900) as usize;
                let mut bytes = vec![token as u8; length];
                bytes[..8].copy_from_slice(&token.to_le_bytes());
                bytes[8..16].copy_from_slice(&index.to_le_bytes());
                bytes
            })
            .collect();
        let slices: Vec<_> = contents.iter().map(Vec::as_slice).collect();
        let stream = if token.is_multiple_of(2) { TASKS } else { AGENTS };
        log.submit(token, append(stream, &slices));
        self.sent.insert(token, contents);
    }

    fn note_answers(&mut self, log: &mut TestLog) {
        for (token, answer) in log.answers() {
            match answer {
                Ok(committed) => {
                    self.acknowledged.insert(token, committed.first);
                }
                Err(AppendError::OutcomeUnknown) => {}
                Err(_) => {
                    self.sent.remove(&token);
                }
            }
        }
    }

    /// All that was acknowledged is in the log where it was acknowledged, in order; what else is
    /// there was sent and is whole; versions and positions agree with the records.
    fn check(&self, log: &TestLog) {
        let mut found: BTreeMap<u64, Vec<(Position, Vec<u8>)>> = BTreeMap::new();
        let mut positions = Vec::new();
        for stream in [TASKS, AGENTS] {
            let records = log.read(stream, 200);
            let version = log.machine.heads().version(&stream).unwrap_or(0);
            assert_eq!(version, records.len() as u64, "version of {stream}");
            for record in records {
                positions.push(record.position.0);
                let token = u64::from_le_bytes(record.bytes[..8].try_into().unwrap());
                found.entry(token).or_default().push((record.position, record.bytes.to_vec()));
            }
        }
        positions.sort_unstable();
        assert!(positions.iter().copied().eq(1..=log.machine.last().0), "positions have gaps");
        for (token, records) in &found {
            let contents: Vec<_> = records.iter().map(|(_, bytes)| bytes.clone()).collect();
            assert_eq!(Some(&contents), self.sent.get(token), "append {token} isn't whole");
        }
        for (token, first) in &self.acknowledged {
            let records = found.get(token).unwrap_or_else(|| panic!("append {token} was lost"));
            assert_eq!(records[0].0, *first, "append {token} moved");
        }
    }
}

/// Appends until the power is cut, checks, and again.
fn crash_often(seed: u64) {
    let (disk, mut dice, mut client) = (SimulatedDisk::new(seed), Dice(seed), Client::default());
    for _ in 0..8 {
        disk.crash_at(1 + dice.below(120));
        if let Ok(mut log) = TestLog::open(&disk, small()) {
            client.check(&log);
            for _ in 0..60 {
                (0..1 + dice.below(6)).for_each(|_| client.submit(&mut log, &mut dice));
                log.settle();
                client.note_answers(&mut log);
            }
        }
        disk.crash();
    }
    let log = TestLog::open(&disk, small()).unwrap();
    client.check(&log);
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    for seed in 0..40 {
        println!("seed {seed}");
        crash_often(seed);
    }
}

#[test]
fn a_disk_that_fills_up_stops_the_log_until_there_is_room() {
    for room in (0..20).map(|step| step * 13_000) {
        println!("room for {room} bytes");
        let (disk, mut dice, mut client) =
            (SimulatedDisk::new(room), Dice(room), Client::default());
        let mut log = TestLog::open(&disk, small()).unwrap();
        disk.set_free_bytes(room);
        while client.sent.len() == client.next as usize {
            client.submit(&mut log, &mut dice);
            log.settle();
            client.note_answers(&mut log);
        }
        assert!(matches!(log.append(append(TASKS, &[b"x"])), Err(AppendError::DiskFull(_))));
        assert!(log.probe().is_err(), "there is still no room");
        client.check(&log);
        disk.set_free_bytes(1 << 20);
        log.probe().unwrap();
        for _ in 0..30 {
            client.submit(&mut log, &mut dice);
            log.settle();
            client.note_answers(&mut log);
        }
        client.check(&log);
        disk.crash();
        client.check(&TestLog::open(&disk, small()).unwrap());
    }
}

#[test]
fn a_write_that_finds_the_disk_full_halfway_is_taken_back() {
    let disk = SimulatedDisk::new(5);
    let mut log = TestLog::open(&disk, small()).unwrap();
    log.append(append(TASKS, &[b"before"])).unwrap();
    disk.fail_write(1);
    let refused = log.append(append(TASKS, &[&[1; 3_000], &[2; 3_000]]));
    assert!(matches!(refused, Err(AppendError::DiskFull(_))));
    log.probe().unwrap();
    assert_eq!(log.append(append(TASKS, &[b"after"])).unwrap().first, Position(2));
    drop(log);
    disk.crash();
    let log = TestLog::open(&disk, small()).unwrap();
    assert_eq!(
        (log.contents(TASKS), log.cut_bytes),
        (vec![b"before".to_vec(), b"after".to_vec()], 0)
    );
}

#[test]
fn after_a_failed_sync_what_a_restart_shows_is_durable() {
    for seed in 0..200 {
        println!("seed {seed}");
        let disk = SimulatedDisk::new(seed);
        let mut log = TestLog::open(&disk, small()).unwrap();
        log.append(append(TASKS, &[b"before"])).unwrap();
        disk.fail_sync(1);
        let unknown = log.append(append(TASKS, &[&[1; 3_000], &[2; 3_000]]));
        assert_eq!(unknown, Err(AppendError::OutcomeUnknown));
        let stopped = log.append(append(TASKS, &[b"x"]));
        assert!(matches!(stopped, Err(AppendError::Failed(_))));
        drop(log);
        let shown = TestLog::open(&disk, small()).unwrap().contents(TASKS);
        disk.crash();
        assert_eq!(TestLog::open(&disk, small()).unwrap().contents(TASKS), shown);
    }
}

#[test]
fn versions_and_epochs_survive_restarts_and_dropped_segments() {
    let disk = SimulatedDisk::new(2);
    let mut log = TestLog::open(&disk, small()).unwrap();
    let mut raising = append(AGENTS, &[b"raises"]);
    (raising.partition, raising.epoch) = (Partition::from_low_bits(77), Epoch(4));
    log.append(raising).unwrap();
    (0..40).for_each(|_| assert!(log.append(append(TASKS, &[&[1; 5_000]])).is_ok()));
    let dropped = log.catalog.droppable(Position(30), |_| Position(30));
    assert!(dropped.len() >= 2);
    for first in &dropped {
        crate::disk::Disk::remove(&disk, &crate::segment::path(*first)).unwrap();
    }
    drop(log);
    let mut log = TestLog::open(&disk, small()).unwrap();
    assert!(log.catalog.first() > Position(1));
    assert_eq!(log.append(append(TASKS, &[b"x"])).unwrap().stream_version, 41);
    assert_eq!(log.append(append(AGENTS, &[b"x"])).unwrap().stream_version, 2);
    let mut fenced = append(AGENTS, &[b"late"]);
    (fenced.partition, fenced.epoch) = (Partition::from_low_bits(77), Epoch(3));
    assert!(matches!(log.append(fenced), Err(AppendError::Fenced { current: Epoch(4), .. })));
}
