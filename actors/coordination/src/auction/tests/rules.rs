//! What holds for every kind: secrecy, who may do what, late and second bids, goods, replay.

use std::time::Duration;

use proptest::prelude::*;
use synod_agents::Performative;
use synod_runtime::Principal;

use super::{Kind, Outcome, Setup, World, answer, bidder, item, opening, setup};
use crate::auction::{Auction, Input, Item, Payment};
use crate::protocol::{Effects, Heard, Moment, Protocol, Refusal};
use crate::resources::{Ledger, ResourceUnits};

const KINDS: [Kind; 6] = [
    Kind::English { start: 0, increment: 1, extension: None },
    Kind::Dutch { start: 1_000_000, step: 100_000, every_ms: 100 },
    Kind::FirstPrice,
    Kind::Vickrey,
    Kind::Double,
    Kind::Combinatorial { payment: Payment::Vcg },
];

fn refused(setup: Setup) -> String {
    let mut out = Effects::default();
    let refusal = Auction::open(setup, &opening(1), &mut out).unwrap_err();
    assert!(out.notes.is_empty() && out.dispatches.is_empty());
    refusal.to_string()
}

fn bundled(kind: Kind, names: &[&str]) -> Setup {
    Setup { items: vec![item("x"), item("y")], ..setup(kind, names) }
}

#[test]
fn nothing_of_a_sealed_bid_is_told_before_the_end() {
    for kind in [Kind::FirstPrice, Kind::Vickrey, Kind::Double, KINDS[1]] {
        let mut world = World::open(setup(kind, &["a", "b"]));
        world.bid("a", 123_457).unwrap();
        let view = serde_json::to_string(&world.auction.view()).unwrap();
        assert!(!view.contains("123457"), "{view}");
        let notes = format!("{:?}", world.notes);
        assert!(!notes.contains("123457"), "{notes}");
        assert_eq!(world.auction.view().bids, 1);
    }
    let mut world = World::open(bundled(KINDS[5], &["a", "b"]));
    world.bundles("a", &[(&["x"], 123_457)]).unwrap();
    let told = format!("{:?}{:?}", world.auction.view(), world.notes);
    assert!(!told.contains("123457"), "{told}");
}

#[test]
fn late_second_foreign_and_negative_bids_change_nothing() {
    for kind in [Kind::FirstPrice, Kind::Vickrey, Kind::Double] {
        let mut world = World::open(setup(kind, &["a", "b"]));
        world.bid("a", 5).unwrap();
        assert!(matches!(world.bid("a", 6), Err(Refusal::Conflict(_))));
        assert!(matches!(world.pass("a"), Err(Refusal::Conflict(_))));
        assert!(matches!(world.bid("c", 6), Err(Refusal::NotAllowed(_))));
        let foreign = Input::Bid { bidder: "b".to_owned(), amount: 6 };
        assert!(matches!(world.step("a", foreign), Err(Refusal::NotAllowed(_))));
        let refusal = world.bid("b", -1).unwrap_err().to_string();
        assert_eq!(refusal, "amount: -1, expected 0 to 100000000000000");
        assert!(world.bid("b", i64::MAX).is_err());
        // Closed by the clock, though nobody woke yet.
        world.now.0 += 10_000_000;
        assert!(matches!(world.bid("b", 6), Err(Refusal::TooLate(_))));
        world.pass_ms(0);
        assert!(matches!(world.bid("b", 6), Err(Refusal::TooLate(_))));
    }
}

#[test]
fn whoever_opened_it_may_cancel_and_nobody_else() {
    let mut world =
        World::open(Setup { ask_agents: true, ..setup(Kind::Vickrey, &["a", "b", "c"]) });
    world.bid("a", 5).unwrap();
    world.pass("c").unwrap();
    let cancel = || Input::Cancel { reason: "sold elsewhere".to_owned() };
    assert!(matches!(world.step("a", cancel()), Err(Refusal::NotAllowed(_))));
    assert_eq!(world.step("ada", cancel()).unwrap().phase, "cancelled");
    assert_eq!(world.told(Performative::Cancel), ["a", "b"]);
    assert!(matches!(world.bid("b", 6), Err(Refusal::TooLate(_))));
    assert!(matches!(world.auction.outcome(), Some(Outcome::Cancelled { .. })));
}

#[test]
fn agents_answer_the_call_and_hear_what_became_of_their_bids() {
    let asked = Setup { ask_agents: true, ..setup(Kind::Vickrey, &["a", "b", "c", "d"]) };
    let mut world = World::open(asked);
    assert_eq!(world.told(Performative::Cfp), ["a", "b", "c", "d"]);
    let call = world.sent[0].content.to_json::<serde_json::Value>().unwrap();
    assert_eq!(call["rules"], "vickrey");
    assert!(call.get("reserve").is_none());
    world.hear(1, &answer(Performative::Propose, &serde_json::json!({ "amount": 7 })));
    // Sent again after a restart: only what was not answered, under the same numbers.
    let mut out = Effects::default();
    world.auction.resume(&mut out);
    assert_eq!(out.dispatches, world.sent[1..]);
    world.hear(2, &answer(Performative::Propose, &serde_json::json!({ "amount": 4.5 })));
    world.hear(3, &Heard::Silent("gone".to_owned()));
    world.hear(3, &answer(Performative::Propose, &serde_json::json!({ "amount": 9 })));
    world.hear(4, &answer(Performative::Propose, &serde_json::json!({ "amount": 5 })));
    assert_eq!(world.winners(), [("a", 5)]);
    assert_eq!(world.told(Performative::AcceptProposal), ["a"]);
    assert_eq!(world.told(Performative::RejectProposal), ["d"]);
}

#[test]
fn agents_bid_on_bundles_and_sell() {
    let asked = Setup { ask_agents: true, ..bundled(KINDS[5], &["a"]) };
    let mut world = World::open(asked);
    let bundles = serde_json::json!({ "bundles": [{ "items": ["x", "y"], "amount": 3 }] });
    world.hear(1, &answer(Performative::Propose, &bundles));
    assert_eq!(world.winners(), [("a", 0)]);
    let asked = Setup { ask_agents: true, ..setup(Kind::Double, &["a", "b", "c", "d"]) };
    let mut world = World::open(asked);
    for (number, amount, side) in [(1, 9, "buy"), (2, 8, "buy"), (3, 1, "sell"), (4, 2, "sell")] {
        let content = serde_json::json!({ "amount": amount, "side": side });
        world.hear(number, &answer(Performative::Propose, &content));
    }
    assert_eq!(world.winners(), [("a", 8)]);
    assert_eq!(world.told(Performative::AcceptProposal), ["a", "c"]);
}

#[test]
fn resource_units_go_to_the_winners_and_come_back() {
    let gpu = |gpu_millis| ResourceUnits { gpu_millis, ..ResourceUnits::default() };
    let goods = |name: &str, gpu_millis| Item { name: name.to_owned(), units: gpu(gpu_millis) };
    let items = vec![goods("half", 500), goods("rest", 250)];
    let mut world = World::open(Setup { items, ..setup(KINDS[5], &["a", "b"]) });
    world.bundles("a", &[(&["half"], 9)]).unwrap();
    world.bundles("b", &[(&["half"], 3), (&["rest"], 2)]).unwrap();
    let mut ledger = Ledger::new(gpu(800));
    let wants = world.sale().wants();
    let grants = ledger.grant(world.now, &wants, Duration::from_secs(60)).unwrap();
    assert_eq!(ledger.free(), gpu(50));
    ledger.give_back(world.now, "a", grants[0].fence).unwrap();
    assert_eq!(ledger.free(), gpu(550));
    ledger.take_back(Moment(60_000_000));
    assert_eq!(ledger.free(), gpu(800));
}

#[test]
fn bad_setups_are_refused_with_what_where_and_what_was_expected() {
    assert_eq!(refused(setup(Kind::Vickrey, &[])), "bidders: 0, expected 1 to 100000");
    assert_eq!(refused(setup(Kind::Vickrey, &["a", "a"])), "bidders[1].name: 'a' is there twice");
    assert_eq!(refused(setup(KINDS[5], &["a"])), "items: 0, expected 1 to 100");
    let kind = Kind::English { start: 0, increment: 0, extension: None };
    let expected = "kind.english.increment: 0, expected 1 to 100000000000000";
    assert_eq!(refused(setup(kind, &["a"])), expected);
    let kind = Kind::Dutch { start: 100_001, step: 1, every_ms: 1 };
    let expected = "kind.dutch: steps of the clock: 100001, expected 0 to 100000";
    assert_eq!(refused(setup(kind, &["a"])), expected);
    let mut named = setup(Kind::Vickrey, &["No Agent"]);
    named.ask_agents = true;
    assert!(refused(named).starts_with("bidders[0].name: 'No Agent' is not an agent id"));
    let mut rich = setup(Kind::Vickrey, &[]);
    rich.bidders = vec![bidder("a", Some(u64::MAX))];
    assert!(refused(rich).starts_with("bidders[0].budget: "));
    let huge = ResourceUnits { tokens: u64::MAX, ..ResourceUnits::default() };
    let goods = |name: &str| Item { name: name.to_owned(), units: huge };
    let huge = Setup { items: vec![goods("x"), goods("y")], ..setup(Kind::Vickrey, &["a"]) };
    assert_eq!(refused(huge), "items[1].units: more than can be counted together");
}

#[test]
fn requests_read_as_users_write_them_and_survive_the_journal() {
    let json = r#"{"goods": "an hour", "kind": {"dutch": {"start": 9, "step": 1, "every_ms": 5}},
        "bidders": [{"name": "a", "budget": 5}, {"name": "b"}]}"#;
    let setup: Setup = serde_json::from_str(json).unwrap();
    let bytes = synod_journal::RecordCodec::encode(&setup).unwrap();
    assert_eq!(synod_journal::RecordCodec::decode::<Setup>(&bytes).unwrap(), setup);
    for json in [
        r#"{"bid": {"bidder": "a", "amount": 3}}"#,
        r#"{"bid_bundles": {"bidder": "a", "bundles": [{"items": ["x"], "amount": 1}]}}"#,
        r#"{"cancel": {}}"#,
    ] {
        let input: Input = serde_json::from_str(json).unwrap();
        let bytes = synod_journal::RecordCodec::encode(&input).unwrap();
        assert_eq!(synod_journal::RecordCodec::decode::<Input>(&bytes).unwrap(), input);
    }
    for kind in KINDS {
        let mut world = World::open(bundled(kind, &["a", "b"]));
        let _ = (world.bid("a", 3), world.bundles("a", &[(&["x"], 3)]));
        let bytes = synod_journal::RecordCodec::encode(&world.auction).unwrap();
        let again = synod_journal::RecordCodec::decode::<Auction>(&bytes).unwrap();
        assert_eq!(again, world.auction);
        world.pass_ms(100_000);
        let bytes = synod_journal::RecordCodec::encode(&world.auction).unwrap();
        assert_eq!(synod_journal::RecordCodec::decode::<Auction>(&bytes).unwrap(), world.auction);
    }
}

#[test]
fn an_auction_of_100000_bidders_with_the_longest_names_closes_and_fits_into_one_record() {
    let names: Vec<String> = (0..100_000).map(|number| format!("b{number:063}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for kind in [Kind::Vickrey, Kind::Double] {
        let start = std::time::Instant::now();
        let mut out = Effects::default();
        let mut auction = Auction::open(setup(kind, &names), &opening(1), &mut out).unwrap();
        for (at, name) in names.iter().enumerate() {
            let (bidder, amount) = ((*name).to_owned(), at as i64);
            let sells = kind == Kind::Double && at % 2 == 0;
            let input = match sells {
                true => Input::Ask { bidder, amount },
                false => Input::Bid { bidder, amount },
            };
            auction.step(Moment(1), Principal::anonymous(), input, &mut out).unwrap();
        }
        println!("{kind:?}: {:?}", start.elapsed());
        assert!(matches!(auction.outcome(), Some(Outcome::Sold(_))));
        let bytes = synod_journal::RecordCodec::encode(&auction).unwrap().len();
        println!("{bytes} bytes");
    }
}

/// One of the things that may happen, possible or not.
fn perform(world: &mut World, act: u8, name: &str, amount: i64) {
    match act {
        0 => drop(world.bid(name, amount)),
        1 => drop(world.ask(name, amount)),
        2 => drop(world.bundles(name, &[(&["x"], amount), (&["x", "y"], amount * 2)])),
        3 if amount % 3 == 0 => drop(world.pass(name)),
        _ => {
            let content = serde_json::json!({ "amount": amount });
            world.hear(amount as u64 % 12, &answer(Performative::Propose, &content));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn replayed_it_is_the_same_it_ends_and_nobody_pays_above_its_bid(
        kind in 0..KINDS.len(),
        asked in any::<bool>(),
        acts in prop::collection::vec((0..5_u8, 0..4_usize, 0..1_200_000_i64, 0..3_000_i64), 0..40),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut setup = bundled(KINDS[kind], &names);
        setup.ask_agents = asked;
        setup.bidders[0].budget = Some(500_000);
        let run = || {
            let mut world = World::open(setup.clone());
            for (act, who, amount, wait) in &acts {
                perform(&mut world, *act, names[*who], *amount);
                world.pass_ms(*wait);
            }
            let ended = world.auction.has_ended().then(|| world.auction.clone());
            world.pass_ms(60_000);
            if let Some(ended) = ended {
                assert_eq!(world.auction, ended);
            }
            world
        };
        let (world, again) = (run(), run());
        prop_assert_eq!(&world.auction, &again.auction);
        prop_assert_eq!(&world.sent, &again.sent);
        prop_assert_eq!(&world.notes, &again.notes);
        prop_assert!(world.auction.has_ended());
        prop_assert_eq!(world.auction.next_wake(), None);
        if let Some(Outcome::Sold(sale)) = world.auction.outcome() {
            for award in &sale.winners {
                prop_assert!(award.price <= award.bid);
                prop_assert!(award.who != "a" || award.price <= 500_000);
            }
            for award in &sale.sellers {
                prop_assert!(award.price >= award.bid);
            }
        }
    }
}
