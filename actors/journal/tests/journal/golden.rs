//! Bytes that earlier programs wrote: they decode forever.
//!
//! `golden/v1` is a folder as format 1 writes it, zeros at the ends of files left out. A released
//! file is never written again. To add the files of a new format, run the test with
//! `SYNOD_WRITE_GOLDEN=1` and commit what it writes.

use std::path::{Path, PathBuf};

use synod_journal::{
    Append, Epoch, JournalConfig, LoadSnapshot, Partition, Position, Record, RecordKind,
    SaveSnapshot, SimulatedDisk, StoredRecord, Stream,
};

use super::{LONG, Node, TASKS, small};

const AUDIT: Stream = Stream::new("audit.trail-2");
const ACCEPTED: RecordKind = RecordKind::new("task.accepted");
const ENDED: RecordKind = RecordKind::new("task.ended");

/// The files, by their paths in the journal's folder.
const FILES: [&str; 4] = [
    "log/00000000000000000001.segment",
    "log/00000000000000000007.segment",
    "log/mark",
    "snapshots/tasks-00000000000000000003.snapshot",
];

/// So small that the files can be read by people.
fn tiny() -> JournalConfig {
    JournalConfig { segment_bytes: 1 << 10, max_group_bytes: 512, ..small() }
}

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(path)
}

/// The same appends in every run: groups of one and of several, two streams, partitions, epochs
/// and versions, an empty payload, and a second segment.
async fn write(disk: &SimulatedDisk) {
    let node = Node::simulated(disk, tiny());
    let number = |number| Partition::new(number).unwrap();
    let append = |stream, partition, epoch, records| Append {
        stream,
        partition: number(partition),
        epoch: Epoch(epoch),
        expected: Default::default(),
        records,
    };
    let record = |kind, version, bytes: &[u8]| Record::new(kind, version, bytes.to_vec());
    let accepted = vec![
        record(ACCEPTED, 1, b"first"),
        record(ACCEPTED, 2, b"").in_partition(number(4_095)),
        record(ENDED, 1, &[0xff; 40]),
    ];
    node.append(append(TASKS, 0, 7, accepted)).await.unwrap();
    node.append(append(AUDIT, 513, 1, vec![record(ENDED, 65_535, b"trail")])).await.unwrap();
    let bytes = "state".into();
    let save = SaveSnapshot { stream: TASKS, at: Position(3), version: 9, bytes };
    node.journal.ask(save, LONG).await.unwrap().unwrap();
    for value in 5..=7 {
        let records = vec![record(ENDED, 1, &[value; 200]), record(ENDED, 1, &[value; 100])];
        node.append(append(TASKS, 0, 7, records)).await.unwrap();
    }
    node.stop().await;
}

/// A file without the zeros that end it.
fn trimmed(disk: &SimulatedDisk, path: &str) -> Vec<u8> {
    let mut bytes = disk.contents(path);
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(length);
    bytes
}

fn shown(record: &StoredRecord) -> String {
    let bytes = &record.bytes;
    format!(
        "{} {} p{} e{} {} v{} {}us {}x{:?}",
        record.position,
        record.stream,
        record.partition,
        record.epoch,
        record.kind,
        record.version,
        record.recorded_at_us,
        bytes.len(),
        bytes.first(),
    )
}

#[tokio::test(start_paused = true)]
async fn format_1_is_read_as_it_was_written() {
    let disk = SimulatedDisk::new(1);
    for path in FILES {
        disk.set_contents(path, &std::fs::read(golden(path)).unwrap());
    }
    let node = Node::simulated(&disk, tiny());
    let tasks = node.page(Position::START, 100).await.records;
    let shown: Vec<_> = tasks.iter().map(shown).collect();
    let at = "1767225600000000us";
    assert_eq!(shown[0], format!("1 tasks p0 e7 task.accepted v1 {at} 5xSome(102)"));
    assert_eq!(shown[1], format!("2 tasks p4095 e7 task.accepted v2 {at} 0xNone"));
    assert_eq!(shown[2], format!("3 tasks p0 e7 task.ended v1 {at} 40xSome(255)"));
    assert_eq!(shown[8], format!("10 tasks p0 e7 task.ended v1 {at} 100xSome(7)"));
    let health = node.health().await;
    assert_eq!((health.last, health.segments, health.streams), (Position(10), 2, 2));
    let snapshot = node.journal.ask(LoadSnapshot { stream: TASKS }, LONG).await.unwrap().unwrap();
    let snapshot = snapshot.unwrap();
    assert_eq!(
        (snapshot.at, snapshot.version, &snapshot.bytes[..]),
        (Position(3), 9, &b"state"[..])
    );
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn format_1_is_written_as_ever() {
    let disk = SimulatedDisk::new(1);
    write(&disk).await;
    assert_eq!(disk.paths(), FILES);
    for path in FILES {
        let (bytes, file) = (trimmed(&disk, path), golden(path));
        if std::env::var_os("SYNOD_WRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &bytes).unwrap();
        }
        assert!(std::fs::read(&file).unwrap() == bytes, "{path} differs");
    }
}
