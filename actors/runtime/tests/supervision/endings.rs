//! Orderly ends: reverse order, shutdown times, kills, and actors that block.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use synod_runtime::{Control, DeadReason, ExitReason, SendError, Shutdown, StopError, Strategy};
use synod_testkit::eventually;

use super::world::{Act, LONG, Order, SHUTDOWN, World, patient};

#[tokio::test(start_paused = true)]
async fn a_tree_stops_from_the_last_leaf_to_the_root() {
    let world = World::new();
    let nest = patient(Strategy::OneForOne)
        .child(world.worker("b1"))
        .child(world.worker("b2"))
        .into_spec("b");
    let root =
        patient(Strategy::OneForOne).child(world.worker("a")).child(nest).child(world.worker("c"));
    let root = world.system.start(root.into_spec("root")).await.unwrap();
    world.log();
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    let log = world.log();
    assert_eq!(log, ["c", "b2", "b1", "a"].map(|name| format!("stop {name} shutdown")));
    assert_eq!(root.ended().await, ExitReason::Shutdown);
    assert_eq!(world.system.ended().await, ExitReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn the_message_in_hand_is_finished_and_the_queue_becomes_dead_letters() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    worker.send(Order::Wait(SHUTDOWN / 2, "finished")).await.unwrap();
    worker.send(Order::Note("too late")).await.unwrap();
    world.now().await;
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert_eq!(world.log(), ["w finished", "stop w shutdown"]);
    assert_eq!(world.system.dead_letters().count(DeadReason::Closed), 1);
    assert_eq!(worker.send(Order::Note("later")).await, Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_child_beyond_its_shutdown_time_is_killed() {
    let world = World::new();
    world.on_stop("b", Act::Hang);
    world.abc(Strategy::OneForOne).await;
    let began = tokio::time::Instant::now();
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert_eq!(began.elapsed().as_secs(), SHUTDOWN.as_secs());
    assert_eq!(world.log(), ["c", "b", "a"].map(|name| format!("stop {name} shutdown")));
}

#[tokio::test(start_paused = true)]
async fn a_brutal_child_has_no_last_word() {
    let world = World::new();
    let spec = world.worker("w").shutdown(Shutdown::Brutal);
    let [_worker] = world.root(Strategy::OneForOne, [spec]).await;
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert!(world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_panics_ends_all_the_same() {
    let world = World::new();
    world.on_stop("b", Act::Panic);
    world.abc(Strategy::OneForOne).await;
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert_eq!(world.log().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_system_that_takes_too_long_is_killed_whole() {
    let world = World::new();
    let [a, b, _] = world.abc(Strategy::OneForOne).await;
    for worker in [a, b] {
        worker.send(Order::Act(Act::Hang)).await.unwrap();
    }
    world.now().await;
    assert_eq!(world.system.stop(Duration::from_secs(1)).await, Err(StopError::Killed));
    assert_eq!(world.system.dead_letters().count(DeadReason::Crash), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_of_a_system_finds_it_stopped() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert!(world.system.spawn(world.worker("late")).is_err());
}

/// Real time: a blocked thread can't be waited for in virtual time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_of_a_blocked_actor_is_bounded_and_it_counts_as_abandoned() {
    let world = World::new();
    let short = Duration::from_millis(20);
    let spec = world.worker("w").shutdown(Shutdown::Within(short));
    let [worker] = world.root(Strategy::OneForOne, [spec]).await;
    let barrier = Arc::new(Barrier::new(2));
    worker.send(Order::Block(Arc::clone(&barrier))).await.unwrap();
    worker.send(Order::Note("behind it")).await.unwrap();
    barrier.wait(); // it is blocked now
    assert_eq!(world.system.stop(LONG).await, Ok(()));
    assert_eq!(world.system.abandoned(), 1);
    barrier.wait();
    let letters = world.system.dead_letters();
    eventually(|| letters.count(DeadReason::Closed) == 1, Duration::from_secs(10)).await;
    assert!(world.log().is_empty(), "an abandoned actor handles nothing more");
}

/// Real time, as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_successor_of_an_abandoned_actor_never_works_beside_it() {
    let world = World::new();
    let spec = world.worker("w").shutdown(Shutdown::Brutal);
    let [worker] = world.root(Strategy::OneForOne, [spec]).await;
    let barrier = Arc::new(Barrier::new(2));
    worker.send(Order::Block(Arc::clone(&barrier))).await.unwrap();
    barrier.wait(); // it is blocked now
    worker.send(Order::Note("behind it")).await.unwrap();
    world.system.control(&"/root/w".into(), Control::Restart).unwrap();
    eventually(|| world.system.abandoned() == 1, Duration::from_secs(60)).await;
    eventually(|| world.log() == ["start w"], Duration::from_secs(60)).await;
    barrier.wait();
    eventually(|| world.log() == ["w behind it"], Duration::from_secs(60)).await;
    assert_eq!(world.system.dead_letters().count(DeadReason::Crash), 0, "it did come to its end");
}
