//! How an auction is shown. Nothing of sealed bids is, before the end.

use serde::Serialize;

use super::machine::{Auction, Book, Phase, Turn};
use super::terms::{Item, Kind, Outcome};

/// How an auction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct View {
    /// What is sold.
    pub goods: String,
    /// The items.
    pub items: Vec<Item>,
    /// By which rules.
    pub kind: Kind,
    /// `open`, `sold`, `unsold` or `cancelled`.
    pub phase: &'static str,
    /// How many may bid.
    pub bidders: usize,
    /// How many bids were taken.
    pub bids: u32,
    /// How many have passed.
    pub passed: usize,
    /// The highest bid of an English auction, or what the clock of a Dutch one shows.
    pub price: Option<u64>,
    /// Whose is the highest bid of an English auction.
    pub leader: Option<String>,
    /// What the next bid of an English auction must be at least.
    pub least: Option<u64>,
    /// When it ends, as it stands (UTC microseconds).
    pub until_us: Option<i64>,
    /// The reserve, once it has ended.
    pub reserve: Option<u64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl View {
    pub(super) fn of(auction: &Auction) -> Self {
        let standing = auction.standing();
        let passed = auction.entrants.iter().filter(|entrant| entrant.turn == Turn::Passed);
        let (price, leader, least) = match &auction.book {
            Book::English { leader, .. } => {
                let (price, who) = leader.map(|leader| (leader.amount, leader.who)).unzip();
                let leader = who.map(|who| auction.name(who).to_owned());
                (price, leader, Some(auction.least()))
            }
            Book::Dutch(limits) => (Some(limits.clock), None, None),
            _ => (None, None, None),
        };
        let outcome = match &auction.phase {
            Phase::Open { .. } => None,
            Phase::Ended { outcome } => Some(outcome.clone()),
        };
        Self {
            goods: auction.setup.goods.clone(),
            items: auction.setup.items.clone(),
            kind: auction.setup.kind,
            phase: standing.phase,
            bidders: auction.entrants.len(),
            bids: auction.bids,
            passed: passed.count(),
            price,
            leader,
            least,
            until_us: standing.until_us,
            reserve: outcome.as_ref().map(|_| auction.setup.reserve),
            outcome,
        }
    }
}
