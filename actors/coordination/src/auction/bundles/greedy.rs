//! Greedy by price over the square root of the bundle's size (Lehmann, O'Callaghan and Shoham,
//! Truth revelation in approximately efficient combinatorial auctions, JACM 49, 2002).
//!
//! What it finds is worth at least `1/√m` of the best for `m` items when each bidder bids on one
//! bundle. A winner may also shut out one bundle of its own that the best allocation holds; by the
//! same proof (Cauchy-Schwarz over at most `|S| + 1` bundles) the bound is `1/√(2m)` when bidders
//! bid on several.

use std::collections::BTreeSet;

use super::{Allocation, BundleBid};
use crate::lot::lot;

/// Places of the bids: those with most value over the root of their size first, of equal ones the
/// earliest, then by lot.
pub(super) fn order(bids: &[BundleBid], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bids.len()).collect();
    order.sort_unstable_by(|a, b| {
        let (left, right) = (&bids[*a], &bids[*b]);
        // amount / √size, squared and multiplied out: amounts are at most 10^14.
        let norm = |bid: &BundleBid, other: &BundleBid| {
            u128::from(bid.amount).pow(2) * u128::from(other.items.count_ones())
        };
        let turn = |bid: &BundleBid, at: usize| (bid.at, lot(seed, bid.who.into()), at);
        norm(right, left).cmp(&norm(left, right)).then_with(|| turn(left, *a).cmp(&turn(right, *b)))
    });
    order
}

/// Takes each bid in turn that is still possible.
pub(super) fn allocate(bids: &[BundleBid], order: &[usize], items: usize) -> Allocation {
    let (mut taken, mut served) = (0_u128, BTreeSet::new());
    let (mut winners, mut worth) = (Vec::new(), 0);
    for at in order {
        let bid = &bids[*at];
        if bid.items & taken == 0 && served.insert(bid.who) {
            taken |= bid.items;
            winners.push(*at);
            worth += bid.amount;
        }
    }
    let at_most = worth_at_most(bids, worth, items);
    Allocation { winners, worth, at_most, exact: at_most == worth }
}

/// What the best can be worth when greed has found `worth`, rounded up; nor is it worth more than
/// the best bid of each bidder together.
fn worth_at_most(bids: &[BundleBid], worth: u64, items: usize) -> u64 {
    let mut best_of = std::collections::BTreeMap::new();
    let mut several = false;
    for bid in bids {
        let best = best_of.entry(bid.who).and_modify(|_| several = true).or_insert(0_u64);
        *best = bid.amount.max(*best);
    }
    let all = best_of.into_values().fold(0_u64, u64::saturating_add);
    let under_root = items as u128 * if several { 2 } else { 1 };
    // ⌈worth · √n⌉: worth is at most 10^16, so the square times 200 fits.
    let bound = (u128::from(worth).pow(2) * under_root).isqrt() + 1;
    u64::try_from(bound).unwrap_or(u64::MAX).min(all).max(worth)
}
