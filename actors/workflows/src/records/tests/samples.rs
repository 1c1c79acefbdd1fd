//! Records of every shape.

use std::sync::Arc;

use semver::Version;
use serde_json::json;
use synod_runtime::{Correlation, Principal, Priority};

use super::super::*;
use super::INLINE;
use crate::definition::{DefinitionHash, ErrorKind};
use crate::history::{DefinedAs, Handle, KeptResult, OpeningNote, Standing};
use crate::index::Index;
use crate::json::Json;
use crate::messages::RunState;
use crate::plan::StepIndex;
use crate::run::{
    Amended, Asked, Begun, Carried, Decided, Derivation, Ending, Event, Failure, Handling, Opening,
    Origin, Parent, Spot, Ticket,
};

pub(super) fn run() -> Uuid {
    Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0abc)
}

pub(super) fn spot() -> Spot {
    Spot::item(StepIndex(7), 300)
}

pub(super) fn ticket() -> Ticket {
    Ticket { revision: 1, level: 2, spot: spot(), visit: 3, attempt: 4 }
}

pub(super) fn failure() -> Failure {
    let agent = Some(Arc::from("judge@1.0.0"));
    Failure { agent, ..Failure::new(ErrorKind::Timeout, "too slow") }
}

pub(super) fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}

pub(super) fn value() -> Json {
    Json::from(json!({"n": 1}))
}

pub(super) fn by() -> Principal {
    Principal::user("ada")
}

pub(super) fn note() -> OpeningNote {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    OpeningNote { trace: Some(trace.parse::<Correlation>().unwrap()), body: Some([9; 16]) }
}

/// An opening that uses every field.
pub(super) fn opening() -> Opening {
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

pub(super) fn record(state: RunState, events: Vec<Event>) -> RunRecord {
    let standing = Standing { state, done: 1, total: 3, wake_at: Some(1_767_225_900_000_000) };
    let (opened, closed, blobs) = (Vec::new(), Vec::new(), Vec::new());
    let at = 1_767_225_600_000_000;
    RunRecord { run: run(), at, note: None, standing, opened, closed, events, blobs }
}

/// Every event, and every shape in them.
pub(super) fn records() -> Vec<(&'static str, RunRecord)> {
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
pub(super) fn worked() -> RunRecord {
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
pub(super) fn controlled() -> RunRecord {
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

pub(super) fn ended() -> RunRecord {
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

pub(super) fn defined(hash: [u8; 32]) -> EngineEvent {
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

pub(super) fn kept_result() -> KeptResult {
    let size = value().size() as u64;
    KeptResult { scope: [8; 16], at: 3, until: 9, output: value(), size, blob: None }
}

pub(super) fn engine_events() -> Vec<(&'static str, EngineEvent)> {
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
pub(super) fn index() -> Index {
    let mut index = Index::default();
    index.apply_engine(&defined([3; 32]));
    index.apply_engine(&defined([4; 32]));
    for (name, event) in engine_events() {
        if name == "engine.named" {
            index.apply_engine(&event);
        }
    }
    index.apply_engine(&EngineEvent::Kept(Box::new(kept_result())));
    for (_, record) in records() {
        let piece = encode(&record, INLINE).unwrap().piece;
        index.apply(&record, piece).unwrap();
    }
    index
}
