//! Machines that talk to each other over a network of delays, losses and partitions by seed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;

use crate::membership::config::MembershipConfig;
use crate::membership::events::{Command, Input};
use crate::membership::machine::Machine;
use crate::membership::messages::{MemberChange, MemberState};
use crate::node::{Incarnation, NodeId, NodeName, NodeRecord, Roles};

/// How long a question waits for its answer, as in the actor.
const PATIENCE: Duration = Duration::from_secs(2);

/// The record of the node at place `place`, in its `start`-th start.
pub(super) fn record(place: usize, start: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(place as u64 + 1),
        name: NodeName::parse(&format!("n{place}")).unwrap(),
        address: format!("n{place}:1"),
        api: None,
        incarnation: Incarnation(start),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) record: NodeRecord,
    pub(super) running: bool,
    pub(super) changes: Vec<(Duration, MemberChange)>,
    pub(super) joined: Option<Duration>,
    pub(super) sent: u64,
    book: BTreeMap<NodeId, NodeRecord>,
    alarm: Option<Duration>,
    /// What came while it was frozen.
    frozen: Option<Vec<Happening>>,
}

enum Happening {
    Input(Input),
    Tick,
}

struct Event {
    node: usize,
    what: Happening,
}

/// A cluster in virtual time.
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    /// Which side of a partition each node is on.
    pub(super) side: Vec<usize>,
    /// Which share of messages is lost.
    pub(super) loss: f64,
    config: MembershipConfig,
    queue: BTreeMap<(Duration, u64), Event>,
    next: u64,
    /// Questions under way: who asked whom.
    tickets: BTreeMap<u64, (usize, usize)>,
    rng: ChaCha12Rng,
    /// What happened, for comparing runs.
    pub(super) trace: u64,
}

impl World {
    pub(super) fn new(seed: &Seed, config: MembershipConfig) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            side: Vec::new(),
            loss: 0.0,
            config,
            queue: BTreeMap::new(),
            next: 0,
            tickets: BTreeMap::new(),
            rng: seed.rng(),
            trace: 0,
        }
    }

    /// `count` nodes that all begin to join by the first three within 100 ms.
    pub(super) fn joining(seed: &Seed, count: usize) -> Self {
        let mut world = Self::new(seed, MembershipConfig::default());
        (0..count).for_each(|place| {
            world.join(record(place, 1));
        });
        world
    }

    /// `count` nodes that know each other.
    pub(super) fn complete(seed: &Seed, count: usize) -> Self {
        let mut world = Self::joining(seed, count);
        world.until(Duration::from_secs(10), Self::is_complete);
        world
    }

    pub(super) fn seeds() -> Vec<String> {
        (0..3).map(|place| record(place, 1).address).collect()
    }

    /// A new process; it joins by the seeds. Gives its index.
    pub(super) fn join(&mut self, record: NodeRecord) -> usize {
        let index = self.start(record);
        let delay = Duration::from_millis(self.rng.random_range(0..100));
        self.push(self.now + delay, index, Happening::Input(Input::Join(Self::seeds())));
        index
    }

    pub(super) fn start(&mut self, record: NodeRecord) -> usize {
        let rng = ChaCha12Rng::seed_from_u64(self.rng.random());
        let machine = Machine::new(record.clone(), 0, self.config, rng, self.now);
        self.nodes.push(Node {
            machine,
            record,
            running: true,
            changes: Vec::new(),
            joined: None,
            sent: 0,
            book: BTreeMap::new(),
            alarm: None,
            frozen: None,
        });
        self.side.push(0);
        let index = self.nodes.len() - 1;
        self.push(self.now, index, Happening::Input(Input::Tick));
        index
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.nodes[index].running = false;
    }

    /// Kills the process at `index` and starts the next one in its place, which joins.
    pub(super) fn restart(&mut self, index: usize) -> usize {
        self.kill(index);
        let mut record = self.nodes[index].record.clone();
        record.incarnation.0 += 1;
        let side = self.side[index];
        let next = self.join(record);
        self.side[next] = side;
        next
    }

    pub(super) fn freeze(&mut self, index: usize) {
        self.nodes[index].frozen = Some(Vec::new());
    }

    pub(super) fn thaw(&mut self, index: usize) {
        let missed = self.nodes[index].frozen.take().unwrap_or_default();
        // Timers come first, as in the actor.
        self.push(self.now, index, Happening::Tick);
        for what in missed {
            self.push(self.now, index, what);
        }
    }

    pub(super) fn input(&mut self, index: usize, input: Input) {
        self.step(index, input);
    }

    // ---- time ----

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((&(at, _), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            self.turn();
        }
        self.now = end;
    }

    /// Lets time pass until `condition` holds; how long that took.
    #[track_caller]
    pub(super) fn until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !condition(self) {
            assert!(self.now - start < limit, "did not hold within {limit:?}: {}", self.describe());
            self.pass(Duration::from_millis(20));
        }
        self.now - start
    }

    fn turn(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else { return };
        self.now = self.now.max(at);
        let node = &mut self.nodes[event.node];
        if !node.running {
            return;
        }
        if let Some(missed) = &mut node.frozen {
            if missed.len() < 10_000 {
                missed.push(event.what);
            }
            return;
        }
        match event.what {
            Happening::Input(input) => self.step(event.node, input),
            Happening::Tick if node.alarm.is_some_and(|alarm| alarm <= self.now) => {
                node.alarm = None;
                self.step(event.node, Input::Tick);
            }
            Happening::Tick => {}
        }
    }

    fn push(&mut self, at: Duration, node: usize, what: Happening) {
        self.next += 1;
        self.queue.insert((at, self.next), Event { node, what });
    }

    fn step(&mut self, index: usize, input: Input) {
        let node = &mut self.nodes[index];
        let commands = node.machine.step(self.now, input);
        let due = node.machine.next_due();
        if due != node.alarm
            && let Some(at) = due
        {
            node.alarm = Some(at);
            self.push(at, index, Happening::Tick);
        }
        for command in commands {
            self.execute(index, command);
        }
    }

    // ---- the network ----

    fn execute(&mut self, from: usize, command: Command) {
        let id = self.nodes[from].record.id;
        match command {
            Command::Learn(record) => {
                self.nodes[from].book.insert(record.id, record);
            }
            Command::Forget(node) => {
                self.nodes[from].book.remove(&node);
            }
            Command::Publish(change) => self.note(from, change),
            Command::Joined => self.nodes[from].joined = Some(self.now),
            Command::Cast { to, body } => {
                self.nodes[from].sent += 1;
                let Some(place) = self.place_of(from, to) else { return };
                if let Some(at) = self.passes(from, place) {
                    let input = Input::Heard { from: id, body };
                    self.push(at, place, Happening::Input(input));
                }
            }
            Command::Exchange { with, body } => self.ask(from, with, body),
            Command::Answer { ticket, answer } => self.answer(ticket, answer),
            Command::Meet(address) => self.meet(from, &address),
        }
    }

    fn ask(&mut self, from: usize, with: NodeId, body: Bytes) {
        self.nodes[from].sent += 1;
        let place = self.place_of(from, with);
        let arrives = place.and_then(|place| Some((place, self.passes(from, place)?)));
        let Some((place, at)) = arrives else {
            let input = Input::Answered { by: with, answer: Err("deadline".into()) };
            return self.push(self.now + PATIENCE, from, Happening::Input(input));
        };
        self.next += 1;
        let ticket = self.next;
        self.tickets.insert(ticket, (from, place));
        let from = self.nodes[from].record.id;
        self.push(at, place, Happening::Input(Input::Asked { ticket, from, body }));
    }

    fn answer(&mut self, ticket: u64, answer: Result<Bytes, String>) {
        let Some((asker, by)) = self.tickets.remove(&ticket) else { return };
        self.nodes[by].sent += 1;
        let arrives = self.passes(by, asker);
        let answer = if arrives.is_some() { answer } else { Err("deadline".into()) };
        let at = arrives.unwrap_or(self.now + PATIENCE);
        let by = self.nodes[by].record.id;
        self.push(at, asker, Happening::Input(Input::Answered { by, answer }));
    }

    fn meet(&mut self, from: usize, address: &str) {
        let place = self.nodes.iter().position(|node| node.is_at(address));
        let met = place.and_then(|place| Some((place, self.passes(from, place)?)));
        let (at, answer) = match met {
            Some((place, at)) => (at, Ok(self.nodes[place].record.clone())),
            None => (self.now + PATIENCE, Err(format!("{address}: unreachable"))),
        };
        self.push(at, from, Happening::Input(Input::Met { answer }));
    }

    /// The process that `from` reaches for `to`: the one at the address it knows.
    fn place_of(&self, from: usize, to: NodeId) -> Option<usize> {
        let address = &self.nodes[from].book.get(&to)?.address;
        self.nodes.iter().position(|node| node.is_at(address))
    }

    /// When a message from one process to the other arrives, if it does.
    fn passes(&mut self, from: usize, to: usize) -> Option<Duration> {
        let lost = self.rng.random_bool(self.loss) || self.side[from] != self.side[to];
        let delay = Duration::from_micros(self.rng.random_range(500..1500));
        (!lost && self.nodes[to].frozen.is_none()).then(|| self.now + delay)
    }

    fn note(&mut self, at: usize, change: MemberChange) {
        let line = format!("{:?} {at} {change:?}", self.now);
        let mixed = line
            .bytes()
            .fold(self.trace, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.trace = mixed;
        self.nodes[at].changes.push((self.now, change));
    }

    // ---- what is seen ----

    pub(super) fn state(&self, at: usize, of: usize) -> Option<MemberState> {
        let id = self.nodes[of].record.id;
        self.nodes[at].machine.table.get(id).map(|row| row.state)
    }

    fn knows_alive(&self, at: usize, of: usize) -> bool {
        let record = &self.nodes[of].record;
        let row = self.nodes[at].machine.table.get(record.id);
        row.is_some_and(|row| {
            row.state == MemberState::Alive && row.record.incarnation == record.incarnation
        })
    }

    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|index| self.nodes[*index].running)
    }

    /// Whether all running nodes take each other to live, and nobody else.
    pub(super) fn is_complete(&self) -> bool {
        let count = self.running().count();
        self.running().all(|at| {
            self.nodes[at].machine.table.up().count() == count - 1
                && self.running().filter(|of| *of != at).all(|of| self.knows_alive(at, of))
        })
    }

    /// Whether all running nodes but `of` itself see it in this state.
    pub(super) fn all_see(&self, of: usize, state: MemberState) -> bool {
        self.running().filter(|at| *at != of).all(|at| self.state(at, of) == Some(state))
    }

    /// How often anybody told `change`.
    pub(super) fn count(&self, change: impl Fn(&MemberChange) -> bool) -> usize {
        let all = self.nodes.iter().flat_map(|node| &node.changes);
        all.filter(|(_, told)| change(told)).count()
    }

    fn describe(&self) -> String {
        let up = |at: usize| self.nodes[at].machine.table.up().count();
        let lines = self.running().map(|at| format!("n{at} knows {} up", up(at)));
        lines.collect::<Vec<_>>().join(", ")
    }
}

impl Node {
    fn is_at(&self, address: &str) -> bool {
        self.running && self.record.address == address
    }
}
