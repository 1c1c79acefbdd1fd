//! Combinatorial auctions: against brute force, known optima, and the bound of greed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Draws, Kind, Outcome, Refusal, Setup, World, item, setup};
use crate::auction::bundles::{Allocation, BundleBid, allocate, clear};
use crate::auction::{Payment, Unsold};
use crate::protocol::Moment;

fn bid(who: u32, members: &[usize], amount: u64) -> BundleBid {
    let items = members.iter().fold(0, |items, item| items | 1 << item);
    BundleBid { who, items, amount, at: Moment(0) }
}

/// The most that any allocation is worth, by trying all.
fn brute_force(bids: &[BundleBid], taken: u128, served: &BTreeSet<u32>) -> u64 {
    let Some((first, rest)) = bids.split_first() else { return 0 };
    let without = brute_force(rest, taken, served);
    if first.items & taken != 0 || served.contains(&first.who) {
        return without;
    }
    let mut served = served.clone();
    served.insert(first.who);
    without.max(first.amount + brute_force(rest, taken | first.items, &served))
}

fn assert_possible(bids: &[BundleBid], found: &Allocation) {
    let (mut taken, mut served, mut worth) = (0, BTreeSet::new(), 0);
    for winner in &found.winners {
        let bid = &bids[*winner];
        assert_eq!(bid.items & taken, 0, "an item was sold twice");
        assert!(served.insert(bid.who), "a bidder won twice");
        taken |= bid.items;
        worth += bid.amount;
    }
    assert_eq!(worth, found.worth);
    assert!(found.at_most >= found.worth);
}

fn random_bids(
    draws: &mut Draws,
    items: u64,
    bidders: u64,
    each: u64,
    most: u64,
) -> Vec<BundleBid> {
    let mut bids = Vec::new();
    for who in 0..bidders {
        for _ in 0..1 + draws.below(each) {
            let members: Vec<usize> =
                (0..1 + draws.below(4)).map(|_| draws.below(items) as usize).collect();
            let mut bid = bid(who as u32, &members, 0);
            bid.amount = u64::from(bid.items.count_ones()) * draws.below(most) + draws.below(3);
            bids.push(bid);
        }
    }
    bids
}

#[test]
fn the_best_allocation_is_that_of_brute_force() {
    for seed in 0..600 {
        let mut draws = Draws::of(seed);
        let items = 1 + draws.below(8);
        let (bidders, each) = (1 + draws.below(6), 1 + draws.below(3));
        let bids = random_bids(&mut draws, items, bidders, each, 12);
        let found = allocate(&bids, items as usize, seed);
        assert_possible(&bids, &found);
        assert!(found.exact, "seed {seed}");
        assert_eq!(found.worth, brute_force(&bids, 0, &BTreeSet::new()), "seed {seed}: {bids:?}");
    }
}

#[test]
fn greed_is_never_worse_than_its_bound() {
    let mut worse = 0;
    for seed in 0..400 {
        let mut draws = Draws::of(seed);
        let (bidders, each) = (2 + draws.below(10), 1 + draws.below(2));
        // Items 8 to 26 exist and nobody wants them: too many for the exact search.
        let bids = random_bids(&mut draws, 8, bidders, each, 12);
        let greedy = allocate(&bids, 26, seed);
        assert_possible(&bids, &greedy);
        let best = brute_force(&bids, 0, &BTreeSet::new());
        assert!(greedy.at_most >= best, "seed {seed}");
        assert!(!greedy.exact || greedy.worth == best, "seed {seed}");
        worse += u32::from(greedy.worth < best);
        // √8 wanted items for single bundles, √16 for several.
        let (left, right) = (u128::from(greedy.worth).pow(2) * 16, u128::from(best).pow(2));
        assert!(left >= right, "seed {seed}: {} of {best}", greedy.worth);
    }
    assert!(worse > 20, "greed was never tried: {worse}");
}

#[test]
fn lehmann_o_callaghan_shoham_2002_the_bound_of_greed_is_tight() {
    // One item for a little more than 1, all 100 for √100: greed takes the one.
    let all: Vec<usize> = (0..100).collect();
    let bids = [bid(0, &[0], 1_001), bid(1, &all, 10_000)];
    let found = allocate(&bids, 100, 1);
    assert_eq!((found.worth, found.exact), (1_001, false));
    assert!((10_000..=10_011).contains(&found.at_most), "{}", found.at_most);
}

#[test]
fn ausubel_milgrom_2006_vcg_may_bring_the_seller_nothing() {
    // "The lovely but lonely Vickrey auction": one wants both for 2, two want one each for 2.
    let bids = [bid(0, &[0, 1], 2), bid(1, &[0], 2), bid(2, &[1], 2)];
    let cleared = clear(&bids, 2, 0, Payment::Vcg, 1);
    assert_eq!((cleared.allocation.winners, cleared.prices), (vec![1, 2], vec![0, 0]));
    // Without the third, the second loses, and the first pays what it keeps the second from.
    let cleared = clear(&bids[..2], 2, 0, Payment::Vcg, 1);
    assert_eq!(cleared.allocation.worth, 2);
    assert_eq!(cleared.prices, [2]);
}

/// Lines of the affine plane of a prime order: points are items.
fn affine_plane(order: usize) -> Vec<Vec<usize>> {
    let mut lines = Vec::new();
    for slope in 0..order {
        for start in 0..order {
            lines.push((0..order).map(|x| x * order + (slope * x + start) % order).collect());
        }
    }
    lines.extend((0..order).map(|x| (0..order).map(|y| x * order + y).collect()));
    lines
}

#[test]
fn designs_have_known_optima() {
    // Lines of the Fano plane meet in pairs: one can win. In an affine plane a parallel class can.
    let fano: Vec<Vec<usize>> =
        (0..7).map(|start| [0, 1, 3].iter().map(|step| (start + step) % 7).collect()).collect();
    // The 21 points of the projective plane of order 4, by a perfect difference set (Singer 1938).
    let singer: Vec<Vec<usize>> = (0..21)
        .map(|start| [0, 1, 4, 14, 16].iter().map(|step| (start + step) % 21).collect())
        .collect();
    let designs =
        [(7, fano, 1), (9, affine_plane(3), 3), (21, singer, 1), (25, affine_plane(5), 5)];
    for (items, blocks, optimum) in designs {
        let bids: Vec<BundleBid> =
            blocks.iter().zip(0..).map(|(block, who)| bid(who, block, 100)).collect();
        let found = allocate(&bids, items, 1);
        assert_possible(&bids, &found);
        assert_eq!((found.worth, found.exact), (optimum * 100, true), "{items} items");
    }
}

/// Bids as the legacy distributions of CATS draw them (Leyton-Brown, Pearson and Shoham 2000).
fn cats(draws: &mut Draws, distribution: &str, items: u64, count: u32) -> Vec<BundleBid> {
    let mut bids = Vec::new();
    for who in 0..count {
        let size = match distribution {
            "uniform" => 3,
            "random" => 1 + draws.below(items),
            // Another item with probability 3/4 (Sandholm 2002).
            _ => (1..items).take_while(|_| draws.below(4) < 3).count() as u64 + 1,
        };
        let mut members = BTreeSet::new();
        while (members.len() as u64) < size {
            members.insert(draws.below(items) as usize);
        }
        let members: Vec<usize> = members.into_iter().collect();
        let amount = match distribution {
            "uniform" => 1 + draws.below(1_000_000),
            _ => size * (1 + draws.below(1_000_000)),
        };
        bids.push(bid(who, &members, amount));
    }
    bids
}

#[test]
fn instances_like_those_of_cats_with_25_items_are_solved_exactly() {
    for (distribution, count) in [("uniform", 1_000), ("random", 2_000), ("decay", 1_000)] {
        for seed in 0..3 {
            let bids = cats(&mut Draws::of(seed), distribution, 25, count);
            let start = Instant::now();
            let found = allocate(&bids, 25, seed);
            println!("{distribution} {count} seed {seed}: {:?}", start.elapsed());
            assert_possible(&bids, &found);
            assert!(found.exact, "{distribution} seed {seed}: {found:?}");
        }
    }
}

#[test]
fn many_bundles_of_many_bidders_are_solved_exactly() {
    for seed in 0..3 {
        let bids = random_bids(&mut Draws::of(seed), 25, 200, 20, 1_000);
        let start = Instant::now();
        let found = allocate(&bids, 25, seed);
        println!("{} bundles of 200 bidders, seed {seed}: {:?}", bids.len(), start.elapsed());
        assert_possible(&bids, &found);
        assert!(found.exact, "seed {seed}: {found:?}");
    }
}

#[test]
fn a_bidder_wins_one_of_its_bundles_and_bundles_below_the_reserve_win_nothing() {
    let kind = Kind::Combinatorial { payment: Payment::PayAsBid };
    let items = vec![item("x"), item("y"), item("z")];
    let mut world = World::open(Setup { items, reserve: 10, ..setup(kind, &["a", "b"]) });
    world.bundles("a", &[(&["x"], 50), (&["y"], 60), (&["x", "y"], 70)]).unwrap();
    world.bundles("b", &[(&["z"], 9), (&["x", "z"], 30)]).unwrap();
    assert_eq!(world.winners(), [("a", 60), ("b", 30)]);
    let sale = world.sale();
    assert_eq!(sale.winners[1].items, ["x", "z"]);
    assert_eq!((sale.exact, sale.at_most, sale.payment), (true, 90, Some(Payment::PayAsBid)));
}

#[test]
fn what_just_reaches_the_reserve_is_sold_for_it() {
    let kind = Kind::Combinatorial { payment: Payment::Vcg };
    let items = vec![item("x"), item("y")];
    let mut world = World::open(Setup { items, reserve: 10, ..setup(kind, &["a", "b"]) });
    world.bundles("a", &[(&["x"], 10)]).unwrap();
    world.bundles("b", &[(&["y"], 25)]).unwrap();
    assert_eq!(world.winners(), [("a", 10), ("b", 10)]);
}

#[test]
fn bad_bundles_are_refused_with_their_place() {
    let kind = Kind::Combinatorial { payment: Payment::Vcg };
    let mut world =
        World::open(Setup { items: vec![item("x"), item("y")], ..setup(kind, &["a", "b"]) });
    let mut refused = |bundles: &[(&[&str], i64)]| match world.bundles("a", bundles) {
        Err(Refusal::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[]), "bundles");
    assert_eq!(refused(&[(&["x"], 1), (&[], 1)]), "bundles[1].items");
    assert_eq!(refused(&[(&["q"], 1)]), "bundles[0].items[0]");
    assert_eq!(refused(&[(&["x", "x"], 1)]), "bundles[0].items[1]");
    assert_eq!(refused(&[(&["x"], -1)]), "bundles[0].amount");
    assert_eq!(refused(&[(["x"].as_slice(), 1); 101]), "bundles");
    assert!(matches!(world.bid("a", 5), Err(Refusal::Invalid { .. })));
    world.pass("a").unwrap();
    world.pass("b").unwrap();
    assert_eq!(world.auction.outcome(), Some(&Outcome::Unsold(Unsold::NoBids)));
}
