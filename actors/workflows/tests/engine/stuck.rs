//! Runs whose history can't be read: left alone, visible, and not lost.

use std::time::Duration;

use serde_json::json;
use synod_runtime::Principal;
use synod_workflows::{
    CancelRun, ControlError, ListRuns, RunFilter, RunState, RunSummary, WorkflowsConfig,
};

use crate::stage::{Ground, Stage};

const TIMER: &str = "name: timer\ntimeout_s: 7200\nsteps: [{id: a, wait: {for_s: 60}}]";

async fn listed(stage: &Stage) -> Vec<RunSummary> {
    let list = ListRuns { filter: RunFilter::default(), cursor: None, limit: 10 };
    stage.ask(list).await.unwrap().runs
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_history_is_damaged_is_shown_as_stuck_with_the_reason_and_is_not_lost() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let run = stage.start(TIMER, json!({"text": "x".repeat(200_000)})).await;
    let other = stage.start(TIMER, json!(null)).await;
    stage.stop().await;
    let blobs = ground.disk.paths().into_iter().filter(|path| path.contains("blob"));
    let blobs: Vec<_> = blobs.filter(|path| !ground.disk.contents(path).is_empty()).collect();
    let [blob] = &blobs[..] else { panic!("{blobs:?} of {:?}", ground.disk.paths()) };
    let whole = ground.disk.contents(blob);
    ground.disk.set_contents(blob, &vec![0; whole.len()]);

    let stage = ground.start().await;
    ground.time.pass(Duration::from_secs(120)).await;
    for _ in 0..600 {
        ground.time.pass(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.wait(other).await.summary.state, RunState::Completed);
    let status = stage.wait(run).await;
    assert_eq!(status.summary.state, RunState::Waiting);
    let error = status.error.unwrap();
    assert_eq!(error.kind, "stuck");
    assert!(status.summary.stuck.is_some() && !error.message.is_empty());
    let runs = listed(&stage).await;
    let stuck: Vec<_> = runs.iter().filter(|run| run.stuck.is_some()).map(|r| r.run_id).collect();
    assert_eq!(stuck, [run]);
    let (reason, principal) = (None, Principal::user("ada"));
    let cancel = CancelRun { id: run, compensate: false, reason, principal };
    let refused = stage.ask(cancel).await.unwrap_err();
    assert!(
        matches!(&refused, ControlError::Unavailable { reason } if reason.contains("stuck")),
        "{refused:?}"
    );
    stage.stop().await;

    // Somebody brings the value back: it goes on where it was.
    ground.disk.set_contents(blob, &whole);
    let stage = ground.start().await;
    assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    assert!(listed(&stage).await.iter().all(|run| run.stuck.is_none()));
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed), (2, 2));
}
