//! The same winners by brute force, from another definition of the same rule.

use proptest::prelude::*;

use super::properties::rankings;
use super::*;

/// Every order of so many options.
fn orders(options: usize) -> Vec<Vec<usize>> {
    if options == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(options - 1) {
        for at in 0..options {
            let mut order = shorter.clone();
            order.insert(at, options - 1);
            all.push(order);
        }
    }
    all
}

/// Zavist and Tideman 1989: an order is a stack if whoever is above another has a path to it, down
/// the order, on which no margin is smaller than that of the lower over the upper. The winners
/// of ranked pairs, over all ways to order equal margins, are the tops of the stacks.
fn tops_of_stacks(prefers: &[Vec<f64>]) -> Vec<u16> {
    let margin = |a: usize, b: usize| prefers[a][b] - prefers[b][a];
    let is_stack = |order: &Vec<usize>| {
        let places = order.len();
        (0..places).all(|upper| {
            // The strength of the strongest path down the order to each lower place.
            let mut strength = vec![f64::NEG_INFINITY; places];
            strength[upper] = f64::INFINITY;
            for from in upper..places {
                for to in from + 1..places {
                    let link = strength[from].min(margin(order[from], order[to]));
                    strength[to] = strength[to].max(link);
                }
            }
            (upper + 1..places).all(|lower| strength[lower] >= margin(order[lower], order[upper]))
        })
    };
    let stacks = orders(prefers.len()).into_iter().filter(is_stack);
    let mut tops: Vec<u16> = stacks.map(|order| order[0] as u16).collect();
    tops.sort_unstable();
    tops.dedup();
    tops
}

/// The strongest path by trying every path that visits no option twice.
fn by_all_paths(prefers: &[Vec<f64>], from: usize, to: usize, via: &mut Vec<usize>) -> f64 {
    let link = |a: usize, b: usize| {
        if prefers[a][b] > prefers[b][a] { prefers[a][b] } else { 0.0 }
    };
    let mut best = link(from, to);
    for next in 0..prefers.len() {
        if next != from && next != to && !via.contains(&next) {
            via.push(next);
            best = best.max(link(from, next).min(by_all_paths(prefers, next, to, via)));
            via.pop();
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn ranked_pairs_finds_the_tops_of_all_stacks(profile in rankings()) {
        let count = ranked_pairs(&profile);
        prop_assert!(count.complete);
        prop_assert_eq!(&count.winners, &tops_of_stacks(&count.prefers));
    }

    #[test]
    fn schulze_finds_the_strongest_of_all_paths(profile in rankings()) {
        let count = schulze(&profile);
        for (from, row) in count.strongest.iter().enumerate() {
            for (to, strength) in row.iter().enumerate().filter(|(to, _)| *to != from) {
                let expected = by_all_paths(&count.prefers, from, to, &mut vec![from]);
                prop_assert_eq!(*strength, expected, "{} to {}", from, to);
            }
        }
    }
}
