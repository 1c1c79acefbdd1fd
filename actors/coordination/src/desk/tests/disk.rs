//! Disks that are full or fail.

use std::time::Duration;

use synod_journal::{Append, Epoch, Expected, Partition, Record, RecordKind, Stream};
use synod_runtime::{ActorPath, Control};

use super::ground::{Ground, goal};
use super::tally::Say;
use crate::desk::{DeskConfig, DeskError, DrainDesk, Open, partition_of};

fn keyed(key: &str) -> Open<super::tally::Tally> {
    Open { key: Some(key.to_owned()), ..goal(100) }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_before_it_is_stored() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(1_000).await;
    for count in 1..=20 {
        let syncs = ground.disk.syncs();
        assert_eq!(stage.say(id, Say::Add(1)).await, Ok(count));
        assert!(ground.disk.syncs() > syncs);
    }
    // All of one batch, whatever it is, waits for what it builds on.
    ground.disk.fail_sync(1);
    let (said, refused, opened) = tokio::join!(
        stage.say(id, Say::Add(1)),
        stage.say(id, Say::Add(0)),
        stage.open(keyed("k"))
    );
    assert!(matches!(said, Err(DeskError::OutcomeUnknown(_))), "{said:?}");
    assert!(matches!(refused, Err(DeskError::NotAccepting(_))), "{refused:?}");
    assert!(opened.is_err(), "{opened:?}");
    assert_eq!(ground.told.lock().len(), 21);
    // The log takes nothing more before a restart, and the desk says so.
    ground.time.pass(Duration::from_secs(10)).await;
    assert!(matches!(stage.say(id, Say::Add(1)).await, Err(DeskError::NotAccepting(_))));
    assert!(!stage.health().await.accepting);
    assert_eq!(stage.view(id).await.sum, 20, "what is stored is shown");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert!((20..=21).contains(&stage.view(id).await.sum));
    let known = stage.open(keyed("k")).await.unwrap();
    assert!(stage.open(keyed("k")).await.unwrap().duplicate);
    assert_eq!(stage.say(known.id, Say::Add(1)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_what_is_taken_and_the_desk_goes_on_when_there_is_room() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(1_000_000).await;
    ground.disk.set_free_bytes(0);
    let (mut said, mut refused) = (0, None);
    for _ in 0..100 {
        match stage.say(id, Say::Long("x".repeat(10_000))).await {
            Ok(_) => said += 1,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.expect("a segment is full in the end");
    let DeskError::NotAccepting(reason) = &refused else { panic!("{refused:?}") };
    assert!(reason.contains("disk full"), "{reason}");
    let health = stage.health().await;
    assert!(!health.accepting && health.reason.unwrap().contains("disk full"));
    assert_eq!(stage.page(id).await.last, said + 1, "what was refused is not there");
    ground.disk.set_free_bytes(1 << 40);
    ground.time.pass(Duration::from_secs(10)).await;
    assert!(stage.health().await.accepting);
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(1));
    assert_eq!(stage.page(id).await.last, said + 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_larger_than_the_journals_goes_in_pieces_and_comes_back_whole() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let setup = super::tally::Goal { filler: "z".repeat(100_000), ..goal(5).setup };
    let id = stage.open(Open { setup, ..goal(5) }).await.unwrap().id;
    stage.say(id, Say::Long("x".repeat(70_000))).await.unwrap();
    assert!(stage.records().await.iter().all(|record| record.bytes.len() <= 32 << 10));
    let notes = stage.notes(id).await;
    stage.cut(&ground).await;
    assert_eq!(ground.start().await.notes(id).await, notes);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_an_append_is_refused_alone() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    let long = Say::Long("x".repeat(200_000));
    let Err(DeskError::Refused(refusal)) = stage.say(id, long).await else { panic!("it fits") };
    assert!(refusal.to_string().starts_with("input: 2000"), "{refusal}");
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(1));
    let setup = super::tally::Goal { filler: "z".repeat(200_000), ..goal(5).setup };
    let refused = stage.open(Open { setup, ..goal(5) }).await;
    assert!(matches!(refused, Err(DeskError::Refused(_))), "{refused:?}");
    assert!(stage.health().await.accepting);
}

#[tokio::test(start_paused = true)]
async fn a_draining_desk_opens_nothing_and_stops_with_all_that_was_taken() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    let drained = stage.desk.ask(DrainDesk {}, Duration::from_secs(1)).await.unwrap();
    assert_eq!(drained.open, 1);
    assert!(matches!(stage.open(goal(5)).await, Err(DeskError::NotAccepting(_))));
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(1), "what is open goes on");
    let desk = stage.desk.clone();
    let by = super::ground::ada();
    let last = tokio::spawn(async move {
        let step = crate::desk::Step { id, by, input: Say::Add(1) };
        desk.ask(step, Duration::from_secs(5)).await
    });
    tokio::task::yield_now().await;
    stage.stop().await;
    let said = last.await.unwrap();
    let stage = ground.start().await;
    let sum = stage.view(id).await.sum;
    assert!(said != Ok(Ok(2)) || sum == 2, "{said:?} {sum}");
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(sum + 1));
}

#[tokio::test(start_paused = true)]
async fn a_desk_follows_the_owner_of_a_partition_to_a_higher_epoch() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    let append = Append {
        partition: Partition::from_low_bits(0),
        stream: Stream::new("others"),
        expected: Expected::Any,
        epoch: Epoch(7),
        records: [Partition::from_low_bits(0), partition_of(id)]
            .map(|partition| {
                let record = Record::new(RecordKind::new("other"), 1, vec![1]);
                record.in_partition(partition)
            })
            .to_vec(),
    };
    stage.journal.ask(append, Duration::from_secs(5)).await.unwrap().unwrap();
    let (one, two) = tokio::join!(stage.say(id, Say::Add(1)), stage.say(id, Say::Add(1)));
    assert_eq!((one, two), (Ok(1), Ok(2)));
    assert!(stage.records().await.iter().all(|record| record.epoch <= Epoch(7)));
}

#[tokio::test(start_paused = true)]
async fn a_desk_whose_journal_gave_no_answer_goes_on_from_what_the_log_says() {
    let ground = Ground::new(DeskConfig { journal_timeout_ms: 1_000, ..DeskConfig::default() });
    let stage = ground.start().await;
    let id = stage.opened(100).await;
    let journal = ActorPath::new("/node/journal");
    stage.system.control(&journal, Control::Pause).unwrap();
    let desk = stage.desk.clone();
    let by = super::ground::ada();
    let saying = tokio::spawn(async move {
        let step = crate::desk::Step { id, by, input: Say::Add(1) };
        desk.ask(step, Duration::from_secs(30)).await.unwrap()
    });
    ground.time.pass(Duration::from_millis(1_500)).await;
    stage.system.control(&journal, Control::Resume).unwrap();
    let said = saying.await.unwrap();
    assert!(matches!(said, Err(DeskError::OutcomeUnknown(_))), "{said:?}");
    ground.time.pass(Duration::from_secs(5)).await;
    let sum = stage.view(id).await.sum;
    assert_eq!(stage.say(id, Say::Add(1)).await, Ok(sum + 1));
    assert_eq!(stage.page(id).await.last, sum + 2);
}
