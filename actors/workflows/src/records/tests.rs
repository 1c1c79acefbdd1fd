//! The bytes of every version that was ever written still mean what they meant.
//!
//! Files are added with a new version, never changed; to write those that are not there yet, run
//! these tests with `SYNOD_WRITE_GOLDEN=1`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use semver::Version;
use serde_json::json;
use synod_journal::{Epoch, Position};
use synod_runtime::{Correlation, Principal, Priority};

use super::*;
use crate::definition::{DefinitionHash, ErrorKind};
use crate::history::{DefinedAs, Handle, OpeningNote, Standing};
use crate::index::Index;
use crate::json::Json;
use crate::messages::RunState;
use crate::plan::StepIndex;
use crate::run::{
    Amended, Asked, Begun, Carried, Decided, Derivation, Ending, Event, Failure, Handling, Opening,
    Origin, Parent, Spot, Ticket,
};

const INLINE: usize = 64 << 10;

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

fn run() -> Uuid {
    Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0abc)
}

fn spot() -> Spot {
    Spot::item(StepIndex(7), 300)
}

fn ticket() -> Ticket {
    Ticket { revision: 1, level: 2, spot: spot(), visit: 3, attempt: 4 }
}

fn failure() -> Failure {
    let agent = Some(Arc::from("judge@1.0.0"));
    Failure { agent, ..Failure::new(ErrorKind::Timeout, "too slow") }
}

fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn value() -> Json {
    Json::from(json!({"n": 1}))
}

fn by() -> Principal {
    Principal::user("ada")
}

fn note() -> OpeningNote {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    OpeningNote { trace: Some(trace.parse::<Correlation>().unwrap()), body: Some([9; 16]) }
}

/// An opening that uses every field.
fn opening() -> Opening {
    Opening {
        run: run(),
        definition: DefinitionHash([3; 32]),
        name: text("deploy"),
        version: text("1.2.0"),
        inputs: value(),
        variables: vec![(text("region"), value())],
        timeout_us: Some(5_000_000),
        seed: 42,
        principal: by(),
        priority: Priority::High,
        tenant: Some(text("red")),
        labels: [("env".to_owned(), "test".to_owned())].into(),
        idempotency_key: Some(text("k-1")),
        parent: Some(Parent { run: Uuid::from_u128(5), ticket: ticket() }),
        origin: Some(Origin {
            run: Uuid::from_u128(6),
            events: 12,
            how: Derivation::Retry,
            by: by(),
        }),
    }
}

fn record(state: RunState, events: Vec<Event>) -> RunRecord {
    let standing = Standing { state, done: 1, total: 3, wake_at: Some(1_767_225_900_000_000) };
    let (opened, closed, blobs) = (Vec::new(), Vec::new(), Vec::new());
    let at = 1_767_225_600_000_000;
    RunRecord { run: run(), at, note: None, standing, opened, closed, events, blobs }
}

/// Every event, and every shape in them.
fn records() -> Vec<(&'static str, RunRecord)> {
    let asked = Asked {
        id: Uuid::from_u128(7),
        question: text("deploy?"),
        payload: value(),
        deadline: Some(9),
    };
    let begun = vec![
        Begun::Execution,
        Begun::Timer { until: 5 },
        Begun::Child { run: Uuid::from_u128(8) },
        Begun::Approval(Box::new(asked)),
        Begun::Message { topic: text("paid"), until: None },
        Begun::Emission { topic: text("paid") },
        Begun::Items { count: 3 },
        Begun::Race { count: 2 },
    ];
    let started = |begun| Event::Started { spot: spot(), input: Some(value()), begun };
    let opened = RunRecord {
        note: Some(note()),
        opened: vec![
            Handle::Approval { id: Uuid::from_u128(7), deadline: Some(9) },
            Handle::Topic(text("paid")),
            Handle::Child(Uuid::from_u128(8)),
        ],
        ..record(
            RunState::Running,
            std::iter::once(Event::Opened(Box::new(opening())))
                .chain(begun.into_iter().map(started))
                .collect(),
        )
    };
    let closed = RunRecord { closed: opened.opened.clone(), ..worked() };
    vec![("opened", opened), ("worked", closed), ("controlled", controlled()), ("ended", ended())]
}

/// What happens to pieces of work.
fn worked() -> RunRecord {
    let failed = |handling| Event::Failed { spot: spot(), failure: failure(), handling };
    let step = StepIndex(2);
    record(
        RunState::Waiting,
        vec![
            Event::Carried { step, visit: 1, result: Carried::Completed(value()) },
            Event::Carried { step, visit: 1, result: Carried::Skipped },
            Event::Carried { step, visit: 1, result: Carried::Handled(failure()) },
            Event::Began { variables: vec![(text("v"), value())] },
            Event::Retrying { spot: spot(), failure: failure(), until: 8 },
            Event::Again { spot: Spot::whole(step), begun: Begun::Execution },
            Event::Lost { spot: Spot::compensation(step), why: text("gone") },
            Event::Redispatched { spot: spot() },
            Event::HandedBack,
            Event::Succeeded { spot: spot(), output: value(), agent: None, ran_us: 9 },
            Event::Joined { step },
            failed(Handling::Skip),
            failed(Handling::Default(value())),
            failed(Handling::GoTo(step)),
            failed(Handling::Compensate),
            failed(Handling::Fail),
            Event::Skipped { step },
            Event::Late { ticket: ticket(), error: Some(ErrorKind::Lost) },
        ],
    )
}

/// What people do.
fn controlled() -> RunRecord {
    let (to, why) = (text("here"), text("try again"));
    let decided =
        Decided { by: by(), approved: true, reason: Some(text("fine")), payload: Some(value()) };
    record(
        RunState::Paused,
        vec![
            Event::Decided { spot: spot(), decided },
            Event::Escalated { spot: spot(), number: 2 },
            Event::LevelFailed { failure: failure() },
            Event::FellBack { variables: Vec::new() },
            Event::CancelRequested { by: by(), why: why.clone(), compensate: true },
            Event::Paused { by: Principal::default() },
            Event::Resumed { by: Principal::node("n1") },
            Event::ChildStopped { run: Uuid::from_u128(8) },
            Event::Checkpointed { name: to.clone(), by: by() },
            Event::RollbackBegan { to: to.clone(), by: by(), why: why.clone() },
            Event::RolledBack { to, by: by(), why: why.clone() },
            Event::Amended(Box::new(Amended {
                definition: DefinitionHash([4; 32]),
                variables: vec![(text("v"), value())],
                by: by(),
                why,
            })),
        ],
    )
}

fn ended() -> RunRecord {
    let failed = Ending::Failed { failure: failure(), step: Some(text("a")) };
    let cancelled = Ending::Cancelled { by: by(), why: text("enough") };
    record(
        RunState::Completed,
        vec![
            Event::Concluded { ending: failed },
            Event::Concluded { ending: cancelled },
            Event::Ended { ending: Ending::Completed(value()) },
        ],
    )
}

fn defined(hash: [u8; 32]) -> EngineEvent {
    EngineEvent::Defined(Box::new(DefinedAs {
        hash: DefinitionHash(hash),
        name: text("deploy"),
        version: text("1.2.0"),
        description: text("what it is for"),
        steps: 3,
        text: Bytes::from_static(b"{}"),
        blob: None,
    }))
}

fn engine_events() -> Vec<(&'static str, EngineEvent)> {
    let (name, version, hash) = (text("deploy"), Version::new(1, 2, 0), DefinitionHash([3; 32]));
    vec![
        ("engine.opened", EngineEvent::Opened { at: 2 }),
        ("engine.began", EngineEvent::Began { at: 3 }),
        ("engine.stopped", EngineEvent::Stopped { at: 4 }),
        (
            "engine.forgot",
            EngineEvent::Forgot { through: (5, run()), keys_before: 4, definitions: vec![hash] },
        ),
        ("engine.defined", defined([3; 32])),
        (
            "engine.named",
            EngineEvent::Named {
                name: name.clone(),
                version: version.clone(),
                hash,
                at: 6,
                by: by(),
            },
        ),
        ("engine.unnamed", EngineEvent::Unnamed { name, version, at: 7, by: by() }),
    ]
}

/// An index in which much has happened.
fn index() -> Index {
    let mut index = Index::default();
    index.apply_engine(&defined([3; 32]));
    index.apply_engine(&defined([4; 32]));
    for (name, event) in engine_events() {
        if name == "engine.named" {
            index.apply_engine(&event);
        }
    }
    for (_, record) in records() {
        let piece = encode(&record, INLINE).unwrap().piece;
        index.apply(&record, piece).unwrap();
    }
    index
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
fn golden_records_of_runs_decode_and_are_what_is_written_today() {
    for (name, record) in records() {
        let today = encode(&record, INLINE).unwrap().piece;
        let bytes = golden_bytes(&format!("run.{name}.v1.bin"), &today.bytes);
        let decoded = decode(&stored("run.events", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Run(record), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn golden_records_of_the_engine_decode_and_are_what_is_written_today() {
    for (name, event) in engine_events() {
        let today = encode_engine(&event).unwrap();
        let bytes = golden_bytes(&format!("{name}.v1.bin"), &today.bytes);
        let decoded = decode(&stored("workflows.engine", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Engine(event), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn the_golden_snapshot_decodes_and_is_what_is_written_today() {
    let index = index();
    let counted = (index.counters.accepted, index.counters.open(), index.counters.completed);
    assert_eq!(counted, (1, 0, 1));
    let mut today = encode_snapshot(&index).unwrap();
    let read = decode_snapshot(1, &golden_bytes("snapshot.v1.bin", &today)).unwrap();
    assert_eq!((read.len(), read.counters, read.sequence), (1, index.counters, 1));
    assert_eq!(read.run(run()), index.run(run()));
    // Definitions are in no order, so what was read is compared again.
    today = encode_snapshot(&decode_snapshot(1, &today).unwrap()).unwrap();
    assert_eq!(decode_snapshot(1, &today).unwrap().run(run()), index.run(run()));
}

#[test]
fn a_value_above_the_limit_is_in_a_blob_and_comes_back_from_it() {
    let large = Json::from(json!("x".repeat(INLINE)));
    let event = Event::Began { variables: vec![(text("v"), large.clone()), (text("w"), value())] };
    let before = record(RunState::Running, vec![event]);
    let encoded = encode(&before, INLINE).unwrap();
    let (id, bytes) = encoded.blobs[0].clone();
    assert_eq!((encoded.blobs.len(), &bytes), (1, large.bytes()));
    assert!(encoded.piece.bytes.len() < 200);
    let without = decode_run(&encoded.piece, &Blobs::default()).unwrap();
    assert_eq!(without.blobs, [id]);
    let blobs = Blobs::from([(id, large)]);
    let after = decode_run(&encoded.piece, &blobs).unwrap();
    assert_eq!(after.events, before.events);
}

#[test]
fn a_cut_record_an_unknown_kind_and_a_newer_version_are_errors() {
    for (name, record) in records() {
        let bytes = encode(&record, INLINE).unwrap().piece.bytes;
        for cut in 0..bytes.len() {
            assert!(decode(&stored("run.events", 1, &bytes[..cut])).is_err(), "{name} at {cut}");
        }
    }
    assert!(matches!(decode(&stored("run.other", 1, &[])), Err(RecordError::UnknownKind(_))));
    assert!(decode(&stored("run.events", 2, &[])).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in ["run.events", "workflows.engine"] {
            let _refused = decode(&stored(kind, 1, &bytes));
        }
        let _refused = decode_snapshot(1, &bytes);
    }

    #[test]
    fn a_flipped_bit_gives_an_error_or_another_record_and_no_panic(
        which in 0..4_usize,
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = encode(&records()[which].1, INLINE).unwrap().piece.bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(Decoded::Run(record)) = decode(&stored("run.events", 1, &bytes)) {
            // The journal's checksum finds it first; here it must only not bring anything down.
            let piece = Piece { version: 1, bytes: bytes.into() };
            let _unfitting = Index::default().apply(&record, piece);
        }
    }

    #[test]
    fn every_run_of_events_comes_back_as_it_was(
        picks in prop::collection::vec((0..4_usize, any::<prop::sample::Index>()), 0..20),
        at in any::<i64>(),
        inline in 0..64_usize,
    ) {
        let all = records();
        let events = picks.iter().map(|(which, event)| {
            let events = &all[*which].1.events;
            events[event.index(events.len())].clone()
        });
        let before = RunRecord { at, ..record(RunState::Running, events.collect()) };
        let encoded = encode(&before, inline).unwrap();
        let blobs = encoded.blobs.iter().map(|(id, bytes)| {
            (*id, Json::stored(bytes.clone()).unwrap())
        });
        let after = decode_run(&encoded.piece, &blobs.collect()).unwrap();
        prop_assert_eq!(after.events, before.events);
    }
}
