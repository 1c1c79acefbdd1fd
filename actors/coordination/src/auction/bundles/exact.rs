//! The allocation that is worth most, by branch and bound over items (the bins of CASS: Fujishima,
//! Leyton-Brown and Shoham, IJCAI 1999) under prices of items (see `prices`).
//!
//! The items are decided in turn: one goes to a bid of which it is the first undecided item, or
//! stays unsold. With prices, a partial allocation can't end up worth more than the bound of all
//! less what it has given away so far: the price of each item unsold, and what each winning bundle
//! lacks to its price and its bidder's rent, and the rents of the bidders that can win nothing any
//! more. It is dropped when that is no more than the best found, and when the same items were
//! decided before for as much, with the same bidders served that could still want others.

use std::collections::HashMap;

use super::prices::{self, Prices, members};
use super::{Allocation, BundleBid};

/// Most decisions that are remembered.
const REMEMBERED: usize = 400_000;

struct Search<'a> {
    bids: &'a [BundleBid],
    slots: &'a [usize],
    /// For each item the bids of which it is the first, the best first.
    bins: Vec<Vec<usize>>,
    /// What is given away by choosing a bid.
    slack: Vec<u64>,
    prices: Prices,
    /// The bidders with a rent: their slot, the rent, and what they bid on.
    rented: Vec<(usize, u64, Vec<u128>)>,
    /// The bidders with several bundles: their slot and what they bid on.
    choosy: Vec<(usize, Vec<u128>)>,
    /// The most that was won with these items decided and these of the choosy served.
    reached: HashMap<(u128, u128), u64>,
    /// Whether the bidder has won, by slot.
    served: Vec<bool>,
    chosen: Vec<usize>,
    best: Vec<usize>,
    worth: u64,
    /// How many more partial allocations may be looked at.
    steps: u64,
}

/// Looks for something better than what greed has `found`. `order` tells which bids come first;
/// `steps` is how many partial allocations may be looked at, and what is left of that after.
pub(super) fn allocate(
    bids: &[BundleBid],
    order: &[usize],
    items: usize,
    found: &Allocation,
    steps: &mut u64,
) -> Allocation {
    let order: Vec<usize> = order.iter().copied().filter(|at| bids[*at].amount > 0).collect();
    let slots = slots(bids);
    let bidders = slots.iter().max().map_or(0, |last| last + 1);
    let live: Vec<BundleBid> = order.iter().map(|at| bids[*at]).collect();
    let live_slots: Vec<usize> = order.iter().map(|at| slots[*at]).collect();
    let prices = prices::seek(&live, &live_slots, bidders, items, found.worth);
    let bound = prices.bound();
    let mut search = Search::new(&live, &live_slots, prices, items);
    (search.worth, search.steps) = (found.worth, *steps);
    search.descend(0, 0, 0, bound);
    *steps = search.steps;
    let exact = search.steps > 0;
    let winners = match search.best.is_empty() {
        true => found.winners.clone(),
        false => with_worthless(bids, search.best.iter().map(|at| order[*at]).collect()),
    };
    let worth = search.worth;
    let at_most = if exact { worth } else { bound.min(found.at_most).max(worth) };
    Allocation { winners, worth, at_most, exact }
}

/// The same slot for bids of the same bidder, slots without gaps.
fn slots(bids: &[BundleBid]) -> Vec<usize> {
    let mut whos: Vec<u32> = bids.iter().map(|bid| bid.who).collect();
    whos.sort_unstable();
    whos.dedup();
    bids.iter().map(|bid| whos.binary_search(&bid.who).unwrap_or(0)).collect()
}

/// What each bidder bids on, by slot.
fn bundles_of(bids: &[BundleBid], slots: &[usize], bidders: usize) -> Vec<Vec<u128>> {
    let mut bundles = vec![Vec::new(); bidders];
    for (bid, slot) in bids.iter().zip(slots) {
        bundles[*slot].push(bid.items);
    }
    bundles
}

/// Adds what is worth nothing beyond the reserve where nobody else wants it.
fn with_worthless(bids: &[BundleBid], mut winners: Vec<usize>) -> Vec<usize> {
    let mut taken = winners.iter().fold(0, |taken, at| taken | bids[*at].items);
    for (at, bid) in bids.iter().enumerate() {
        let served = || winners.iter().any(|winner| bids[*winner].who == bid.who);
        if bid.amount == 0 && bid.items & taken == 0 && !served() {
            taken |= bid.items;
            winners.push(at);
        }
    }
    winners
}

impl<'a> Search<'a> {
    fn new(bids: &'a [BundleBid], slots: &'a [usize], prices: Prices, items: usize) -> Self {
        let mut bins = vec![Vec::new(); items];
        let mut slack = Vec::with_capacity(bids.len());
        for (at, (bid, slot)) in bids.iter().zip(slots).enumerate() {
            bins[bid.items.trailing_zeros() as usize].push(at);
            let asked: u64 = members(bid.items).map(|item| prices.items[item]).sum();
            slack.push((asked + prices.rents[*slot]).saturating_sub(bid.amount));
        }
        for bin in &mut bins {
            // What gives least away first; stable, so equal ones stay in order.
            bin.sort_by_key(|at| slack[*at]);
        }
        let bundles = bundles_of(bids, slots, prices.rents.len());
        let of = |slot: usize| bundles[slot].clone();
        let rented = prices.rents.iter().enumerate().filter(|(_, rent)| **rent > 0);
        let rented = rented.map(|(slot, rent)| (slot, *rent, of(slot))).collect();
        let choosy = (0..bundles.len()).filter(|slot| bundles[*slot].len() > 1);
        let choosy = choosy.map(|slot| (slot, of(slot))).collect();
        Self {
            bids,
            slots,
            bins,
            slack,
            rented,
            choosy,
            reached: HashMap::new(),
            served: vec![false; prices.rents.len()],
            prices,
            chosen: Vec::new(),
            best: Vec::new(),
            worth: 0,
            steps: 0,
        }
    }

    /// Whether another way to the same decisions has won as much. Beyond 128 choosy bidders nothing
    /// is remembered of them, and so nothing at all.
    fn was_reached(&mut self, decided: u128, worth: u64) -> bool {
        if self.choosy.len() > 128 {
            return false;
        }
        let mut served = 0_u128;
        for (at, (slot, bundles)) in self.choosy.iter().enumerate() {
            if self.served[*slot] && bundles.iter().any(|bundle| bundle & decided == 0) {
                served |= 1 << at;
            }
        }
        match self.reached.get_mut(&(decided, served)) {
            Some(before) if *before >= worth => true,
            Some(before) => {
                *before = worth;
                false
            }
            None => {
                if self.reached.len() < REMEMBERED {
                    self.reached.insert((decided, served), worth);
                }
                false
            }
        }
    }

    /// The rents of those that have not won and can't any more.
    fn lost(&self, decided: u128) -> u64 {
        let lost = self.rented.iter().filter(|(slot, _, bundles)| {
            !self.served[*slot] && bundles.iter().all(|bundle| bundle & decided != 0)
        });
        lost.map(|(_, rent, _)| rent).sum()
    }

    /// Goes on from a partial allocation of the items in `decided`, worth `worth` and never more
    /// than `bound` in the end.
    fn descend(&mut self, item: usize, decided: u128, worth: u64, bound: u64) {
        if self.steps == 0 || bound.saturating_sub(self.lost(decided)) <= self.worth {
            return;
        }
        self.steps -= 1;
        if self.was_reached(decided, worth) {
            return;
        }
        let mut item = item;
        while decided >> item & 1 == 1 {
            item += 1;
        }
        if item >= self.bins.len() {
            if worth > self.worth {
                (self.worth, self.best) = (worth, self.chosen.clone());
            }
            return;
        }
        for place in 0..self.bins[item].len() {
            let at = self.bins[item][place];
            let (bid, slot) = (self.bids[at], self.slots[at]);
            if bound.saturating_sub(self.slack[at]) <= self.worth {
                break;
            }
            if bid.items & decided != 0 || self.served[slot] {
                continue;
            }
            self.served[slot] = true;
            self.chosen.push(at);
            let left = bound - self.slack[at];
            self.descend(item + 1, decided | bid.items, worth + bid.amount, left);
            self.chosen.pop();
            self.served[slot] = false;
        }
        let left = bound.saturating_sub(self.prices.items[item]);
        self.descend(item + 1, decided | 1 << item, worth, left);
    }
}
