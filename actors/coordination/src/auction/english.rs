//! Open and rising: each bid tops the one before.

use std::time::Duration;

use synod_agents::Performative;

use super::letters;
use super::machine::{Asked, Auction, Book, Phase, Turn};
use super::sealed::Offer;
use super::terms::{Extension, Kind};
use crate::protocol::{Effects, Moment, Refusal};

/// Most bids of one auction.
const MAX_BIDS: u32 = 100_000;

impl Auction {
    /// What the next bid must be at least; 0 where bids don't rise.
    pub(super) fn least(&self) -> u64 {
        match (&self.book, self.setup.kind) {
            (Book::English { leader: Some(leader), .. }, Kind::English { increment, .. }) => {
                leader.amount.saturating_add(increment)
            }
            (_, Kind::English { start, .. }) => start,
            _ => 0,
        }
    }

    pub(super) fn increment(&self) -> u64 {
        match self.setup.kind {
            Kind::English { increment, .. } => increment,
            _ => 0,
        }
    }

    /// Takes a bid that tops the one before.
    pub(super) fn top(
        &mut self,
        now: Moment,
        offer: Offer,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let (least, name) = (self.least(), self.name(offer.who).to_owned());
        let before = match &self.book {
            Book::English { leader, .. } => *leader,
            _ => None,
        };
        if self.turn(offer.who) == Turn::Passed {
            return Err(Refusal::Conflict(format!("'{name}' has passed")));
        }
        if before.is_some_and(|leader| leader.who == offer.who) {
            return Err(Refusal::Conflict(format!("'{name}' leads already")));
        }
        if offer.amount < least {
            let why = format!("{}, expected at least {least}", offer.amount);
            return Err(Refusal::invalid("amount", why));
        }
        if self.bids >= MAX_BIDS {
            let why = format!("{MAX_BIDS} bids were taken: the last of them wins at the end");
            return Err(Refusal::Full(why));
        }
        self.bids += 1;
        self.turned(offer.who, Turn::Bid);
        if let Book::English { leader, .. } = &mut self.book {
            *leader = Some(offer);
        }
        let what = serde_json::json!({ "amount": offer.amount });
        out.note("auction.bid", name, &what, format!("at least {least} was asked for"));
        self.put_off(now, out);
        if let Some(outbid) = before {
            self.ask_again(now, outbid.who, out);
        }
        Ok(())
    }

    /// Puts the end off when the others would have too little time to answer.
    fn put_off(&mut self, now: Moment, out: &mut Effects) {
        let Kind::English { extension: Some(Extension { window_ms, most }), .. } = self.setup.kind
        else {
            return;
        };
        let later = now.after(Duration::from_millis(window_ms));
        let (Book::English { extended, .. }, Phase::Open { until }) =
            (&mut self.book, &mut self.phase)
        else {
            return;
        };
        if later <= *until || *extended >= most {
            return;
        }
        *extended += 1;
        *until = later;
        let what = serde_json::json!({ "until_us": later.0 });
        let why = format!("a bid in the last {window_ms} ms; put off {extended} of {most} times");
        out.note("auction.put_off", "", &what, why);
    }

    /// Whether a bid is too low only because others have bid since its bidder was asked.
    pub(super) fn is_outdated(&self, asked: Asked, amount: i64) -> bool {
        let leads = matches!(&self.book, Book::English { leader: Some(leader), .. }
            if leader.who == asked.who);
        u64::try_from(amount)
            .is_ok_and(|amount| !leads && amount >= asked.least && amount < self.least())
    }

    /// Tells somebody how the auction stands, and asks for its next bid. Whoever has passed, or has
    /// no money for it, is not asked.
    pub(super) fn ask_again(&mut self, now: Moment, who: u32, out: &mut Effects) {
        let Phase::Open { until } = self.phase else { return };
        if self.turn(who) == Turn::Passed {
            return;
        }
        let least = self.least();
        let content = letters::outbid(least.checked_sub(self.increment()), least, until);
        let asked = Asked { who, least, call: false };
        self.ask(asked, Performative::Inform, content, now.until(until), out);
    }
}
