//! Disks that are full or fail.

use std::time::Duration;

use synod_tasks::{CapabilityRequirement, EnginePhase, SubmitError, TaskState, TasksConfig};

use crate::stage::{Ground, request, result};

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_acceptance_keeps_what_is_stored_readable_and_ends_with_the_shortage() {
    let ground = Ground::new(TasksConfig { inline_bytes: 1 << 20, ..TasksConfig::default() });
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let stored = stage.accept(request("x")).await;
    agent.succeed("1").await;
    stage.wait(stored).await.unwrap();

    ground.disk.set_free_bytes(0);
    let large = || request("x").payload(&"y".repeat(200_000)).unwrap();
    let mut refused = None;
    for _ in 0..30 {
        match stage.submit(large()).await {
            Ok(_) => {}
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.expect("a segment is full in the end");
    assert!(matches!(refused, SubmitError::Unavailable { .. }), "{refused:?}");
    let health = stage.health().await;
    assert_eq!((health.phase, health.accepting), (EnginePhase::Refusing, false));
    assert!(health.reason.unwrap().contains("disk full"));
    assert_eq!(result(&stage.get(stored).await.unwrap()), "1");
    let before = stage.stats().await.ledger;
    assert!(before.balanced);

    ground.disk.set_free_bytes(1 << 40);
    ground.time.pass(Duration::from_secs(10)).await;
    assert_eq!(stage.health().await.phase, EnginePhase::Running);
    let after = stage.accept(request("x")).await;
    assert_eq!(stage.stats().await.ledger.accepted, before.accepted + 1);
    loop {
        if stage.state(after).await == TaskState::Completed {
            break;
        }
        let synod_agents::AgentMessage::Perform(execution) = agent.told().await else { continue };
        execution.answer(Ok(crate::stage::output("2")));
        ground.time.pass(Duration::from_millis(10)).await;
    }
    assert_eq!(stage.stats().await.ledger.open, 0, "all that was accepted is done");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_submission_names_no_task_that_was_not_stored() {
    let ground = Ground::new(TasksConfig { inline_bytes: 1 << 20, ..TasksConfig::default() });
    let stage = ground.start().await;
    let _agent = stage.agent("a", "x", 1).await;
    ground.disk.set_free_bytes(0);
    for number in 0..30 {
        let large = || request("x").payload(&"y".repeat(200_000)).unwrap();
        let keyed = || large().idempotency_key(format!("key-{number}"));
        let (first, second) = tokio::join!(stage.submit(keyed()), stage.submit(keyed()));
        match (first, second) {
            (Ok(_), Err(SubmitError::InFlight { .. })) => {}
            (Err(SubmitError::Unavailable { .. }), Err(SubmitError::Unavailable { .. })) => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("a segment is full in the end");
}

#[tokio::test(start_paused = true)]
async fn a_record_over_the_journals_limit_is_refused_alone_and_the_engine_goes_on() {
    let ground = Ground::new(TasksConfig { inline_bytes: 1 << 20, ..TasksConfig::default() });
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    for _ in 0..3 {
        let large = request("x").payload(&"y".repeat(900 << 10)).unwrap();
        let SubmitError::Unavailable { reason } = stage.submit(large).await.unwrap_err() else {
            panic!("it is refused");
        };
        assert!(reason.contains("can't be stored"), "{reason}");
        assert_eq!(stage.health().await.phase, EnginePhase::Running);
        let task = stage.accept(request("x")).await;
        agent.succeed("1").await;
        assert_eq!(stage.wait(task).await.unwrap().state, TaskState::Completed);
        ground.time.pass(Duration::from_secs(2)).await;
    }
    let version = format!("1.0.0-{}", "a".repeat(1 << 20)).parse().ok();
    let required = CapabilityRequirement { name: "x".into(), min_version: version };
    for _ in 0..100 {
        let refused = stage.submit(request("x").capability(required.clone())).await;
        assert!(matches!(refused, Err(SubmitError::Invalid { .. })), "{refused:?}");
        assert_eq!(stage.health().await.phase, EnginePhase::Running);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_is_no_acknowledgement_and_nothing_is_dispatched() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let stored = stage.accept(request("x")).await;
    agent.succeed("1").await;
    stage.wait(stored).await.unwrap();

    ground.disk.fail_sync(1);
    let refused = stage.submit(request("x").idempotency_key("k")).await.unwrap_err();
    let SubmitError::Unavailable { reason } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("unknown"), "{reason}");
    agent.is_idle().await;
    assert_eq!(result(&stage.get(stored).await.unwrap()), "1");
    // The log takes nothing more before a restart, and the engine says so.
    ground.time.pass(Duration::from_secs(10)).await;
    let refused = stage.submit(request("x")).await;
    assert!(matches!(refused, Err(SubmitError::Unavailable { .. })), "{refused:?}");
    assert_eq!(stage.health().await.phase, EnginePhase::Refusing);
    stage.cut(&ground).await;

    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    assert_eq!(stage.state(stored).await, TaskState::Completed);
    // Whether the one with the unknown outcome is there or not, its key makes it one task.
    let task = match stage.submit(request("x").idempotency_key("k")).await {
        Ok(accepted) => accepted.task_id,
        Err(SubmitError::InFlight { existing }) => existing,
        Err(other) => panic!("{other:?}"),
    };
    agent.succeed("2").await;
    assert_eq!(stage.wait(task).await.unwrap().state, TaskState::Completed);
    assert_eq!(stage.stats().await.ledger.accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_could_not_be_stored_is_not_told_and_the_work_is_done_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    let tasks = stage.tasks.clone();
    let waiting = tokio::spawn(async move {
        tasks.ask(synod_tasks::WaitTask { id: task }, Duration::from_secs(5)).await
    });
    ground.time.pass(Duration::from_millis(10)).await;
    ground.disk.fail_sync(1);
    execution.answer(Ok(crate::stage::output("1")));
    assert!(waiting.await.unwrap().is_err(), "nobody is told of what may not be so");
    stage.cut(&ground).await;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    if !stage.state(task).await.has_ended() {
        agent.succeed("1").await;
    }
    assert_eq!(result(&stage.wait(task).await.unwrap()), "1");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_a_moment_costs_no_acknowledged_task() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 4).await;
    let mut acknowledged = Vec::new();
    for round in 0..40 {
        if round % 8 == 7 {
            ground.disk.fail_write(1);
        }
        if let Ok(accepted) = stage.submit(request("x")).await {
            acknowledged.push(accepted.task_id);
        }
        ground.time.pass(Duration::from_millis(700)).await;
    }
    ground.time.pass(Duration::from_secs(5)).await;
    assert!(acknowledged.len() >= 20, "{}", acknowledged.len());
    while stage.stats().await.ledger.open > 0 {
        if let synod_agents::AgentMessage::Perform(execution) = agent.told().await {
            execution.answer(Ok(crate::stage::output("1")));
        }
        ground.time.pass(Duration::from_millis(10)).await;
    }
    for task in acknowledged {
        assert!(stage.state(task).await.has_ended());
    }
    assert!(stage.stats().await.ledger.balanced);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_takes_little_at_a_time_takes_all_that_is_gathered_at_once() {
    let mut ground = Ground::new(TasksConfig { max_collected_bytes: 2 << 10, ..small_inputs() });
    ground.journal.max_append_records = 3;
    ground.journal.max_record_bytes = 4 << 10;
    ground.journal.max_group_bytes = 8 << 10;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 100).await;
    let text = "p".repeat(1_000);
    let submitted = (0..100).map(|_| stage.submit(request("x").payload(&text).unwrap()));
    for accepted in futures::future::join_all(submitted).await {
        accepted.unwrap();
    }
    for _ in 0..100 {
        agent.succeed(&format!("\"{text}\"")).await;
    }
    ground.time.pass(Duration::from_secs(1)).await;
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed, ledger.balanced), (100, 100, true));
}

fn small_inputs() -> TasksConfig {
    TasksConfig { inline_bytes: 2 << 10, max_agent_state_bytes: 1 << 10, ..Default::default() }
}
