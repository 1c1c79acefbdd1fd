//! One simulation from its seed: safety phase, healing, liveness phase, durability scan.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use synod_testkit::{Seed, silence_provoked_panics};
use tokio::time::{Instant, sleep};

use crate::clients::Clients;
use crate::faults;
use crate::witness::Planted;
use crate::world::World;
use crate::{scan, seeds};

/// How long nodes may take to become one cluster, and to be well again after all faults have
/// ended, in simulated time.
const FORMED_WITHIN: Duration = Duration::from_secs(60);
const WELL_WITHIN: Duration = Duration::from_secs(180);

/// When something is broken, nobody waits for longer until things become well.
const ENOUGH: Duration = Duration::from_secs(20);

/// Between looks.
const LOOK: Duration = Duration::from_millis(250);

/// What happens in the safety phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Whatever the seed says.
    Storm,
    /// Nothing.
    Calm,
    /// The power of all nodes goes at once.
    Blackout,
    /// The owner of the work is cut off and does not know it.
    LostOwner,
    /// A node that leads nothing is cut off.
    LostFollower,
}

/// What came of a simulation.
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) tasks: usize,
    pub(crate) runs: usize,
    pub(crate) ballots: usize,
    pub(crate) grants: usize,
    pub(crate) performed: u64,
    /// Simulated time until all was well again after the last fault.
    pub(crate) healed: Duration,
}

/// Runs a simulation on this thread, in time of its own.
pub(crate) fn simulate(seed: u64, planted: Planted, scenario: Scenario) -> Outcome {
    silence_provoked_panics();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(whole(seed, planted, scenario))
}

async fn whole(seed: u64, planted: Planted, scenario: Scenario) -> Outcome {
    let mut rng = Seed::fixed(seed).rng();
    let nodes = match scenario {
        Scenario::Storm => [3, 3, 3, 5, 5, 7][rng.random_range(0..6)],
        _ => 3,
    };
    let world = World::new(seed, nodes, planted);
    if let Some(path) = std::env::var_os(seeds::TRACE) {
        world.facts.lock().write_to(&path);
    }
    for node in 0..nodes {
        world.start(node);
        sleep(Duration::from_millis(rng.random_range(0..300))).await;
    }
    let formed = until(FORMED_WITHIN, || unformed(&world)).await;
    if let Err(why) = formed {
        world.broken(format!("no cluster was formed: {why}"));
    }
    world.note("the cluster is formed");
    let clients = Clients::begin(&world, 3, &mut rng);
    let watching = tokio::spawn(revive(Arc::clone(&world)));
    match scenario {
        Scenario::Storm => {
            let period = Duration::from_secs(rng.random_range(8..25));
            faults::rage(&world, &mut rng, period).await;
        }
        Scenario::Calm => sleep(Duration::from_secs(5)).await,
        Scenario::Blackout => blackout(&world).await,
        Scenario::LostOwner => lost_owner(&world).await,
        Scenario::LostFollower => lost_follower(&world).await,
    }
    world.heal().await;
    let begun = Instant::now();
    sleep(Duration::from_secs(2)).await;
    clients.end();
    well(&world, &clients).await;
    let healed = begun.elapsed();
    scan::durable(&world, &clients).await;
    sleep(LOOK * 5).await;
    world.facts.lock().settle();
    watching.abort();
    for node in 0..nodes {
        world.kill(node).await;
    }
    let (tasks, runs) = {
        let kept = clients.kept.lock();
        (kept.tasks.len(), kept.runs.len())
    };
    let (ballots, grants) = {
        let decisions = clients.talks.decisions.lock();
        (decisions.ballots.len(), decisions.grants())
    };
    let mut facts = world.facts.lock();
    let (violations, trace) =
        (std::mem::take(&mut facts.violations), std::mem::take(&mut facts.trace));
    let performed = facts.performed;
    Outcome { violations, trace, tasks, runs, ballots, grants, performed, healed }
}

/// Looks until there is nothing to say, or says the last that there was.
async fn until(within: Duration, mut look: impl FnMut() -> Option<String>) -> Result<(), String> {
    let deadline = Instant::now() + within;
    loop {
        let Some(why) = look() else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(why);
        }
        sleep(LOOK).await;
    }
}

/// Why the nodes are no cluster yet in which a majority votes.
fn unformed(world: &World) -> Option<String> {
    for group in [0, 1] {
        let Some(leader) = world.leader(group) else {
            return Some(format!("group {group} has no leader"));
        };
        let voters = world.view(leader, group).map_or(0, |view| view.voters.len());
        if voters < world.seats.len().min(5) {
            return Some(format!("group {group} has {voters} voters"));
        }
    }
    None
}

/// Starts nodes again that have given up, as an operating system does.
async fn revive(world: Arc<World>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        for node in 0..world.seats.len() {
            if world.has_ended(node) {
                world.note(format!("node {node} has given up"));
                world.kill(node).await;
                world.start(node);
            }
        }
    }
}

async fn blackout(world: &Arc<World>) {
    sleep(Duration::from_secs(4)).await;
    for node in 0..world.seats.len() {
        world.kill(node).await;
    }
    sleep(Duration::from_secs(1)).await;
}

async fn lost_owner(world: &Arc<World>) {
    sleep(Duration::from_secs(3)).await;
    if let Some(owner) = world.leader(1) {
        world.note(format!("node {owner} is cut off"));
        world.network.isolate(&world.seats[owner].address);
    }
    sleep(Duration::from_secs(8)).await;
}

/// A node that hears nobody asks around before it begins a term: so its terms stay those of the
/// others, whom it would disturb when it is back.
async fn lost_follower(world: &Arc<World>) {
    sleep(Duration::from_secs(2)).await;
    let leads = |node: usize| (0..2).any(|group| world.leader(group) == Some(node));
    let Some(follower) = (0..world.seats.len()).find(|node| !leads(*node)) else { return };
    world.note(format!("node {follower} is cut off"));
    world.network.isolate(&world.seats[follower].address);
    sleep(Duration::from_secs(10)).await;
    let facts = world.facts.lock();
    let others = (0..world.seats.len()).filter(|node| *node != follower);
    let (there, here) =
        (facts.highest_term(1, others), facts.highest_term(1, std::iter::once(follower)));
    drop(facts);
    if here > there + 1 {
        world.broken(format!("a node alone begins no terms: {here} here, {there} elsewhere"));
    }
}

/// Waits until all is well, or says what is not.
async fn well(world: &Arc<World>, clients: &Clients) {
    let begun = Instant::now();
    loop {
        let Some(why) = scan::unwell(world, clients).await else {
            return world.note("all is well");
        };
        let broken = world.facts.lock().violations.len();
        if broken > 0 && begun.elapsed() >= ENOUGH || begun.elapsed() >= WELL_WITHIN {
            return world.broken(format!("not well in time: {why}"));
        }
        sleep(LOOK).await;
    }
}
