//! What is taken, what is refused, and how many share a sync.

use std::time::Duration;

use synod_journal::{
    Append, AppendError, Epoch, Expected, JournalConfig, Position, Record, SimulatedDisk,
};
use synod_testkit::eventually;

use super::{KIND, Node, TASKS, one, small};

#[tokio::test]
async fn what_is_acknowledged_is_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::in_folder(folder.path(), JournalConfig::default());
    let first = node.append(one("first")).await.unwrap();
    assert_eq!((first.first, first.last, first.stream_version), (Position(1), Position(1), 1));
    let two = Append {
        records: vec![Record::new(KIND, 1, "second"), Record::new(KIND, 1, "third")],
        ..one("")
    };
    assert_eq!(node.append(two).await.unwrap().last, Position(3));
    node.stop().await;

    let node = Node::in_folder(folder.path(), JournalConfig::default());
    assert_eq!(node.contents().await, [&b"first"[..], b"second", b"third"]);
    let page = node.page(Position(1), 1).await;
    let record = &page.records[0];
    assert_eq!((record.position, record.stream, record.version), (Position(2), TASKS, 1));
    assert_eq!((record.kind.as_str(), page.next), ("test.happened", Some(Position(2))));
    assert!(record.recorded_at_us > 0);
    node.stop().await;
}

#[tokio::test]
async fn many_clients_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::in_folder(folder.path(), JournalConfig::default());
    let clients = (0..64).map(|client: u8| {
        let journal = node.journal.clone();
        tokio::spawn(async move {
            for round in 0..20_u8 {
                let asked = journal.ask(one([client, round]), super::LONG);
                asked.await.unwrap().unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let health = node.health().await;
    assert_eq!((health.appends, health.last, health.pending), (1_280, Position(1_280), 0));
    assert!(health.syncs < 1_280 / 2, "{} syncs", health.syncs);
    let mut rounds = [0_u8; 64];
    for contents in node.contents().await {
        let next = &mut rounds[usize::from(contents[0])];
        assert_eq!(contents[1], *next, "client {} out of order", contents[0]);
        *next += 1;
    }
    assert_eq!(rounds, [20; 64]);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_version_and_a_low_epoch_are_refused() {
    let node = Node::simulated(&SimulatedDisk::new(1), small());
    let at = |version, epoch| Append {
        expected: Expected::Exact(version),
        epoch: Epoch(epoch),
        ..one("x")
    };
    node.append(at(0, 3)).await.unwrap();
    let stale = node.append(at(0, 3)).await;
    assert_eq!(stale, Err(AppendError::WrongExpected { stream: TASKS, expected: 0, found: 1 }));
    let fenced = node.append(at(1, 2)).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { current: Epoch(3), .. })));
    assert_eq!(node.append(at(1, 4)).await.unwrap().stream_version, 2);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_acceptance_until_there_is_room() {
    let disk = SimulatedDisk::new(1);
    let node = Node::simulated(&disk, small());
    node.append(one([1; 8_000])).await.unwrap();
    disk.set_free_bytes(1_000);
    let refused = loop {
        if let Err(error) = node.append(one([2; 8_000])).await {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::DiskFull(_)));
    let health = node.health().await;
    assert!(!health.accepting && health.reason.is_some());
    let stored = node.contents().await.len();
    assert_eq!(Position(stored as u64), health.last);

    disk.set_free_bytes(1 << 20);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(node.health().await.accepting);
    assert_eq!(node.append(one("again")).await.unwrap().first, health.last.next());
    assert_eq!(node.contents().await.len(), stored + 1);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_full_disk_is_what_was_seen_last() {
    let disk = SimulatedDisk::new(1);
    let node = Node::simulated(&disk, small());
    node.append(one([1; 8_000])).await.unwrap();
    disk.set_free_bytes(1_000);
    while node.append(one([2; 8_000])).await.is_ok() {}
    let reason = || async { node.health().await.reason.unwrap_or_default() };
    assert!(reason().await.contains("1000 bytes are free"), "{}", reason().await);
    disk.set_free_bytes(2_000);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = reason().await;
    assert!(told.contains("2000 bytes are free") && told.contains("(looked at "), "{told}");
    let refused = node.append(one("x")).await.unwrap_err().to_string();
    assert!(refused.contains("2000 bytes are free"), "{refused}");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_on_a_full_disk_opens_shows_what_is_stored_and_takes_nothing_until_there_is_room() {
    let disk = SimulatedDisk::new(1);
    let node = Node::simulated(&disk, small());
    node.append(one("stored")).await.unwrap();
    node.stop().await;
    disk.set_free_bytes(0);
    let node = Node::simulated(&disk, small());
    let health = node.health().await;
    assert!(!health.accepting && health.reason.unwrap().contains("0 bytes are free"));
    assert_eq!(node.contents().await, [b"stored"]);
    assert!(matches!(node.append(one("x")).await, Err(AppendError::DiskFull(_))));
    disk.set_free_bytes(1 << 20);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(node.health().await.accepting);
    node.append(one("again")).await.unwrap();
    assert_eq!(node.contents().await, [&b"stored"[..], b"again"]);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_log_on_a_full_disk_is_refused() {
    let disk = SimulatedDisk::new(1);
    disk.set_free_bytes(0);
    let node = Node::simulated(&disk, small());
    let told = || {
        let error = node.last_error();
        error.contains("cannot create") && error.to_lowercase().contains("space")
    };
    eventually(told, super::LONG).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_stops_acceptance_until_a_restart() {
    let disk = SimulatedDisk::new(1);
    let node = Node::simulated(&disk, small());
    node.append(one("before")).await.unwrap();
    disk.fail_sync(1);
    assert_eq!(node.append(one("unknown")).await, Err(AppendError::OutcomeUnknown));
    assert!(matches!(node.append(one("after")).await, Err(AppendError::Failed(_))));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!node.health().await.accepting);
    assert_eq!(node.contents().await, [b"before"]);
    node.stop().await;

    let node = Node::simulated(&disk, small());
    assert!(node.health().await.accepting);
    node.append(one("after")).await.unwrap();
    let contents = node.contents().await;
    assert_eq!(
        (contents.first().unwrap(), contents.last().unwrap()),
        (&b"before".to_vec(), &b"after".to_vec())
    );
    node.stop().await;
}

#[tokio::test]
async fn a_second_node_on_the_folder_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Node::in_folder(folder.path(), JournalConfig::default());
    first.append(one("mine")).await.unwrap();
    let second = Node::in_folder(folder.path(), JournalConfig::default());
    let holder = format!("in use by process {}", std::process::id());
    eventually(|| second.last_error().contains(&holder), super::LONG).await;
    assert_eq!(first.append(one("still mine")).await.unwrap().first, Position(2));
    second.stop().await;
    first.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_run_writes_the_same_bytes() {
    let mut logs = Vec::new();
    for _ in 0..2 {
        let disk = SimulatedDisk::new(1);
        let node = Node::simulated(&disk, small());
        for value in 0..50 {
            node.append(one([value; 700])).await.unwrap();
        }
        node.stop().await;
        logs.push(disk.paths().iter().map(|path| disk.contents(path)).collect::<Vec<_>>());
    }
    assert!(logs[0] == logs[1]);
}

#[tokio::test]
async fn what_is_gathered_within_the_limits_it_tells_is_always_taken() {
    let disk = SimulatedDisk::new(1);
    let config = JournalConfig { max_append_records: 3, ..small() };
    let node = Node::simulated(&disk, config);
    let limits = node.health().await.limits;
    let room = limits.bytes / 2 - Record::OVERHEAD;
    let largest = usize::try_from(room.min(limits.record_bytes)).unwrap();
    let full =
        |count| Append { records: vec![Record::new(KIND, 1, vec![7; largest]); count], ..one("") };
    node.append(full(2)).await.unwrap();
    let small = |count| Append { records: vec![Record::new(KIND, 1, "7"); count], ..one("") };
    node.append(small(limits.records as usize)).await.unwrap();
    let one_more = node.append(small(limits.records as usize + 1)).await;
    assert!(matches!(one_more, Err(AppendError::TooLarge { .. })), "{one_more:?}");
    node.stop().await;
}
