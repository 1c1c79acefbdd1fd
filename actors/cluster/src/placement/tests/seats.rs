//! Nodes that host, a control group that answers late or not at all, and who looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use synod_testkit::Seed;

use super::{admit, mark, record, settle, tell};
use crate::control::{ControlAnswer, ControlCommand, ControlState, FencingToken};
use crate::node::NodeId;
use crate::placement::{
    Hosting, HostingCommand, Look, Placeable, PlacingConfig, Terms, placements,
};

/// Milliseconds between looks.
const LOOK: u64 = 100;

/// Milliseconds that a forced stop may take.
const ENDS_WITHIN: u64 = 500;

/// What arrives at a node later.
enum Answer {
    Acquired(String, Instant, Option<FencingToken>),
    Renewed(Instant, Option<Vec<crate::control::LeaseName>>),
    Started(String, bool),
    Stopped(String, Option<FencingToken>, bool),
    Released(String),
}

struct Node {
    id: NodeId,
    hosting: Hosting,
    /// Milliseconds and what arrives then.
    answers: Vec<(u64, Answer)>,
    /// What runs here.
    running: BTreeSet<String>,
    /// Whether it reaches the control group.
    reaches: bool,
    alive: bool,
    /// What it last saw of the control group.
    seen: ControlState,
}

struct World {
    begun: Instant,
    ms: u64,
    state: ControlState,
    position: u64,
    nodes: Vec<Node>,
    wanted: BTreeMap<String, Placeable>,
    /// Tokens of the last start of each thing.
    last: BTreeMap<String, FencingToken>,
}

impl World {
    fn new(count: u64, things: usize, instances: u32) -> Self {
        let mut state = ControlState::default();
        (1..=count).for_each(|id| admit(&mut state, record(id, 100)));
        settle(&mut state);
        let able: BTreeSet<_> = (1..=count).map(NodeId).collect();
        let thing = Placeable { instances, able, ..Placeable::default() };
        let wanted = (0..things).map(|n| (format!("agent-{n}"), thing.clone())).collect();
        let mut world = Self {
            begun: Instant::now(),
            ms: 0,
            state,
            position: 1,
            nodes: Vec::new(),
            wanted,
            last: BTreeMap::new(),
        };
        world.nodes = (1..=count).map(|id| world.node(NodeId(id))).collect();
        world
    }

    fn node(&self, id: NodeId) -> Node {
        let ends_within = Duration::from_millis(ENDS_WITHIN + 2 * LOOK);
        let terms = |what: &Placeable| Terms { instances: what.instances, ends_within };
        let could = self.wanted.iter().map(|(name, what)| (name.clone(), terms(what))).collect();
        Node {
            id,
            hosting: Hosting::new(id, &PlacingConfig::default(), could),
            answers: Vec::new(),
            running: BTreeSet::new(),
            reaches: true,
            alive: true,
            seen: self.state.clone(),
        }
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_millis(self.ms)
    }

    /// Has the control group do something; nothing is known of it where it is not reached.
    fn propose(
        &mut self,
        node: usize,
        command: ControlCommand,
        rng: &mut impl Rng,
    ) -> Option<ControlAnswer> {
        if !self.nodes[node].reaches {
            return None;
        }
        let lost_on_the_way = rng.random_bool(0.02);
        if lost_on_the_way {
            return None;
        }
        self.position += 1;
        let answer = tell(&mut self.state, self.position, command);
        // Done, and nobody hears of it.
        (!rng.random_bool(0.02)).then_some(answer)
    }

    fn step(&mut self, rng: &mut impl Rng) {
        self.ms += LOOK;
        let now = self.now();
        for index in 0..self.nodes.len() {
            if !self.nodes[index].alive {
                continue;
            }
            let mut out = Vec::new();
            self.arrive(index, now, &mut out);
            if self.nodes[index].reaches && rng.random_bool(0.7) {
                self.nodes[index].seen = self.state.clone();
            }
            let hosts = placements(&self.nodes[index].seen, &self.wanted, &BTreeMap::new());
            let node = &mut self.nodes[index];
            let utc_us = self.ms as i64 * 1_000;
            let look = Look { now, utc_us, state: &node.seen, hosts: &hosts };
            node.hosting.look(look, &mut out);
            for command in out {
                self.execute(index, command, rng);
            }
            self.check();
        }
    }

    fn arrive(&mut self, index: usize, now: Instant, out: &mut Vec<HostingCommand>) {
        let (ms, node) = (self.ms, &mut self.nodes[index]);
        let due: Vec<_> = node.answers.extract_if(.., |(at, _)| *at <= ms).collect();
        for (_, answer) in due {
            match answer {
                Answer::Acquired(name, sent, token) => {
                    node.hosting.acquired(&name, sent, token, now, out);
                }
                Answer::Renewed(sent, kept) => node.hosting.renewed(sent, kept.as_deref(), now),
                Answer::Started(name, runs) => node.hosting.started(&name, runs, now),
                Answer::Stopped(name, token, gone) => {
                    if gone {
                        node.running.remove(&name);
                    }
                    node.hosting.stopped(&name, token, gone, out);
                }
                Answer::Released(name) => node.hosting.released(&name),
            }
        }
    }

    fn execute(&mut self, index: usize, command: HostingCommand, rng: &mut impl Rng) {
        let (now, holder) = (self.now(), self.nodes[index].id);
        let at_us = self.ms as i64 * 1_000;
        let mut after = self.ms + rng.random_range(0..300);
        let answer = match command {
            HostingCommand::Acquire { name, lease, for_us } => {
                let command = ControlCommand::Acquire { name: lease, holder, for_us, at_us };
                let token = match self.propose(index, command, rng) {
                    Some(ControlAnswer::Leased { token, .. }) => Some(token),
                    _ => None,
                };
                Answer::Acquired(name, now, token)
            }
            HostingCommand::Renew { leases } => {
                let command = ControlCommand::Renew { holder, leases, at_us };
                let kept = match self.propose(index, command, rng) {
                    Some(ControlAnswer::Renewed { leases }) => Some(leases),
                    _ => None,
                };
                Answer::Renewed(now, kept)
            }
            HostingCommand::Release { name, lease, token } => {
                assert!(!self.nodes[index].running.contains(&name), "given back while it runs");
                self.propose(index, ControlCommand::Release { name: lease, token }, rng);
                Answer::Released(name)
            }
            HostingCommand::Start { name, token, .. } => {
                self.start(index, &name, token);
                Answer::Started(name, rng.random_bool(0.95))
            }
            HostingCommand::Stop { name, token, within } => {
                let within = within.as_millis() as u64;
                after = self.ms + rng.random_range(0..=within.min(2_000) + ENDS_WITHIN);
                Answer::Stopped(name, token, within > 0 || rng.random_bool(0.9))
            }
        };
        // A stop that failed has still stopped what ran, only nobody knows.
        self.nodes[index].answers.push((after, answer));
    }

    fn start(&mut self, index: usize, name: &str, token: FencingToken) {
        assert!(self.nodes[index].running.insert(name.to_owned()), "started twice");
        if self.wanted[name].instances == 1 {
            let before = self.last.insert(name.to_owned(), token).unwrap_or_default();
            assert!(before <= token, "a fence fell: {before:?}, {token:?}");
        }
    }

    fn hosts(&self, name: &str) -> Vec<NodeId> {
        let runs = |node: &&Node| node.alive && node.running.contains(name);
        self.nodes.iter().filter(runs).map(|node| node.id).collect()
    }

    fn check(&self) {
        for (name, what) in &self.wanted {
            let hosts = self.hosts(name);
            assert!(hosts.len() <= what.instances as usize, "{name} at {hosts:?}, {} ms", self.ms);
        }
    }

    fn run(&mut self, ms: u64, rng: &mut impl Rng) {
        let until = self.ms + ms;
        while self.ms < until {
            self.step(rng);
        }
    }

    fn fail(&mut self, rng: &mut impl Rng) {
        let index = rng.random_range(0..self.nodes.len());
        let id = self.nodes[index].id;
        match rng.random_range(0..6) {
            0 => self.nodes[index].reaches = false,
            1 => self.nodes[index].reaches = true,
            2 => {
                // What a node ran ends with it, and is cleared away before it starts again.
                self.nodes[index].alive = false;
                mark(&mut self.state, id.0, false);
            }
            3 if !self.nodes[index].alive => {
                self.nodes[index] = self.node(id);
                mark(&mut self.state, id.0, true);
            }
            4 => {
                let draining = rng.random_bool(0.5);
                tell(&mut self.state, 0, ControlCommand::Drain { node: id, draining });
            }
            // It is thought to be gone, and goes on.
            _ => mark(&mut self.state, id.0, rng.random_bool(0.5)),
        }
        let epoch = self.state.shards.epoch;
        tell(&mut self.state, 0, ControlCommand::Spread { epoch });
    }

    fn heal(&mut self) {
        for index in 0..self.nodes.len() {
            let id = self.nodes[index].id;
            if !self.nodes[index].alive {
                self.nodes[index] = self.node(id);
            }
            self.nodes[index].reaches = true;
            mark(&mut self.state, id.0, true);
            tell(&mut self.state, 0, ControlCommand::Drain { node: id, draining: false });
        }
        settle(&mut self.state);
    }
}

#[test]
fn no_more_than_should_ever_host_and_all_do_once_all_is_well() {
    let seed = Seed::from_env();
    for round in 0..20 {
        let mut rng = seed.round(round).rng();
        let (count, instances) = (rng.random_range(1..6), rng.random_range(1..3));
        let mut world = World::new(count, 4, instances);
        for _ in 0..rng.random_range(5..25) {
            let calm = rng.random_range(100..9_000);
            world.run(calm, &mut rng);
            world.fail(&mut rng);
        }
        world.heal();
        world.run(90_000, &mut rng);
        let plan = placements(&world.state, &world.wanted, &BTreeMap::new());
        for (name, hosts) in plan {
            let hosts: BTreeSet<_> = hosts.into_iter().collect();
            let there: BTreeSet<_> = world.hosts(&name).into_iter().collect();
            assert_eq!(there, hosts, "{name} in round {round} of seed {}", seed.value());
        }
    }
}

/// A world in which nothing is lost on the way, run until the one thing has its host.
fn settled(count: u64, rng: &mut impl Rng) -> (World, usize) {
    let mut world = World::new(count, 1, 1);
    world.run(20_000, rng);
    let host = world.hosts("agent-0");
    assert_eq!(host.len(), 1);
    let index = world.nodes.iter().position(|node| node.id == host[0]).unwrap();
    (world, index)
}

#[test]
fn another_node_takes_over_in_bounded_time_when_the_host_dies() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (mut world, host) = settled(3, &mut rng);
    let id = world.nodes[host].id;
    world.nodes[host].alive = false;
    mark(&mut world.state, id.0, false);
    settle(&mut world.state);
    // The lease, what a stop may take, and answers that are lost on the way.
    world.run(4_000 + ENDS_WITHIN + 6_000, &mut rng);
    let hosts = world.hosts("agent-0");
    assert_eq!(hosts.len(), 1, "seed {}", seed.value());
    assert_ne!(hosts[0], id);
}

#[test]
fn a_node_that_reaches_nobody_stops_what_it_hosts_before_another_starts_it() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (mut world, host) = settled(3, &mut rng);
    world.nodes[host].reaches = false;
    let id = world.nodes[host].id;
    mark(&mut world.state, id.0, false);
    settle(&mut world.state);
    world.run(4_000 + ENDS_WITHIN + 6_000, &mut rng);
    assert!(!world.nodes[host].running.contains("agent-0"), "seed {}", seed.value());
    assert_eq!(world.hosts("agent-0").len(), 1, "seed {}", seed.value());
}

#[test]
fn a_node_that_departs_stops_all_and_keeps_no_seat() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (mut world, host) = settled(1, &mut rng);
    world.nodes[host].hosting.depart(Duration::from_secs(1));
    world.run(8_000, &mut rng);
    let hosting = &world.nodes[host].hosting;
    assert!(hosting.is_empty(), "seed {}: {hosting:?}", seed.value());
    assert_eq!(hosting.offers(world.now()).count(), 0);
    assert!(world.hosts("agent-0").is_empty());
}
