//! Timers, and that they die with their incarnation.

use std::time::Duration;

use synod_runtime::{Actor, ActorError, Backoff, Context, Control, SpawnError, Spec, TimerKey};

use super::world::World;

struct Clockwork {
    world: World,
    key: Option<TimerKey>,
}

#[derive(Debug)]
enum Tock {
    Once(u64),
    Every(u64),
    Loop,
    Cancel,
    Ring(&'static str),
    Crash,
}

impl Actor for Clockwork {
    type Message = Tock;
    const KIND: &'static str = "clockwork";

    async fn handle(&mut self, tock: Tock, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match tock {
            Tock::Once(s) => {
                self.key = Some(ctx.send_after(Duration::from_secs(s), Tock::Ring("once")));
            }
            Tock::Every(s) => {
                let period = Duration::from_secs(s);
                self.key = Some(ctx.send_every(period, || Tock::Ring("every")));
            }
            Tock::Loop => {
                self.world.note("loop".into());
                ctx.send_after(Duration::ZERO, Tock::Loop);
            }
            Tock::Cancel => {
                let cancelled = self.key.take().is_some_and(|key| ctx.cancel_timer(key));
                self.world.note(format!("cancelled {cancelled}"));
            }
            Tock::Ring(text) => self.world.note(text.to_owned()),
            Tock::Crash => return Err(ActorError::new("on purpose")),
        }
        Ok(())
    }
}

fn clockwork(world: &World) -> Result<synod_runtime::Address<Tock>, SpawnError> {
    let owner = world.clone();
    let make = move || Clockwork { world: owner.clone(), key: None };
    world.system.spawn(Spec::new("clockwork", make).backoff(Backoff::none()))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn a_timer_rings_once_and_a_repeated_one_again_and_again() {
    let world = World::new();
    let clockwork = clockwork(&world).unwrap();
    clockwork.send(Tock::Once(5)).await.unwrap();
    assert!(world.after(seconds(4)).await.is_empty());
    assert_eq!(world.after(seconds(100)).await, ["once"]);
    clockwork.send(Tock::Every(10)).await.unwrap();
    assert_eq!(world.after(seconds(35)).await, ["every"; 3]);
    clockwork.send(Tock::Cancel).await.unwrap();
    assert_eq!(world.after(seconds(35)).await, ["cancelled true"]);
}

#[tokio::test(start_paused = true)]
async fn timers_die_with_their_incarnation() {
    let world = World::new();
    let clockwork = clockwork(&world).unwrap();
    clockwork.send(Tock::Once(5)).await.unwrap();
    clockwork.send(Tock::Every(1)).await.unwrap();
    clockwork.send(Tock::Crash).await.unwrap();
    assert!(world.after(seconds(100)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_no_time_at_all_leaves_turns_for_others() {
    let world = World::new();
    let clockwork = clockwork(&world).unwrap();
    clockwork.send(Tock::Loop).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    clockwork.send(Tock::Crash).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let log = world.log();
    assert!(log.len() > 64, "it went round");
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(world.log().is_empty(), "the crash got its turn and ended it");
}

#[tokio::test(start_paused = true)]
async fn a_paused_actor_rings_once_when_it_goes_on() {
    let world = World::new();
    let clockwork = clockwork(&world).unwrap();
    clockwork.send(Tock::Every(10)).await.unwrap();
    world.after(seconds(1)).await;
    let path = "/clockwork".into();
    world.system.control(&path, Control::Pause).unwrap();
    assert!(world.after(seconds(100)).await.is_empty());
    world.system.control(&path, Control::Resume).unwrap();
    assert_eq!(world.after(seconds(1)).await, ["every"], "missed periods are not made up for");
    assert_eq!(world.after(seconds(10)).await, ["every"]);
}
