//! Random conversations: never two live awards, always an end, the same again from the same inputs.

use std::collections::BTreeSet;

use proptest::prelude::*;
use synod_agents::{Payload, Performative};
use synod_runtime::Principal;

use super::{World, answer, opening, quality, setup};
use crate::contract_net::{Claim, ContractNet, Input, Setup};
use crate::protocol::{Effects, Heard, Moment, Protocol};

/// Something that happens.
#[derive(Debug, Clone)]
enum Act {
    Answer(usize, u8),
    Propose(usize, f64),
    Report(usize, u64),
    Pass(i64),
    Cancel,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..40_usize, 0..6_u8).prop_map(|(which, how)| Act::Answer(which, how)),
        2 => (0..4_usize, 0.0..1.0).prop_map(|(who, quality)| Act::Propose(who, quality)),
        2 => (0..4_usize, 0..6_u64).prop_map(|(who, fence)| Act::Report(who, fence)),
        3 => (1..6_000_i64).prop_map(Act::Pass),
        1 => Just(Act::Cancel),
    ]
}

fn reply(how: u8) -> Heard {
    match how {
        0 => quality(0.5),
        1 => answer(Performative::Refuse, Payload::empty()),
        2 => answer(Performative::Inform, Payload::text("done")),
        3 => answer(Performative::Failure, Payload::text("no")),
        4 => answer(Performative::NotUnderstood, Payload::empty()),
        _ => Heard::Silent("gone".to_owned()),
    }
}

fn perform(world: &mut World, act: &Act) {
    match act {
        Act::Answer(which, how) if !world.sent.is_empty() => {
            let number = world.sent[which % world.sent.len()].number;
            world.hear(number, &reply(*how));
        }
        Act::Answer(..) => {}
        Act::Propose(who, quality) => drop(world.propose(NAMES[*who], *quality)),
        Act::Report(who, fence) => drop(world.report(NAMES[*who], *fence)),
        Act::Pass(ms) => world.pass_ms(*ms),
        Act::Cancel => drop(world.step("ada", Input::Cancel { reason: String::new() })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn fences_only_rise_and_every_conversation_ends(
        acts in prop::collection::vec(act(), 0..60),
        max_rounds in 1..4_u32,
        choice_within_ms in prop_oneof![Just(0_u64), Just(700)],
        reserve in 0..4_u32,
    ) {
        let setup = Setup { max_rounds, choice_within_ms, reserve, fan_out: 2, ..setup(&NAMES) };
        let mut world = World::open(setup.clone());
        let mut again = World::open(setup);
        let (mut last, mut ended) = (None::<(String, u64)>, None);
        for act in &acts {
            perform(&mut world, act);
            let live = world.contractor();
            if let (Some((before, low)), Some((after, high))) = (&last, &live) {
                prop_assert!(high >= low);
                prop_assert!(high > low || before == after, "two with fence {}", high);
            }
            last = live.or(last);
            // What has ended never moves again.
            if let Some(ended) = &ended {
                prop_assert_eq!(&world.net, ended);
            } else if world.net.has_ended() {
                ended = Some(world.net.clone());
            }
            perform(&mut again, act);
        }
        prop_assert_eq!(&world.net, &again.net);
        prop_assert_eq!(&world.sent, &again.sent);
        prop_assert_eq!(&world.notes, &again.notes);
        let numbers: BTreeSet<u64> = world.sent.iter().map(|sent| sent.number).collect();
        prop_assert_eq!(numbers.len(), world.sent.len());
        // Left alone, it comes to an end by its deadlines.
        world.pass_ms(3 * (1_000 + 700 + 4 * 10_000));
        prop_assert!(world.net.has_ended());
        prop_assert_eq!(world.net.next_wake(), None);
    }

    #[test]
    fn who_wins_does_not_hang_on_the_order_of_proposals(
        order in Just(NAMES.to_vec()).prop_shuffle(),
        qualities in prop::collection::vec(0..3_u8, 4),
        seed in any::<u64>(),
    ) {
        let mut winners = Vec::new();
        for names in [order, NAMES.to_vec()] {
            let mut out = Effects::default();
            let mut net = ContractNet::open(setup(&NAMES), &opening(seed), &mut out).unwrap();
            for name in names {
                let place = NAMES.iter().position(|other| *other == name).unwrap();
                let quality = Some(f64::from(qualities[place]) / 2.0);
                let claim = Claim { quality, ..Claim::default() };
                let participant = name.to_owned();
                let input = Input::Propose { participant, claim, note: String::new() };
                net.step(Moment(1), &Principal::agent(name), input, &mut out).unwrap();
            }
            winners.push(net.live_award().map(|(agent, _)| agent.to_string()));
        }
        prop_assert_eq!(&winners[0], &winners[1]);
    }
}
