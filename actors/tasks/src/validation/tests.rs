//! What is refused before the engine looks at it, and how it is named.

use std::sync::Arc;

use synod_agents::Payload;
use synod_journal::PartitionShare;
use synod_runtime::Principal;

use super::{Asker, check};
use crate::config::TasksConfig;
use crate::error::SubmitError;
use crate::machine::{Entry, Event, TaskRecord};
use crate::messages::{CompetitiveOptions, ConsensusOptions, RetryOptions, TaskSubmissionRequest};
use crate::task::{CapabilityRequirement, Moment, TaskMode, TaskSpec};

const NOW: Moment = Moment { mono: 0, utc: 1_000_000 };

fn checked(request: TaskSubmissionRequest) -> Result<(TaskSpec, Payload), SubmitError> {
    let asker = Asker { principal: Principal::default(), correlation: None };
    check(request, asker, &TasksConfig::default(), NOW)
}

fn refused(request: TaskSubmissionRequest) -> (String, String) {
    match checked(request) {
        Err(SubmitError::Invalid { field, expected, .. }) => (field, expected),
        other => panic!("{other:?}"),
    }
}

fn plain() -> TaskSubmissionRequest {
    TaskSubmissionRequest::new("text.count")
}

#[test]
fn each_wrong_field_is_named_with_what_was_expected() {
    let of = |change: &dyn Fn(&mut TaskSubmissionRequest)| {
        let mut request = plain();
        change(&mut request);
        refused(request).0
    };
    assert_eq!(of(&|r| r.kind = String::new()), "kind");
    assert_eq!(of(&|r| r.kind = "x".repeat(129)), "kind");
    assert_eq!(of(&|r| r.kind = "Not A Capability".to_owned()), "kind");
    assert_eq!(of(&|r| r.tenant = Some("a b".to_owned())), "tenant");
    assert_eq!(of(&|r| r.idempotency_key = Some(String::new())), "idempotency_key");
    assert_eq!(of(&|r| r.timeout_s = Some(0)), "timeout_s");
    assert_eq!(of(&|r| r.timeout_s = Some(u64::MAX)), "timeout_s");
    assert_eq!(of(&|r| r.deadline = "2199-01-01T00:00:00Z".parse().ok()), "deadline");
    assert_eq!(of(&|r| r.budget = Some(-1.0)), "budget");
    assert_eq!(of(&|r| r.agents = vec!["ok".into(), "Not Ok".into()]), "agents[1]");
    assert_eq!(of(&|r| r.agents = vec!["twice".into(), "twice".into()]), "agents");
    assert_eq!(of(&|r| r.capabilities = vec!["a".parse().unwrap(); 2]), "capabilities");
    assert_eq!(of(&|r| drop(r.labels.insert("a b".into(), "v".into()))), "labels.a b");
    assert_eq!(of(&|r| drop(r.labels.insert("a\n".into(), "v".into()))), "labels.a\\n");
    let label = "v".repeat(256);
    assert_eq!(of(&|r| drop(r.labels.insert("env".into(), label.clone()))), "labels.env");
}

#[test]
fn what_was_given_is_told_of_a_retry_policy_too() {
    let retry = RetryOptions { max_attempts: Some(0), ..RetryOptions::default() };
    let refused = checked(TaskSubmissionRequest { retry, ..plain() }).unwrap_err();
    let SubmitError::Invalid { field, expected, got } = refused else { panic!("{refused:?}") };
    assert_eq!((&*field, &*expected, &*got), ("retry.max_attempts", "1 to 1000", "0"));
}

#[test]
fn a_task_too_large_for_a_record_is_refused_whichever_field_is_the_large_one() {
    let version = format!("1.0.0-{}", "a".repeat(1 << 20)).parse().ok();
    let required = CapabilityRequirement { name: "x".into(), min_version: version };
    assert_eq!(refused(plain().capability(required)).0, "task");
    let asker = Asker { principal: Principal::user("a".repeat(1 << 20)), correlation: None };
    let refused = check(plain(), asker, &TasksConfig::default(), NOW).unwrap_err();
    assert!(matches!(&refused, SubmitError::Invalid { field, .. } if field == "task"));
}

#[test]
fn the_weight_of_a_task_is_no_less_than_its_record_takes() {
    let mut request = plain().idempotency_key("k".repeat(255)).tenant("t".repeat(64));
    request.agents = (0..64).map(|number| format!("agent-{number:058}")).collect();
    request.capabilities = (0..16)
        .map(|number| format!("c{number}@1.0.0-{}", "a".repeat(58)).parse().unwrap())
        .collect();
    for number in 0..32 {
        request.labels.insert(format!("label-{number}"), "v".repeat(255));
    }
    request.mode = TaskMode::Parallel;
    let (spec, input) = checked(request).unwrap();
    let event = Event::Accepted { spec: Arc::new(spec), input: input.into() };
    let weight = event.weight();
    let entries = vec![Entry { at: NOW.utc, event }];
    let record =
        TaskRecord { task: crate::task::mint_in(PartitionShare::WHOLE, NOW.utc, 7), entries };
    let bytes = crate::records::encode(&record).unwrap().bytes.len();
    assert!(bytes <= weight && weight < 2 * bytes, "{bytes} bytes, weight {weight}");
}

#[test]
fn a_label_with_control_characters_is_refused() {
    assert_eq!(refused(plain().label("env", "a\nb")).0, "labels.env");
}

#[test]
fn options_of_another_mode_are_refused_because_they_would_be_ignored() {
    let consensus = Some(ConsensusOptions::default());
    assert_eq!(refused(TaskSubmissionRequest { consensus, ..plain() }).0, "consensus");
    let competitive = Some(CompetitiveOptions { racers: 0 });
    assert_eq!(refused(TaskSubmissionRequest { competitive, ..plain() }).0, "competitive");
    let race = TaskSubmissionRequest { competitive, ..plain().mode(TaskMode::Competitive) };
    assert_eq!(refused(race), ("competitive.racers".into(), "1 to 64".into()));
    assert_eq!(
        refused(TaskSubmissionRequest { allow_partial: true, ..plain() }).0,
        "allow_partial"
    );
}

#[test]
fn the_kind_is_the_required_capability_where_nothing_else_is_asked_for() {
    let (spec, _) = checked(plain()).unwrap();
    assert_eq!(spec.require.capabilities[0].name, "text.count");
    let (spec, _) = checked(plain().agent("a")).unwrap();
    assert!(spec.require.capabilities.is_empty());
    let mut free = plain().agent("a");
    free.kind = "Anything Goes".replace(' ', "/");
    assert!(checked(free).is_ok());
}

#[test]
fn the_earlier_of_timeout_and_deadline_holds_and_the_default_only_without_both() {
    let deadline = |timeout_s, deadline: Option<&str>| {
        let deadline = deadline.map(|text| text.parse().unwrap());
        checked(TaskSubmissionRequest { timeout_s, deadline, ..plain() }).unwrap().0.deadline
    };
    assert_eq!(deadline(None, None), 301_000_000);
    assert_eq!(deadline(Some(5), None), 6_000_000);
    assert_eq!(deadline(None, Some("1970-01-01T01:00:00Z")), 3_600_000_000);
    assert_eq!(deadline(Some(5), Some("1970-01-01T01:00:00Z")), 6_000_000);
}

#[test]
fn json_is_kept_as_it_was_written_and_text_is_taken_out_of_its_string() {
    let read = |json: &str| serde_json::from_str::<TaskSubmissionRequest>(json).unwrap();
    let (_, input) = checked(read(r#"{"kind": "a", "payload": {"n": 1.0}}"#)).unwrap();
    assert_eq!(input, Payload::new("application/json", r#"{"n": 1.0}"#));
    let text = r#"{"kind": "a", "content_type": "text/plain", "payload": "two\nlines"}"#;
    assert_eq!(checked(read(text)).unwrap().1, Payload::new("text/plain", "two\nlines"));
    let wrong = r#"{"kind": "a", "content_type": "text/plain", "payload": 7}"#;
    assert_eq!(refused(read(wrong)).0, "payload");
    let image = r#"{"kind": "a", "content_type": "image/png", "payload": 7}"#;
    assert_eq!(refused(read(image)).0, "content_type");
    assert_eq!(checked(plain()).unwrap().1, Payload::empty());
}

#[test]
fn a_payload_that_no_agent_could_read_is_refused_with_the_reason() {
    let with = |payload: &str| {
        let request = format!(r#"{{"kind": "a", "payload": {payload}}}"#);
        checked(serde_json::from_str(&request).unwrap())
    };
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for payload in [r#""\ud800""#, r#"{"\udfff": 1}"#, r#"["\ud800\u0041"]"#] {
        let refused = with(payload).unwrap_err();
        assert!(matches!(refused, SubmitError::MalformedPayload { .. }), "{payload}: {refused:?}");
    }
    let bad = ["1e999".to_owned(), "[-1e999]".to_owned(), nested(129), nested(100_000)];
    for payload in bad {
        let refused = with(&payload).unwrap_err();
        let SubmitError::Invalid { field, expected, got } = refused else { panic!("{refused:?}") };
        assert_eq!(field, "payload");
        assert!(expected.contains("JSON") && got.contains("column"), "{expected}: {got}");
    }
    let good =
        [r#""\ud83d\ude00""#, r#"[1e308, -0.5, 12345678901234567890123, null, {"a": [true]}]"#];
    for payload in good {
        assert_eq!(with(payload).unwrap().1.bytes, payload.as_bytes());
    }
    assert!(with(&nested(100)).is_ok());
}

#[test]
fn an_input_over_the_limit_is_refused_with_its_size() {
    let request = plain().payload(&"x".repeat(1 << 20)).unwrap();
    let refused = checked(request).unwrap_err();
    assert_eq!(refused, SubmitError::PayloadTooLarge { bytes: (1 << 20) + 2, limit: 1 << 20 });
}
