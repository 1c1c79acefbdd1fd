//! Replicas over a network that loses, delays, reorders, doubles and parts; and that restart.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;

use super::super::document::{Delta, Edit, SharedDocument, SharedValue};
use super::super::dots::ReplicaId;
use super::super::replica::{Around, Command, Replica};
use super::super::{Scalar, SharedConfig};

const ROUND_MS: u64 = 1000;

/// A network and the replicas on it. A replica's journal outlives it.
struct World {
    rng: ChaCha12Rng,
    config: SharedConfig,
    replicas: Vec<Replica>,
    journals: Vec<Vec<(String, Delta)>>,
    /// By when it arrives.
    under_way: BTreeMap<(u64, u64), (u64, u64, Bytes)>,
    sent: u64,
    now_ms: u64,
    /// On which side of a partition each is.
    sides: Vec<u8>,
    loss: f64,
    most_delay_ms: u64,
    /// What counters were told, and the sum of it.
    counted: i64,
    writes: u64,
}

impl World {
    fn new(count: usize, seed: &Seed) -> Self {
        let config = SharedConfig { delta_bytes: 2048, ..SharedConfig::default() };
        let mut world = Self {
            rng: seed.rng(),
            config,
            replicas: Vec::new(),
            journals: vec![Vec::new(); count],
            under_way: BTreeMap::new(),
            sent: 0,
            now_ms: 1_000_000,
            sides: vec![0; count],
            loss: 0.0,
            most_delay_ms: 20,
            counted: 0,
            writes: 0,
        };
        for at in 0..count {
            let replica = world.begin(at);
            world.replicas.push(replica);
        }
        world
    }

    /// A replica with nothing but what its journal has.
    fn begin(&mut self, at: usize) -> Replica {
        let id = ReplicaId(1 + at as u64);
        let rng = Seed::fixed(self.rng.random()).rng();
        let mut replica = Replica::new(id, self.config, rng);
        for (document, delta) in &self.journals[at] {
            replica.restore(self.now_ms, document.clone(), delta).unwrap();
        }
        replica
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.random::<f64>() < of
    }

    fn step(
        &mut self,
        at: usize,
        decide: impl FnOnce(&mut Replica, Around<'_>, &mut Vec<Command>),
    ) {
        let peers: Vec<u64> =
            (0..self.replicas.len() as u64).filter(|peer| *peer != at as u64).collect();
        // Clocks differ by some seconds.
        let around = Around { utc_ms: self.now_ms + 700 * at as u64, peers: &peers };
        let mut commands = Vec::new();
        decide(&mut self.replicas[at], around, &mut commands);
        for command in commands {
            let Command::Send { to, bytes } = command else { continue };
            for _ in 0..=u8::from(self.loss > 0.0 && self.chance(0.05)) {
                self.sent += 1;
                let arrives = self.now_ms + self.rng.random_range(1..=self.most_delay_ms);
                self.under_way.insert((arrives, self.sent), (at as u64, to, bytes.clone()));
            }
        }
    }

    fn write(&mut self, at: usize, document: &str, edit: Edit) {
        let now = self.now_ms + 700 * at as u64;
        let by = if let Edit::Count { by, .. } = &edit { *by } else { 0 };
        let delta = self.replicas[at].edit(now, document, &[edit]).unwrap();
        self.counted += by;
        self.writes += 1;
        if delta.is_empty() {
            return;
        }
        // Nobody hears of it before the journal has it.
        self.journals[at].push((document.to_owned(), delta.clone()));
        let document = document.to_owned();
        self.step(at, |replica, around, out| replica.push(around, document, delta, out));
    }

    fn random_edit(&mut self) -> (&'static str, Edit) {
        let document = ["board", "plan"][self.rng.random_range(0..2)];
        let key = |kind: &str, at: u8| format!("{kind}{at}");
        let (at, value) = (self.rng.random_range(0..4), Scalar::Int(self.rng.random_range(0..9)));
        let edit = match self.rng.random_range(0..12) {
            0..3 => Edit::Set { key: key("latest", at), value },
            3..5 => Edit::Put { key: key("versions", at), value },
            5..7 => Edit::Count { key: "sum".into(), by: self.rng.random_range(-5..9) },
            7..9 => Edit::Include { key: key("set", at), member: value },
            9..11 => Edit::Exclude { key: key("set", at), member: value },
            _ => Edit::Remove { key: key(["latest", "versions", "set"][at as usize % 3], at) },
        };
        (document, edit)
    }

    /// Lets so much time pass; each replica has its round, all what arrives.
    fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms += 1;
            for at in 0..self.replicas.len() {
                if self.now_ms % ROUND_MS == (137 * at as u64) % ROUND_MS {
                    self.step(at, |replica, around, out| replica.round(around, out));
                }
            }
            while let Some(next) = self.under_way.first_entry() {
                if next.key().0 > self.now_ms {
                    break;
                }
                let (from, to, bytes) = next.remove();
                let parted = self.sides[from as usize] != self.sides[to as usize];
                let loss = self.loss;
                if parted || self.chance(loss) {
                    continue;
                }
                self.step(to as usize, |replica, around, out| {
                    replica.heard(around, from, &bytes, out);
                });
            }
        }
    }

    fn agree(&self) -> bool {
        let first = &self.replicas[0].documents;
        self.replicas.iter().all(|replica| replica.documents == *first)
    }

    /// How long it takes until all agree.
    fn until_they_agree(&mut self, within_ms: u64) -> u64 {
        let begun = self.now_ms;
        while !self.agree() {
            assert!(self.now_ms - begun < within_ms, "no agreement within {within_ms} ms");
            self.pass(10);
        }
        self.now_ms - begun
    }
}

fn sum(world: &World) -> i64 {
    let sum_of = |document: &SharedDocument| match document.get("sum") {
        Some(SharedValue::Counter(sum)) => sum,
        _ => 0,
    };
    world.replicas[0].documents.values().map(sum_of).sum()
}

#[test]
fn replicas_converge_after_loss_delay_partitions_and_restarts() {
    let seed = Seed::from_env();
    for round in 0..24 {
        let seed = seed.round(round);
        let count = 3 + round as usize % 5;
        let mut world = World::new(count, &seed);
        (world.loss, world.most_delay_ms) = (0.2, 900);
        for _ in 0..60 {
            let at = world.rng.random_range(0..count);
            let (document, edit) = world.random_edit();
            world.write(at, document, edit);
            if world.chance(0.1) {
                let sides = world.rng.random_range(1..4);
                world.sides = (0..count).map(|_| world.rng.random_range(0..sides)).collect();
            }
            if world.chance(0.08) {
                // It comes back with what it wrote itself; the rest comes from the others.
                world.replicas[at] = world.begin(at);
            }
            let ms = world.rng.random_range(1..400);
            world.pass(ms);
        }
        world.sides = vec![0; count];
        world.until_they_agree(120_000);
        assert_eq!(sum(&world), world.counted, "no increment is lost or counted twice");
        for replica in &world.replicas {
            let counters = replica.counters;
            assert_eq!((counters.malformed, counters.refused), (0, 0));
        }
        world.loss = 0.0;
        world.pass(3 * ROUND_MS);
        let quiet = world.sent;
        world.pass(20 * ROUND_MS);
        let pulses = 20 * count as u64 * world.config.fanout.min(count - 1) as u64;
        assert!(world.sent - quiet <= pulses, "who agrees has little to say");
    }
}

#[test]
fn a_replica_that_was_away_gets_much_in_parts() {
    let seed = Seed::from_env();
    let mut world = World::new(3, &seed);
    world.sides = vec![0, 0, 1];
    for at in 0..200 {
        let value = Scalar::text("x".repeat(100));
        world.write(0, "board", Edit::Set { key: format!("k{at}"), value });
    }
    world.pass(50);
    world.sides = vec![0; 3];
    let took = world.until_they_agree(10_000);
    assert!(took >= 10, "{took}");
    assert_eq!(world.replicas[2].documents["board"].key_count(), 200);
}

#[test]
fn what_strangers_say_is_counted_and_changes_nothing() {
    let seed = Seed::from_env();
    let mut world = World::new(3, &seed);
    world.write(0, "board", Edit::Count { key: "n".into(), by: 1 });
    world.pass(100);
    let (before, mut other) = (world.replicas[0].documents.clone(), World::new(3, &seed));
    // Somebody who says to be replica 1, and goes on counting.
    other.write(0, "board", Edit::Count { key: "n".into(), by: 1 });
    other.write(0, "board", Edit::Count { key: "n".into(), by: 1 });
    let forged: Vec<Bytes> = other.under_way.values().map(|(_, _, bytes)| bytes.clone()).collect();
    for bytes in &forged {
        world.step(0, |replica, around, out| replica.heard(around, 7, bytes, out));
    }
    assert!(world.replicas[0].counters.refused > 0);
    let malformed: [&[u8]; 4] = [b"", b"\x01", b"\x02abc", &[1, 2, 255, 255, 255, 255, 255]];
    for bytes in malformed {
        world.step(0, |replica, around, out| replica.heard(around, 7, bytes, out));
    }
    assert_eq!(world.replicas[0].counters.malformed, 4);
    assert!(world.replicas[0].documents == before);
}

#[test]
fn an_update_costs_each_other_replica_a_few_times_its_size() {
    let seed = Seed::from_env();
    println!("replicas  loss  bytes/update  per other  messages/update  to agree after the last");
    for count in [3, 5, 7] {
        for loss in [0.0, 0.1] {
            let mut world = World::new(count, &seed);
            world.loss = loss;
            let updates = 1000;
            for at in 0..updates {
                let who = at % count;
                let value = Scalar::text("sixteen bytes ..");
                world.write(who, "board", Edit::Set { key: format!("key-{}", at % 50), value });
                world.pass(10);
            }
            let took = world.until_they_agree(60_000);
            let of = |counted: fn(&Replica) -> u64| {
                world.replicas.iter().map(counted).sum::<u64>() as f64 / updates as f64
            };
            let bytes = of(|replica| replica.counters.sent_bytes);
            let messages = of(|replica| replica.counters.sent);
            let per_other = bytes / (count - 1) as f64;
            assert!(per_other < 1_000.0, "{count} replicas, loss {loss}: {per_other} bytes");
            println!(
                "{count:8}  {loss:4}  {bytes:12.0}  {per_other:9.0}  {messages:15.2}  {took} ms"
            );
        }
    }
}
