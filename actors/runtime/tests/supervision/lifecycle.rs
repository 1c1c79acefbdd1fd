//! What becomes of actors is told as it happens.

use std::time::Duration;

use synod_runtime::{
    Control, LifecycleEvent, LifecycleFeed, Restart, Strategy, Supervisor, SupervisorSpec,
};

use super::world::{Act, BACKOFF, LONG, Order, World, patient};

/// `/root/a started 0`: an event in a word or two.
fn line(event: &LifecycleEvent) -> String {
    use synod_runtime::LifecycleChange::{
        Ended, Failed, GaveUp, Paused, Restarted, Resumed, Started, Stopped,
    };
    let what = match &event.change {
        Started => "started".to_owned(),
        Restarted { reason: Some(reason) } => format!("restarted after {reason}"),
        Restarted { reason: None } => "restarted".to_owned(),
        Stopped { reason } => format!("stopped: {reason}"),
        Failed { reason } => format!("failed: {reason}"),
        GaveUp { reason } => format!("gave up: {reason}"),
        Paused => "paused".to_owned(),
        Resumed => "resumed".to_owned(),
        Ended => "ended".to_owned(),
    };
    format!("{} {what} {}", event.path, event.restarts)
}

fn told(feed: &LifecycleFeed) -> Vec<String> {
    let heard = feed.take();
    assert_eq!(heard.missed, 0);
    heard.events.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_crash_and_the_restart_after_it_are_told_with_the_reason() {
    let world = World::new();
    let feed = world.system.subscribe_lifecycle(64);
    let [a] = world.root(Strategy::OneForOne, [world.worker("a")]).await;
    assert_eq!(told(&feed), ["/root/a started 0", "/root started 0"]);
    a.send(Order::Act(Act::Fail)).await.unwrap();
    world.after(BACKOFF * 2).await;
    let expected =
        ["/root/a failed: error: on purpose 0", "/root/a restarted after error: on purpose 1"];
    assert_eq!(told(&feed), expected);
}

#[tokio::test(start_paused = true)]
async fn a_restart_at_once_is_told_as_one_and_not_as_a_start() {
    let world = World::new();
    let feed = world.system.subscribe_lifecycle(64);
    let spec = world.worker("a").backoff(synod_runtime::Backoff::fixed(Duration::ZERO));
    let [a] = world.root(Strategy::OneForOne, [spec]).await;
    a.send(Order::Act(Act::Panic)).await.unwrap();
    world.now().await;
    let told = told(&feed);
    assert_eq!(told[0], "/root/a started 0");
    assert!(told[2].starts_with("/root/a failed: panic"), "{told:?}");
    assert!(told[3].starts_with("/root/a restarted after panic"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_does_is_told_once() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let feed = world.system.subscribe_lifecycle(64);
    let path = "/root/b".into();
    for control in [Control::Resume, Control::Pause, Control::Pause, Control::Resume] {
        world.system.control(&path, control).unwrap();
    }
    world.system.control(&path, Control::Restart).unwrap();
    world.now().await;
    world.system.control(&path, Control::Stop).unwrap();
    world.now().await;
    let expected = [
        "/root/b paused 0",
        "/root/b resumed 0",
        "/root/b stopped: shutdown 0",
        "/root/b restarted after shutdown 1",
        "/root/b stopped: shutdown 1",
        "/root/b ended 1",
    ];
    assert_eq!(told(&feed), expected);
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_told_by_each_level_the_innermost_first() {
    let world = World::new();
    let worker = world.worker("w");
    let address = worker.address();
    let nest = Supervisor::new(Strategy::OneForOne).intensity(0, LONG).child(worker);
    let root: SupervisorSpec = Supervisor::new(Strategy::OneForOne).intensity(0, LONG);
    let root = root.child(nest.into_spec("nest"));
    let root = world.system.start(root.into_spec("root")).await.unwrap();
    let feed = world.system.subscribe_lifecycle(64);
    address.send(Order::Act(Act::Fail)).await.unwrap();
    root.ended().await;
    let gave_up: Vec<_> = told(&feed).into_iter().filter(|line| line.contains("gave up")).collect();
    assert_eq!(gave_up.len(), 2, "{gave_up:?}");
    assert_eq!(gave_up[0], "/root/nest/w gave up: error: on purpose 0");
    assert!(gave_up[1].starts_with("/root/nest gave up: escalated"), "{gave_up:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_told_as_a_failure() {
    let world = World::new();
    let feed = world.system.subscribe_lifecycle(64);
    world.on_start("a", &[Act::Fail]);
    world.root(Strategy::OneForOne, [world.worker("a")]).await;
    world.after(BACKOFF * 2).await;
    let told = told(&feed);
    assert_eq!(told[0], "/root/a failed: start failed: on purpose 0", "{told:?}");
    assert!(told.contains(&"/root/a started 1".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn those_below_an_actor_that_was_killed_are_told_to_have_ended() {
    let world = World::new();
    let nest = patient(Strategy::OneForOne).child(world.worker("w")).into_spec("nest");
    let nest = nest.shutdown(synod_runtime::Shutdown::Brutal).restart(Restart::Temporary);
    let root = patient(Strategy::OneForOne).child(nest);
    world.system.start(root.into_spec("root")).await.unwrap();
    let feed = world.system.subscribe_lifecycle(64);
    world.system.control(&"/root/nest".into(), Control::Stop).unwrap();
    world.now().await;
    let mut told = told(&feed);
    told.sort();
    let expected = ["/root/nest ended 0", "/root/nest failed: killed 0", "/root/nest/w ended 0"];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_feed_nobody_reads_keeps_the_newest_and_counts_what_it_dropped() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let feed = world.system.subscribe_lifecycle(2);
    for control in [Control::Pause, Control::Resume, Control::Pause, Control::Resume] {
        world.system.control(&"/root/a".into(), control).unwrap();
    }
    world.system.control(&"/root/c".into(), Control::Pause).unwrap();
    let heard = feed.take();
    assert_eq!(heard.missed, 3);
    let lines: Vec<_> = heard.events.iter().map(line).collect();
    assert_eq!(lines, ["/root/a resumed 0", "/root/c paused 0"]);
    assert_eq!(feed.take(), synod_runtime::Heard::default(), "it is told once");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_and_one_that_left_is_forgotten() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let (feed, left) = (world.system.subscribe_lifecycle(8), world.system.subscribe_lifecycle(8));
    drop(left);
    let woken = tokio::spawn(async move { feed.next().await });
    tokio::task::yield_now().await;
    world.system.control(&"/root/a".into(), Control::Pause).unwrap();
    let heard = woken.await.unwrap();
    assert_eq!(heard.events.iter().map(line).collect::<Vec<_>>(), ["/root/a paused 0"]);
    assert_eq!(heard.events[0].kind, "worker");
}
