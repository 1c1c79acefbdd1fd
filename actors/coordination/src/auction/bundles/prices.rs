//! Prices of items that bound what is left to win.
//!
//! For any prices `p ≥ 0` no allocation of the items `I` to the bidders `J` is worth more than
//! `Σ p(I) + Σ over J of the most that a bundle is worth beyond its price`: the dual of the linear
//! relaxation. Good prices are sought by subgradient steps (Held, Wolfe and Crowder 1974) in whole
//! numbers: any prices give a true bound, so nothing hangs on how good the steps are.

use super::BundleBid;

/// Bids that are looked at in all, at most, in the search for prices.
const LOOKS: usize = 400_000;
/// The largest price: more than any amount.
const MOST: i64 = 1 << 48;

/// Prices of items and what is left to bidders above them.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    /// Of each item.
    pub(super) items: Vec<u64>,
    /// For each bidder, by its slot.
    pub(super) rents: Vec<u64>,
}

impl Prices {
    /// The bound that they give.
    pub(super) fn bound(&self) -> u64 {
        self.items.iter().chain(&self.rents).fold(0, |sum, price| sum.saturating_add(*price))
    }
}

/// Seeks low prices. `slots` tells the slot of each bid's bidder, below `bidders`; `known` is the
/// worth of an allocation that was found.
pub(super) fn seek(
    bids: &[BundleBid],
    slots: &[usize],
    bidders: usize,
    items: usize,
    known: u64,
) -> Prices {
    let rounds = (LOOKS / bids.len().max(1)).clamp(20, 400);
    let mut prices = vec![0_i64; items];
    let mut best = at(&prices, bids, slots, bidders).0;
    let (mut scale, mut stuck) = (16_i64, 0);
    for _ in 0..rounds {
        let (found, demand) = at(&prices, bids, slots, bidders);
        if found.bound() < best.bound() {
            (best, stuck) = (found.clone(), 0);
        } else {
            stuck += 1;
        }
        if stuck > 12 {
            (scale, stuck) = ((scale / 2).max(1), 0);
        }
        let excess: Vec<i64> = demand.iter().map(|wanted| wanted - 1).collect();
        let norm: i64 = excess.iter().map(|excess| excess.saturating_mul(*excess)).sum();
        let gap = i64::try_from(found.bound().saturating_sub(known)).unwrap_or(i64::MAX);
        if norm == 0 || gap == 0 {
            break;
        }
        // Polyak's step, with a factor that falls from 2 to 1/8 while nothing gets better.
        let step = (gap / norm).saturating_mul(scale) / 8;
        for (price, excess) in prices.iter_mut().zip(&excess) {
            *price = price.saturating_add(step.max(1).saturating_mul(*excess)).clamp(0, MOST);
        }
    }
    best
}

/// The bound at these prices, and how many bidders want each item.
fn at(prices: &[i64], bids: &[BundleBid], slots: &[usize], bidders: usize) -> (Prices, Vec<i64>) {
    let mut rents = vec![0_u64; bidders];
    let mut wants = vec![0_u128; bidders];
    for (bid, slot) in bids.iter().zip(slots) {
        let price: i64 = members(bid.items).map(|item| prices[item]).sum();
        let beyond = bid.amount.saturating_sub(u64::try_from(price).unwrap_or(0));
        if beyond > rents[*slot] {
            (rents[*slot], wants[*slot]) = (beyond, bid.items);
        }
    }
    let mut demand = vec![0_i64; prices.len()];
    for item in wants.into_iter().flat_map(members) {
        demand[item] += 1;
    }
    let items = prices.iter().map(|price| u64::try_from(*price).unwrap_or(0)).collect();
    (Prices { items, rents }, demand)
}

/// The items of a bundle, the lowest first.
pub(super) fn members(mut items: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if items == 0 {
            return None;
        }
        let item = items.trailing_zeros() as usize;
        items &= items - 1;
        Some(item)
    })
}
