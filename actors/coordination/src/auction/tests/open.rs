//! English and Dutch auctions, and sealed bids for one lot.

use synod_agents::Performative;

use super::{Kind, Outcome, Setup, World, answer, bidder, setup};
use crate::auction::{Extension, Unsold};
use crate::protocol::{Effects, Heard, Moment, Protocol, Refusal};

const ENGLISH: Kind = Kind::English { start: 10, increment: 5, extension: None };
const DUTCH: Kind = Kind::Dutch { start: 100, step: 10, every_ms: 1_000 };

fn unsold(world: &World) -> Unsold {
    match world.auction.outcome() {
        Some(Outcome::Unsold(why)) => *why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn english_each_bid_tops_the_one_before_and_the_last_pays_its_own() {
    let mut world = World::open(setup(ENGLISH, &["a", "b", "c"]));
    assert!(matches!(world.bid("a", 9), Err(Refusal::Invalid { .. })));
    world.bid("a", 10).unwrap();
    assert!(matches!(world.bid("a", 20), Err(Refusal::Conflict(_))));
    assert!(matches!(world.bid("b", 14), Err(Refusal::Invalid { .. })));
    world.bid("b", 15).unwrap();
    world.bid("a", 40).unwrap();
    let view = world.auction.view();
    assert_eq!((view.price, view.leader.as_deref(), view.least), (Some(40), Some("a"), Some(45)));
    world.pass_ms(10_000);
    assert_eq!(world.winners(), [("a", 40)]);
}

#[test]
fn english_ends_at_once_when_all_others_have_passed() {
    let mut world = World::open(setup(ENGLISH, &["a", "b", "c"]));
    world.bid("a", 10).unwrap();
    world.pass("b").unwrap();
    assert!(matches!(world.pass("a"), Err(Refusal::Conflict(_))));
    assert!(matches!(world.bid("b", 15), Err(Refusal::Conflict(_))));
    assert_eq!(world.pass("c").unwrap().phase, "sold");
    assert_eq!(world.winners(), [("a", 10)]);
    let mut world = World::open(setup(ENGLISH, &["a", "b"]));
    world.pass("b").unwrap();
    world.pass("a").unwrap();
    assert_eq!(unsold(&world), Unsold::NoBids);
}

#[test]
fn english_is_put_off_against_sniping_but_not_for_ever() {
    let extension = Some(Extension { window_ms: 1_000, most: 2 });
    let kind = Kind::English { start: 1, increment: 1, extension };
    let mut world = World::open(setup(kind, &["a", "b"]));
    world.bid("a", 1).unwrap();
    for (at_ms, name, amount, until_ms) in
        [(9_500, "b", 2, 10_500), (10_400, "a", 3, 11_400), (11_300, "b", 4, 11_400)]
    {
        world.pass_ms(at_ms - world.now.0 / 1_000);
        let standing = world.bid(name, amount).unwrap();
        assert_eq!(standing.until_us, Some(until_ms * 1_000));
    }
    world.pass_ms(100);
    assert_eq!(world.winners(), [("b", 4)]);
}

#[test]
fn english_sells_nothing_below_the_reserve_and_shows_it_only_at_the_end() {
    let mut world = World::open(Setup { reserve: 50, ..setup(ENGLISH, &["a", "b"]) });
    world.bid("a", 49).unwrap();
    assert_eq!(world.auction.view().reserve, None);
    world.pass_ms(10_000);
    assert_eq!(unsold(&world), Unsold::ReserveNotMet);
    assert_eq!(world.auction.view().reserve, Some(50));
}

#[test]
fn english_agents_hear_that_they_are_outbid_and_bid_again_or_pass() {
    let asked = Setup { ask_agents: true, ..setup(ENGLISH, &["a", "b", "c"]) };
    let mut world = World::open(asked);
    let propose =
        |amount: i64| answer(Performative::Propose, &serde_json::json!({ "amount": amount }));
    world.hear(1, &propose(10));
    // b answered the call as it knew it; now it is told how it stands.
    world.hear(2, &propose(12));
    let notice = world.sent.last().unwrap().clone();
    assert_eq!((notice.performative, notice.to.as_str()), (Performative::Inform, "b"));
    let content = notice.content.to_json::<serde_json::Value>().unwrap();
    assert_eq!((&content["amount"], &content["least"]), (&10.into(), &15.into()));
    world.hear(notice.number, &propose(30));
    let notice = world.sent.last().unwrap().clone();
    assert_eq!((notice.performative, notice.to.as_str()), (Performative::Inform, "a"));
    world.hear(3, &Heard::Silent("gone".to_owned()));
    // The same answer to a notice that says it is too low is no bid: a is out, and it is over.
    world.hear(notice.number, &propose(10));
    assert_eq!(world.winners(), [("b", 30)]);
    assert_eq!(world.told(Performative::AcceptProposal), ["b"]);
}

#[test]
fn dutch_the_first_to_stop_the_clock_pays_what_it_shows() {
    let mut world = World::open(setup(DUTCH, &["a", "b"]));
    world.pass_ms(3_500);
    assert_eq!(world.auction.view().price, Some(70));
    // A limit below what the clock shows waits for it.
    assert_eq!(world.bid("a", 45).unwrap().phase, "open");
    world.pass_ms(1_000);
    assert_eq!(world.bid("b", 60).unwrap().phase, "sold");
    assert_eq!(world.winners(), [("b", 60)]);
}

#[test]
fn dutch_a_limit_stops_the_clock_when_it_comes_to_it_and_can_only_be_raised() {
    let mut world = World::open(setup(DUTCH, &["a", "b"]));
    world.bid("a", 45).unwrap();
    assert!(matches!(world.bid("a", 44), Err(Refusal::Conflict(_))));
    assert!(matches!(world.pass("a"), Err(Refusal::Conflict(_))));
    world.bid("b", 30).unwrap();
    assert_eq!(world.auction.view().outcome, None);
    world.pass_ms(5_999);
    assert!(!world.auction.has_ended());
    world.pass_ms(1);
    assert_eq!(world.winners(), [("a", 40)]);
}

#[test]
fn dutch_a_late_waking_changes_nothing_of_who_wins_at_which_price() {
    let mut world = World::open(setup(DUTCH, &["a", "b"]));
    world.bid("a", 75).unwrap();
    // Nobody woke; the clock had passed 70 long before b came.
    world.now = Moment(8_500_000);
    world.bid("b", 90).unwrap();
    assert_eq!(world.winners(), [("a", 70)]);
}

#[test]
fn dutch_ends_unsold_below_the_reserve() {
    let mut world = World::open(Setup { reserve: 55, ..setup(DUTCH, &["a"]) });
    world.bid("a", 54).unwrap();
    // 100, 90, 80, 70, 60 each for one second.
    world.pass_ms(4_999);
    assert!(!world.auction.has_ended());
    world.pass_ms(1);
    assert_eq!(unsold(&world), Unsold::ReserveNotMet);
}

#[test]
fn first_price_the_highest_pays_its_own_and_equals_are_decided_by_time() {
    let mut world = World::open(setup(Kind::FirstPrice, &["a", "b", "c"]));
    world.bid("b", 70).unwrap();
    world.now.0 += 1;
    world.bid("a", 70).unwrap();
    world.bid("c", 69).unwrap();
    assert_eq!(world.winners(), [("b", 70)]);
}

#[test]
fn vickrey_the_highest_pays_the_second_or_the_reserve() {
    for (reserve, price) in [(0, 40), (40, 40), (55, 55)] {
        let mut world = World::open(Setup { reserve, ..setup(Kind::Vickrey, &["a", "b", "c"]) });
        world.bid("a", 40).unwrap();
        world.bid("b", 90).unwrap();
        world.pass("c").unwrap();
        assert_eq!(world.winners(), [("b", price)]);
    }
    let mut alone = World::open(Setup { reserve: 7, ..setup(Kind::Vickrey, &["a"]) });
    alone.bid("a", 9).unwrap();
    assert_eq!(alone.winners(), [("a", 7)]);
}

#[test]
fn equal_bids_at_the_same_time_are_drawn_by_lot() {
    let mut first = 0;
    for seed in 0..400 {
        let mut out = Effects::default();
        let setup = setup(Kind::Vickrey, &["a", "b"]);
        let opening = super::opening(seed);
        let mut auction = crate::auction::Auction::open(setup, &opening, &mut out).unwrap();
        for name in ["a", "b"] {
            let input = super::Input::Bid { bidder: name.to_owned(), amount: 5 };
            auction.step(Moment(1), &opening_by(name), input, &mut out).unwrap();
        }
        let Some(Outcome::Sold(sale)) = auction.outcome() else { panic!("unsold") };
        first += u32::from(sale.winners[0].who == "a");
    }
    assert!((150..250).contains(&first), "{first}");
}

fn opening_by(name: &str) -> synod_runtime::Principal {
    synod_runtime::Principal::agent(name)
}

#[test]
fn nobody_bids_more_than_its_budget() {
    let mut setup = setup(Kind::FirstPrice, &["b"]);
    setup.bidders.push(bidder("a", Some(50)));
    let mut world = World::open(setup);
    let refusal = world.bid("a", 51).unwrap_err();
    assert_eq!(refusal.to_string(), "amount: 51 is over the budget of 'a': 50");
    world.bid("a", 50).unwrap();
    world.bid("b", 49).unwrap();
    assert_eq!(world.winners(), [("a", 50)]);
}
