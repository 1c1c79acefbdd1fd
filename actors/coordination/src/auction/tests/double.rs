//! The call market.

use super::{Draws, Kind, Outcome, Setup, World, setup};
use crate::auction::Unsold;
use crate::auction::double::{Trades, mcafee};
use crate::auction::sealed::Offer;
use crate::protocol::{Moment, Refusal};

fn offers(amounts: &[u64], first: u32) -> Vec<Offer> {
    let offer = |(amount, who): (&u64, u32)| Offer { who, amount: *amount, at: Moment(0) };
    amounts.iter().zip(first..).map(offer).collect()
}

fn trades(buyers: &[u64], sellers: &[u64]) -> Trades {
    mcafee(offers(buyers, 0), offers(sellers, 1_000), 1)
}

#[test]
fn mcafee_1992_the_next_pair_sets_one_price_when_that_lies_between() {
    // k = 3; the fourth pair's mean is (4 + 6) / 2 = 5, between s3 = 3 and b3 = 7.
    let all = trades(&[9, 8, 7, 4], &[1, 2, 3, 6]);
    assert_eq!((all.buyers.len(), all.buyers_pay, all.sellers_get), (3, 5, 5));
}

#[test]
fn mcafee_1992_otherwise_the_last_pair_does_not_trade_and_sets_both_prices() {
    // k = 3; the mean of the fourth pair, (1 + 5) / 2 = 3, is below s3 = 4.
    let fewer = trades(&[9, 8, 6, 1], &[2, 3, 4, 5]);
    assert_eq!((fewer.buyers.len(), fewer.buyers_pay, fewer.sellers_get), (2, 6, 4));
    // No pair after the last that could set a price.
    let fewer = trades(&[9, 8], &[2, 3]);
    assert_eq!((fewer.buyers.len(), fewer.buyers_pay, fewer.sellers_get), (1, 8, 3));
    assert_eq!(trades(&[9], &[2]).buyers.len(), 0);
    assert_eq!(trades(&[1], &[2]).buyers.len(), 0);
}

#[test]
fn a_market_clears_when_everybody_has_spoken() {
    let mut world = World::open(setup(Kind::Double, &["b1", "b2", "b3", "s1", "s2", "s3"]));
    world.bid("b1", 9).unwrap();
    world.bid("b2", 8).unwrap();
    world.bid("b3", 3).unwrap();
    world.ask("s1", 2).unwrap();
    assert!(matches!(world.ask("b1", 1), Err(Refusal::Conflict(_))));
    world.ask("s2", 4).unwrap();
    assert!(world.auction.outcome().is_none());
    world.ask("s3", 7).unwrap();
    // k = 2; (3 + 7) / 2 = 5 lies from 4 to 8.
    assert_eq!(world.winners(), [("b1", 5), ("b2", 5)]);
    let sellers: Vec<_> =
        world.sale().sellers.iter().map(|award| (award.who.as_str(), award.price)).collect();
    assert_eq!(sellers, [("s1", 5), ("s2", 5)]);
}

#[test]
fn a_market_without_a_trade_or_one_side_says_so() {
    let mut world = World::open(setup(Kind::Double, &["b", "s"]));
    world.bid("b", 3).unwrap();
    world.ask("s", 5).unwrap();
    assert_eq!(world.auction.outcome(), Some(&Outcome::Unsold(Unsold::NoTrade)));
    let mut world = World::open(setup(Kind::Double, &["b", "s"]));
    world.bid("b", 3).unwrap();
    world.pass_ms(10_000);
    assert_eq!(world.auction.outcome(), Some(&Outcome::Unsold(Unsold::NoBids)));
    let mut world = World::open(setup(Kind::Vickrey, &["b"]));
    assert!(matches!(world.ask("b", 3), Err(Refusal::Invalid { .. })));
    let bad = Setup { reserve: 1, ..setup(Kind::Double, &["b"]) };
    assert_eq!(bad.check().unwrap_err().to_string(), "reserve: 1, expected 0 to 0");
}

#[test]
fn everybody_trades_without_loss_the_books_balance_and_one_trade_at_most_is_missed() {
    for seed in 0..2_000 {
        let mut draws = Draws::of(seed);
        let mut some =
            |most| -> Vec<u64> { (0..1 + draws.below(most)).map(|_| draws.below(40)).collect() };
        let (mut buyers, mut sellers) = (some(9), some(9));
        let traded = trades(&buyers, &sellers);
        let (pay, get) = (traded.buyers_pay, traded.sellers_get);
        assert!(pay >= get, "seed {seed}: the auctioneer pays in");
        assert_eq!(traded.buyers.len(), traded.sellers.len(), "seed {seed}");
        assert!(traded.buyers.iter().all(|offer| offer.amount >= pay), "seed {seed}");
        assert!(traded.sellers.iter().all(|offer| offer.amount <= get), "seed {seed}");
        buyers.sort_unstable_by(|a, b| b.cmp(a));
        sellers.sort_unstable();
        let pairs = buyers.iter().zip(&sellers).filter(|(buyer, seller)| buyer >= seller).count();
        assert!(traded.buyers.len() + 1 >= pairs, "seed {seed}");
    }
}
