//! The index of free agents against a plain search, and matching at scale.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng;
use uuid::Uuid;

use super::class::Class;
use super::standing::Standing;
use super::*;
use crate::queue::Weights;

fn chance() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(7)
}

fn requires(name: &str) -> Requirement {
    Requirement { capabilities: vec![name.parse().unwrap()], ..Requirement::default() }
}

/// What is given to an agent at once.
fn given(next: Option<Next>) -> Option<Match> {
    next.map(|next| match next {
        Next::Given(given) => given,
        Next::Asked { .. } => panic!("nobody is to be asked"),
    })
}

fn card(id: &str, capability: &str) -> Arc<AgentCard> {
    Arc::new(AgentCard::new(id, "1.0.0").capability(capability))
}

proptest! {
    /// Members join, leave, become free and busy at random: the best is always one of the lowest
    /// level there is, as a plain search finds it.
    #[test]
    fn the_best_free_member_is_the_one_a_plain_search_finds(
        steps in prop::collection::vec((0..4_u8, 0..12_usize, 0..70_usize), 1..200),
    ) {
        let (mut class, mut chance) = (Class::new(requires("x"), 0), chance());
        // Agent number to its number in the class and its level, if it is free.
        let mut model: BTreeMap<u32, (u32, Option<usize>)> = BTreeMap::new();
        let mut next = 0;
        for (kind, which, level) in steps {
            let known = model.keys().copied().nth(which % model.len().max(1));
            match (kind, known) {
                (0, _) => {
                    next += 1;
                    model.insert(next, (class.join(next, None), None));
                }
                (1, Some(agent)) if which % 3 == 0 => {
                    let (member, _) = model.remove(&agent).unwrap();
                    class.leave(member);
                }
                (_, Some(agent)) => {
                    let known = model.get_mut(&agent).unwrap();
                    known.1 = (kind > 1).then_some(level);
                    let standing = |level| Standing { level, running: 0, capacity: 1 };
                    class.place(known.0, known.1.map(standing));
                }
                (_, None) => {}
            }
            let free = model
                .iter()
                .filter_map(|(agent, (_, level))| Some((*level)?).zip(Some(*agent)));
            let lowest = free.clone().map(|(level, _)| level.min(63)).min();
            let best = class.best(&mut chance);
            let level_of_best = best.and_then(|agent| model[&agent].1).map(|level| level.min(63));
            prop_assert_eq!(level_of_best, lowest);
            prop_assert_eq!(class.agents().count(), model.len());
            prop_assert_eq!(class.free_by_level(&mut chance).count(), free.count());
        }
    }
}

#[test]
fn fifty_thousand_agents_and_as_many_executions_are_matched_each_once() {
    const COUNT: u64 = 50_000;
    let (mut matching, mut chance) = (Matching::new(64), chance());
    let class = matching.class_of(&requires("x")).unwrap();
    for number in 0..COUNT {
        matching.join(card(&format!("agent-{number}"), "x"), AgentStatus::Active);
    }
    let tenant: Arc<str> = Arc::from("default");
    for number in 0..COUNT {
        let task = Uuid::from_u128(u128::from(number));
        matching.queue(class, Priority::Normal, &tenant, (number, 0, 0), task);
    }
    let mut agents = BTreeSet::new();
    for number in 0..COUNT {
        let next = given(matching.next(16, &Weights::new(), &mut chance)).unwrap();
        assert_eq!(next.task, Uuid::from_u128(u128::from(number)));
        assert!(agents.insert(next.agent));
    }
    assert_eq!(matching.next(16, &Weights::new(), &mut chance), None);
    assert_eq!(matching.queued(), [0; 5]);
}

#[test]
fn classes_nobody_refers_to_make_room_for_new_ones_and_are_found_again() {
    let mut matching = Matching::new(16);
    let agent = matching.join(card("a", "skill-7"), AgentStatus::Active);
    for number in 0..100 {
        matching.class_of(&requires(&format!("skill-{number}"))).unwrap();
    }
    let class = matching.class_of(&requires("skill-7")).unwrap();
    assert!(matching.is_served(class));
    assert_eq!(matching.agent(agent).unwrap().memberships.len(), 1);
    matching.hold(class);
    for number in 100..115 {
        let other = matching.class_of(&requires(&format!("skill-{number}"))).unwrap();
        matching.hold(other);
    }
    assert_eq!(matching.class_of(&requires("skill-200")), Err(TooManyRequirements));
    matching.let_go(class);
    assert!(matching.class_of(&requires("skill-200")).is_ok());
}

#[test]
fn an_agent_that_joins_later_serves_what_is_queued_already() {
    let (mut matching, mut chance) = (Matching::new(64), chance());
    let class = matching.class_of(&requires("x")).unwrap();
    let task = Uuid::from_u128(1);
    matching.queue(class, Priority::Low, &Arc::from("default"), (1, 0, 0), task);
    assert_eq!(matching.next(16, &Weights::new(), &mut chance), None);
    let agent = matching.join(card("a", "x"), AgentStatus::Active);
    let expected = Match { task, part: 0, agent };
    assert_eq!(given(matching.next(16, &Weights::new(), &mut chance)), Some(expected));
}

#[test]
fn a_rest_ends_and_a_success_forgets_earlier_refusals() {
    let (mut matching, mut chance) = (Matching::new(64), chance());
    let agent = matching.join(card("a", "x"), AgentStatus::Active);
    let class = matching.class_of(&requires("x")).unwrap();
    let tenant: Arc<str> = Arc::from("default");
    let mut now = 0;
    for (place, rest) in [(1, 20_000), (2, 40_000), (3, 80_000)] {
        matching.queue(class, Priority::Normal, &tenant, (place, 0, 0), Uuid::from_u128(1));
        assert!(matching.next(16, &Weights::new(), &mut chance).is_some());
        matching.release(agent, Showing::Refused(None), now);
        assert_eq!(matching.next_wake(), Some(now + rest));
        now += rest;
        matching.wake(now);
    }
    matching.queue(class, Priority::Normal, &tenant, (4, 0, 0), Uuid::from_u128(1));
    assert!(matching.next(16, &Weights::new(), &mut chance).is_some());
    matching.release(agent, Showing::Succeeded(1), now);
    matching.release(agent, Showing::Refused(None), now);
    assert_eq!(matching.next_wake(), Some(now + 20_000));
}
