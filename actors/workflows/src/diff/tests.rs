//! Facts beside each other; whole histories are compared in the tests of the engine.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::compare;
use super::facts::{Facts, Key};
use crate::json::Json;
use crate::messages::{ComparedRun, DiffVerdict, RunDiff, RunState, WorkflowRef};
use crate::run::Part;

fn work(step: &str, part: Part) -> Key {
    Key::Work { level: 0, step: Arc::from(step), part, visit: 1 }
}

/// Facts as a history would give them, one an event.
fn facts(list: &[(Key, &str, Value)]) -> Facts {
    let mut facts = Facts::default();
    for ((key, what, value), event) in list.iter().zip(1..) {
        let at = facts.piece(key.clone());
        facts.add(at, *what, Json::from(value.clone()), event);
        facts.events = event;
    }
    facts
}

fn run(number: u128) -> ComparedRun {
    let (name, version, hash) = ("w".to_owned(), "1.0.0".to_owned(), String::new());
    let workflow = WorkflowRef { name, version, hash };
    let run_id = Uuid::from_u128(number);
    ComparedRun { run_id, workflow, state: RunState::Completed, events: 0 }
}

fn compared(a: &[(Key, &str, Value)], b: &[(Key, &str, Value)]) -> RunDiff {
    compare((run(1), &facts(a)), (run(2), &facts(b)))
}

fn step(name: &str, output: Value) -> (Key, &str, Value) {
    (work(name, Part::Whole), "output", output)
}

#[test]
fn what_ends_in_another_order_is_the_same() {
    let (x, y) = (step("x", json!(1)), step("y", json!({"n": [1, 2]})));
    let diff = compared(&[x.clone(), y.clone()], &[y, x]);
    assert!(diff.same && diff.first.is_none(), "{diff:?}");
    assert_eq!((diff.counts.same, diff.counts.different), (2, 0));
    assert!(diff.steps.iter().all(|step| step.verdict == DiffVerdict::Same));
}

#[test]
fn the_first_difference_is_told_with_its_place_in_the_value() {
    let list = |total: u32, end: u32| {
        [
            step("read", json!({"rows": [1, 2]})),
            step("sum", json!({"a/b": {"total": total}, "unit": "EUR"})),
            step("tell", json!(end)),
        ]
    };
    let diff = compared(&list(3, 1), &list(4, 2));
    let first = diff.first.expect("they differ");
    assert_eq!(first.place.expect("a step").step, "sum");
    let (what, at) = (first.difference.what.as_str(), first.difference.at.as_str());
    assert_eq!((what, at), ("output", "/a~1b/total"));
    assert_eq!((first.difference.a, first.difference.b), (Some(json!(3)), Some(json!(4))));
    assert_eq!((first.event_a, first.event_b), (Some(2), Some(2)));
    assert_eq!((diff.counts.same, diff.counts.different), (1, 2));
}

#[test]
fn what_only_one_run_did_comes_before_what_follows_from_it() {
    let (start, join) = (step("start", json!(0)), |n: u32| step("join", json!(n)));
    let extra = step("extra", json!(1));
    // In B `extra` was done before `join`, which therefore differs; the other way round as well.
    let a = [start.clone(), join(1)];
    let b = [start.clone(), extra.clone(), join(2)];
    for (diff, verdict) in
        [(compared(&a, &b), DiffVerdict::OnlyB), (compared(&b, &a), DiffVerdict::OnlyA)]
    {
        let first = diff.first.expect("they differ");
        assert_eq!(first.place.expect("a step").step, "extra");
        assert_eq!(first.difference.what, "begun");
        let row = diff.steps.iter().find(|row| row.place.step == "extra").expect("a row");
        assert_eq!(row.verdict, verdict);
    }
}

#[test]
fn the_runs_themselves_are_compared_and_come_first() {
    let input = |n: u32| (Key::Run, "input", json!({"n": n}));
    let diff = compared(&[input(1), step("x", json!(1))], &[input(2), step("x", json!(2))]);
    let first = diff.first.expect("they differ");
    assert_eq!((first.place, first.difference.at.as_str()), (None, "/n"));
    assert_eq!(diff.run.len(), 1);
    assert_eq!(diff.counts.different, 1, "the run itself is no step");
}

#[test]
fn a_second_attempt_is_a_difference_although_the_result_is_the_same() {
    let x = |what, value| (work("x", Part::Whole), what, value);
    let error = json!({"kind": "timeout", "message": "too slow"});
    let diff = compared(
        &[x("error", error), x("state", json!("completed")), x("attempts", json!(2))],
        &[x("state", json!("completed"))],
    );
    let what: Vec<_> = diff.steps[0].differences.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(what, ["error", "attempts"]);
    assert_eq!(diff.first.expect("they differ").difference.b, None);
}

#[test]
fn rows_and_values_are_bounded_and_items_told_only_where_they_differ() {
    let item = |n: u32, value: Value| (work("each", Part::Item(n)), "output", value);
    let a: Vec<_> = (0..3_000).map(|n| item(n, json!(n))).collect();
    let diff = compared(&a, &a);
    assert_eq!((diff.steps.len(), diff.more, diff.counts.same), (0, 0, 3_000));
    let b: Vec<_> = (0..3_000).map(|n| item(n, json!("x".repeat(5_000)))).collect();
    let diff = compared(&a, &b);
    assert_eq!((diff.steps.len(), diff.more, diff.counts.different), (1_000, 2_000, 3_000));
    let told = diff.steps[0].differences[0].b.as_ref().and_then(Value::as_str).expect("a text");
    assert!(told.len() < 1_100 && told.ends_with("(5002 bytes)"), "{told}");
}
