//! Failures beyond the intensity go up the tree.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_runtime::{
    Actor, ActorError, ChildEvent, Context, Control, ExitReason, Shutdown, Spec, Strategy,
    Supervision, Supervisor,
};

use super::world::{Act, BACKOFF, LONG, Order, World, patient};

#[tokio::test(start_paused = true)]
async fn beyond_the_intensity_the_siblings_stop_in_reverse_order_and_the_root_ends() {
    let world = World::new();
    let specs = ["a", "b", "c"].map(|name| world.worker(name));
    let b = specs[1].address();
    let root = Supervisor::new(Strategy::OneForOne).intensity(1, LONG);
    let root = specs.into_iter().fold(root, |root, spec| root.child(spec));
    let root = world.system.start(root.into_spec("root")).await.unwrap();
    world.log();
    b.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.after(BACKOFF * 2).await, ["start b"]);
    b.send(Order::Act(Act::Panic)).await.unwrap();
    let reason = root.ended().await;
    assert_eq!(world.log(), ["stop c shutdown", "stop a shutdown"]);
    assert!(matches!(&reason, ExitReason::Escalated(text) if text.contains("of `b`: panic")));
    assert!(b.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_nested_supervisor_that_gives_up_is_restarted_with_its_children_and_their_queues() {
    let world = World::new();
    let [x, y] = [world.worker("x"), world.worker("y")];
    let (x_address, y_address) = (x.address(), y.address());
    let nest = Supervisor::new(Strategy::OneForOne).intensity(0, LONG).child(x).child(y);
    let root = patient(Strategy::OneForOne).child(nest.into_spec("nest"));
    world.system.start(root.into_spec("root")).await.unwrap();
    world.log();
    x_address.send(Order::Act(Act::Panic)).await.unwrap();
    x_address.send(Order::Note("kept")).await.unwrap();
    assert_eq!(world.now().await, ["stop y shutdown"]);
    y_address.send(Order::Note("kept too")).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert_eq!(log, ["start x", "x kept", "start y", "y kept too"]);
    let nest = world.system.observe_under(&"/root/nest".into(), 1, 10).unwrap();
    assert_eq!((nest.restarts, nest.children.len()), (1, 2));
    assert!(matches!(nest.last_error, Some(ExitReason::Escalated(_))));
}

#[tokio::test(start_paused = true)]
async fn escalation_climbs_until_somebody_has_restarts_left() {
    let world = World::new();
    let worker = world.worker("w");
    let address = worker.address();
    let inner = Supervisor::new(Strategy::OneForOne).intensity(0, LONG).child(worker);
    let middle = Supervisor::new(Strategy::OneForAll).intensity(0, LONG);
    let middle = middle.child(world.worker("m")).child(inner.into_spec("inner"));
    let outer = patient(Strategy::OneForOne).child(middle.into_spec("middle"));
    let root = world.system.start(outer.into_spec("root")).await.unwrap();
    world.log();
    address.send(Order::Act(Act::Panic)).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert_eq!(log, ["stop m shutdown", "start m", "start w"]);
    let restarts = |path: &str| world.system.observe_under(&path.into(), 0, 0).unwrap().restarts;
    assert_eq!((restarts("/root/middle"), restarts("/root")), (1, 0));
    drop(root);
}

/// An actor of a family with children of its own.
struct Leader {
    world: World,
    news: Arc<Mutex<Vec<ChildEvent>>>,
}

impl Actor for Leader {
    type Message = ();
    const KIND: &'static str = "leader";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.world.note("start leader".into());
        ctx.spawn_child(self.world.worker("m1"))?;
        let address = ctx.spawn_child(self.world.worker("m2"))?;
        ctx.system().directory().register("m2", &address)?;
        Ok(())
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), ActorError> {
        Err(ActorError::new("on purpose"))
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.news.lock().push(event);
        Ok(())
    }

    async fn stop(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        self.world.note(format!("stop leader {reason}"));
    }
}

#[tokio::test(start_paused = true)]
async fn any_actor_supervises_its_children_and_hears_of_them() {
    let world = World::new();
    let news = Arc::default();
    let spec = {
        let (world, news) = (world.clone(), Arc::clone(&news));
        Spec::new("leader", move || Leader { world: world.clone(), news: Arc::clone(&news) })
            .supervision(Supervision::new(Strategy::OneForOne).intensity(1, LONG))
    };
    let leader = world.system.spawn(spec).unwrap();
    assert_eq!(world.now().await, ["start leader", "start m1", "start m2"]);
    let member = world.system.directory().lookup::<Order>("m2").unwrap();
    member.send(Order::Act(Act::Fail)).await.unwrap();
    world.after(BACKOFF * 2).await;
    let (m1, m2): (Arc<str>, Arc<str>) = ("m1".into(), "m2".into());
    let failed = ExitReason::Error("on purpose".into());
    assert_eq!(
        std::mem::take(&mut *news.lock()),
        [
            ChildEvent::Started { name: m1 },
            ChildEvent::Started { name: Arc::clone(&m2) },
            ChildEvent::Exited { name: Arc::clone(&m2), reason: failed.clone() },
            ChildEvent::Restarted { name: Arc::clone(&m2) },
        ]
    );
    member.send(Order::Act(Act::Fail)).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert!(news.lock().contains(&ChildEvent::GaveUp { name: m2, reason: failed }));
    assert_eq!(log[..2], ["stop m2 error: on purpose", "stop m1 shutdown"]);
    assert!(log[2].starts_with("stop leader escalated"), "{log:?}");
    assert_eq!(log[3..], ["start leader", "start m1", "start m2"]);
    assert!(member.is_closed(), "children of an incarnation end with it");
    assert!(!leader.is_closed());
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_crashed_actor_end_in_order_before_it_comes_back() {
    let world = World::new();
    let spec = {
        let world = world.clone();
        Spec::new("leader", move || Leader { world: world.clone(), news: Arc::default() })
    };
    let leader = world.system.spawn(spec).unwrap();
    world.now().await;
    leader.send(()).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert_eq!(
        log,
        [
            "stop m2 shutdown",
            "stop m1 shutdown",
            "stop leader error: on purpose",
            "start leader",
            "start m1",
            "start m2",
        ]
    );
}

/// The top of a chain of actors; each notes its start and the end of its value, however it came,
/// and hangs on every message.
struct Mortal {
    world: World,
    chain: &'static [&'static str],
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.world.note(format!("drop {}", self.chain[0]));
    }
}

impl Actor for Mortal {
    type Message = ();
    const KIND: &'static str = "mortal";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.world.note(format!("start {}", self.chain[0]));
        if self.chain.len() > 1 {
            ctx.spawn_child(mortal(&self.world, &self.chain[1..]))?;
        }
        Ok(())
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), ActorError> {
        std::future::pending().await
    }
}

fn mortal(world: &World, chain: &'static [&'static str]) -> Spec<Mortal> {
    let world = world.clone();
    Spec::new(chain[0], move || Mortal { world: world.clone(), chain }).shutdown(Shutdown::Brutal)
}

#[tokio::test(start_paused = true)]
async fn a_killed_actor_comes_back_only_after_all_below_it_are_gone() {
    let world = World::new();
    let top = world.system.spawn(mortal(&world, &["1", "2", "3", "4", "5", "6"])).unwrap();
    assert_eq!(world.now().await.len(), 6);
    top.send(()).await.unwrap();
    world.now().await;
    world.system.control(&"/1".into(), Control::Restart).unwrap();
    let log = world.now().await;
    let lines = |verb: &str| (1..=6).map(|n| format!("{verb} {n}")).collect::<Vec<_>>();
    assert_eq!(log, [lines("drop"), lines("start")].concat());
}
