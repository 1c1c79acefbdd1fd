//! Rumours reach everybody, soon, and end.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use synod_agents::{AgentId, Payload};
use uuid::Uuid;

use super::*;

fn name(number: usize) -> AgentId {
    AgentId::new(format!("m{number:04}")).unwrap()
}

fn index(name: &AgentId) -> usize {
    name.as_str()[1..].parse().unwrap()
}

/// A group with its network, which loses messages.
struct Group {
    members: Vec<Gossip>,
    chance: ChaCha12Rng,
    loss: f64,
    messages: usize,
}

impl Group {
    fn new(count: usize, loss: f64, seed: u64, config: GossipConfig) -> Self {
        let all: Vec<AgentId> = (0..count).map(name).collect();
        let members = all.iter().map(|own| Gossip::new(config, own.clone(), all.clone())).collect();
        Self { members, chance: ChaCha12Rng::seed_from_u64(seed), loss, messages: 0 }
    }

    /// One round of all, and what comes of it.
    fn round(&mut self) {
        let mut wire = Vec::new();
        for (number, member) in self.members.iter_mut().enumerate() {
            let mut out = Vec::new();
            member.tick(&mut self.chance, &mut out);
            wire.extend(out.into_iter().map(|(to, message)| (number, to, message)));
        }
        while let Some((from, to, message)) = wire.pop() {
            self.messages += 1;
            if self.chance.random_bool(self.loss) {
                continue;
            }
            let (mut out, mut told) = (Vec::new(), Vec::new());
            let to = index(&to);
            self.members[to].hear(&name(from), message, &mut out, &mut told);
            wire.extend(out.into_iter().map(|(back, message)| (to, back, message)));
        }
    }

    fn informed(&self, id: Uuid) -> usize {
        self.members.iter().filter(|member| member.knows(id)).count()
    }
}

#[test]
fn with_a_fifth_of_all_messages_lost_everybody_knows_after_log2_n_plus_6_rounds() {
    let id = Uuid::from_u128(1);
    for (count, seeds) in [(2, 200), (10, 200), (100, 50), (1_000, 10)] {
        let bound = ((count as f64).log2() + 6.0).ceil() as usize;
        let mut worst = 0;
        for seed in 0..seeds {
            let mut group = Group::new(count, 0.2, seed, GossipConfig::default());
            group.members[0].spread(id, Payload::text("news")).unwrap();
            let needed = (1..=bound).find(|_| {
                group.round();
                group.informed(id) == count
            });
            let needed = needed.unwrap_or_else(|| {
                let informed = group.informed(id);
                panic!("seed {seed}: {informed} of {count} know after {bound} rounds")
            });
            // Pushes and their answers: each member talks to so many, each may answer.
            assert!(group.messages <= needed * count * 2 * GossipConfig::default().fan_out);
            worst = worst.max(needed);
        }
        eprintln!("{count} members: at most {worst} rounds in {seeds} seeds, bound {bound}");
    }
}

#[test]
fn a_rumour_ends_everywhere_by_its_age() {
    let config = GossipConfig { told_rounds: 10, kept_rounds: 15, ..GossipConfig::default() };
    let mut group = Group::new(50, 0.0, 7, config);
    let id = Uuid::from_u128(1);
    group.members[3].spread(id, Payload::text("news")).unwrap();
    for _ in 0..10 {
        group.round();
    }
    assert_eq!(group.informed(id), 50);
    for _ in 0..8 {
        group.round();
    }
    assert_eq!(group.informed(id), 0);
}

#[test]
fn a_message_is_never_larger_than_allowed_and_all_arrives_all_the_same() {
    let config = GossipConfig { max_message_bytes: 1_024, ..GossipConfig::default() };
    let mut group = Group::new(20, 0.0, 9, config);
    for number in 0..40_u128 {
        let from = number as usize % 20;
        group.members[from]
            .spread(Uuid::from_u128(number + 1), Payload::text("x".repeat(300)))
            .unwrap();
    }
    let mut out = Vec::new();
    group.members[0].clone().tick(&mut ChaCha12Rng::seed_from_u64(1), &mut out);
    for (_, message) in &out {
        let GossipMessage::Push { rumours, .. } = message else { panic!() };
        assert!(rumours.iter().map(|rumour| rumour.content.bytes.len()).sum::<usize>() <= 1_024);
    }
    let all = (1..=60).any(|_| {
        group.round();
        (0..40_u128).all(|number| group.informed(Uuid::from_u128(number + 1)) == 20)
    });
    assert!(all, "all forty are known to all twenty before the first is forgotten");
    let error = group.members[0].spread(Uuid::from_u128(99), Payload::text("x".repeat(2_000)));
    assert!(error.unwrap_err().to_string().starts_with("content: "));
}

#[test]
fn the_oldest_rumours_go_when_there_are_too_many() {
    let config = GossipConfig { max_rumours: 3, ..GossipConfig::default() };
    let mut member = Gossip::new(config, name(0), [name(0), name(1)]);
    for number in 1..=5_u128 {
        member.spread(Uuid::from_u128(number), Payload::empty()).unwrap();
        member.tick(&mut ChaCha12Rng::seed_from_u64(1), &mut Vec::new());
    }
    assert_eq!(member.known(), 3);
    assert!(member.knows(Uuid::from_u128(5)) && !member.knows(Uuid::from_u128(1)));
}

#[test]
fn strangers_and_a_group_of_one_change_nothing() {
    let mut alone = Gossip::new(GossipConfig::default(), name(0), [name(0)]);
    let (mut out, mut told) = (Vec::new(), Vec::new());
    alone.spread(Uuid::from_u128(1), Payload::empty()).unwrap();
    alone.tick(&mut ChaCha12Rng::seed_from_u64(1), &mut out);
    let rumour =
        Rumour { id: Uuid::from_u128(2), origin: name(7), age: 0, content: Payload::empty() };
    let push = GossipMessage::Push { rumours: vec![rumour], known: Vec::new() };
    alone.hear(&name(7), push, &mut out, &mut told);
    assert!(out.is_empty() && told.is_empty() && alone.known() == 1);
    assert!(GossipConfig::default().validate().is_ok());
    let faulty = GossipConfig { kept_rounds: 1, ..GossipConfig::default() };
    assert_eq!(faulty.validate().unwrap_err()[0].key, "kept_rounds");
}
