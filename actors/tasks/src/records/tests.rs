//! The bytes of every version that was ever written still mean what they meant.
//!
//! Files are added with a new version, never changed; to write those that are not there yet, run
//! these tests with `SYNOD_WRITE_GOLDEN=1`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use synod_agents::{AgentId, Payload};
use synod_coordination::{Quorum, Rules, Threshold, TieRule};
use synod_journal::{Epoch, Position, StoredRecord};
use synod_runtime::{Correlation, Principal, Priority};
use uuid::Uuid;

use super::*;
use crate::machine::{Book, Entry};
use crate::matching::Requirement;
use crate::task::{
    Allocation, BlobRef, Body, Failure, FailureKind, IdempotencyKey, Needs, RetryPolicy, TaskMode,
    TaskSpec, Verdict,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The bytes in the file of this name; written first when that is wanted and it is not there.
fn golden_bytes(name: &str, today: &[u8]) -> Vec<u8> {
    let path = golden(name);
    if std::env::var_os("SYNOD_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, today).unwrap();
    }
    std::fs::read(path).unwrap()
}

fn task() -> TaskId {
    Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0abc)
}

/// A specification that uses every field.
fn full_spec() -> TaskSpec {
    TaskSpec {
        kind: "text.count".to_owned(),
        priority: Priority::High,
        mode: TaskMode::Consensus,
        require: Requirement {
            capabilities: vec!["text.count@1.2.0".parse().unwrap(), "judge".parse().unwrap()],
            agents: vec![AgentId::new("word-count").unwrap()],
            allocation: Allocation::default(),
        },
        replicas: 3,
        allow_partial: true,
        rules: Some(Rules {
            quorum: Quorum::Share(0.5),
            threshold: Threshold::Share(0.66),
            tie: TieRule::Random,
        }),
        retry: RetryPolicy { max_attempts: 7, ..RetryPolicy::default() },
        deadline: 1_767_225_900_000_000,
        tenant: Arc::from("red"),
        budget: Some(2_500_000),
        labels: [("env".to_owned(), "test".to_owned())].into(),
        key: Some(IdempotencyKey { text: "k-1".to_owned(), scope: [7; 16], body: [9; 16] }),
        principal: Principal::user("ada"),
        correlation: Some(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                .parse::<Correlation>()
                .unwrap(),
        ),
    }
}

/// A specification as most are.
fn plain_spec() -> TaskSpec {
    TaskSpec {
        priority: Priority::Normal,
        mode: TaskMode::Single,
        require: Requirement { capabilities: vec!["x".parse().unwrap()], ..Default::default() },
        replicas: 1,
        allow_partial: false,
        rules: None,
        retry: RetryPolicy::default(),
        budget: None,
        labels: Default::default(),
        key: None,
        principal: Principal::default(),
        correlation: None,
        ..full_spec()
    }
}

fn json(text: &str) -> Body {
    Payload::new("application/json", text.to_owned()).into()
}

fn blob() -> Body {
    let content_type = "image/png".into();
    Body::Blob(BlobRef { content_type, hash: [5; 32], length: 100_000 })
}

fn record(events: Vec<Event>) -> TaskRecord {
    let entry = |(at, event): (i64, Event)| Entry { at: 1_767_225_600_000_000 + at, event };
    TaskRecord { task: task(), entries: (0..).zip(events).map(entry).collect() }
}

fn started(part: u16, attempt: u32) -> Event {
    Event::Started {
        part,
        attempt,
        agent: Arc::from("word-count@1.0.0"),
        cost: 1_000_000,
        chosen: None,
    }
}

/// Why a part was set back, in versions that have it.
fn why(version: u16, kind: FailureKind) -> Option<Failure> {
    (version > 1).then(|| Failure::new(kind, "word-count@1.0.0: it is gone"))
}

/// The file of a record of this name and version.
fn file(name: &str, version: u16) -> String {
    format!("{name}.v{version}.bin")
}

/// Every event, in records as the engine writes them.
fn records() -> Vec<(&'static str, TaskRecord)> {
    let mut records = records_of(3);
    let mut spec = plain_spec();
    spec.require.allocation = Allocation::LeastLoaded;
    let (agent, chosen) = (Arc::from("word-count@1.0.0"), Some(Arc::from("the best of 3 bids")));
    let allotted = record(vec![
        Event::Accepted { spec: Arc::new(spec), input: json("\"one two\"") },
        Event::Planned(vec![Needs::All]),
        Event::Started { part: 0, attempt: 1, agent, cost: 1_000_000, chosen },
    ]);
    records.push(("task.allotted", allotted));
    records
}

/// Those that every version has, as far as this one can tell them.
fn records_of(version: u16) -> Vec<(&'static str, TaskRecord)> {
    let failure = || Failure::new(FailureKind::Failed, "no luck");
    let agent = || Needs::Agent(AgentId::new("word-count").unwrap());
    let output = || json("{\"n\":1}");
    vec![
        (
            "task.accepted",
            record(vec![
                Event::Accepted { spec: Arc::new(plain_spec()), input: json("\"one two\"") },
                Event::Planned(vec![Needs::All]),
                started(0, 1),
            ]),
        ),
        (
            "task.accepted.full",
            record(vec![
                Event::Accepted { spec: Arc::new(full_spec()), input: blob() },
                Event::Planned(vec![Needs::Capabilities(vec![0, 1]), agent()]),
            ]),
        ),
        (
            "task.changed",
            record(vec![
                started(0, 1),
                Event::Retried { part: 0, failure: failure(), until: 1_767_225_601_000_000 },
                Event::Resumed { part: 0 },
                started(0, 2),
                Event::Lost { part: 0, why: why(version, FailureKind::Lost) },
                started(0, 3),
                Event::Returned { part: 0, why: why(version, FailureKind::Unavailable) },
                started(0, 4),
                Event::Succeeded { part: 0, output: output(), saved: Some("seen".into()) },
                Event::PartFailed { part: 1, failure: failure() },
            ]),
        ),
        (
            "task.completed",
            record(vec![
                Event::Succeeded { part: 0, output: output(), saved: None },
                Event::Ended(Verdict::CompletedBy(0)),
            ]),
        ),
        ("task.collected", record(vec![Event::Ended(Verdict::Completed(output()))])),
        ("task.failed", record(vec![Event::Ended(Verdict::Failed(failure(), Some(0)))])),
        ("task.cancelled", record(vec![Event::Ended(Verdict::Cancelled(Principal::node("n1")))])),
    ]
}

fn engine_records() -> [(&'static str, EngineEvent); 4] {
    let through = (1_767_225_600_000_000, task());
    [
        ("tasks.engine.opened.v1.bin", EngineEvent::Opened { at: 2 }),
        ("tasks.engine.began.v1.bin", EngineEvent::Began { epoch: 3, at: 5 }),
        ("tasks.engine.stopped.v1.bin", EngineEvent::Stopped { at: 9 }),
        ("tasks.engine.forgot.v1.bin", EngineEvent::Forgot { through, keys_before: 4 }),
    ]
}

/// A book in which much has happened.
fn book() -> Book {
    let mut book = Book::default();
    book.apply_engine(&EngineEvent::Began { epoch: 3, at: 5 });
    let records = records_of(1);
    for name in ["task.accepted.full", "task.changed"] {
        let (_, record) = records.iter().find(|(known, _)| *known == name).unwrap();
        book.replay(&Decoded::Task(record.clone())).unwrap();
    }
    let other = TaskRecord { task: Uuid::from_u128(1), ..records[0].1.clone() };
    book.replay(&Decoded::Task(other)).unwrap();
    book
}

/// The same, and what only version 2 of a snapshot tells.
fn book_of_today() -> Book {
    let mut book = book();
    let allotted = records().pop().unwrap().1;
    let other = TaskRecord { task: Uuid::from_u128(2), ..allotted };
    book.replay(&Decoded::Task(other)).unwrap();
    book
}

fn stored(kind: &str, version: u16, bytes: &[u8]) -> StoredRecord {
    StoredRecord {
        position: Position(1),
        partition: ENGINE_PARTITION,
        stream: STREAM,
        epoch: Epoch(1),
        kind: kind.to_owned(),
        version,
        recorded_at_us: 0,
        bytes: bytes.to_vec().into(),
    }
}

#[test]
fn golden_records_of_versions_1_and_2_decode() {
    for version in [1, 2] {
        for (name, record) in records_of(version) {
            let bytes = std::fs::read(golden(&file(name, version))).unwrap();
            let kind = encode(&record).unwrap().kind;
            let decoded = decode(&stored(kind.as_str(), version, &bytes)).unwrap();
            assert_eq!(decoded, Decoded::Task(record), "{name}");
        }
    }
}

#[test]
fn golden_records_of_version_3_decode_and_are_what_is_written_today() {
    for (name, record) in records() {
        let today = encode(&record).unwrap();
        let bytes = golden_bytes(&file(name, 3), &today.bytes);
        let kind = today.kind.as_str();
        assert_eq!(decode(&stored(kind, 3, &bytes)).unwrap(), Decoded::Task(record), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn golden_records_of_the_engine_decode_and_are_what_is_written_today() {
    for (name, event) in engine_records() {
        let today = encode_engine(&event).unwrap();
        let bytes = golden_bytes(name, &today.bytes);
        let decoded = decode(&stored("tasks.engine", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Engine(event), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn the_golden_record_of_a_saved_state_decodes_and_is_what_is_written_today() {
    let (at, agent) = (1_767_225_600_000_000, "word-count".to_owned());
    let saved = SavedState { at, agent, state: "state".into() };
    let today = encode_saved(&saved).unwrap();
    let bytes = golden_bytes("tasks.saved.v1.bin", &today.bytes);
    assert_eq!(decode(&stored("tasks.saved", 1, &bytes)).unwrap(), Decoded::Saved(saved));
    assert_eq!(today.bytes, bytes);
    for cut in 0..bytes.len() {
        assert!(decode(&stored("tasks.saved", 1, &bytes[..cut])).is_err(), "at {cut}");
    }
}

#[test]
fn the_golden_snapshot_of_version_1_decodes() {
    let bytes = std::fs::read(golden("tasks.snapshot.v1.bin")).unwrap();
    let read = decode_snapshot(1, &bytes).unwrap();
    assert!(read.is_balanced());
    assert_eq!(encode_snapshot(&read).unwrap(), encode_snapshot(&book()).unwrap());
}

#[test]
fn the_golden_snapshot_of_version_2_decodes_and_is_what_is_written_today() {
    let today = encode_snapshot(&book_of_today()).unwrap();
    let bytes = golden_bytes("tasks.snapshot.v2.bin", &today);
    let read = decode_snapshot(2, &bytes).unwrap();
    assert!(read.is_balanced());
    let task = read.task(Uuid::from_u128(2)).unwrap();
    assert_eq!(task.spec.require.allocation, Allocation::LeastLoaded);
    assert_eq!(task.parts[0].chosen.as_deref(), Some("the best of 3 bids"));
    assert_eq!(encode_snapshot(&read).unwrap(), bytes);
    assert_eq!(today, bytes);
}

/// No program wrote such; a damaged record must not be read as another.
#[test]
fn a_note_beside_an_event_that_it_is_not_of_is_an_error() {
    use super::v1::EventV1;
    use super::v3::{BesideV3, EntryV3};
    let entry = |beside| EntryV3 { at: 0, event: EventV1::Resumed { part: 0 }, beside };
    for beside in [BesideV3::Allocation(1), BesideV3::Chosen("best".into())] {
        assert!(Entry::try_from(entry(beside)).is_err());
    }
    let (spec, input) = (plain_spec(), json("1"));
    let event = EventV1::Accepted { spec: Box::new((&spec).into()), input: (&input).into() };
    let unknown = EntryV3 { at: 0, event, beside: BesideV3::Allocation(200) };
    assert!(Entry::try_from(unknown).is_err());
}

#[test]
fn each_record_is_stored_under_the_kind_that_says_most_about_it() {
    let kinds: Vec<_> = records().iter().map(|(_, known)| encode(known).unwrap().kind).collect();
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let ended = ["task.ended"; 4];
    assert_eq!(kinds[..3], ["task.accepted", "task.accepted", "task.changed"]);
    assert_eq!(kinds[3..7], ended);
    assert_eq!(kinds[7..], ["task.accepted"]);
}

#[test]
fn a_cut_record_an_unknown_kind_and_a_newer_version_are_errors() {
    for (name, record) in records() {
        let bytes = encode(&record).unwrap().bytes;
        for cut in 0..bytes.len() {
            assert!(decode(&stored("task.changed", 3, &bytes[..cut])).is_err(), "{name} at {cut}");
        }
    }
    assert!(matches!(decode(&stored("task.other", 1, &[])), Err(RecordError::UnknownKind(_))));
    assert!(decode(&stored("task.changed", 4, &[])).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in ["task.accepted", "tasks.engine", "tasks.saved"] {
            let _refused = decode(&stored(kind, 1, &bytes));
            let _refused = decode(&stored(kind, 2, &bytes));
            let _refused = decode(&stored(kind, 3, &bytes));
        }
        let _refused = decode_snapshot(1, &bytes);
        let _refused = decode_snapshot(2, &bytes);
    }

    #[test]
    fn a_flipped_bit_gives_an_error_or_another_record_and_no_panic(
        which in 0..8_usize,
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = encode(&records()[which].1).unwrap().bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(decoded) = decode(&stored("task.changed", 3, &bytes)) {
            // The journal's checksum finds it first; here it must only not bring anything down.
            let _unfitting = Book::default().replay(&decoded);
        }
    }
}
