//! The call market: trade reduction (McAfee, A dominant strategy double auction, Journal of
//! Economic Theory 56, 1992). Each buyer wants one unit, each seller has one.
//!
//! With buyers `b1 ≥ b2 ≥ …`, sellers `s1 ≤ s2 ≤ …` and `k` the last pair with `bk ≥ sk`:
//! - if there is a pair after it and `p = (b(k+1) + s(k+1)) / 2`, rounded down, is from `sk` to
//!   `bk`, all `k` pairs trade at `p`;
//! - otherwise the first `k - 1` pairs trade, buyers pay `bk`, sellers get `sk`, and the auctioneer
//!   keeps the difference.
//!
//! It was chosen over the k-double auction because nobody gains by naming anything else than what
//! a unit is worth to it, nobody trades at a loss, and the auctioneer never pays in; the price is
//! at most the one least valuable trade. A k-double auction makes that trade too, and invites
//! everybody to shade.

use std::cmp::Reverse;

use super::sealed::Offer;

/// Who trades, and at which prices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trades {
    /// Those that buy, the highest offer first.
    pub buyers: Vec<Offer>,
    /// Those that sell, the lowest offer first; as many.
    pub sellers: Vec<Offer>,
    /// What each buyer pays.
    pub buyers_pay: u64,
    /// What each seller gets: at most what a buyer pays.
    pub sellers_get: u64,
}

/// The trades among these offers. Of equal ones the earlier is first, then by lot. O(n log n).
#[must_use]
pub fn mcafee(mut buyers: Vec<Offer>, mut sellers: Vec<Offer>, seed: u64) -> Trades {
    buyers.sort_unstable_by_key(|offer| (Reverse(offer.amount), offer.turn(seed)));
    sellers.sort_unstable_by_key(|offer| (offer.amount, offer.turn(seed)));
    let pairs = buyers.iter().zip(&sellers);
    let efficient = pairs.take_while(|(buyer, seller)| buyer.amount >= seller.amount).count();
    let Some(last) = efficient.checked_sub(1) else { return Trades::default() };
    let (highest, lowest) = (buyers[last].amount, sellers[last].amount);
    let next = buyers.get(efficient).zip(sellers.get(efficient));
    let price = next.map(|(buyer, seller)| buyer.amount.midpoint(seller.amount));
    let (count, buyers_pay, sellers_get) = match price {
        Some(price) if (lowest..=highest).contains(&price) => (efficient, price, price),
        _ => (last, highest, lowest),
    };
    buyers.truncate(count);
    sellers.truncate(count);
    Trades { buyers, sellers, buyers_pay, sellers_get }
}
