//! Starts that fail, hang, or take their time.

use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Context, ExitReason, Restart, SpawnError, Spec, StartError, Strategy,
    Supervisor,
};
use synod_testkit::ON_PURPOSE;

use super::world::{Act, BACKOFF, LONG, Order, START_TIMEOUT, World, patient};

#[tokio::test(start_paused = true)]
async fn children_start_one_after_the_other() {
    let world = World::new();
    world.on_start("a", &[Act::Hang]);
    let root = patient(Strategy::OneForOne).child(world.worker("a")).child(world.worker("b"));
    let starting = tokio::spawn({
        let system = world.system.clone();
        async move { system.start(root.into_spec("root")).await.map(drop) }
    });
    assert_eq!(world.after(START_TIMEOUT / 2).await, ["hang a"]);
    assert_eq!(world.after(START_TIMEOUT).await, ["start b", "start a"]);
    assert_eq!(starting.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_does_not_take_the_supervisor_along() {
    for act in [Act::Fail, Act::Panic] {
        let world = World::new();
        world.on_start("a", &[act, act]);
        let [a, b] = [world.worker("a"), world.worker("b")];
        let (address, b_address) = (a.address(), b.address());
        address.send(Order::Note("early")).await.unwrap();
        let root = patient(Strategy::OneForOne).child(a).child(b);
        let root = world.system.start(root.into_spec("root")).await.unwrap();
        b_address.send(Order::Note("here")).await.unwrap();
        let log = world.after(BACKOFF * 3).await;
        let failed = format!("{act:?} a").to_lowercase();
        assert_eq!(log, [&*failed, "start b", "b here", &*failed, "start a", "a early"]);
        assert_eq!(root.path().as_str(), "/root");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_never_succeeds_escalates_in_a_group() {
    let world = World::new();
    world.on_start("a", &[Act::Fail; 10]);
    let root = Supervisor::new(Strategy::OneForAll).intensity(2, LONG).child(world.worker("a"));
    let error = world.system.start(root.into_spec("root")).await.unwrap_err();
    let StartError::Failed(ExitReason::Escalated(text)) = error else { panic!("{error:?}") };
    assert_eq!(text, "3 failures within 3600s, the last of `a`: start failed: on purpose");
    assert_eq!(world.log(), ["fail a"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_supervisor_has_started_when_its_children_have() {
    let world = World::new();
    world.on_start("inner", &[Act::Hang]);
    let inner = patient(Strategy::OneForAll).child(world.worker("inner")).into_spec("nest");
    let root = patient(Strategy::OneForOne).child(inner).child(world.worker("after"));
    world.system.start(root.into_spec("root")).await.unwrap();
    assert_eq!(world.log(), ["hang inner", "start inner", "start after"]);
}

struct Broken;

impl Actor for Broken {
    type Message = ();
    const KIND: &'static str = "broken";

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), ActorError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_is_a_failed_start() {
    let world = World::new();
    let spec: Spec<Broken> = Spec::new("broken", || panic!("{ON_PURPOSE}"));
    let address = spec.address();
    let root = Supervisor::new(Strategy::OneForOne).child(spec.restart(Restart::Temporary));
    world.system.start(root.into_spec("root")).await.unwrap();
    assert!(address.is_closed());
}

struct Parent(Vec<&'static str>);

impl Actor for Parent {
    type Message = &'static str;
    const KIND: &'static str = "parent";

    async fn handle(
        &mut self,
        name: &'static str,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let Err(error) = ctx.spawn_child(Spec::new(name, || Broken)) {
            self.0.push(name);
            ctx.describe(format!("{error}"));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_or_invalid_is_refused() {
    let world = World::new();
    let parent = world.system.spawn(Spec::new("parent", || Parent(Vec::new()))).unwrap();
    for (name, error) in [
        ("twin", None),
        ("twin", Some("/parent/twin exists already")),
        ("a/b", Some("`a/b` is no name for an actor")),
        ("", Some("`` is no name for an actor")),
    ] {
        parent.send(name).await.unwrap();
        world.after(Duration::from_millis(1)).await;
        let snapshot = world.system.observe_under(&"/parent".into(), 0, 0).unwrap();
        assert_eq!(snapshot.detail.as_deref(), error);
    }
    let taken = world.system.spawn(Spec::new("parent", || Broken)).unwrap_err();
    assert_eq!(taken, SpawnError::NameTaken("/parent".into()));
}
