//! Snapshots, packs, retention: the log stays short and histories stay readable.

use std::time::Duration;

use serde_json::json;
use synod_workflows::{GetRun, RunState, WorkflowsConfig};

use crate::stage::{Ground, linear};

#[tokio::test(start_paused = true)]
async fn histories_are_read_from_packs_and_the_log_is_cut() {
    let config = WorkflowsConfig {
        snapshot_records: 1_000,
        snapshot_bytes: 1 << 20,
        ..WorkflowsConfig::default()
    };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    let waits = "name: waits\nsteps: [{id: a, await: {topic: go}}]\ntimeout_s: 86400";
    let early = stage.start(waits, json!("early")).await;
    let big = json!({"text": "y".repeat(5_000), "blob": "z".repeat(70_000)});
    let mut runs = vec![stage.start(&linear(3), big.clone()).await];
    for n in 1..400 {
        runs.push(stage.start(&linear(3), json!(format!("{n} {}", "x".repeat(4_000)))).await);
    }
    for run in &runs {
        assert_eq!(stage.wait(*run).await.summary.state, RunState::Completed);
    }
    // The task engine stores nothing of steps; what it has in the log is let go of all the same.
    for _ in 0..3 {
        ground.time.pass(Duration::from_secs(700)).await;
        let run = stage.start(&linear(1), json!(1)).await;
        stage.wait(run).await;
    }
    let journal = stage.journal().await;
    assert!(journal.first.0 > 1 && journal.segments <= 3, "the log was not cut: {journal:?}");
    assert!(stage.stats().await.history_bytes < 2 << 20);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let status = stage.get(runs[0]).await;
    assert_eq!(status.input, big);
    assert_eq!(status.outputs, Some(json!({"s2": big})));
    let send = synod_workflows::SendMessage {
        topic: "go".to_owned(),
        payload: json!(1),
        run: None,
        idempotency_key: None,
        principal: synod_runtime::Principal::user("ada"),
    };
    assert_eq!(stage.ask(send).await.unwrap().taken, 1);
    assert_eq!(stage.wait(early).await.outputs, Some(json!({"a": 1})));
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed, ledger.balanced), (404, 404, true));
}

#[tokio::test(start_paused = true)]
async fn ended_runs_above_the_number_are_forgotten_and_the_ledger_still_counts_them() {
    let config = WorkflowsConfig { keep_ended: 10, ..WorkflowsConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    let mut runs = Vec::new();
    for n in 0..50 {
        let run = stage.start(&linear(1), json!(n)).await;
        stage.wait(run).await;
        ground.time.pass(Duration::from_millis(1)).await;
        runs.push(run);
    }
    assert_eq!(stage.ask(GetRun { id: runs[0] }).await, None);
    assert!(stage.ask(GetRun { id: runs[49] }).await.is_some());
    let stats = stage.stats().await;
    assert!((10..=12).contains(&stats.kept), "{}", stats.kept);
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(stage.ask(GetRun { id: runs[0] }).await, None);
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed, ledger.balanced), (50, 50, true));
}

/// Bytes of the blobs of runs on the disk.
fn blob_bytes(ground: &Ground) -> usize {
    let paths = ground.disk.paths();
    let blobs = paths.iter().filter(|path| path.starts_with("blobs/workflows/"));
    blobs.map(|path| ground.disk.contents(path).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn packs_of_forgotten_runs_are_written_anew_with_what_is_kept() {
    let config = WorkflowsConfig {
        snapshot_records: 1_000,
        snapshot_bytes: 1 << 20,
        keep_ended: 1,
        ..WorkflowsConfig::default()
    };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    stage.echo("x").await;
    let waits = "name: waits\nsteps: [{id: a, await: {topic: go}}]\ntimeout_s: 8640000";
    let text = |n: usize| json!(format!("{n} {}", "x".repeat(4_000)));
    let mut kept = Vec::new();
    let mut most = 0;
    for n in 0..1_600 {
        // One of eighty is kept, so that every pack has some of them.
        if n % 80 == 0 {
            kept.push((stage.start(waits, text(n)).await, text(n)));
        }
        let run = stage.start(&linear(1), text(n)).await;
        stage.wait(run).await;
        ground.time.pass(Duration::from_millis(1)).await;
        most = most.max(blob_bytes(&ground));
    }
    for _ in 0..3 {
        ground.time.pass(Duration::from_secs(700)).await;
        let run = stage.start(&linear(1), json!(1)).await;
        stage.wait(run).await;
    }
    let bytes = blob_bytes(&ground);
    let needed = kept.len() * 4_300;
    assert!(bytes <= 3 * needed, "{bytes} bytes for {needed} that are needed");
    assert!(most <= 6 << 20, "{most} bytes in between");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    for (run, input) in kept {
        assert_eq!(stage.get(run).await.input, input);
    }
}
