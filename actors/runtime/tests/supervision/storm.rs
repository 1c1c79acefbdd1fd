//! A storm on several threads: crashes, kills, restarts and stops at random, while messages flow.
//! In the end each accepted message was handled once or is a dead letter, and nobody is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, Ask, AskError, Backoff, Context, Control, Entropy, Request,
    Shutdown, Spec, Strategy, System, SystemConfig, requests,
};
use synod_testkit::{ON_PURPOSE, Seed, silence_provoked_panics};

use super::world::{LONG, patient};

const STRATEGIES: [Strategy; 4] =
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];
const CHILDREN: u64 = 10;
const PRODUCERS: u64 = 4;
const EACH: u64 = 20_000;
const CONTROLS: u64 = 300;

#[derive(Debug)]
struct Ping;

impl Ask for Ping {
    type Reply = ();
}

#[derive(Debug)]
enum Gust {
    Calm,
    Yield(u64),
    Fail,
    Panic,
    Finish,
    Ping(Request<Ping>),
}

requests!(Gust { Ping(Ping) });

struct Ship {
    completed: Arc<AtomicU64>,
}

impl Actor for Ship {
    type Message = Gust;
    const KIND: &'static str = "ship";

    async fn handle(&mut self, gust: Gust, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match gust {
            Gust::Calm => {}
            Gust::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Gust::Fail => return Err(ActorError::new(ON_PURPOSE)),
            Gust::Panic => panic!("{ON_PURPOSE}"),
            Gust::Finish => ctx.stop(),
            Gust::Ping(request) => {
                request.answer(());
                return Ok(()); // not in the ledger: its asker knows how it ended
            }
        }
        self.completed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn gust(chance: u64) -> Gust {
    match chance % 1000 {
        0..2 => Gust::Panic,
        2..4 => Gust::Fail,
        4..6 => Gust::Finish,
        6..100 => Gust::Yield(chance % 7),
        _ => Gust::Calm,
    }
}

async fn launch(system: &System, completed: &Arc<AtomicU64>) -> Vec<Address<Gust>> {
    let (mut fleet, mut top) = (Vec::new(), patient(Strategy::OneForOne));
    for strategy in STRATEGIES {
        let mut group = patient(strategy).intensity(u32::MAX, Duration::from_millis(1));
        for number in 0..CHILDREN {
            let completed = Arc::clone(completed);
            let make = move || Ship { completed: Arc::clone(&completed) };
            // One in five has no time to finish what it is at.
            let within = Duration::from_secs(if number % 5 == 0 { 0 } else { 60 });
            let ship = Spec::new(format!("ship-{number}"), make)
                .backoff(Backoff::none())
                .shutdown(Shutdown::Within(within));
            fleet.push(ship.address());
            group = group.child(ship);
        }
        top = top.child(group.into_spec(format!("{strategy:?}")));
    }
    system.start(top.into_spec("sea")).await.expect("the fleet starts");
    fleet
}

async fn produce(fleet: Vec<Address<Gust>>, entropy: impl Entropy) -> u64 {
    let mut accepted = 0;
    for number in 0..EACH {
        let ship = &fleet[entropy.next_u64() as usize % fleet.len()];
        match ship.send(gust(entropy.next_u64())).await {
            Ok(()) => accepted += 1,
            Err(error) => panic!("{ship:?}: {error}"),
        }
        if number % 100 == 0 {
            let answer = ship.ask(Ping, LONG).await;
            assert!(matches!(answer, Ok(()) | Err(AskError::Unanswered)), "{answer:?}");
        }
    }
    accepted
}

async fn interfere(system: System, entropy: impl Entropy) {
    for _ in 0..CONTROLS {
        let group = STRATEGIES[entropy.next_u64() as usize % STRATEGIES.len()];
        let mut ship = format!("/sea/{group:?}");
        if !entropy.next_u64().is_multiple_of(20) {
            ship += &format!("/ship-{}", entropy.next_u64() % CHILDREN);
        }
        for control in [Control::Pause, Control::Restart, Control::Resume] {
            // It may be between two lives of its supervisor.
            let _ = system.control(&ship.as_str().into(), control);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_accepted_message_is_handled_once_or_a_dead_letter() {
    silence_provoked_panics();
    let seed = Seed::from_env();
    let system = System::new(SystemConfig { dead_letters: 1 << 20 });
    let completed = Arc::new(AtomicU64::new(0));
    let fleet = launch(&system, &completed).await;
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| tokio::spawn(produce(fleet.clone(), seed.round(number).entropy())))
        .collect();
    let operator = tokio::spawn(interfere(system.clone(), seed.round(PRODUCERS).entropy()));
    let mut accepted = 0;
    for producer in producers {
        accepted += producer.await.expect("a producer ends");
    }
    operator.await.expect("the operator ends");
    assert_eq!(system.stop(LONG).await, Ok(()));
    assert_eq!(system.abandoned(), 0);
    let letters = system.dead_letters().recent();
    let pings = letters.iter().filter(|letter| letter.kind.ends_with("Ping")).count() as u64;
    let dead = system.dead_letters().total() - pings;
    assert_eq!(accepted, completed.load(Ordering::SeqCst) + dead);
    assert!(fleet.iter().all(Address::is_closed));
}
