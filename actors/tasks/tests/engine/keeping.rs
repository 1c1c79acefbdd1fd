//! Snapshots, and a log that stays short.

use std::time::Duration;

use synod_journal::Health;
use synod_tasks::{TaskState, TasksConfig};

use crate::stage::{Ground, PATIENCE, request};

#[tokio::test(start_paused = true)]
async fn the_log_stays_short_and_the_counters_and_kept_tasks_survive() {
    let config = TasksConfig { snapshot_records: 1_000, keep_ended: 100, ..Default::default() };
    let mut ground = Ground::new(config);
    ground.journal.segment_bytes = 128 << 10;
    ground.journal.max_group_bytes = 64 << 10;
    ground.journal.max_record_bytes = 32 << 10;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let mut last = None;
    for round in 0..4_000 {
        let task = stage.accept(request("x").payload(&"p".repeat(100)).unwrap()).await;
        agent.succeed("1").await;
        stage.wait(task).await.unwrap();
        last = Some(task);
        if round % 500 == 0 {
            // Snapshots are encoded on a thread of the machine.
            tokio::task::yield_now().await;
            ground.time.pass(Duration::from_millis(100)).await;
        }
    }
    let health = stage.journal.ask(Health {}, PATIENCE).await.unwrap();
    assert!(health.first.0 > 1_000, "{health:?}");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let stats = stage.stats().await;
    assert_eq!((stats.ledger.completed, stats.ledger.open), (4_000, 0));
    assert!((100..=110).contains(&stats.kept), "{}", stats.kept);
    assert_eq!(stage.state(last.unwrap()).await, TaskState::Completed);
}
