//! Many runs at once, and power cuts in the middle of them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use synod_workflows::{RunOptions, RunState, WorkflowsConfig};

use crate::stage::{Ground, linear};

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_end_right_although_the_power_is_cut_again_and_again() {
    let ground = Ground::new(WorkflowsConfig::default());
    let mut acknowledged = BTreeSet::new();
    for round in 0..10_u64 {
        let stage = ground.start().await;
        stage.agent("x", |_, input| Ok(json!(input.as_u64().unwrap_or(0) + 1))).await;
        let text = linear(3);
        let starts = (0..100).map(|n| stage.try_start(&text, json!(n), RunOptions::default()));
        let accepted = join_all(starts).await;
        acknowledged.extend(accepted.into_iter().flatten().map(|accepted| accepted.run_id));
        ground.time.pass(Duration::from_micros(300 * round)).await;
        stage.cut(&ground).await;
    }
    let stage = ground.start().await;
    stage.agent("x", |_, input| Ok(json!(input.as_u64().unwrap_or(0) + 1))).await;
    assert_eq!(acknowledged.len(), 1_000);
    for run in &acknowledged {
        let status = stage.wait(*run).await;
        assert_eq!(status.summary.state, RunState::Completed, "{:?}", status.error);
        let expected = status.input.as_u64().unwrap() + 3;
        assert_eq!(status.outputs, Some(json!({"s2": expected})));
    }
    let stats = stage.stats().await;
    assert!(stats.ledger.balanced);
    assert_eq!((stats.ledger.accepted, stats.ledger.open), (1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_runs_hold_no_actor_and_wake_together() {
    let ground = Ground::new(WorkflowsConfig::default());
    let stage = ground.start().await;
    let text = "name: waits\ntimeout_s: 7200\nsteps: [{id: a, wait: {for_s: 3600}}]";
    let starts = (0..2_000).map(|n| stage.start(text, json!(n)));
    let runs = join_all(starts).await;
    ground.time.pass(Duration::from_secs(10)).await;
    let stats = stage.stats().await;
    assert_eq!((stats.active, stats.parked), (0, 2_000));
    for run in runs {
        assert_eq!(stage.wait(run).await.summary.state, RunState::Completed);
    }
}
