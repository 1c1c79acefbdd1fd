//! The machine: where an auction stands, and what moves it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload, Performative};
use synod_runtime::Principal;

use super::bundles::BundleBid;
use super::dutch::Limits;
use super::letters::{self, Side};
use super::sealed::Offer;
use super::terms::{Bidder, Input, Kind, MAX_AMOUNT, Outcome, Setup, check_reason};
use super::view::View;
use crate::bounds::clipped;
use crate::protocol::{
    Dispatch, Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for,
};

/// One auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auction {
    /// As opened, but for the bidders: they are in `entrants`.
    pub(super) setup: Setup,
    pub(super) owner: Principal,
    pub(super) seed: u64,
    pub(super) opened: Moment,
    /// Ordered by name.
    pub(super) entrants: Vec<Entrant>,
    /// How many entrants can still move it.
    pub(super) pending: u32,
    /// How many bids were taken.
    pub(super) bids: u32,
    pub(super) phase: Phase,
    pub(super) book: Book,
    /// What was asked by which dispatch.
    pub(super) asked: BTreeMap<u64, Asked>,
    /// The number of the last dispatch.
    pub(super) dispatched: u64,
}

/// Somebody who may bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entrant {
    pub(super) name: String,
    pub(super) budget: Option<u64>,
    pub(super) turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Nothing was heard of it.
    Open,
    Bid,
    Passed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Open { until: Moment },
    Ended { outcome: Outcome },
}

/// The bids, as the kind of auction needs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Book {
    English { leader: Option<Offer>, extended: u32 },
    Dutch(Limits),
    Sealed(Vec<Offer>),
    Double { buyers: Vec<Offer>, sellers: Vec<Offer> },
    Bundles(Vec<BundleBid>),
}

/// What a dispatch asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) who: u32,
    /// What a bid had to be at least then.
    pub(super) least: u64,
    /// Whether it was the call, or word of another's bid.
    pub(super) call: bool,
}

/// Where it stands after an input was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Standing {
    /// `open`, `sold`, `unsold` or `cancelled`.
    pub phase: &'static str,
    /// How many bids were taken.
    pub bids: u32,
    /// When it ends, as it stands (UTC microseconds).
    pub until_us: Option<i64>,
}

impl Protocol for Auction {
    const KIND: &'static str = "auction";
    const VERSION: u16 = 1;

    type Setup = Setup;
    type Input = Input;
    type Answer = Standing;
    type View = View;

    fn open(mut setup: Setup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        setup.check()?;
        let mut bidders = std::mem::take(&mut setup.bidders);
        bidders.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let entrant = |Bidder { name, budget }| Entrant { name, budget, turn: Turn::Open };
        let entrants: Vec<Entrant> = bidders.into_iter().map(entrant).collect();
        let book = match setup.kind {
            Kind::English { .. } => Book::English { leader: None, extended: 0 },
            Kind::Dutch { start, .. } => Book::Dutch(Limits::from(start)),
            Kind::FirstPrice | Kind::Vickrey => Book::Sealed(Vec::new()),
            Kind::Double => Book::Double { buyers: Vec::new(), sellers: Vec::new() },
            Kind::Combinatorial { .. } => Book::Bundles(Vec::new()),
        };
        let mut auction = Self {
            owner: opening.by.clone(),
            seed: opening.seed,
            opened: opening.now,
            pending: u32::try_from(entrants.len()).unwrap_or(u32::MAX),
            entrants,
            bids: 0,
            phase: Phase::Open { until: opening.now },
            book,
            asked: BTreeMap::new(),
            dispatched: 0,
            setup,
        };
        let until = opening.now.after(auction.open_for());
        auction.phase = Phase::Open { until };
        let what = serde_json::json!({ "kind": auction.setup.kind, "until_us": until.0 });
        let why = format!("{} may bid", auction.entrants.len());
        out.note("auction.opened", opening.by.to_string(), &what, why);
        auction.call_all(until, out);
        Ok(auction)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: Input,
        out: &mut Effects,
    ) -> Result<Standing, Refusal> {
        let until = match &self.phase {
            Phase::Open { until } => *until,
            Phase::Ended { .. } => {
                let why = format!("the auction is over: {}", self.standing().phase);
                return Err(Refusal::TooLate(why));
            }
        };
        if now >= until && !matches!(input, Input::Cancel { .. }) {
            return Err(Refusal::TooLate("the auction has closed".to_owned()));
        }
        match input {
            Input::Bid { bidder, amount } => {
                let who = self.speaker(by, &bidder)?;
                self.bid(now, who, amount, Side::Buy, out)?;
            }
            Input::Ask { bidder, amount } => {
                let who = self.speaker(by, &bidder)?;
                self.bid(now, who, amount, Side::Sell, out)?;
            }
            Input::BidBundles { bidder, bundles } => {
                let who = self.speaker(by, &bidder)?;
                self.bid_bundles(now, who, &bundles, out)?;
            }
            Input::Pass { bidder } => {
                let who = self.speaker(by, &bidder)?;
                self.pass(who, "it passed", out)?;
            }
            Input::Cancel { reason } => self.cancel(by, reason, out)?,
        }
        self.close_when_settled(out);
        Ok(self.standing())
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        let Phase::Open { until } = self.phase else { return };
        self.tick(now, out);
        if now >= until {
            self.close(out);
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        let Phase::Open { until } = self.phase else { return None };
        Some(self.next_tick().map_or(until, |tick| tick.min(until)))
    }

    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        let Some(asked) = self.asked.remove(&about) else { return };
        if !matches!(self.phase, Phase::Open { until } if now < until) {
            return;
        }
        let refused = match heard {
            Heard::Silent(why) => Err(format!("it is silent: {}", clipped(why.clone()))),
            Heard::Reply(answer) if answer.performative == Performative::Propose => {
                self.proposed(now, asked, &answer.content, out)
            }
            Heard::Reply(answer) => Err(format!("it answered {}", answer.performative)),
        };
        if let Err(why) = refused {
            // Whoever has bid before by an input stays bound by that: its silence is no pass.
            if self.pass(asked.who, &why, out).is_err() {
                return;
            }
        }
        self.close_when_settled(out);
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    fn resume(&self, out: &mut Effects) {
        let Phase::Open { until } = self.phase else { return };
        let call = letters::call(&self.setup, until);
        for (number, asked) in &self.asked {
            let (performative, content) = match asked.call {
                true => (Performative::Cfp, call.clone()),
                false => {
                    let standing = asked.least.checked_sub(self.increment());
                    (Performative::Inform, letters::outbid(standing, asked.least, until))
                }
            };
            let reply_within = Some(self.open_for());
            let Some(to) = self.agent(asked.who) else { continue };
            let number = *number;
            out.dispatches.push(Dispatch { number, to, performative, content, reply_within });
        }
    }

    fn view(&self) -> View {
        View::of(self)
    }
}

impl Auction {
    /// How it ended; none while it is open.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Open { .. } => None,
            Phase::Ended { outcome } => Some(outcome),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let (phase, until) = match &self.phase {
            Phase::Open { until } => ("open", Some(until.0)),
            Phase::Ended { outcome: Outcome::Sold(_) } => ("sold", None),
            Phase::Ended { outcome: Outcome::Unsold(_) } => ("unsold", None),
            Phase::Ended { outcome: Outcome::Cancelled { .. } } => ("cancelled", None),
        };
        Standing { phase, bids: self.bids, until_us: until }
    }

    /// How long it is open, unless the end is put off.
    fn open_for(&self) -> Duration {
        let clock = self.clock_runs();
        clock.unwrap_or(Duration::from_millis(self.setup.closes_within_ms))
    }

    fn call_all(&mut self, until: Moment, out: &mut Effects) {
        if !self.setup.ask_agents {
            return;
        }
        let content = letters::call(&self.setup, until);
        let least = self.least();
        for who in 0..u32::try_from(self.entrants.len()).unwrap_or(u32::MAX) {
            let asked = Asked { who, least, call: true };
            self.ask(asked, Performative::Cfp, content.clone(), self.open_for(), out);
        }
    }

    pub(super) fn ask(
        &mut self,
        asked: Asked,
        performative: Performative,
        content: Payload,
        within: Duration,
        out: &mut Effects,
    ) {
        let Some(to) = self.agent(asked.who).filter(|_| self.setup.ask_agents) else { return };
        self.dispatched += 1;
        let (number, reply_within) = (self.dispatched, Some(within));
        self.asked.insert(number, asked);
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within });
    }

    /// Sends something that wants no answer, unless nobody is to be sent anything.
    pub(super) fn tell(
        &mut self,
        who: u32,
        performative: Performative,
        content: Payload,
        out: &mut Effects,
    ) {
        let Some(to) = self.agent(who).filter(|_| self.setup.ask_agents) else { return };
        self.dispatched += 1;
        let number = self.dispatched;
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within: None });
    }

    fn agent(&self, who: u32) -> Option<AgentId> {
        AgentId::new(&self.entrants.get(who as usize)?.name).ok()
    }

    pub(super) fn name(&self, who: u32) -> &str {
        self.entrants.get(who as usize).map_or("", |entrant| &entrant.name)
    }

    /// The bidder's place, when `by` may speak for it.
    fn speaker(&self, by: &Principal, bidder: &str) -> Result<u32, Refusal> {
        let place = self.entrants.binary_search_by(|entrant| entrant.name.as_str().cmp(bidder));
        let Ok(place) = place else {
            return Err(Refusal::NotAllowed(format!("'{bidder}' is not among the bidders")));
        };
        may_speak_for(by, bidder)?;
        Ok(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The amount as money, when the bidder can spend it.
    pub(super) fn affordable(
        &self,
        who: u32,
        field: &str,
        amount: i64,
        side: Side,
    ) -> Result<u64, Refusal> {
        let money = u64::try_from(amount).ok().filter(|money| *money <= MAX_AMOUNT);
        let Some(money) = money else {
            let why = format!("{amount}, expected 0 to {MAX_AMOUNT}");
            return Err(Refusal::invalid(field, why));
        };
        let budget = self.entrants.get(who as usize).and_then(|entrant| entrant.budget);
        match budget.filter(|budget| money > *budget && side == Side::Buy) {
            Some(budget) => {
                let why = format!("{money} is over the budget of '{}': {budget}", self.name(who));
                Err(Refusal::invalid(field, why))
            }
            None => Ok(money),
        }
    }

    fn cancel(&mut self, by: &Principal, reason: String, out: &mut Effects) -> Result<(), Refusal> {
        if !self.owner.is_anonymous() {
            may_speak_for(by, &self.owner.name)?;
        }
        check_reason(&reason)?;
        let by = by.to_string();
        out.note("auction.cancelled", by.clone(), &(), reason.clone());
        let content = letters::json(&serde_json::json!({ "why": reason }));
        for who in 0..u32::try_from(self.entrants.len()).unwrap_or(u32::MAX) {
            if self.turn(who) != Turn::Passed {
                self.tell(who, Performative::Cancel, content.clone(), out);
            }
        }
        self.end(Outcome::Cancelled { by, reason });
        Ok(())
    }
}
