//! Reading answers and deciding rounds.

use std::sync::Arc;

use proptest::prelude::*;
use synod_agents::{AgentId, Envelope, Payload, Performative, Recipient};
use synod_coordination::contract_net::{Claim, History};

use super::*;
use crate::matching::AgentSlot;

fn answer(performative: Performative, json: &str) -> Envelope {
    let to = Recipient::Agent(AgentId::new("tasks").unwrap());
    let content = Payload::new("application/json", json.to_owned());
    Envelope::new("a", to, performative, content)
}

fn slot(index: u32) -> AgentSlot {
    AgentSlot { index, generation: 1 }
}

fn ask(price: f64) -> Said {
    Said::Bid(Claim { price: Some(price), ..Claim::default() })
}

fn vote(name: &str) -> Said {
    Said::Vote(name.to_owned())
}

/// A round in which agents `a-0`, `a-1` and so on were asked and said this.
fn round(kind: Allocation, said: Vec<Said>) -> Round {
    let seat = |(index, _): (usize, &Said)| Seat {
        agent: slot(index as u32),
        label: Arc::from(format!("a-{index}@1.0.0")),
        said: None,
    };
    let seats = said.iter().enumerate().map(seat).collect();
    let class = crate::matching::ClassId::NONE;
    let mut round = Round { number: 1, class, kind, seats };
    for (index, said) in said.into_iter().enumerate() {
        round.hear(slot(index as u32), said).unwrap();
    }
    round
}

fn candidate(success: f64, time_ms: f64, samples: u64) -> Candidate {
    Candidate { history: History { success, time_ms, cost: 1.0, samples }, cost: 1_000_000 }
}

fn terms(reserve: Option<u64>) -> Terms {
    Terms { bid_weight: 0.2, reserve, seed: 7 }
}

fn order(ranked: &Ranked) -> Vec<u32> {
    ranked.places.iter().map(|place| place.agent.index).collect()
}

#[test]
fn a_proposal_is_read_and_what_is_none_is_told_apart() {
    let net = Allocation::ContractNet;
    let all = r#"{"price": 2.5, "time_ms": 100, "quality": 0.9, "note": "soon"}"#;
    let claim = Claim { price: Some(2.5), time_ms: Some(100.0), quality: Some(0.9) };
    assert_eq!(read(net, &answer(Performative::Propose, all)), Said::Bid(claim));
    let empty = Said::Bid(Claim::default());
    assert_eq!(read(net, &answer(Performative::Propose, "{}")), empty);
    assert_eq!(read(net, &answer(Performative::Propose, "")), empty);
    assert_eq!(read(net, &answer(Performative::Refuse, "")), Said::Refused);
    let not_understood = Said::Unfit(Unfit::NotUnderstood);
    assert_eq!(read(net, &answer(Performative::NotUnderstood, "what?")), not_understood);
    for wrong in [r#"{"price": "NaN"}"#, r#"{"price": 1e999}"#, "[", "7", "null"] {
        let read = read(net, &answer(Performative::Propose, wrong));
        assert_eq!(read, Said::Unfit(Unfit::Malformed), "{wrong}");
    }
    assert_eq!(read(net, &answer(Performative::Inform, all)), Said::Unfit(Unfit::Malformed));
    let long = format!(r#"{{"note": "{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(read(net, &answer(Performative::Propose, &long)), Said::Unfit(Unfit::TooLarge));
}

#[test]
fn an_amount_and_a_vote_are_read() {
    let amount = read(Allocation::Auction, &answer(Performative::Propose, r#"{"amount": 3}"#));
    assert_eq!(amount, ask(3.0));
    let of = |json| read(Allocation::Consensus, &answer(Performative::Inform, json));
    assert_eq!(of(r#"{"choice": "b", "reason": "quick"}"#), vote("b"));
    assert_eq!(of(r#"{"ranking": ["c@1.0.0", "b"]}"#), vote("c@1.0.0"));
    assert_eq!(of("{}"), Said::Unfit(Unfit::Malformed));
}

#[test]
fn a_number_that_is_negative_or_none_is_no_bid() {
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        let round = round(Allocation::Auction, vec![ask(wrong)]);
        assert_eq!(round.seats[0].said, Some(Said::Unfit(Unfit::OutOfRange)), "{wrong}");
    }
    let boast = Claim { quality: Some(1.5), ..Claim::default() };
    let round = round(Allocation::ContractNet, vec![Said::Bid(boast)]);
    assert_eq!(round.seats[0].said, Some(Said::Unfit(Unfit::OutOfRange)));
}

#[test]
fn who_was_not_asked_or_has_answered_is_not_heard() {
    let mut round = round(Allocation::Auction, vec![ask(1.0)]);
    assert_eq!(round.hear(slot(0), ask(0.5)), None);
    assert_eq!(round.hear(slot(9), ask(0.5)), None);
    let older = AgentSlot { index: 0, generation: 0 };
    assert_eq!(round.hear(older, ask(0.5)), None, "an earlier one of that seat");
    assert_eq!(round.seats[0].said, Some(ask(1.0)));
}

#[test]
fn a_boaster_with_a_record_loses_to_a_modest_one_with_a_better() {
    let boast = Claim { price: Some(0.0), time_ms: Some(0.001), quality: Some(1.0) };
    let modest = Claim { time_ms: Some(100.0), ..Claim::default() };
    let round = round(Allocation::ContractNet, vec![Said::Bid(boast), Said::Bid(modest)]);
    let known = [candidate(0.4, 400.0, 20), candidate(0.98, 100.0, 20)];
    assert_eq!(order(&rank(&round, &known, terms(None))), [1, 0]);
    // Self-reported bids alone are won by whoever lies most.
    let trusting = Terms { bid_weight: 1.0, ..terms(None) };
    assert_eq!(order(&rank(&round, &known, trusting)), [0, 1]);
}

#[test]
fn equals_are_told_apart_by_lot() {
    let silent = round(Allocation::ContractNet, vec![Said::Silent; 4]);
    let known = [candidate(1.0, 5.0, 3); 4];
    let mut firsts = [0; 4];
    for seed in 0..4_000 {
        let ranked = rank(&silent, &known, Terms { seed, ..terms(None) });
        firsts[order(&ranked)[0] as usize] += 1;
    }
    assert!(firsts.iter().all(|first| (850..1_150).contains(first)), "{firsts:?}");
}

#[test]
fn who_refuses_is_left_out_and_who_is_silent_is_not() {
    let round = round(Allocation::ContractNet, vec![Said::Refused, Said::Silent]);
    let known = [candidate(1.0, 1.0, 9), candidate(0.5, 900.0, 9)];
    assert_eq!(order(&rank(&round, &known, terms(None))), [1]);
}

#[test]
fn the_lowest_price_wins_and_is_paid_the_next_one_or_the_reserve() {
    let asks = |prices: &[f64]| {
        round(Allocation::Auction, prices.iter().map(|price| ask(*price)).collect())
    };
    let known = [candidate(1.0, 1.0, 1); 3];
    let paid = |ranked: &Ranked| ranked.places.iter().map(|p| p.cost).collect::<Vec<_>>();
    let open = rank(&asks(&[3.0, 1.0, 2.0]), &known, terms(None));
    assert_eq!((order(&open), paid(&open)), (vec![1, 2, 0], vec![2_000_000, 3_000_000, 3_000_000]));
    let bounded = rank(&asks(&[3.0, 1.0, 2.0]), &known, terms(Some(2_500_000)));
    assert_eq!((order(&bounded), paid(&bounded)), (vec![1, 2], vec![2_000_000, 2_500_000]));
    assert!(bounded.too_dear && !open.too_dear);
    // Who says nothing stands at the price of its card, here 1.
    let silent = round(Allocation::Auction, vec![ask(4.0), Said::Silent]);
    let ranked = rank(&silent, &known, terms(None));
    assert_eq!((order(&ranked), ranked.places[0].cost), (vec![1, 0], 4_000_000));
}

#[test]
fn most_votes_decide_and_what_was_measured_decides_ties() {
    let votes = |names: &[&str]| {
        round(Allocation::Consensus, names.iter().map(|name| vote(name)).collect())
    };
    let known = [candidate(1.0, 1.0, 1); 5];
    let of = |round: &Round| rank(round, &known[..round.seats.len()], terms(None));
    assert_eq!(order(&of(&votes(&["a-2", "a-2@1.0.0", "a-0"]))), [2, 0, 1]);
    let tied = of(&votes(&["a-2", "a-1", "a-2", "a-1", "a-0"]));
    assert_eq!(order(&tied)[..2], [1, 2], "the better measured of the two");
    assert!(tied.places[0].because.contains("a tie"), "{tied:?}");
    let nobody = of(&round(Allocation::Consensus, vec![Said::Silent; 3]));
    assert_eq!(order(&nobody), [0, 1, 2]);
    let elsewhere = votes(&["the-moon", "a-1", "a-1"]);
    assert_eq!(elsewhere.seats[0].said, Some(Said::Unfit(Unfit::NotOnOffer)));
}

#[test]
fn a_ballot_is_over_when_no_vote_can_change_it() {
    let seats = round(Allocation::Consensus, vec![Said::Silent; 5]).seats;
    let seats = seats.into_iter().map(|seat| Seat { said: None, ..seat }).collect();
    let mut round = Round { seats, ..round(Allocation::Consensus, Vec::new()) };
    for voter in 0..2 {
        round.hear(slot(voter), vote("a-4"));
        assert!(!round.is_settled());
    }
    round.hear(slot(2), vote("a-4"));
    assert!(round.is_settled(), "three of five");
}

proptest! {
    /// By simulation: whatever others ask, nobody gains by asking for another price than it needs.
    #[test]
    fn in_the_auction_the_truth_pays_best(
        needs in 1..100_u32,
        lie in 1..100_u32,
        others in prop::collection::vec(1..100_u32, 1..6),
        reserve in prop::option::of(1..120_u64),
    ) {
        let known = vec![candidate(1.0, 1.0, 1); others.len() + 1];
        let profit = |asked: u32| {
            let prices = std::iter::once(asked).chain(others.iter().copied());
            let said = prices.map(|price| ask(f64::from(price))).collect();
            let reserve = reserve.map(|reserve| reserve * 1_000_000);
            // Others win ties, so that it makes no difference who is drawn.
            let ranked = rank(&round(Allocation::Auction, said), &known, terms(reserve));
            match ranked.places.first() {
                Some(first) if first.agent == slot(0) => {
                    first.cost as i64 - i64::from(needs) * 1_000_000
                }
                _ => 0,
            }
        };
        prop_assert!(profit(needs) >= profit(lie) || profit(needs) == 0 && profit(lie) <= 0);
        prop_assert!(profit(needs) >= 0, "who asks for what it needs never loses by winning");
    }

    #[test]
    fn no_answer_makes_the_reader_panic(text in ".{0,200}", act in 0..22_usize) {
        let act = Performative::ALL[act % Performative::ALL.len()];
        for kind in [Allocation::ContractNet, Allocation::Auction, Allocation::Consensus] {
            let _said = read(kind, &answer(act, &text));
        }
    }
}
