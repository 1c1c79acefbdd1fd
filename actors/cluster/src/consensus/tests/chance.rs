//! Faults by chance: a seed gives a run, and the same seed gives it again.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use synod_journal::{AppendError, Expected};
use synod_testkit::Seed;
use tokio::time::{Instant, sleep};

use super::world::{G1, World, append};
use crate::node::NodeId;

/// What happened in a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    stored: Vec<String>,
    unknown: Vec<String>,
    /// Who led in which term.
    leaders: BTreeMap<u64, NodeId>,
    /// How long each append took.
    took: Vec<Duration>,
}

/// Kills, power cuts, partitions both ways and one way, and appends in between; then all is
/// mended. Nothing stored is lost or twice there, and no term has two leaders.
async fn run(chance: &mut ChaCha12Rng) -> Trace {
    let mut world = World::new();
    world.wires.set_delay(Duration::from_millis(1));
    let nodes = world.three(G1).await;
    let mut trace = Trace::default();
    for round in 0..25_u64 {
        disturb(&mut world, nodes, chance).await;
        for number in 0..chance.random_range(0..6) {
            sleep(Duration::from_millis(chance.random_range(1..700))).await;
            trace.work(&world, format!("{round}-{number}")).await;
        }
    }
    mend(&mut world, nodes).await;
    let leader = world.leader(G1).await;
    world.node(leader).append("the end").await.unwrap();
    world.even(G1).await;
    world.assert_same(G1);
    trace.check(&world.node(leader).texts().await);
    trace
}

async fn disturb(world: &mut World, nodes: [NodeId; 3], chance: &mut ChaCha12Rng) {
    let one = nodes[chance.random_range(0..3)];
    match chance.random_range(0..5) {
        0 => world.wires.isolate(&[one], &nodes),
        1 => world.wires.cut_one_way(one, nodes[chance.random_range(0..3)]),
        2 if world.nodes.contains_key(&one) => world.kill(one).await,
        _ => mend(world, nodes).await,
    }
}

async fn mend(world: &mut World, nodes: [NodeId; 3]) {
    world.wires.heal();
    for node in nodes {
        if !world.nodes.contains_key(&node) {
            world.start(node.0).await;
        }
    }
}

impl Trace {
    async fn work(&mut self, world: &World, text: String) {
        for node in world.nodes.values() {
            let view = node.groups.view(G1);
            if view.is_leader_here {
                let known = *self.leaders.entry(view.term).or_insert(node.id);
                assert_eq!(known, node.id, "two leaders of term {}", view.term);
            }
        }
        let Some(leader) = world.leaders(G1).pop() else { return };
        let since = Instant::now();
        match world.node(leader).ask(append(&text, Expected::Any)).await {
            Ok(_) => self.stored.push(text),
            Err(AppendError::OutcomeUnknown) => self.unknown.push(text),
            Err(AppendError::NotOwner) => {}
            Err(error) => panic!("{error}"),
        }
        self.took.push(since.elapsed());
    }

    fn check(&self, texts: &[String]) {
        let known: Vec<_> = texts.iter().filter(|text| self.stored.contains(text)).collect();
        assert_eq!(known, self.stored.iter().collect::<Vec<_>>(), "all, once, in order");
        let is_known = |text: &String| self.stored.contains(text) || self.unknown.contains(text);
        assert!(texts.iter().all(|text| is_known(text) || text == "the end"), "nothing else");
    }
}

#[tokio::test(start_paused = true)]
async fn through_kills_and_cuts_by_chance_there_is_one_leader_a_term_and_nothing_is_lost() {
    let seed = Seed::from_env();
    run(&mut seed.rng()).await;
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let seed = Seed::from_env();
    let once = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(&mut seed.rng()))
    };
    assert_eq!(once(), once());
}
