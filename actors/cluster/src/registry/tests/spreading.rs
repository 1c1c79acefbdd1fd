//! How changes spread in a cluster of replicas: losses, partitions, long absences, and what it
//! costs.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;

use super::replicas::{Seen, key};
use crate::membership::MemberChange;
use crate::node::{Incarnation, NodeId, NodeName, NodeRecord, Roles};
use crate::registry::config::RegistryConfig;
use crate::registry::entry::{RegistryChange, RegistryKey};
use crate::registry::gossip::{Command, Gossip, Input, Moment};
use crate::registry::owner_map::RegistryRefusal;

/// Replicas in virtual time.
struct World {
    now: Duration,
    config: RegistryConfig,
    nodes: Vec<Gossip>,
    side: Vec<usize>,
    loss: f64,
    /// How far each node's UTC is off, in milliseconds.
    skew: Vec<u64>,
    queue: BTreeMap<(Duration, u64), (usize, Input)>,
    next: u64,
    flushing: Vec<bool>,
    sent: u64,
    bytes: u64,
    longest: usize,
    changes: Vec<Vec<RegistryChange>>,
    rng: ChaCha12Rng,
}

fn record(node: usize) -> NodeRecord {
    NodeRecord {
        id: NodeId(node as u64 + 1),
        name: NodeName::parse(&format!("n{node}")).unwrap(),
        address: format!("n{node}:1"),
        api: None,
        incarnation: Incarnation(1),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

impl World {
    fn new(seed: &Seed, count: usize, config: RegistryConfig) -> Self {
        let mut rng = seed.rng();
        let node = |index: usize, rng: &mut ChaCha12Rng| {
            let own = ChaCha12Rng::seed_from_u64(rng.random());
            Gossip::new(NodeId(index as u64 + 1), Incarnation(1), config, own)
        };
        let nodes = (0..count).map(|index| node(index, &mut rng)).collect();
        let mut world = Self {
            now: Duration::ZERO,
            config,
            nodes,
            side: vec![0; count],
            loss: 0.0,
            skew: vec![0; count],
            queue: BTreeMap::new(),
            next: 0,
            flushing: vec![false; count],
            sent: 0,
            bytes: 0,
            longest: 0,
            changes: vec![Vec::new(); count],
            rng,
        };
        for at in 0..count {
            let offset = Duration::from_millis(world.rng.random_range(0..200));
            world.push(offset, at, Input::Round);
            for other in (0..count).filter(|other| *other != at) {
                world.step(at, Input::Member(MemberChange::Up(record(other))));
            }
        }
        world
    }

    fn moment(&self, at: usize) -> Moment {
        let utc_ms = 1_000_000 + self.now.as_millis() as u64 + self.skew[at];
        Moment { at: self.now, utc_ms }
    }

    fn write(&mut self, at: usize, name: &str, value: Option<&str>) {
        let (moment, mut commands) = (self.moment(at), Vec::new());
        let name = RegistryKey::parse(name).unwrap();
        let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        self.nodes[at].write(moment, name, value, &mut commands).unwrap();
        self.execute(at, commands);
    }

    fn step(&mut self, at: usize, input: Input) {
        let moment = self.moment(at);
        let commands = self.nodes[at].step(moment, input);
        self.execute(at, commands);
    }

    fn execute(&mut self, at: usize, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Publish(change) => self.changes[at].push(change),
                Command::Cast { to, body } => {
                    self.sent += 1;
                    self.bytes += body.len() as u64;
                    self.longest = self.longest.max(body.len());
                    let to = to.0 as usize - 1;
                    if self.side[at] == self.side[to] && !self.rng.random_bool(self.loss) {
                        let delay = Duration::from_micros(self.rng.random_range(500..1500));
                        let input = Input::Heard { from: NodeId(at as u64 + 1), body };
                        self.push(self.now + delay, to, input);
                    }
                }
            }
        }
        if self.nodes[at].has_hot() && !self.flushing[at] {
            self.flushing[at] = true;
            self.push(self.now + self.config.gather(), at, Input::Flush);
        }
    }

    fn push(&mut self, at: Duration, node: usize, input: Input) {
        self.next += 1;
        self.queue.insert((at, self.next), (node, input));
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((&(at, _), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            let Some((_, (node, input))) = self.queue.pop_first() else { break };
            self.now = at;
            match input {
                Input::Round => self.push(at + self.config.round(), node, Input::Round),
                Input::Flush => self.flushing[node] = false,
                _ => {}
            }
            self.step(node, input);
        }
        self.now = end;
    }

    #[track_caller]
    fn until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !condition(self) {
            assert!(self.now - start < limit, "did not hold within {limit:?}");
            self.pass(Duration::from_millis(5));
        }
        self.now - start
    }

    fn is_converged(&self) -> bool {
        let first = Seen::of(&self.nodes[0].map);
        self.nodes.iter().all(|node| {
            node.map.fingerprint() == self.nodes[0].map.fingerprint()
                && Seen::of(&node.map) == first
        })
    }

    fn know(&self, name: &str) -> usize {
        self.nodes.iter().filter(|node| !node.map.get(name).is_empty()).count()
    }
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_change_is_known_everywhere_within_a_few_rounds() {
    let seed = Seed::from_env();
    for count in [3, 50] {
        let mut world = World::new(&seed, count, RegistryConfig::default());
        world.pass(secs(1));
        world.write(0, "agent/a", Some("1"));
        let most = world.until(secs(2), |world| world.know("agent/a") * 10 >= count * 9);
        let all = world.until(secs(3), |world| world.know("agent/a") == count);
        println!("{count} nodes: most know after {most:?}, all {:?} later", all);
    }
}

#[test]
fn replicas_converge_in_spite_of_losses_and_skewed_clocks() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, 8, RegistryConfig::default());
    world.loss = 0.3;
    world.skew = (0..8).map(|node| node * 700).collect();
    for round in 0..100u64 {
        let at = world.rng.random_range(0..8);
        let name = key(world.rng.random_range(0..20)).to_string();
        let gone = world.rng.random_bool(0.3);
        let value = round.to_string();
        world.write(at, &name, if gone { None } else { Some(&value) });
        world.pass(Duration::from_millis(20));
    }
    let took = world.until(secs(20), World::is_converged);
    println!("converged after {took:?} with 30 % loss");
}

#[test]
fn both_sides_of_a_partition_know_all_after_it_heals() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, 6, RegistryConfig::default());
    world.write(0, "both", Some("0"));
    world.pass(secs(2));
    (0..3).for_each(|node| world.side[node] = 1);
    world.write(0, "left", Some("1"));
    world.write(0, "both", None);
    world.write(5, "right", Some("2"));
    world.pass(secs(30));
    assert_eq!((world.know("left"), world.know("right"), world.know("both")), (3, 3, 3));
    world.side.fill(0);
    world.until(secs(3), World::is_converged);
    assert_eq!((world.know("left"), world.know("right"), world.know("both")), (6, 6, 0));
}

#[test]
fn a_node_away_for_longer_than_removals_are_remembered_begins_anew() {
    let seed = Seed::from_env();
    let config = RegistryConfig { grace_s: 10, ..RegistryConfig::default() };
    let mut world = World::new(&seed, 4, config);
    (0..50).for_each(|name| world.write(0, &format!("old/{name}"), Some("x")));
    world.until(secs(5), World::is_converged);
    world.side[3] = 1;
    (0..50).for_each(|name| world.write(0, &format!("old/{name}"), None));
    world.write(0, "new", Some("y"));
    world.pass(secs(30));
    let tombstones: usize =
        world.nodes[1].map.sizes().map(|(_, origin)| origin.tombstone_count()).sum();
    assert_eq!(tombstones, 0, "removals are forgotten by now");
    assert_eq!(world.nodes[3].map.list("old/", None, 100).len(), 50);
    world.side[3] = 0;
    world.until(secs(5), World::is_converged);
    assert!(world.nodes.iter().all(|node| node.map.list("old/", None, 100).is_empty()));
    let anew = RegistryChange::Forgotten { node: NodeId(1) };
    assert!(world.changes[3].contains(&anew), "who listens is told");
}

#[test]
fn a_node_that_is_down_for_long_is_forgotten_and_one_that_left_at_once() {
    let seed = Seed::from_env();
    let config = RegistryConfig { grace_s: 10, ..RegistryConfig::default() };
    let mut world = World::new(&seed, 3, config);
    world.write(1, "a", Some("x"));
    world.write(2, "b", Some("x"));
    world.until(secs(3), World::is_converged);
    world.side[1] = 1;
    world.side[2] = 2;
    world.step(0, Input::Member(MemberChange::Down(NodeId(2))));
    world.step(0, Input::Member(MemberChange::Left(NodeId(3))));
    assert!(world.nodes[0].map.get("b").is_empty());
    world.pass(secs(5));
    assert_eq!(world.nodes[0].map.get("a").len(), 1, "it may come back");
    world.pass(secs(10));
    assert!(world.nodes[0].map.get("a").is_empty());
}

#[test]
fn what_is_more_than_one_message_arrives_in_pieces() {
    let seed = Seed::from_env();
    let config = RegistryConfig { delta_bytes: 4096, max_value_bytes: 4096, ..Default::default() };
    let mut world = World::new(&seed, 2, config);
    world.side[1] = 1;
    (0..1000).for_each(|name| world.write(0, &format!("agent/{name:04}"), Some(&"x".repeat(100))));
    world.pass(secs(1));
    world.side[1] = 0;
    let took = world.until(secs(5), World::is_converged);
    println!("1,000 entries in pieces of 4 KiB: {took:?}, longest {}", world.longest);
    assert!(world.longest < 3 * 4096);
}

#[test]
fn messages_per_node_are_bounded_and_do_not_grow_with_the_cluster() {
    let seed = Seed::from_env();
    let rate = |count: usize, busy: bool| {
        let mut world = World::new(&seed, count, RegistryConfig::default());
        (0..count).for_each(|node| world.write(node, "own", Some("x")));
        world.until(secs(10), World::is_converged);
        (world.sent, world.bytes) = (0, 0);
        for round in 0..100 {
            if busy {
                (0..count).for_each(|node| world.write(node, "own", Some(&round.to_string())));
            }
            world.pass(Duration::from_millis(100));
        }
        let per = world.sent as f64 / count as f64 / 10.0;
        let bytes = world.bytes as f64 / count as f64 / 10.0;
        println!("{count} nodes, busy {busy}: {per:.1} messages/s, {bytes:.0} B/s per node");
        per
    };
    let (few, many) = (rate(5, false), rate(40, false));
    assert!(many < few * 1.2 + 1.0, "quiet: {few:.1} then {many:.1}");
    let most = 1000.0 / RegistryConfig::default().gather_ms as f64 * 3.0 + 60.0;
    let busy = rate(40, true);
    assert!(busy < most, "busy: {busy:.1}, at most {most:.1}");
}

#[test]
fn a_value_that_is_too_long_is_refused_with_its_size() {
    let mut world = World::new(&Seed::fixed(1), 1, RegistryConfig::default());
    let (moment, value) = (world.moment(0), Bytes::from(vec![0; 65_537]));
    let refused = world.nodes[0].write(moment, key(1), Some(value), &mut Vec::new());
    assert_eq!(refused, Err(RegistryRefusal::TooLarge { bytes: 65_537, limit: 65_536 }));
}

#[test]
fn garbage_is_counted_and_changes_nothing() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, 2, RegistryConfig::default());
    let mut rng = seed.rng();
    for _ in 0..500 {
        let mut body = vec![0; rng.random_range(0..64)];
        body.iter_mut().for_each(|byte| *byte = rng.random());
        if let Some(first) = body.first_mut() {
            *first = 1;
        }
        world.step(0, Input::Heard { from: NodeId(2), body: body.into() });
    }
    assert!(world.nodes[0].counters.malformed > 300);
    assert_eq!(Seen::of(&world.nodes[0].map).entries(), 0);
}

#[test]
fn listeners_hear_of_each_change_once_and_in_order() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, 5, RegistryConfig::default());
    for round in 0..30 {
        world.write(0, "own", Some(&round.to_string()));
        world.pass(Duration::from_millis(300));
    }
    world.write(0, "own", None);
    world.until(secs(3), |world| world.know("own") == 0);
    for changes in &world.changes[1..] {
        let stamps: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                RegistryChange::Put(entry) => Some(entry.stamp),
                _ => None,
            })
            .collect();
        assert!(stamps.is_sorted_by(|a, b| a < b));
        let gone =
            RegistryChange::Removed { node: NodeId(1), key: RegistryKey::parse("own").unwrap() };
        assert_eq!(changes.last(), Some(&gone));
    }
}
