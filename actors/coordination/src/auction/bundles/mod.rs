//! Combinatorial auctions: sealed bids on bundles of items; who wins, and what is paid.
//!
//! Each bidder bids on any number of bundles and wins at most one of them (XOR). To find the
//! allocation that is worth most is set packing, NP-hard (Rothkopf, Pekeč and Harstad 1998):
//! - up to [`EXACT_ITEMS`] items it is found exactly, by branch and bound (`exact`); should a
//!   search need more than its bound of steps, the best allocation found is taken, and it is said
//!   that it is not known to be the best;
//! - beyond that it is greedy (`greedy`), never worse than its stated bound.

mod exact;
mod greedy;
mod prices;

use serde::{Deserialize, Serialize};

use super::terms::Payment;
use crate::protocol::Moment;

/// Up to so many items the best allocation is found.
pub const EXACT_ITEMS: usize = 25;
/// Most partial allocations that a search looks at; and those for prices together.
const STEPS: u64 = 3_000_000;

/// One bundle and what it is worth to a bidder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BundleBid {
    /// Who: a place in the list of bidders.
    pub who: u32,
    /// The items: bit by bit; at least one.
    pub items: u128,
    /// How much, in millionths of a unit of money.
    pub amount: u64,
    /// When.
    pub at: Moment,
}

/// Who gets what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allocation {
    /// Places in the list of bids.
    pub winners: Vec<usize>,
    /// What the winning bids are worth together.
    pub worth: u64,
    /// No allocation is worth more than this; the same as `worth` when it is exact.
    pub at_most: u64,
    /// Whether no allocation is worth more.
    pub exact: bool,
}

/// An allocation with what each winner pays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// Who gets what.
    pub allocation: Allocation,
    /// What each winner pays, in the order of the winners.
    pub prices: Vec<u64>,
    /// By which rule: the one asked for, or pay-as-bid where the other can't be had.
    pub payment: Option<Payment>,
}

/// Finds winners and prices.
///
/// A bundle is sold for no less than `reserve` times its items: the seller counts as a bidder to
/// whom each item is worth that much, in the allocation as in the prices. VCG prices (Clarke 1971)
/// are what the others lose by a winner's presence; they are had only when all of the searches
/// they take are exact.
#[must_use]
pub fn clear(
    bids: &[BundleBid],
    items: usize,
    reserve: u64,
    payment: Payment,
    seed: u64,
) -> Cleared {
    let floor = |bid: &BundleBid| reserve.saturating_mul(u64::from(bid.items.count_ones()));
    // Places of the bids that reach the reserve, and the same bids without it.
    let kept: Vec<usize> =
        (0..bids.len()).filter(|at| bids[*at].amount >= floor(&bids[*at])).collect();
    let net: Vec<BundleBid> = kept
        .iter()
        .map(|at| BundleBid { amount: bids[*at].amount - floor(&bids[*at]), ..bids[*at] })
        .collect();
    let found = allocate(&net, items, seed);
    let externalities = match payment {
        Payment::Vcg if found.exact => externalities(&net, &found, items, seed),
        _ => None,
    };
    let winners: Vec<usize> = found.winners.iter().map(|winner| kept[*winner]).collect();
    let paid = if externalities.is_some() { Payment::Vcg } else { Payment::PayAsBid };
    let prices = match externalities {
        Some(costs) => {
            winners.iter().zip(costs).map(|(winner, cost)| floor(&bids[*winner]) + cost).collect()
        }
        None => winners.iter().map(|winner| bids[*winner].amount).collect(),
    };
    let sum: u64 = winners.iter().map(|winner| bids[*winner].amount).sum();
    // What remains unsold is worth the reserve to the seller, on both sides of the bound.
    let at_most = sum.saturating_add(found.at_most - found.worth);
    let allocation = Allocation { winners, worth: sum, at_most, exact: found.exact };
    Cleared { allocation, prices, payment: Some(paid) }
}

/// The allocation that is worth most, or one of which it is said how far it may be from that.
#[must_use]
pub fn allocate(bids: &[BundleBid], items: usize, seed: u64) -> Allocation {
    search(bids, items, seed, &mut STEPS.clone())
}

fn search(bids: &[BundleBid], items: usize, seed: u64, steps: &mut u64) -> Allocation {
    let order = greedy::order(bids, seed);
    let mut first = greedy::allocate(bids, &order, items);
    if items <= EXACT_ITEMS {
        first = exact::allocate(bids, &order, items, &first, steps);
    }
    first.winners.sort_unstable();
    first
}

/// What each winner's presence costs the others; none when a search was not exact.
fn externalities(
    bids: &[BundleBid],
    found: &Allocation,
    items: usize,
    seed: u64,
) -> Option<Vec<u64>> {
    let mut steps = STEPS;
    let mut costs = Vec::with_capacity(found.winners.len());
    for winner in &found.winners {
        let bid = bids[*winner];
        let others: Vec<BundleBid> =
            bids.iter().filter(|other| other.who != bid.who).copied().collect();
        let without = search(&others, items, seed, &mut steps);
        if !without.exact {
            return None;
        }
        costs.push(without.worth.saturating_sub(found.worth - bid.amount));
    }
    Some(costs)
}
