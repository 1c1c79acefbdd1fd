//! Signs of life: giving one, and looking for those who gave none.

use std::hint::black_box;
use std::time::{Duration, Instant};

use synod::agents::{
    AgentCard, AgentId, AgentMessage, AgentSelector, AgentsConfig, Heartbeat, PulseBoard,
    RegisterAgent, RegistryActor, RegistryMessage,
};
use synod::runtime::{Actor, ActorError, Address, Context, Spec, System, SystemConfig};

use crate::Row;
use crate::stopwatch::{Stopwatch, runtime};

/// Makes this program measure this and end.
pub(crate) const FLAG: &str = "--pulses";

pub(crate) const ROWS: [Row; 5] = [
    ("a sign of life on a connection, written in place", "ns", 1),
    ("a sign of life through the registry (the API's heartbeat), CPU", "µs", 2),
    ("sweep over all, everybody alive", "µs", 1),
    ("sweep over all, everybody silent", "µs", 1),
    ("the registry's sweep when all in-process agents are silent, CPU", "µs", 0),
];

const PASSES: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(300);
/// Sweeps of the registry, one a second, that are watched.
const SWEEPS: u64 = 5;

/// Prints the figures of [`ROWS`].
pub(crate) fn child(agents: u64) {
    let [beat, alive, silent] = board(agents as u32);
    let [heartbeat, sweep] = runtime().block_on(registry(agents));
    println!("{beat} {heartbeat} {alive} {silent} {sweep}");
}

/// Nanoseconds of a beat; microseconds of a sweep that finds nobody, and of one that finds all.
fn board(agents: u32) -> [f64; 3] {
    let origin = Instant::now();
    let board = PulseBoard::new(agents, origin);
    let pulses: Vec<_> = (0..agents).map(|_| board.open(origin).expect("a slot")).collect();
    let now = origin + Duration::from_secs(60);
    let watch = Stopwatch::start();
    for _ in 0..PASSES {
        pulses.iter().for_each(|pulse| black_box(pulse).beat(now));
    }
    let beat = watch.cpu_us() * 1e3 / f64::from(PASSES) / f64::from(agents);
    let sweep = |limit: Instant, expected: u32| {
        let watch = Stopwatch::start();
        for _ in 0..PASSES {
            let mut found = 0;
            board.silent_since(black_box(limit), |_| found += 1);
            assert_eq!(found, expected);
        }
        watch.cpu_us() / f64::from(PASSES)
    };
    [beat, sweep(now, 0), sweep(now + Duration::from_secs(1), agents)]
}

/// Stands for an agent that is never asked for anything.
struct Idle;

impl Actor for Idle {
    type Message = AgentMessage;
    const KIND: &'static str = "agent";

    async fn handle(&mut self, _: AgentMessage, _: &mut Context<Self>) -> Result<(), ActorError> {
        Ok(())
    }
}

/// Microseconds of a heartbeat, and of a sweep in the actor.
async fn registry(agents: u64) -> [f64; 2] {
    let system = System::new(SystemConfig::default());
    let config = AgentsConfig { inactive_after_s: 1, sweep_s: 1, ..AgentsConfig::default() };
    let registry = system.spawn(RegistryActor::spec(config.into(), None)).expect("a registry");
    let agent = system.spawn(Spec::new("idle", || Idle)).expect("an actor");
    let ids: Vec<String> = (0..agents).map(|number| format!("member-{number}")).collect();
    for id in &ids {
        let card = AgentCard::new(id, "1.0.0").capability("work");
        let register = RegisterAgent::new(card, agent.clone());
        registry.ask(register, PATIENCE).await.expect("an answer").expect("a registration");
    }
    let watch = Stopwatch::start();
    for id in &ids {
        beat(&registry, id).await;
    }
    let heartbeat = watch.cpu_us() / agents as f64;
    // From here on everybody is silent; in-process agents are never retired for it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let watch = Stopwatch::start();
    tokio::time::sleep(Duration::from_secs(SWEEPS)).await;
    let sweep = watch.cpu_us() / SWEEPS as f64;
    system.stop(PATIENCE).await.expect("an orderly end");
    [heartbeat, sweep]
}

async fn beat(registry: &Address<RegistryMessage>, id: &str) {
    let agents = AgentSelector { id: AgentId::new(id).expect("an id"), version: None };
    registry.ask(Heartbeat { agents }, PATIENCE).await.expect("an answer").expect("known");
}
