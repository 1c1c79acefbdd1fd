//! What an auction is opened with, what it is told, and how it ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_CONTENT, MAX_PARTICIPANTS, MAX_TEXT, MAX_WAIT_MS, longest, within};
use crate::protocol::Refusal;
use crate::resources::{ResourceUnits, Want};

/// The largest amount of money: 100 million units. 100,000 of them can be added up.
pub(super) const MAX_AMOUNT: u64 = 100_000_000_000_000;
const MAX_ITEMS: usize = 100;
/// Bytes of the longest name, as of agents: so the largest auction fits into one record.
const MAX_NAME: usize = 64;
/// Most steps of the clock of a Dutch auction.
const MAX_STEPS: u64 = 100_000;
const MAX_EXTENSIONS: u32 = 1_000;
/// Most bundles that one bidder may bid on.
pub(super) const MAX_BUNDLES_EACH: usize = 100;
/// Most bundles of an auction.
pub(super) const MAX_BUNDLES: usize = 20_000;

/// What an auction is opened with. All money is in millionths of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// What is sold, for people and bidders; at most 1 MiB.
    pub goods: String,
    /// The items, at most 100, with names of their own. A combinatorial auction sells them one by
    /// one and needs some; all others sell them together, as one lot, and need none. What a seller
    /// brings to a double auction is one such lot.
    pub items: Vec<Item>,
    /// By which rules.
    pub kind: Kind,
    /// Who may bid: 1 to 100,000, each once.
    pub bidders: Vec<Bidder>,
    /// Nothing is sold for less: the lot, or each item of a combinatorial auction. Not shown before
    /// the end. Must be 0 for a double auction, where sellers name their own.
    pub reserve: u64,
    /// Milliseconds in which bids may come; 1 to a week. Default 30 s. A Dutch auction ends with
    /// its clock.
    pub closes_within_ms: u64,
    /// Whether bidders are agents that are sent the call and answer it. Without it they learn of
    /// the auction elsewhere, and bid by inputs. Default true.
    pub ask_agents: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            goods: String::new(),
            items: Vec::new(),
            kind: Kind::Vickrey,
            bidders: Vec::new(),
            reserve: 0,
            closes_within_ms: 30_000,
            ask_agents: true,
        }
    }
}

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Item {
    /// Its name: 1 to 64 bytes.
    pub name: String,
    /// The resource units it is of; none for something else.
    pub units: ResourceUnits,
}

/// Somebody who may bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bidder {
    /// Its name: an agent, or a user; 1 to 64 bytes.
    pub name: String,
    /// The most it may bid, and so pay; no bound when there is none.
    #[serde(default)]
    pub budget: Option<u64>,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Open and rising: each bid tops the one before; the last wins and pays it (FIPA XC00031).
    English {
        /// The least first bid.
        start: u64,
        /// By how much at least a bid tops the one before; not 0.
        increment: u64,
        /// What happens when somebody bids in the last moment; nothing when there is none.
        #[serde(default)]
        extension: Option<Extension>,
    },
    /// A clock falls from `start` down to the reserve; whoever stops it pays what it shows (FIPA
    /// XC00032).
    Dutch {
        /// Where the clock starts.
        start: u64,
        /// By how much it falls at a time; not 0, and at most 100,000 steps to the reserve.
        step: u64,
        /// Milliseconds between; not 0.
        every_ms: u64,
    },
    /// Sealed; the highest bid wins and pays itself.
    FirstPrice,
    /// Sealed; the highest bid wins and pays the second highest.
    Vickrey,
    /// A call market of single units: sealed bids and asks, cleared by trade reduction (McAfee
    /// 1992).
    Double,
    /// Sealed bids on bundles of items; each bidder wins one of its bundles at most.
    Combinatorial {
        /// What winners pay.
        payment: Payment,
    },
}

/// A bid in the last `window_ms` puts the end off to `window_ms` from then: against sniping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// How long the others have at least to answer a bid; not 0.
    pub window_ms: u64,
    /// How often the end is put off at most; 1 to 1,000.
    pub most: u32,
}

/// What winners of bundles pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// What they have bid.
    PayAsBid,
    /// What the others lose by their presence (Vickrey, Clarke, Groves): to bid what bundles are
    /// worth is a dominant strategy. Had up to 25 items; pay-as-bid beyond, and the outcome says
    /// which.
    Vcg,
}

/// What an auction is told by programs. All money is in millionths of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// A bid for the lot. In a Dutch auction a limit: the lot is bought as soon as the clock
    /// shows no more.
    Bid {
        /// Whose.
        bidder: String,
        /// How much; not below zero.
        amount: i64,
    },
    /// An offer to sell in a double auction.
    Ask {
        /// Whose.
        bidder: String,
        /// The least that is to be paid; not below zero.
        amount: i64,
    },
    /// All the bundles that a bidder bids on; it wins one of them at most.
    BidBundles {
        /// Whose.
        bidder: String,
        /// At least one, at most 100.
        bundles: Vec<Bundle>,
    },
    /// No bid, or no further one.
    Pass {
        /// Who passes.
        bidder: String,
    },
    /// Whoever opened it calls it off.
    Cancel {
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

/// A bundle and what it is worth to a bidder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The names of the items: at least one, each once.
    pub items: Vec<String>,
    /// How much; not below zero.
    pub amount: i64,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something was sold.
    Sold(Sale),
    /// Nothing was.
    Unsold(Unsold),
    /// It was called off.
    Cancelled {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Who got what at which price.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sale {
    /// Those that pay.
    pub winners: Vec<Award>,
    /// Those that are paid, in a double auction.
    pub sellers: Vec<Award>,
    /// Whether it is known that no allocation of the bundles is worth more; true where there are no
    /// bundles.
    pub exact: bool,
    /// No allocation of the bundles is worth more than this; 0 where there are no bundles.
    pub at_most: u64,
    /// The rule of payment that was applied to bundles.
    pub payment: Option<Payment>,
}

/// What somebody pays and gets, or gives and is paid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Award {
    /// Who.
    pub who: String,
    /// The names of the items; empty when the lot has none, and in a double auction, where all
    /// trade the same.
    pub items: Vec<String>,
    /// The resource units of these items together.
    pub units: ResourceUnits,
    /// What it had bid, or asked for.
    pub bid: u64,
    /// What it pays, or is paid.
    pub price: u64,
}

/// Why nothing was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unsold {
    /// Nobody has bid.
    NoBids,
    /// No bid was as high as the reserve.
    ReserveNotMet,
    /// No trade could be made between buyers and sellers.
    NoTrade,
}

impl Sale {
    /// The resource units that winners are to be granted by a ledger, where the goods are some.
    #[must_use]
    pub fn wants(&self) -> Vec<Want> {
        let units = self.winners.iter().filter(|award| !award.units.is_empty());
        units.map(|award| Want { holder: award.who.clone(), units: award.units }).collect()
    }
}

impl Setup {
    /// Whether an auction can be held of it.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for the first thing that is out of its range.
    pub fn check(&self) -> Result<(), Refusal> {
        longest("goods", &self.goods, MAX_CONTENT)?;
        if self.goods.is_empty() && self.items.is_empty() {
            return Err(Refusal::invalid("goods", "it is empty, and there are no items"));
        }
        within("bidders", self.bidders.len() as u64, 1, MAX_PARTICIPANTS as u64)?;
        within("items", self.items.len() as u64, 0, MAX_ITEMS as u64)?;
        within("closes_within_ms", self.closes_within_ms, 1, MAX_WAIT_MS)?;
        within("reserve", self.reserve, 0, MAX_AMOUNT)?;
        self.check_kind()?;
        let items = self.items.iter().map(|item| item.name.as_str());
        distinct("items", items)?;
        distinct("bidders", self.bidders.iter().map(|bidder| bidder.name.as_str()))?;
        for (at, bidder) in self.bidders.iter().enumerate() {
            within(&format!("bidders[{at}].budget"), bidder.budget.unwrap_or(0), 0, MAX_AMOUNT)?;
            if self.ask_agents {
                let agent = synod_agents::AgentId::new(&bidder.name);
                let at = format!("bidders[{at}].name");
                agent.map_err(|error| Refusal::invalid(at, error.to_string()))?;
            }
        }
        self.lot().map(|_| ())
    }

    fn check_kind(&self) -> Result<(), Refusal> {
        match self.kind {
            Kind::English { start, increment, extension } => {
                within("kind.english.start", start, 0, MAX_AMOUNT)?;
                within("kind.english.increment", increment, 1, MAX_AMOUNT)?;
                let Some(Extension { window_ms, most }) = extension else { return Ok(()) };
                let at = "kind.english.extension";
                within(&format!("{at}.window_ms"), window_ms, 1, MAX_WAIT_MS)?;
                within(&format!("{at}.most"), most.into(), 1, MAX_EXTENSIONS.into())
            }
            Kind::Dutch { start, step, every_ms } => {
                within("kind.dutch.start", start, self.reserve, MAX_AMOUNT)?;
                within("kind.dutch.step", step, 1, MAX_AMOUNT)?;
                within("kind.dutch.every_ms", every_ms, 1, MAX_WAIT_MS)?;
                let steps = (start - self.reserve) / step;
                within("kind.dutch: steps of the clock", steps, 0, MAX_STEPS)?;
                let open_ms = every_ms.saturating_mul(steps + 1);
                within("kind.dutch: milliseconds of the clock", open_ms, 1, MAX_WAIT_MS)
            }
            Kind::Double => within("reserve", self.reserve, 0, 0),
            Kind::Combinatorial { .. } => {
                within("items", self.items.len() as u64, 1, MAX_ITEMS as u64)
            }
            Kind::FirstPrice | Kind::Vickrey => Ok(()),
        }
    }

    /// All items together.
    pub(super) fn lot(&self) -> Result<(Vec<String>, ResourceUnits), Refusal> {
        let mut units = ResourceUnits::default();
        for (at, item) in self.items.iter().enumerate() {
            units = units.checked_add(&item.units).ok_or_else(|| {
                Refusal::invalid(format!("items[{at}].units"), "more than can be counted together")
            })?;
        }
        Ok((self.items.iter().map(|item| item.name.clone()).collect(), units))
    }
}

fn distinct<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for (at, name) in names.enumerate() {
        let at = format!("{field}[{at}].name");
        if name.is_empty() || name.len() > MAX_NAME {
            let why = format!("{} bytes, expected 1 to {MAX_NAME}", name.len());
            return Err(Refusal::invalid(at, why));
        }
        if !seen.insert(name) {
            return Err(Refusal::invalid(at, format!("'{name}' is there twice")));
        }
    }
    Ok(())
}

/// Refuses a reason that is too long.
pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    longest("cancel.reason", reason, MAX_TEXT)
}
