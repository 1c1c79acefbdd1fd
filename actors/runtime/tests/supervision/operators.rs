//! What operators do: pause, resume, restart, stop; and what is asked of supervisors.

use std::time::Duration;

use synod_runtime::{
    ActorState, Control, ControlError, DeadReason, ListChildren, NoSuchChild, RestartChild,
    SendError, SpawnError, StartChild, StopChild, Strategy, Supervisor,
};

use super::world::{Act, BACKOFF, Handled, LONG, Order, SHUTDOWN, World, patient};

#[tokio::test(start_paused = true)]
async fn a_paused_actor_keeps_its_queue_and_handles_it_when_resumed() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    let path = "/root/w".into();
    world.system.control(&path, Control::Pause).unwrap();
    for text in ["1", "2"] {
        worker.send(Order::Note(text)).await.unwrap();
    }
    assert!(world.after(LONG).await.is_empty());
    let shown = world.system.observe_under(&path, 0, 0).unwrap();
    assert_eq!((shown.state, shown.lanes.iter().sum()), (ActorState::Paused, 2_usize));
    world.system.control(&path, Control::Resume).unwrap();
    assert_eq!(world.now().await, ["w 1", "w 2"]);
    assert_eq!(world.system.observe_under(&path, 0, 0).unwrap().state, ActorState::Running);
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_a_restart_and_a_paused_actor_can_be_stopped() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    let path = "/root/w".into();
    world.system.control(&path, Control::Pause).unwrap();
    world.system.control(&path, Control::Restart).unwrap();
    worker.send(Order::Note("waits")).await.unwrap();
    assert_eq!(world.now().await, ["stop w shutdown", "start w"]);
    assert_eq!(world.system.observe_under(&path, 0, 0).unwrap().state, ActorState::Paused);
    world.system.control(&path, Control::Stop).unwrap();
    assert_eq!(world.now().await, ["stop w shutdown"]);
    assert_eq!(worker.send(Order::Note("gone")).await, Err(SendError::Closed));
    assert_eq!(world.system.dead_letters().count(DeadReason::Closed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_supervisor_still_supervises() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    world.system.control(&"/root".into(), Control::Pause).unwrap();
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.after(BACKOFF * 2).await, ["start w"]);
    assert_eq!(worker.ask(Handled, LONG).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn restarts_by_operators_are_not_counted_and_ignore_the_back_off() {
    let world = World::new();
    let spec = world.worker("w");
    let worker = spec.address();
    let root = Supervisor::new(Strategy::OneForOne).intensity(0, LONG).child(spec);
    let root = world.system.start(root.into_spec("root")).await.unwrap();
    world.log();
    for _ in 0..5 {
        world.system.control(&"/root/w".into(), Control::Restart).unwrap();
        assert_eq!(world.now().await, ["stop w shutdown", "start w"]);
    }
    assert_eq!(world.system.observe_under(&"/root/w".into(), 0, 0).unwrap().restarts, 5);
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    root.ended().await;
    assert!(worker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_an_operator_is_final_and_leaves_the_siblings_alone() {
    let world = World::new();
    let [_, b, c] = world.abc(Strategy::OneForAll).await;
    world.system.control(&"/root/b".into(), Control::Stop).unwrap();
    assert_eq!(world.after(LONG).await, ["stop b shutdown"]);
    assert!(b.is_closed() && !c.is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_or_is_the_root_can_not_be_controlled() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let nobody = "/root/nobody".into();
    let refused = world.system.control(&nobody, Control::Stop);
    assert_eq!(refused, Err(ControlError::NoSuchActor(nobody)));
    let root = "/".into();
    let refused = world.system.control(&root, Control::Stop);
    assert_eq!(refused, Err(ControlError::NotAllowed(root)));
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_takes_lists_restarts_and_ends_children_by_message() {
    let world = World::new();
    let root = world.system.start(patient(Strategy::Dynamic).into_spec("root")).await.unwrap();
    let root = root.address();
    let spec = world.worker("w");
    let worker = spec.address();
    let path = root.ask(StartChild { spec: spec.into() }, LONG).await.unwrap().unwrap();
    assert_eq!(path.as_str(), "/root/w");
    assert_eq!(worker.path(), path);
    let twin = root.ask(StartChild { spec: world.worker("w").into() }, LONG).await.unwrap();
    assert_eq!(twin, Err(SpawnError::NameTaken(path)));
    let listed = root.ask(ListChildren, LONG).await.unwrap();
    assert_eq!((listed.len(), &*listed[0].name), (1, "w"));
    root.ask(RestartChild { name: "w".into() }, LONG).await.unwrap().unwrap();
    assert_eq!(world.now().await, ["start w", "stop w shutdown", "start w"]);
    worker.send(Order::Wait(SHUTDOWN / 2, "finished")).await.unwrap();
    world.now().await;
    let began = tokio::time::Instant::now();
    root.ask(StopChild { name: "w".into() }, LONG).await.unwrap().unwrap();
    assert!(began.elapsed() >= SHUTDOWN / 2 - Duration::from_millis(2), "answered at its end");
    assert!(worker.is_closed());
    let nobody = root.ask(StopChild { name: "w".into() }, LONG).await.unwrap();
    assert_eq!(nobody, Err(NoSuchChild("w".into())));
}

#[tokio::test(start_paused = true)]
async fn a_child_in_back_off_is_ended_at_once() {
    let world = World::new();
    let root = world.system.start(patient(Strategy::OneForOne).into_spec("root")).await.unwrap();
    let spec = world.worker("w");
    let worker = spec.address();
    root.address().ask(StartChild { spec: spec.into() }, LONG).await.unwrap().unwrap();
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    worker.send(Order::Note("never")).await.unwrap();
    world.now().await;
    let state = world.system.observe_under(&"/root/w".into(), 0, 0).unwrap().state;
    assert_eq!(state, ActorState::Restarting);
    let stop = StopChild { name: "w".into() };
    assert_eq!(root.address().ask(stop, LONG).await, Ok(Ok(())));
    assert!(world.after(LONG).await.is_empty());
    assert_eq!(world.system.dead_letters().count(DeadReason::Closed), 1);
}
