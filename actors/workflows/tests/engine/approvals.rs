//! Approvals: asked for, decided, refused, over restarts.

use std::time::Duration;

use serde_json::json;
use synod_runtime::Principal;
use synod_workflows::{
    ApprovalResponse, ApprovalState, Decide, DecideError, ListApprovals, RunState, ShowApproval,
    Verdict, WorkflowsConfig,
};

use crate::stage::{Ground, Stage};

const GATE: &str = r#"
name: gate
timeout_s: 86400
steps:
  - id: ask
    approval:
      ask: "Deploy ${inputs.what}?"
      payload: {size: 3}
      editable: true
      people: [ada, bob]
      deadline_s: 3600
  - {id: go, transform: "${outputs.ask}", depends_on: [ask]}
"#;

async fn open(stage: &Stage) -> Vec<ApprovalResponse> {
    let list = ListApprovals { limit: 10, ..ListApprovals::default() };
    stage.ask(list).await.unwrap().approvals
}

async fn decide(
    stage: &Stage,
    id: &str,
    verdict: Verdict,
    who: &str,
) -> Result<ApprovalResponse, DecideError> {
    let principal = Principal::user(who);
    let reason = Some("looks right".to_owned());
    let payload = (verdict == Verdict::Approve).then(|| json!({"size": 4}));
    stage.ask(Decide { id: id.to_owned(), verdict, payload, reason, role: None, principal }).await
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_decided_after_a_power_cut_and_only_once_by_who_may() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let run = stage.start(GATE, json!({"what": "v2"})).await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(stage.stats().await.open_approvals, 1);
    let asked = open(&stage).await.remove(0);
    assert_eq!((asked.question.as_str(), asked.step.as_str()), ("Deploy v2?", "ask"));
    assert_eq!((asked.state, asked.run_id), (ApprovalState::Open, run));
    assert_eq!(asked.deciders, ["ada", "bob"]);
    let error = decide(&stage, &asked.id, Verdict::Approve, "eve").await.unwrap_err();
    assert!(matches!(error, DecideError::NotAllowed { .. }), "{error}");
    let decided = decide(&stage, &asked.id, Verdict::Approve, "bob").await.unwrap();
    assert_eq!(decided.state, ApprovalState::Approved);
    assert_eq!(decided.decided_payload, Some(json!({"size": 4})));
    assert_eq!(decided.decisions[0].by, "user:bob");
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Completed);
    let error = decide(&stage, &asked.id, Verdict::Reject, "ada").await.unwrap_err();
    assert_eq!(error, DecideError::AlreadyDecided { state: "approved".to_owned() });
    assert!(open(&stage).await.is_empty());
    let shown = stage.ask(ShowApproval { id: asked.id.clone() }).await.unwrap();
    assert_eq!(shown, decided);
    assert_eq!(stage.ask(ShowApproval { id: "nonsense".to_owned() }).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_step_and_a_deadline_that_passes_expires_it() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let run = stage.start(GATE, json!({"what": "v2"})).await;
    let id = open(&stage).await.remove(0).id;
    let decided = decide(&stage, &id, Verdict::Reject, "ada").await.unwrap();
    assert_eq!(decided.state, ApprovalState::Rejected);
    assert_eq!(stage.wait(run).await.error.unwrap().kind, "approval_rejected");
    let run = stage.start(GATE, json!({"what": "v3"})).await;
    let id = open(&stage).await.remove(0).id;
    ground.time.pass(Duration::from_secs(4_000)).await;
    assert_eq!(stage.wait(run).await.error.unwrap().kind, "approval_expired");
    let error = decide(&stage, &id, Verdict::Approve, "ada").await.unwrap_err();
    assert_eq!(error, DecideError::AlreadyDecided { state: "expired".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_is_listed_apart_the_last_asked_first() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let mut asked = Vec::new();
    for what in ["v1", "v2", "v3"] {
        let run = stage.start(GATE, json!({"what": what})).await;
        asked.push((run, open(&stage).await.pop().unwrap().id));
        ground.time.pass(Duration::from_secs(1)).await;
    }
    for (run, id) in &asked[..2] {
        decide(&stage, id, Verdict::Approve, "ada").await.unwrap();
        stage.wait(*run).await;
    }
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let mut list = ListApprovals { decided: true, limit: 1, ..ListApprovals::default() };
    let first = stage.ask(list.clone()).await.unwrap();
    assert_eq!(first.approvals[0].id, asked[1].1);
    list.cursor = first.next;
    let second = stage.ask(list.clone()).await.unwrap();
    assert_eq!((&second.approvals[0].id, second.next), (&asked[0].1, None));
    assert_eq!(second.approvals[0].state, ApprovalState::Approved);
    list = ListApprovals { run: Some(asked[1].0), cursor: None, limit: 10, ..list };
    assert_eq!(stage.ask(list).await.unwrap().approvals.len(), 1);
    assert_eq!(open(&stage).await[0].id, asked[2].1);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_large_approvals_ends_early_and_the_next_goes_on_behind_it() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let text = r#"{"name": "large", "steps": [
        {"id": "ask", "approval": {"ask": "Is it?", "payload": "${inputs}"}}]}"#;
    let large = json!("x".repeat(900_000));
    for _ in 0..12 {
        stage.start(text, large.clone()).await;
    }
    let mut list = ListApprovals { limit: 1_000, ..ListApprovals::default() };
    let first = stage.ask(list.clone()).await.unwrap();
    assert!((2..12).contains(&first.approvals.len()), "{}", first.approvals.len());
    assert_eq!(first.next, first.approvals.last().map(|last| last.id.clone()));
    list.cursor = first.next;
    let second = stage.ask(list).await.unwrap();
    assert_eq!((first.approvals.len() + second.approvals.len(), second.next), (12, None));
}
