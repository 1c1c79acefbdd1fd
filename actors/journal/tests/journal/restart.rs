//! Crashes of the actor and of the disk below it.

use std::time::Duration;

use synod_journal::{AppendError, Health, JournalActor, JournalConfig, OpenError, SimulatedDisk};
use synod_runtime::{ActorPath, AskError, Control, System};
use synod_testkit::{Seed, eventually};

use super::{LONG, Node, one, small};

#[tokio::test]
async fn a_restarted_actor_takes_the_folder_over_and_serves_its_queue() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::in_folder(folder.path(), JournalConfig::default());
    node.append(one("before")).await.unwrap();
    for round in 0..5_u8 {
        node.system.control(&ActorPath::new("/journal"), Control::Restart).unwrap();
        // The address outlives the incarnation: asks wait for the next one.
        node.append(one([round])).await.unwrap();
    }
    assert_eq!(node.contents().await.len(), 6);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn appends_under_way_in_a_power_cut_are_unknown_and_the_acknowledged_survive() {
    for round in 0..30 {
        let seed = Seed::fixed(round);
        println!("seed {round}");
        let disk = SimulatedDisk::new(seed.value());
        let mut acknowledged = Vec::new();
        for life in 0..4_u8 {
            let node = Node::simulated(&disk, small());
            let held = node.contents().await;
            assert!(acknowledged.iter().all(|contents| held.contains(contents)));
            disk.crash_at(5 + (round * 7 + u64::from(life) * 3) % 40);
            for index in 0..20_u8 {
                let contents = vec![life, index, 0, 0];
                match node.append(one(&contents)).await {
                    Ok(_) => acknowledged.push(contents),
                    Err(AppendError::OutcomeUnknown | AppendError::Failed(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            node.stop().await;
            disk.crash();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_not_started_and_says_where_it_is_damaged() {
    let disk = SimulatedDisk::new(1);
    let node = Node::simulated(&disk, small());
    for value in 0..10 {
        node.append(one([value; 500])).await.unwrap();
    }
    node.stop().await;
    disk.flip("log/00000000000000000001.segment", 2_000, 1);
    let before = disk.contents("log/00000000000000000001.segment");

    let node = Node::simulated(&disk, small());
    eventually(|| node.last_error().contains("damaged log"), LONG).await;
    let error = node.last_error();
    for part in ["segment", "offset", "record 4", "Restore the folder"] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let refused = node.journal.ask(one("x"), Duration::from_secs(1)).await;
    assert!(matches!(refused, Err(AskError::Deadline | AskError::Closed)), "{refused:?}");
    assert_eq!(disk.contents("log/00000000000000000001.segment"), before);
    node.stop().await;
}

#[test]
fn the_error_of_a_taken_folder_names_the_process() {
    let error = OpenError::InUse { folder: "data".into(), pid: Some(7) };
    assert!(error.to_string().contains("in use by process 7"));
}

#[tokio::test]
async fn why_it_can_not_be_opened_is_told_as_it_is_and_lasts_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let in_its_way = folder.path().join("log");
    std::fs::write(&in_its_way, "a file").unwrap();
    let system = System::new(synod_runtime::SystemConfig::default());
    let (spec, mut faults) = JournalActor::watched(JournalConfig::default(), folder.path());
    assert!(faults.last().is_none());
    let journal = system.spawn(spec).unwrap();
    let fault = tokio::time::timeout(LONG, faults.lasting()).await.unwrap();
    assert!(matches!(&*fault, OpenError::Io { .. }), "{fault}");
    assert!(faults.last().is_some());

    std::fs::remove_file(&in_its_way).unwrap();
    journal.ask(Health {}, LONG).await.unwrap();
    assert!(faults.last().is_none(), "the next attempt went well");
}

#[test]
fn what_may_pass_by_itself_does_not_last() {
    let io = |kind: std::io::ErrorKind| OpenError::Io {
        action: "open",
        file: "mark".into(),
        cause: kind.into(),
    };
    let in_use = |pid| OpenError::InUse { folder: "data".into(), pid };
    let full = io(std::io::ErrorKind::StorageFull);
    assert!(full.is_full() && !full.is_lasting());
    assert!(!io(std::io::ErrorKind::Interrupted).is_lasting());
    assert!(!in_use(Some(std::process::id())).is_lasting(), "a thread of ours still has it");
    assert!(in_use(Some(1)).is_lasting() && in_use(None).is_lasting());
    assert!(io(std::io::ErrorKind::PermissionDenied).is_lasting());
}
