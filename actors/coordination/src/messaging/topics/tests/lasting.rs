//! What stands in the log, and for how long.

use synod_journal::{LoadSnapshot, Position, Versioned};

use super::*;
use crate::messaging::topics::records::{EventV1, STREAM};

/// Another stream of the same log.
const OTHER: Stream = Stream::new("other");

impl Stage {
    fn log(&self) -> &Address<JournalMessage> {
        self.log.as_ref().expect("a log")
    }

    async fn append(&self, stream: Stream, records: Vec<Record>) {
        let partition = Partition::from_low_bits(0);
        let expected = Expected::Any;
        let append = Append { partition, stream, expected, epoch: Epoch(0), records };
        self.log().ask(append, PATIENCE).await.unwrap().unwrap();
    }

    /// Where the state was saved last.
    async fn saved_at(&self) -> Option<Position> {
        let load = LoadSnapshot { stream: STREAM };
        self.log().ask(load, PATIENCE).await.unwrap().unwrap().map(|saved| saved.at)
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_state_is_saved_twice_behind_its_last_record_and_then_no_more() {
    let stage = Stage::new().await;
    stage.keep("s", "a", Terms::default()).await;
    stage.publish("a", "one").await.unwrap();
    let mut saved = Vec::new();
    for _ in 0..4 {
        let filler = Record::new(RecordKind::new("other.filler"), 1, "x");
        stage.append(OTHER, vec![filler]).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        saved.push(stage.saved_at().await.expect("a snapshot"));
    }
    assert!(saved[0] < saved[1], "{saved:?}: the log keeps the last two");
    assert_eq!(saved[1..], [saved[1]; 3], "nothing is owed any more");
    stage.publish("a", "two").await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(stage.saved_at().await > Some(saved[1]), "what is new is owed again");
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_the_log_late_is_read_before_anything_follows_it() {
    let stage = Stage::new().await;
    stage.keep("s", "a", Terms::default()).await;
    stage.publish("a", "one").await.unwrap();
    // An append of which nobody knew what became.
    let late = EventV1::Published {
        number: 2,
        topic: "a".into(),
        sender: "p".into(),
        content: Payload::text("late"),
        at_us: 1,
        retain: false,
    };
    stage.append(STREAM, vec![late.to_record().unwrap()]).await;
    let refused = stage.publish("a", "two").await.unwrap_err();
    assert!(matches!(refused, TopicError::Unavailable(_)), "{refused}");
    stage.publish("a", "three").await.unwrap();
    let given = stage.fetch("s", 9).await;
    let given: Vec<_> = given.iter().map(|(number, word)| (*number, word.as_str())).collect();
    assert_eq!(given, [(1, "one"), (2, "late"), (3, "three")]);
}
