//! Snapshots, truncation and blobs through the actor.

use std::collections::HashSet;
use std::time::Duration;

use synod_journal::{
    BlobError, GetBlob, LoadSnapshot, Position, PutBlob, SaveSnapshot, SimulatedDisk, Snapshot,
    SnapshotError, SweepBlobs, Swept, Truncate, Truncated,
};

use super::{LONG, Node, TASKS, one, small};

impl Node {
    async fn save(&self, at: u64, state: &str) -> Result<(), SnapshotError> {
        let bytes = state.to_owned().into();
        let save = SaveSnapshot { stream: TASKS, at: Position(at), version: 1, bytes };
        self.journal.ask(save, LONG).await.unwrap()
    }

    async fn load(&self) -> Result<Option<Snapshot>, SnapshotError> {
        self.journal.ask(LoadSnapshot { stream: TASKS }, LONG).await.unwrap()
    }

    async fn truncate(&self, before: u64) -> Truncated {
        self.journal.ask(Truncate { before: Position(before) }, LONG).await.unwrap().unwrap()
    }
}

/// A node whose log has several segments, eight records of 7,000 bytes in each.
async fn filled(disk: &SimulatedDisk) -> Node {
    let node = Node::simulated(disk, small());
    for value in 0..40 {
        node.append(one([value; 7_000])).await.unwrap();
    }
    node
}

#[tokio::test(start_paused = true)]
async fn truncation_keeps_what_the_second_newest_snapshot_lacks() {
    let disk = SimulatedDisk::new(1);
    let node = filled(&disk).await;
    assert_eq!(node.truncate(99).await.segments, 0);
    node.save(20, "twenty").await.unwrap();
    assert_eq!(node.truncate(99).await.segments, 0);
    node.save(40, "forty").await.unwrap();
    let truncated = node.truncate(99).await;
    assert!(truncated.segments > 0 && truncated.first <= Position(21), "{truncated:?}");
    let records = node.page(Position::START, 1_000).await.records;
    assert_eq!(records[0].position, truncated.first);
    assert_eq!(node.append(one("x")).await.unwrap().stream_version, 41);
    node.stop().await;

    let node = Node::simulated(&disk, small());
    assert_eq!(node.health().await.first, truncated.first);
    assert_eq!(node.append(one("x")).await.unwrap().stream_version, 42);
    assert_eq!(node.load().await.unwrap().unwrap().at, Position(40));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_newest_snapshot_is_replaced_by_the_older_and_the_log() {
    let disk = SimulatedDisk::new(1);
    let node = filled(&disk).await;
    node.save(20, "twenty").await.unwrap();
    node.save(40, "forty").await.unwrap();
    node.truncate(99).await;
    node.stop().await;
    disk.flip("snapshots/tasks-00000000000000000040.snapshot", 50, 1);

    let node = Node::simulated(&disk, small());
    let snapshot = node.load().await.unwrap().unwrap();
    assert_eq!((snapshot.at, &snapshot.bytes[..]), (Position(20), &b"twenty"[..]));
    let rest = node.page(snapshot.at, 1_000).await.records;
    assert_eq!((rest.len(), rest[0].position), (20, Position(21)));
    disk.flip("snapshots/tasks-00000000000000000020.snapshot", 50, 1);
    assert!(matches!(node.load().await, Err(SnapshotError::Damaged { .. })));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_what_is_not_committed_is_refused() {
    let node = Node::simulated(&SimulatedDisk::new(1), small());
    assert_eq!(node.load().await, Ok(None));
    let ahead = SnapshotError::AheadOfLog { at: Position(1), last: Position(0) };
    assert_eq!(node.save(1, "x").await, Err(ahead));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_blob_is_kept_while_it_is_young_or_named() {
    let disk = SimulatedDisk::new(1);
    // 2026-01-01, where virtual time starts.
    disk.set_now_us(1_767_225_600_000_000);
    let node = Node::simulated(&disk, small());
    let put = |text: &'static str| PutBlob { owner: TASKS, bytes: text.into(), expected: None };
    let named = node.journal.ask(put("named"), LONG).await.unwrap().unwrap();
    let dead = node.journal.ask(put("dead"), LONG).await.unwrap().unwrap();
    let sweep = || SweepBlobs { owner: TASKS, live: HashSet::from([named]) };
    assert_eq!(node.journal.ask(sweep(), LONG).await.unwrap(), Ok(Swept::default()));
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    let swept = Swept { blobs: 1, bytes: 4 };
    assert_eq!(node.journal.ask(sweep(), LONG).await.unwrap(), Ok(swept));
    let get = |id| GetBlob { owner: TASKS, id };
    assert_eq!(node.journal.ask(get(dead), LONG).await.unwrap(), Ok(None));
    let kept = node.journal.ask(get(named), LONG).await.unwrap().unwrap().unwrap();
    assert_eq!(kept, "named");
    let wrong = PutBlob { expected: Some(named), ..put("other") };
    let refused = node.journal.ask(wrong, LONG).await.unwrap();
    assert!(matches!(refused, Err(BlobError::WrongHash { .. })));
    node.stop().await;
}

#[tokio::test]
async fn snapshots_and_blobs_are_on_the_real_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::in_folder(folder.path(), small());
    let clients = (0..200_u32).map(|value| node.append(one(value.to_le_bytes())));
    for client in clients {
        client.await.unwrap();
    }
    node.save(200, "state").await.unwrap();
    let put = PutBlob { owner: TASKS, bytes: "content".into(), expected: None };
    let id = node.journal.ask(put, LONG).await.unwrap().unwrap();
    node.stop().await;
    let own = folder.path().join("blobs/tasks").join(id.to_string());
    let former = folder.path().join("blobs").join(id.to_string());
    std::fs::rename(own, &former).unwrap();

    let node = Node::in_folder(folder.path(), small());
    let snapshot = node.load().await.unwrap().unwrap();
    assert_eq!((snapshot.at, &snapshot.bytes[..]), (Position(200), &b"state"[..]));
    let blob = node.journal.ask(GetBlob { owner: TASKS, id }, LONG).await.unwrap().unwrap();
    assert_eq!(blob.unwrap(), "content");
    assert!(!former.exists(), "it was given to its owner");
    node.stop().await;
}
