//! Pictures of a definition and of a run, in every form.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use synod_runtime::Priority;
use uuid::Uuid;

use super::{Picture, gantt, outline};
use crate::definition::model::Definition;
use crate::messages::{
    Progress, RunError, RunState, RunStatusResponse, RunSummary, StepState, StepStatus, WorkflowRef,
};

const HOSTILE: &str = "</text><script>alert(1)</script>\"]; x -> y; %%{init}%% `\\N";

fn definition() -> Definition {
    let value = json!({
        "name": "triage",
        "steps": [
            {"id": "read", "agent": "reader",
             "on_error": {"timeout": {"action": "go_to", "step": "report"}}},
            {"id": "count", "capability": "text.count", "depends_on": ["read"]},
            {"id": "rare", "for_each": {"items": "${outputs.read}", "step": {"agent": "miner"}},
             "depends_on": ["read"], "when": "size(outputs.read) > 0 && \"<b>\" != ''"},
            {"id": "report", "transform": {"done": true}, "depends_on": ["count", "rare"]},
        ],
        "fallback": {"name": "rules", "order": "sequential", "steps": [
            {"id": "match", "agent": "rules"},
            {"id": "tell", "emit": {"topic": "triage.done"}},
        ]},
    });
    serde_json::from_value(value).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn step(
    id: &str,
    state: StepState,
    times: (Option<i64>, Option<i64>),
    after: &[&str],
) -> StepStatus {
    let value: Value = json!({
        "id": id, "doing": "agent", "state": state, "visit": 1, "attempts": 1,
        "started_at": times.0.map(at), "ended_at": times.1.map(at), "depends_on": after,
    });
    serde_json::from_value(value).unwrap()
}

fn run() -> RunStatusResponse {
    let mut failed = step("count", StepState::Failed, (Some(3), Some(9)), &["read"]);
    failed.attempts = 3;
    failed.error = Some(RunError {
        kind: "failed".to_owned(),
        message: HOSTILE.to_owned(),
        step: None,
        agent: None,
    });
    let workflow =
        WorkflowRef { name: HOSTILE.to_owned(), version: "1.0.0".to_owned(), hash: "0".repeat(64) };
    RunStatusResponse {
        summary: RunSummary {
            run_id: Uuid::nil(),
            workflow,
            state: RunState::Running,
            priority: Priority::Normal,
            labels: BTreeMap::new(),
            progress: Progress::default(),
            started_by: "anonymous".to_owned(),
            accepted_at: at(0),
            started_at: Some(at(1)),
            ended_at: None,
            waiting_for: Vec::new(),
            trace_id: None,
            stuck: None,
        },
        input: Value::Null,
        variables: BTreeMap::new(),
        steps: vec![
            step("read", StepState::Completed, (Some(1), Some(3)), &[]),
            failed,
            step("report", StepState::Pending, (None, None), &["count"]),
        ],
        fallback: vec![step("match", StepState::Running, (Some(9), None), &[])],
        outputs: None,
        error: None,
        links: Vec::new(),
        history_events: 0,
        idempotency_key: None,
        deadline: None,
    }
}

/// A definition of a chain with a fan-out in the middle, 200 steps in all.
fn large() -> Definition {
    let mut steps = vec![json!({"id": "s0", "agent": "a"})];
    for at in 1..100 {
        steps.push(
            json!({"id": format!("s{at}"), "agent": "a", "depends_on": [format!("s{}", at - 1)]}),
        );
    }
    for at in 100..199 {
        steps.push(json!({"id": format!("s{at}"), "agent": "a", "depends_on": ["s99"]}));
    }
    let all: Vec<_> = (0..199).map(|at| format!("s{at}")).collect();
    steps.push(json!({"id": "last", "agent": "a", "depends_on": all}));
    serde_json::from_value(json!({"name": "large", "steps": steps})).unwrap()
}

/// What an SVG must be whatever it shows: one tree of our own elements, without anything active.
fn assert_sound(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    let mut open = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed));
            continue;
        }
        let known = ["svg", "title", "defs", "marker", "path", "rect", "text", "g"];
        assert!(known.contains(&name), "a tag of others: {name}");
        assert!(!tag.contains("href") && !tag.contains(" on"), "active: {tag}");
        if !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn a_definition_is_drawn_with_its_edges_jumps_conditions_and_fallback() {
    let picture = Picture::of_definition(&definition());
    let dot = picture.dot();
    assert!(dot.contains("p0_0 -> p0_1;") && dot.contains("p0_2 -> p0_3;"), "{dot}");
    assert!(
        dot.contains("p0_0 -> p0_3 [style=dashed, constraint=false, label=\"timeout\"]"),
        "{dot}"
    );
    assert!(dot.contains("for each: agent miner\\nwhen size(outputs.read) > 0"), "{dot}");
    assert!(dot.contains("label=\"fallback\"") && dot.contains("p1_0 -> p1_1;"), "{dot}");
    let mermaid = picture.mermaid();
    assert!(mermaid.contains("p0_0 -. \"timeout\" .-> p0_3"), "{mermaid}");
    assert!(mermaid.contains("subgraph g1[\"fallback\"]"), "{mermaid}");
    let svg = picture.svg();
    assert_sound(&svg);
    assert!(svg.contains("capability text.count") && svg.contains("stroke-dasharray"), "{svg}");
}

#[test]
fn a_run_is_drawn_with_states_and_times() {
    let picture = Picture::of_run(&run(), at(10));
    let dot = picture.dot();
    assert!(dot.contains("read\\nagent\\ncompleted\\n2.0 s"), "{dot}");
    assert!(dot.contains("6.0 s, 3 attempts"), "{dot}");
    let mermaid = picture.mermaid();
    assert!(mermaid.contains(":::completed") && mermaid.contains("classDef failed"), "{mermaid}");
    assert!(!mermaid.contains("classDef skipped"), "only what is shown is declared");
    let svg = picture.svg();
    assert_sound(&svg);
    assert!(svg.contains("fallback") && svg.contains("completed · 2.0 s"), "{svg}");
}

#[test]
fn names_and_errors_of_others_stay_text_in_every_form() {
    let picture = Picture::of_run(&run(), at(10));
    assert_sound(&picture.svg());
    assert_sound(&gantt(&run(), at(10)));
    let mermaid = picture.mermaid();
    let body = mermaid.split("flowchart LR").nth(1).unwrap();
    for active in ["<script", "%%", "`", "]; x"] {
        assert!(!body.contains(active), "{body}");
    }
    let dot = picture.dot();
    // Every quote inside of a label is escaped, so the labels end where we end them.
    assert!(dot.contains("<script>alert(1)</script>\\\"]; x -> y; %%{init}%% `\\\\N"), "{dot}");
}

#[test]
fn a_gantt_shows_who_was_at_work_when() {
    let svg = gantt(&run(), at(11));
    assert_sound(&svg);
    assert!(svg.contains("read: completed, 2.0 s"), "{svg}");
    assert!(svg.contains("fallback · match"), "{svg}");
    assert!(svg.contains("pending</text>"), "what has not begun is named");
    assert!(svg.contains("10.0 s") || svg.contains("10 s"), "{svg}");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let definition = large();
    let draw = || Picture::of_definition(&definition).svg();
    assert_eq!(draw(), draw());
    assert_eq!(gantt(&run(), at(9)), gantt(&run(), at(9)));
}

#[test]
fn two_hundred_steps_are_drawn_without_boxes_on_boxes() {
    let svg = Picture::of_definition(&large()).svg();
    assert_sound(&svg);
    let number = |tag: &str, key: &str| -> f64 {
        let (_, rest) = tag.split_once(&format!(" {key}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let boxes: Vec<_> = svg
        .split("<rect ")
        .filter(|tag| tag.contains("rx=\"8\""))
        .map(|tag| (number(&format!(" {tag}"), "x"), number(tag, "y")))
        .collect();
    assert_eq!(boxes.len(), 200);
    for (at, a) in boxes.iter().enumerate() {
        for b in &boxes[at + 1..] {
            let apart = (a.0 - b.0).abs() >= 196.0 || (a.1 - b.1).abs() >= 58.0;
            assert!(apart, "{a:?} and {b:?} overlap");
        }
    }
}

#[test]
fn an_outline_names_each_step_once() {
    let run = run();
    let told: Vec<_> = outline(&run.steps).into_iter().map(|row| row.step).collect();
    assert_eq!(told, [0, 1, 2]);
}
