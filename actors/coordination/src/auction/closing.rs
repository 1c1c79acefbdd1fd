//! Bids as they come, passes, and what the end makes of them.

use std::collections::BTreeMap;

use synod_agents::{Payload, Performative};

use super::bundles::{self, BundleBid};
use super::double;
use super::letters::{self, Proposed, Side};
use super::machine::{Asked, Auction, Book, Phase, Turn};
use super::sealed::{self, Offer};
use super::terms::{
    Award, Bundle, Kind, MAX_BUNDLES, MAX_BUNDLES_EACH, Outcome, Payment, Sale, Unsold,
};
use crate::bounds::within;
use crate::protocol::{Effects, Moment, Refusal};
use crate::resources::ResourceUnits;

impl Auction {
    /// Takes what an agent has bid, or tells why it is as good as none.
    pub(super) fn proposed(
        &mut self,
        now: Moment,
        asked: Asked,
        content: &Payload,
        out: &mut Effects,
    ) -> Result<(), String> {
        let Proposed { amount, side, bundles } =
            content.to_json().map_err(|error| error.to_string())?;
        let who = asked.who;
        if matches!(self.book, Book::Bundles(_)) {
            let taken = self.bid_bundles(now, who, &bundles, out);
            return taken.map_err(|refusal| refusal.to_string());
        }
        let amount = amount.ok_or("its proposal names no amount")?;
        if self.is_outdated(asked, amount) {
            self.ask_again(now, who, out);
            return Ok(());
        }
        self.bid(now, who, amount, side, out).map_err(|refusal| refusal.to_string())
    }

    /// Takes a bid for the lot.
    pub(super) fn bid(
        &mut self,
        now: Moment,
        who: u32,
        amount: i64,
        side: Side,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let money = self.affordable(who, "amount", amount, side)?;
        if side == Side::Sell && !matches!(self.book, Book::Double { .. }) {
            return Err(Refusal::invalid("ask", "only a double auction takes offers to sell"));
        }
        let offer = Offer { who, amount: money, at: now };
        match self.book {
            Book::English { .. } => return self.top(now, offer, out),
            Book::Dutch(_) => return self.limit(now, offer, out),
            Book::Bundles(_) => {
                return Err(Refusal::invalid("bid", "this auction takes bids on bundles"));
            }
            Book::Sealed(_) | Book::Double { .. } => self.not_yet(who)?,
        }
        match (&mut self.book, side) {
            (Book::Sealed(offers), _) => offers.push(offer),
            (Book::Double { buyers, .. }, Side::Buy) => buyers.push(offer),
            (Book::Double { sellers, .. }, Side::Sell) => sellers.push(offer),
            _ => {}
        }
        self.sealed(who, out);
        Ok(())
    }

    /// Takes bids on bundles.
    pub(super) fn bid_bundles(
        &mut self,
        now: Moment,
        who: u32,
        bundles: &[Bundle],
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let Book::Bundles(before) = &self.book else {
            return Err(Refusal::invalid("bid_bundles", "this auction sells one lot"));
        };
        self.not_yet(who)?;
        within("bundles", bundles.len() as u64, 1, MAX_BUNDLES_EACH as u64)?;
        if before.len() + bundles.len() > MAX_BUNDLES {
            let why =
                format!("{} bundles have been bid on: the most is {MAX_BUNDLES}", before.len());
            return Err(Refusal::Full(why));
        }
        let names = self.setup.items.iter().zip(0_u32..);
        let bits: BTreeMap<&str, u32> =
            names.map(|(item, bit)| (item.name.as_str(), bit)).collect();
        let mut taken = Vec::with_capacity(bundles.len());
        for (at, bundle) in bundles.iter().enumerate() {
            let items = mask(bundle, &format!("bundles[{at}]"), &bits)?;
            let field = format!("bundles[{at}].amount");
            let amount = self.affordable(who, &field, bundle.amount, Side::Buy)?;
            taken.push(BundleBid { who, items, amount, at: now });
        }
        if let Book::Bundles(bids) = &mut self.book {
            bids.append(&mut taken);
        }
        self.sealed(who, out);
        Ok(())
    }

    fn not_yet(&self, who: u32) -> Result<(), Refusal> {
        match self.turn(who) {
            Turn::Open => Ok(()),
            Turn::Bid => Err(Refusal::Conflict(format!("'{}' has bid already", self.name(who)))),
            Turn::Passed => Err(Refusal::Conflict(format!("'{}' has passed", self.name(who)))),
        }
    }

    /// A sealed bid was taken: that it was, but not how much.
    fn sealed(&mut self, who: u32, out: &mut Effects) {
        self.bids += 1;
        self.pending -= 1;
        self.turned(who, Turn::Bid);
        out.note("auction.bid", self.name(who), &(), "a sealed bid");
    }

    /// Somebody will not bid, or no further.
    pub(super) fn pass(&mut self, who: u32, why: &str, out: &mut Effects) -> Result<(), Refusal> {
        let bound = match &self.book {
            Book::English { leader, .. } => leader.is_some_and(|leader| leader.who == who),
            _ => self.turn(who) == Turn::Bid,
        };
        if bound {
            let why = format!("'{}' is bound by its bid", self.name(who));
            return Err(Refusal::Conflict(why));
        }
        if self.turn(who) == Turn::Passed {
            return Err(Refusal::Conflict(format!("'{}' has passed already", self.name(who))));
        }
        self.pending -= 1;
        self.turned(who, Turn::Passed);
        out.note("auction.passed", self.name(who), &(), why);
        Ok(())
    }

    pub(super) fn turn(&self, who: u32) -> Turn {
        self.entrants.get(who as usize).map_or(Turn::Passed, |entrant| entrant.turn)
    }

    pub(super) fn turned(&mut self, who: u32, turn: Turn) {
        if let Some(entrant) = self.entrants.get_mut(who as usize) {
            entrant.turn = turn;
        }
    }

    /// Ends it when nobody can move it any more.
    pub(super) fn close_when_settled(&mut self, out: &mut Effects) {
        let leads = u32::from(matches!(&self.book, Book::English { leader: Some(_), .. }));
        if self.pending <= leads && matches!(self.phase, Phase::Open { .. }) {
            self.close(out);
        }
    }

    /// The end: who gets what.
    pub(super) fn close(&mut self, out: &mut Effects) {
        let (reserve, seed) = (self.setup.reserve, self.seed);
        let sold = match &self.book {
            Book::English { leader: None, .. } => Err(Unsold::NoBids),
            Book::English { leader: Some(leader), .. } if leader.amount < reserve => {
                Err(Unsold::ReserveNotMet)
            }
            Book::English { leader: Some(leader), .. } => Ok(self.lot_to(*leader, leader.amount)),
            Book::Dutch(limits) if limits.is_empty() => Err(Unsold::NoBids),
            Book::Dutch(_) => Err(Unsold::ReserveNotMet),
            Book::Sealed(offers) => match self.setup.kind {
                Kind::Vickrey => sealed::vickrey(offers, reserve, seed),
                _ => sealed::first_price(offers, reserve, seed),
            }
            .map(|(winner, price)| self.lot_to(winner, price)),
            Book::Double { buyers, sellers } => self.trades(buyers, sellers),
            Book::Bundles(bids) => self.bundles(bids),
        };
        match sold {
            Ok(sale) => self.sold(sale, out),
            Err(why) => {
                out.note("auction.unsold", "", &why, "nothing was sold");
                self.reject_losers(&[], out);
                self.end(Outcome::Unsold(why));
            }
        }
    }

    /// The lot to one bidder.
    pub(super) fn lot_to(&self, winner: Offer, price: u64) -> Sale {
        let winners = vec![self.lot_award(&winner, price)];
        Sale { winners, sellers: Vec::new(), exact: true, at_most: 0, payment: None }
    }

    fn lot_award(&self, offer: &Offer, price: u64) -> Award {
        // The sum was checked at the opening.
        let (mut items, units) = self.setup.lot().unwrap_or_default();
        if self.setup.kind == Kind::Double {
            items.clear();
        }
        Award { who: self.name(offer.who).to_owned(), items, units, bid: offer.amount, price }
    }

    fn trades(&self, buyers: &[Offer], sellers: &[Offer]) -> Result<Sale, Unsold> {
        if buyers.is_empty() || sellers.is_empty() {
            return Err(Unsold::NoBids);
        }
        let trades = double::mcafee(buyers.to_vec(), sellers.to_vec(), self.seed);
        if trades.buyers.is_empty() {
            return Err(Unsold::NoTrade);
        }
        let awards = |offers: &[Offer], price| {
            offers.iter().map(|offer| self.lot_award(offer, price)).collect()
        };
        let winners = awards(&trades.buyers, trades.buyers_pay);
        let sellers = awards(&trades.sellers, trades.sellers_get);
        Ok(Sale { winners, sellers, exact: true, at_most: 0, payment: None })
    }

    fn bundles(&self, bids: &[BundleBid]) -> Result<Sale, Unsold> {
        let payment = match self.setup.kind {
            Kind::Combinatorial { payment } => payment,
            _ => Payment::PayAsBid,
        };
        if bids.is_empty() {
            return Err(Unsold::NoBids);
        }
        let items = self.setup.items.len();
        let cleared = bundles::clear(bids, items, self.setup.reserve, payment, self.seed);
        if cleared.allocation.winners.is_empty() {
            return Err(Unsold::ReserveNotMet);
        }
        let awards = cleared.allocation.winners.iter().zip(&cleared.prices);
        let winners =
            awards.map(|(winner, price)| self.bundle_award(&bids[*winner], *price)).collect();
        let (exact, at_most) = (cleared.allocation.exact, cleared.allocation.at_most);
        Ok(Sale { winners, sellers: Vec::new(), exact, at_most, payment: cleared.payment })
    }

    fn bundle_award(&self, bid: &BundleBid, price: u64) -> Award {
        let (mut items, mut units) = (Vec::new(), ResourceUnits::default());
        for (at, item) in self.setup.items.iter().enumerate() {
            if bid.items >> at & 1 == 1 {
                items.push(item.name.clone());
                units = units.checked_add(&item.units).unwrap_or(units);
            }
        }
        Award { who: self.name(bid.who).to_owned(), items, units, bid: bid.amount, price }
    }

    /// Tells everybody who has bid, and ends it.
    pub(super) fn sold(&mut self, sale: Sale, out: &mut Effects) {
        let mut won = Vec::new();
        for award in sale.winners.iter().chain(&sale.sellers) {
            let why = format!("for {} of {} bid", award.price, award.bid);
            out.note("auction.sold", award.who.as_str(), award, why);
            let place = self.entrants.binary_search_by(|entrant| entrant.name.cmp(&award.who));
            let who = place.ok().and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX);
            self.tell(who, Performative::AcceptProposal, letters::json(award), out);
            won.push(who);
        }
        won.sort_unstable();
        self.reject_losers(&won, out);
        self.end(Outcome::Sold(sale));
    }

    /// Tells those that have bid and are not among the winners.
    fn reject_losers(&mut self, won: &[u32], out: &mut Effects) {
        let content = letters::json(&serde_json::json!({ "why": "others won, or nobody did" }));
        for who in 0..u32::try_from(self.entrants.len()).unwrap_or(u32::MAX) {
            if self.turn(who) == Turn::Bid && won.binary_search(&who).is_err() {
                self.tell(who, Performative::RejectProposal, content.clone(), out);
            }
        }
    }

    /// The end: what is no longer needed is not kept.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.asked.clear();
        match &mut self.book {
            Book::English { .. } | Book::Dutch(_) => {}
            Book::Sealed(offers) => *offers = Vec::new(),
            Book::Double { buyers, sellers } => (*buyers, *sellers) = (Vec::new(), Vec::new()),
            Book::Bundles(bids) => *bids = Vec::new(),
        }
        self.phase = Phase::Ended { outcome };
    }
}

/// The items of a bundle, bit by bit.
fn mask(bundle: &Bundle, at: &str, bits: &BTreeMap<&str, u32>) -> Result<u128, Refusal> {
    let mut items = 0_u128;
    for (place, name) in bundle.items.iter().enumerate() {
        let at = || format!("{at}.items[{place}]");
        let bit = bits.get(name.as_str()).ok_or_else(|| {
            Refusal::invalid(at(), format!("'{name}' is none of the items of this auction"))
        })?;
        if items >> bit & 1 == 1 {
            return Err(Refusal::invalid(at(), format!("'{name}' is there twice")));
        }
        items |= 1 << bit;
    }
    if items == 0 {
        return Err(Refusal::invalid(format!("{at}.items"), "none, expected at least one"));
    }
    Ok(items)
}
