//! Restarts, power cuts and crashes of the engine's actor.

use std::time::Duration;

use synod_runtime::{ActorPath, Control};
use synod_tasks::{SubmitError, TaskState, TasksConfig};

use crate::stage::{Ground, request, result};

#[tokio::test(start_paused = true)]
async fn everything_is_still_there_after_a_stop_and_what_ran_is_not_counted_as_lost() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let done = stage.accept(request("x").idempotency_key("k")).await;
    agent.succeed("1").await;
    stage.wait(done).await.unwrap();
    let running = stage.accept(request("x")).await;
    let queued = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    stage.stop().await;
    drop(execution);

    let stage = ground.start().await;
    assert_eq!(result(&stage.get(done).await.unwrap()), "1");
    let agent = stage.agent("a", "x", 1).await;
    for _ in 0..2 {
        agent.succeed("2").await;
    }
    for task in [running, queued] {
        assert_eq!(stage.wait(task).await.unwrap().lost, 0);
    }
    assert!(stage.submit(request("x").idempotency_key("k")).await.unwrap().duplicate);
    let ledger = stage.stats().await.ledger;
    assert_eq!((ledger.accepted, ledger.completed, ledger.open), (3, 3, 0));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_every_acknowledged_task_ends_exactly_once() {
    let ground = Ground::new(TasksConfig::default());
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let stage = ground.start().await;
        let agent = stage.agent("a", "x", 3).await;
        for _ in 0..5 {
            acknowledged.push(stage.accept(request("x")).await);
        }
        for _ in 0..round {
            agent.succeed("1").await;
        }
        stage.cut(&ground).await;
    }
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 3).await;
    loop {
        let open = stage.stats().await.ledger.open;
        if open == 0 {
            break;
        }
        agent.succeed("1").await;
        ground.time.pass(Duration::from_millis(1)).await;
    }
    for task in &acknowledged {
        assert!(stage.state(*task).await.has_ended());
    }
    let ledger = stage.stats().await.ledger;
    assert_eq!(ledger.accepted, acknowledged.len() as u64);
    assert!(ledger.balanced);
}

#[tokio::test(start_paused = true)]
async fn what_ran_when_the_power_was_cut_counts_as_lost_and_is_done_again() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    stage.cut(&ground).await;
    drop(execution);
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let assignment = agent.succeed("1").await;
    assert_eq!((assignment.work.task, assignment.work.attempt), (task, 2));
    assert_eq!(stage.wait(task).await.unwrap().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn the_engines_actor_restarts_with_its_state_and_hears_each_change_of_agents_once() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let execution = agent.execution().await;
    for _ in 0..3 {
        stage.system.control(&ActorPath::new("/node/tasks"), Control::Restart).unwrap();
        ground.time.pass(Duration::from_secs(1)).await;
    }
    // The answer to the old execution arrives at the new incarnation, which does not take it.
    execution.answer(Ok(crate::stage::output("\"old\"")));
    loop {
        let (perform, reply) = match agent.told().await {
            synod_agents::AgentMessage::Perform(request) => request.into_parts(),
            _ => continue,
        };
        reply.send(Ok(crate::stage::output("\"new\"")));
        if perform.assignment.work.attempt == 4 {
            break;
        }
    }
    assert_eq!(result(&stage.wait(task).await.unwrap()), "\"new\"");
    let other = stage.agent("b", "y", 1).await;
    let next = stage.accept(request("y")).await;
    other.succeed("1").await;
    other.is_idle().await;
    assert_eq!(stage.wait(next).await.unwrap().state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_key_holds_over_a_power_cut() {
    let ground = Ground::new(TasksConfig::default());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x").idempotency_key("k")).await;
    stage.cut(&ground).await;
    drop(agent);
    let stage = ground.start().await;
    let again = stage.submit(request("x").idempotency_key("k")).await;
    assert_eq!(again, Err(SubmitError::InFlight { existing: task }));
    let other = stage.submit(request("x").idempotency_key("k").label("a", "b")).await;
    assert_eq!(other, Err(SubmitError::IdempotencyConflict { existing: task }));
}
