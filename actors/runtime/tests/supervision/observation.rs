//! What observers see, without disturbing anyone.

use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, ActorPath, ActorSnapshot, ActorState, Context, ExitReason, Spec, Strategy,
    Sweep, Transition,
};

use super::world::{Act, BACKOFF, Order, SHUTDOWN, World, patient};

fn paths(snapshot: &ActorSnapshot) -> Vec<&str> {
    snapshot.iter().map(|actor| actor.path.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_every_actor_with_its_vitals() {
    let world = World::new();
    let [_, b, _] = world.abc(Strategy::OneForOne).await;
    b.send(Order::Note("x")).await.unwrap();
    b.send(Order::Act(Act::Fail)).await.unwrap();
    world.after(BACKOFF + Duration::from_secs(1)).await;
    let tree = world.system.observe();
    assert_eq!(paths(&tree), ["/", "/root", "/root/a", "/root/b", "/root/c"]);
    let b = &tree.children[0].children[1];
    assert_eq!((b.kind.as_str(), b.state), ("worker", ActorState::Running));
    assert_eq!((b.restarts, b.processed), (1, 2));
    assert_eq!(b.last_error, Some(ExitReason::Error("on purpose".into())));
    assert!((900..=1100).contains(&b.uptime_ms), "{}", b.uptime_ms);
    assert_eq!(tree.children[0].kind, "supervisor");
}

#[tokio::test(start_paused = true)]
async fn depth_and_limit_bound_what_is_shown() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let root = ActorPath::from("/");
    let shown = |depth, limit| world.system.observe_under(&root, depth, limit).unwrap();
    assert_eq!(paths(&shown(0, 10)), ["/"]);
    assert_eq!(paths(&shown(1, 10)), ["/", "/root"]);
    let some = shown(9, 3);
    assert_eq!(paths(&some), ["/", "/root", "/root/a", "/root/b"]);
    assert_eq!(some.children[0].child_count, 3, "what is left out is counted");
}

#[tokio::test(start_paused = true)]
async fn states_follow_the_life_of_an_actor() {
    let world = World::new();
    world.on_start("w", &[Act::Hang]);
    let spec = world.worker("w");
    let worker = spec.address();
    let root = patient(Strategy::Dynamic).child(spec).into_spec("root");
    let system = world.system.clone();
    let starting = tokio::spawn(async move { system.start(root).await.map(drop) });
    let path = "/root/w".into();
    let state = || world.system.observe_under(&path, 0, 0).map(|actor| actor.state);
    world.now().await;
    assert_eq!(state(), Some(ActorState::Starting));
    starting.await.unwrap().unwrap();
    world.after(BACKOFF * 2).await;
    assert_eq!(state(), Some(ActorState::Running));
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    world.now().await;
    assert_eq!(state(), Some(ActorState::Restarting));
    world.after(BACKOFF).await;
    worker.send(Order::Wait(SHUTDOWN / 2, "done")).await.unwrap();
    world.now().await;
    world.system.control(&path, synod_runtime::Control::Stop).unwrap();
    world.now().await;
    assert_eq!(state(), Some(ActorState::Stopping));
    world.after(SHUTDOWN).await;
    assert_eq!(state(), None, "a child that is gone is not in the tree");
}

#[tokio::test(start_paused = true)]
async fn busy_time_and_the_sweep_tell_of_a_handler_that_does_not_return() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    let (mut sweep, mut changes) = (Sweep::new(1), Vec::new());
    let progress = world.system.progress();
    worker.send(Order::Wait(Duration::from_secs(10), "done")).await.unwrap();
    world.now().await;
    for _ in 0..5 {
        progress.sweep(&mut sweep, &mut changes);
    }
    assert_eq!(changes, [Transition::Stalled("/root/w".into())]);
    world.after(Duration::from_secs(10)).await;
    progress.sweep(&mut sweep, &mut changes);
    assert_eq!(changes[1..], [Transition::Recovered("/root/w".into())]);
    let shown = world.system.observe_under(&"/root/w".into(), 0, 0).unwrap();
    assert!(shown.busy_ratio > 0.9, "{}", shown.busy_ratio);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_reads_and_writes_as_json_like_data() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let tree = world.system.observe();
    let copy: ActorSnapshot = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    assert_eq!(copy, tree);
}

/// Keeps something outside of the tree that fails whenever it is told to.
struct Keeper;

impl Actor for Keeper {
    type Message = &'static str;
    const KIND: &'static str = "keeper";

    async fn handle(
        &mut self,
        reason: &'static str,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        ctx.report_restart(reason);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_keeps_outside_and_starts_again_counts_as_its_restarts() {
    let world = World::new();
    let keeper = world.system.spawn(Spec::new("keeper", || Keeper)).unwrap();
    for reason in ["it fell", "it fell again"] {
        keeper.send(reason).await.unwrap();
    }
    world.after(Duration::from_secs(1)).await;
    let seen = world.system.observe_under(&"/keeper".into(), 0, 0).unwrap();
    assert_eq!((seen.restarts, seen.state), (2, ActorState::Running));
    assert_eq!(seen.last_error, Some(ExitReason::Error("it fell again".into())));
    assert!(seen.uptime_ms >= 1_000, "it itself went on: {}", seen.uptime_ms);
}
