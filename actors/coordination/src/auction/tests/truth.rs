//! Truthfulness by simulation: where the rule promises that no false bid pays, none does.

use super::Draws;
use crate::auction::bundles::{BundleBid, clear};
use crate::auction::double::mcafee;
use crate::auction::sealed::{Offer, first_price, vickrey};
use crate::auction::{Payment, Unsold};
use crate::protocol::Moment;

fn offers(amounts: &[u64]) -> Vec<Offer> {
    let offer = |(amount, who): (&u64, u32)| Offer { who, amount: *amount, at: Moment(0) };
    amounts.iter().zip(0..).map(offer).collect()
}

/// What bidder 0 gains by a rule when the lot is worth `value` to it.
fn gain(result: Result<(Offer, u64), Unsold>, value: u64) -> i64 {
    match result {
        Ok((winner, price)) if winner.who == 0 => value as i64 - price as i64,
        _ => 0,
    }
}

#[test]
fn vickrey_1961_no_deviation_pays() {
    let mut worth_shading = 0;
    for seed in 0..3_000 {
        let mut draws = Draws::of(seed);
        let mut amounts: Vec<u64> = (0..1 + draws.below(6)).map(|_| draws.below(30)).collect();
        let (value, reserve) = (amounts[0], draws.below(15));
        let truth = gain(vickrey(&offers(&amounts), reserve, seed), value);
        let first = gain(first_price(&offers(&amounts), reserve, seed), value);
        assert!(truth >= 0, "seed {seed}: a loss");
        for other in 0..32 {
            amounts[0] = other;
            let lied = gain(vickrey(&offers(&amounts), reserve, seed), value);
            assert!(lied <= truth, "seed {seed}: {other} instead of {value} gains {lied}");
            worth_shading +=
                u32::from(gain(first_price(&offers(&amounts), reserve, seed), value) > first);
        }
    }
    // The search does find deviations that pay, where the rule promises nothing.
    assert!(worth_shading > 1_000, "{worth_shading}");
}

#[test]
fn mcafee_1992_no_deviation_pays_buyers_or_sellers() {
    for seed in 0..1_500 {
        let mut draws = Draws::of(seed);
        let mut some =
            || -> Vec<u64> { (0..1 + draws.below(5)).map(|_| draws.below(12)).collect() };
        let (mut buyers, mut sellers) = (some(), some());
        let (value, cost) = (buyers[0], sellers[0]);
        let gains = |buyers: &[u64], sellers: &[u64]| {
            let traded = mcafee(offers(buyers), offers(sellers), seed);
            let buys = traded.buyers.iter().any(|offer| offer.who == 0);
            let sells = traded.sellers.iter().any(|offer| offer.who == 0);
            let bought = if buys { value as i64 - traded.buyers_pay as i64 } else { 0 };
            (bought, if sells { traded.sellers_get as i64 - cost as i64 } else { 0 })
        };
        let (buyer, seller) = gains(&buyers, &sellers);
        for other in 0..14 {
            buyers[0] = other;
            assert!(gains(&buyers, &sellers).0 <= buyer, "seed {seed}: bid {other} for {value}");
            buyers[0] = value;
            sellers[0] = other;
            assert!(gains(&buyers, &sellers).1 <= seller, "seed {seed}: ask {other} for {cost}");
            sellers[0] = cost;
        }
    }
}

#[test]
fn vcg_no_deviation_pays_and_nobody_pays_above_its_bid() {
    for seed in 0..150 {
        let mut draws = Draws::of(seed);
        let items = 2 + draws.below(3) as usize;
        let bidders = 2 + draws.below(3);
        let reserve = draws.below(3);
        let mut bids = Vec::new();
        for who in 0..bidders {
            for _ in 0..1 + draws.below(2) {
                let items = u128::from(1 + draws.below((1 << items) - 1));
                let (who, amount) = (who as u32, draws.below(20));
                bids.push(BundleBid { who, items, amount, at: Moment(0) });
            }
        }
        let truth = gain_of_first(&bids, &bids, items, reserve, seed);
        assert!(truth >= 0, "seed {seed}: a loss");
        let mine: Vec<usize> = (0..bids.len()).filter(|at| bids[*at].who == 0).collect();
        for _ in 0..30 {
            let mut lied = bids.clone();
            for at in &mine {
                lied[*at].amount = draws.below(24);
            }
            let gained = gain_of_first(&lied, &bids, items, reserve, seed);
            assert!(gained <= truth, "seed {seed}: {lied:?} instead of {bids:?}");
        }
    }
}

/// What bidder 0 gains by these bids when its bundles are worth what the true ones say.
fn gain_of_first(
    bids: &[BundleBid],
    truth: &[BundleBid],
    items: usize,
    reserve: u64,
    seed: u64,
) -> i64 {
    let cleared = clear(bids, items, reserve, Payment::Vcg, seed);
    assert_eq!(cleared.payment, Some(Payment::Vcg));
    let mut gain = 0;
    for (winner, price) in cleared.allocation.winners.iter().zip(&cleared.prices) {
        let bid = &bids[*winner];
        assert!(*price <= bid.amount, "seed {seed}: {price} for a bid of {}", bid.amount);
        assert!(*price >= reserve * u64::from(bid.items.count_ones()), "seed {seed}");
        if bid.who == 0 {
            gain += truth[*winner].amount as i64 - *price as i64;
        }
    }
    gain
}
