//! One lot, sealed bids: first price, and second price (Vickrey, Journal of Finance 16, 1961).

use serde::{Deserialize, Serialize};

use super::terms::Unsold;
use crate::lot::lot;
use crate::protocol::Moment;

/// An amount that somebody has named, in millionths of a unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// Who: a place in the list of bidders.
    pub who: u32,
    /// How much.
    pub amount: u64,
    /// When.
    pub at: Moment,
}

impl Offer {
    /// What decides between equal amounts: who was earlier, then the lot that the seed draws.
    pub(super) fn turn(&self, seed: u64) -> (Moment, u64) {
        (self.at, lot(seed, self.who.into()))
    }
}

/// The highest offer, of equal ones the earliest, then by lot; and the amount of the next.
fn highest(offers: &[Offer], seed: u64) -> Option<(Offer, Option<u64>)> {
    let rank = |offer: &&Offer| (std::cmp::Reverse(offer.amount), offer.turn(seed));
    let best = *offers.iter().min_by_key(rank)?;
    let others = offers.iter().filter(|other| other.who != best.who);
    Some((best, others.map(|other| other.amount).max()))
}

/// Who wins what it has offered for.
///
/// # Errors
/// Why nobody does.
pub fn first_price(offers: &[Offer], reserve: u64, seed: u64) -> Result<(Offer, u64), Unsold> {
    let (best, _) = highest(offers, seed).ok_or(Unsold::NoBids)?;
    if best.amount < reserve {
        return Err(Unsold::ReserveNotMet);
    }
    Ok((best, best.amount))
}

/// Who wins, for the second highest offer or the reserve, whichever is more. To offer what the lot
/// is worth to oneself is a dominant strategy.
///
/// # Errors
/// Why nobody does.
pub fn vickrey(offers: &[Offer], reserve: u64, seed: u64) -> Result<(Offer, u64), Unsold> {
    let (best, second) = highest(offers, seed).ok_or(Unsold::NoBids)?;
    if best.amount < reserve {
        return Err(Unsold::ReserveNotMet);
    }
    Ok((best, second.unwrap_or(0).max(reserve)))
}
