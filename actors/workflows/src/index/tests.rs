//! Tests of the index.

use bytes::Bytes;
use serde_json::json;
use synod_runtime::{Principal, Priority};
use uuid::Uuid;

use super::*;
use crate::definition::DefinitionHash;
use crate::history::Chunk;
use crate::history::{DefinedAs, Standing};
use crate::json::Json;
use crate::messages::RunFilter;
use crate::run::Ending;

const HASH: DefinitionHash = DefinitionHash([1; 32]);

fn index() -> Index {
    let mut index = Index::default();
    index.apply_engine(&EngineEvent::Defined(Box::new(DefinedAs {
        hash: HASH,
        name: Arc::from("w"),
        version: Arc::from("1.0.0"),
        description: Arc::from(""),
        steps: 1,
        text: Bytes::from_static(b"{}"),
        blob: None,
    })));
    index
}

fn opening(run: RunId, key: Option<&str>) -> Event {
    Event::Opened(Box::new(Opening {
        run,
        definition: HASH,
        name: Arc::from("w"),
        version: Arc::from("1.0.0"),
        inputs: Json::null(),
        variables: Vec::new(),
        timeout_us: None,
        seed: 0,
        principal: Principal::user("ada"),
        priority: Priority::Normal,
        tenant: None,
        labels: [("n".to_owned(), run.as_u128().to_string())].into(),
        idempotency_key: key.map(Arc::from),
        parent: None,
        origin: None,
    }))
}

fn record(run: RunId, at: i64, state: RunState, events: Vec<Event>) -> RunRecord {
    let standing = Standing { state, done: 0, total: 1, wake_at: None };
    let note = Some(OpeningNote { trace: None, body: Some([7; 16]) });
    let (opened, closed, blobs) = (Vec::new(), Vec::new(), Vec::new());
    RunRecord { run, at, note, standing, opened, closed, events, blobs }
}

fn piece() -> Piece {
    Piece { version: 1, bytes: Bytes::from_static(b"0123456789") }
}

fn id(n: u128) -> RunId {
    Uuid::from_u128(n)
}

fn open(index: &mut Index, n: u128) {
    let opened = record(id(n), 1, RunState::Running, vec![opening(id(n), None)]);
    index.apply(&opened, piece()).unwrap();
}

fn end(index: &mut Index, n: u128, at: i64) {
    let ending = Ending::Completed(Json::from(json!(1)));
    let ended = record(id(n), at, RunState::Completed, vec![Event::Ended { ending }]);
    index.apply(&ended, piece()).unwrap();
}

fn is_balanced(index: &Index) -> bool {
    let open: u64 = index.by_state().map(|(_, count)| count).sum();
    index.counters.open() == open && index.open_runs().count() as u64 == open
}

#[test]
fn the_ledger_balances_after_every_record_and_over_forgetting() {
    let mut index = index();
    for n in 1..=5 {
        open(&mut index, n);
        assert!(is_balanced(&index));
    }
    for n in 1..=3 {
        end(&mut index, n, 10 + n as i64);
        assert!(is_balanced(&index));
    }
    assert_eq!((index.counters.accepted, index.counters.completed), (5, 3));
    assert_eq!(index.held(), 80);
    let through = *index.ended().iter().nth(1).unwrap();
    let forgot = EngineEvent::Forgot { through, keys_before: 0, definitions: vec![HASH] };
    index.apply_engine(&forgot);
    assert_eq!((index.len(), index.held(), index.counters.completed), (3, 40, 3));
    assert!(index.definitions.get(&HASH).is_some(), "runs are pinned to it");
    assert!(is_balanced(&index));
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let mut index = index();
    let unknown = record(id(9), 1, RunState::Running, vec![Event::HandedBack]);
    assert_eq!(index.apply(&unknown, piece()), Err(Unfitting::UnknownRun(id(9))));
    open(&mut index, 1);
    let again = record(id(1), 1, RunState::Running, vec![opening(id(1), None)]);
    assert_eq!(index.apply(&again, piece()), Err(Unfitting::OpenedTwice(id(1))));
    end(&mut index, 1, 2);
    let late = record(id(1), 3, RunState::Running, vec![Event::HandedBack]);
    assert_eq!(index.apply(&late, piece()), Err(Unfitting::Ended(id(1))));
}

#[test]
fn a_key_outlives_its_run_by_its_own_time() {
    let mut index = index();
    let opened = record(id(1), 100, RunState::Running, vec![opening(id(1), Some("k"))]);
    index.apply(&opened, piece()).unwrap();
    end(&mut index, 1, 200);
    let scope = Keys::scope("w", "k");
    let forgot = |keys_before| EngineEvent::Forgot {
        through: (200, id(1)),
        keys_before,
        definitions: Vec::new(),
    };
    index.apply_engine(&forgot(50));
    assert_eq!(index.keys.get(&scope).map(|known| (known.run, known.body)), Some((id(1), [7; 16])));
    index.apply_engine(&forgot(101));
    assert_eq!(index.keys.get(&scope), None);
}

#[test]
fn handles_lead_to_the_run_until_they_are_closed() {
    let mut index = index();
    let topic = Handle::Topic(Arc::from("paid"));
    let approval = Handle::Approval { id: id(50), deadline: None };
    let opened = RunRecord {
        opened: vec![topic.clone(), topic.clone(), approval.clone()],
        ..record(id(1), 1, RunState::Waiting, vec![opening(id(1), None)])
    };
    index.apply(&opened, piece()).unwrap();
    assert_eq!(index.awaiting("paid"), [id(1)]);
    assert_eq!(index.asker(id(50)), Some((id(1), true)));
    let mut close = |closed| {
        let events = vec![Event::HandedBack];
        let record = RunRecord { closed, ..record(id(1), 2, RunState::Waiting, events) };
        index.apply(&record, piece()).unwrap();
        (index.awaiting("paid").len(), index.asker(id(50)))
    };
    assert_eq!(close(vec![topic.clone()]), (1, Some((id(1), true))));
    assert_eq!(close(vec![topic, approval]), (0, Some((id(1), false))));
}

#[test]
fn a_page_goes_on_where_the_one_before_ended() {
    let mut index = index();
    (1..=5).for_each(|n| open(&mut index, n));
    let filter = RunFilter::default();
    let one = index.list(&filter, None, 3).unwrap();
    let two = index.list(&filter, one.next.as_deref(), 3).unwrap();
    let ids: Vec<_> = one.runs.iter().chain(&two.runs).map(|run| run.run_id).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1].map(id));
    assert_eq!(two.next, None);
    let label = Some(("n".to_owned(), "2".to_owned()));
    let filter = RunFilter { label, ..RunFilter::default() };
    assert_eq!(index.list(&filter, None, 10).unwrap().runs.len(), 1);
    assert!(index.list(&filter, Some("x y"), 10).is_err());
}

#[test]
fn a_pack_is_gone_with_the_last_run_that_has_a_chunk_in_it() {
    let mut index = index();
    (1..=2).for_each(|n| open(&mut index, n));
    let chunk = |offset| Chunk { pack: 0, offset, length: 16 };
    let pack = Pack { blob: synod_journal::BlobId([9; 32]), live: 32, size: 32 };
    index.packed(pack, &[(id(1), chunk(0), 1), (id(2), chunk(16), 1)]);
    assert_eq!((index.held(), index.packs().count(), index.next_pack()), (0, 1, 1));
    for (n, left) in [(1, 1), (2, 0)] {
        end(&mut index, n, 10);
        let (through, definitions) = ((10, id(n)), Vec::new());
        index.apply_engine(&EngineEvent::Forgot { through, keys_before: 0, definitions });
        assert_eq!(index.packs().count(), left);
    }
}

#[test]
fn what_is_needed_of_a_pack_of_the_dead_goes_to_another_one() {
    let mut index = index();
    (1..=3).for_each(|n| open(&mut index, n));
    let chunk = |pack, offset| Chunk { pack, offset, length: 16 };
    let pack = |byte| Pack { blob: synod_journal::BlobId([byte; 32]), live: 48, size: 48 };
    let chunks = [1, 2, 3].map(|n| (id(n), chunk(0, 16 * (n as u32 - 1)), 1));
    index.packed(pack(1), &chunks);
    assert!(index.sparse(1_000).is_empty());
    for n in [1, 2] {
        end(&mut index, n, 10);
        let (through, definitions) = ((10, id(n)), Vec::new());
        index.apply_engine(&EngineEvent::Forgot { through, keys_before: 0, definitions });
    }
    assert!(index.sparse(15).is_empty(), "no more at a time than is wanted");
    let sparse = index.sparse(1_000);
    assert_eq!(sparse[&0].1, [(id(3), chunk(0, 32))]);
    let gone = Moved { run: id(2), from: chunk(0, 16), to: chunk(1, 16) };
    let moved = Moved { run: id(3), from: chunk(0, 32), to: chunk(1, 0) };
    index.moved_to(Pack { size: 32, ..pack(2) }, &[moved, gone]);
    let packs: Vec<_> = index.packs().collect();
    assert_eq!(packs, [(1, Pack { live: 16, size: 32, ..pack(2) })]);
    assert_eq!(index.run(id(3)).unwrap().trail.packed, [chunk(1, 0)]);
}

#[test]
fn runs_under_a_run_are_counted_for_the_one_at_the_top() {
    let mut index = index();
    open(&mut index, 1);
    for (n, parent) in [(2, 1), (3, 2), (4, 3)] {
        let Event::Opened(mut child) = opening(id(n), None) else { panic!() };
        let spot = crate::run::Spot::whole(crate::plan::StepIndex(0));
        let ticket = crate::run::Ticket { revision: 0, level: 0, spot, visit: 1, attempt: 1 };
        child.parent = Some(crate::run::Parent { run: id(parent), ticket });
        let opened = record(id(n), 1, RunState::Running, vec![Event::Opened(child)]);
        index.apply(&opened, piece()).unwrap();
    }
    assert_eq!((index.root(id(4)), index.line(id(4)).count()), (id(1), 4));
    assert_eq!((index.descendants(id(1)), index.descendants(id(2))), (3, 0));
}
