//! Strategies that restart more than the one that failed, with real actors.

use synod_runtime::{Restart, Strategy};

use super::world::{Act, BACKOFF, Order, SHUTDOWN, World};

#[tokio::test(start_paused = true)]
async fn one_for_all_stops_in_reverse_order_and_starts_in_order() {
    let world = World::new();
    let [_, b, _] = world.abc(Strategy::OneForAll).await;
    b.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.now().await, ["stop c shutdown", "stop a shutdown"]);
    assert_eq!(world.after(BACKOFF).await, ["start a", "start b", "start c"]);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_leaves_older_siblings_alone() {
    let world = World::new();
    let [_, b, _] = world.abc(Strategy::RestForOne).await;
    b.send(Order::Act(Act::Fail)).await.unwrap();
    let log = world.after(BACKOFF * 2).await;
    assert_eq!(log, ["stop b error: on purpose", "stop c shutdown", "start b", "start c"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_a_sibling_that_is_busy() {
    let world = World::new();
    let [a, b, _] = world.abc(Strategy::OneForAll).await;
    a.send(Order::Wait(SHUTDOWN / 2, "finished")).await.unwrap();
    b.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.now().await, ["stop c shutdown"]);
    let log = world.after(SHUTDOWN).await;
    assert_eq!(log, ["a finished", "stop a shutdown", "start a", "start b", "start c"]);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_hangs_is_killed_and_its_message_is_a_dead_letter() {
    let world = World::new();
    let [a, b, _] = world.abc(Strategy::OneForAll).await;
    a.send(Order::Act(Act::Hang)).await.unwrap();
    world.now().await;
    b.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.after(SHUTDOWN / 2).await, ["stop c shutdown"]);
    assert_eq!(world.after(SHUTDOWN).await, ["start a", "start b", "start c"]);
    assert_eq!(world.system.dead_letters().total(), 2, "the panic's and the killed one's");
}

#[tokio::test(start_paused = true)]
async fn siblings_that_fail_together_cause_one_restart() {
    let world = World::new();
    let [a, b, c] = world.abc(Strategy::OneForAll).await;
    for worker in [&a, &b, &c] {
        worker.send(Order::Act(Act::Panic)).await.unwrap();
    }
    assert_eq!(world.after(BACKOFF * 3).await, ["start a", "start b", "start c"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_while_its_group_starts_begins_again() {
    let world = World::new();
    let [_, b, _] = world.abc(Strategy::OneForAll).await;
    world.on_start("c", &[Act::Fail]);
    b.send(Order::Act(Act::Panic)).await.unwrap();
    let log = world.after(BACKOFF * 5).await;
    assert_eq!(
        log,
        [
            "stop c shutdown",
            "stop a shutdown",
            "start a",
            "start b",
            "fail c",
            "stop b shutdown",
            "stop a shutdown",
            "start a",
            "start b",
            "start c",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_transient_child_that_is_done_is_deaf_until_its_group_starts_again() {
    let world = World::new();
    let migrate = world.worker("migrate").restart(Restart::Transient);
    let [migrate, serve] = world.root(Strategy::OneForAll, [migrate, world.worker("serve")]).await;
    migrate.send(Order::Finish).await.unwrap();
    assert_eq!(world.now().await, ["stop migrate normal"]);
    assert!(migrate.is_closed());
    serve.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.after(BACKOFF * 2).await, ["start migrate", "start serve"]);
    migrate.send(Order::Note("again")).await.unwrap();
    assert_eq!(world.now().await, ["migrate again"]);
}
