//! Auctions of two or three bidders: bids, passes, answers of agents that come late or not at all,
//! the clock and a cancellation, in every order.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use stateright::{Checker as _, Model, Property};
use synod_agents::{Envelope, Payload, Performative, Recipient};
use synod_coordination::auction::{Auction, Bidder, Extension, Input, Kind, Outcome, Setup, View};
use synod_coordination::{Effects, Heard, Moment, Opening, Protocol};
use synod_journal::RecordCodec;
use synod_runtime::Principal;
use uuid::Uuid;

const NAMES: [&str; 3] = ["a", "b", "c"];
const BUDGET: u64 = 3;
const RESERVE: u64 = 2;

struct Auctions {
    kind: Kind,
    bidders: usize,
}

/// An auction in its world.
#[derive(Debug, Clone, PartialEq)]
struct World {
    auction: Auction,
    now: Moment,
    /// Questions on their way to be answered.
    open: BTreeSet<u64>,
    /// Whether a leading bid was lower than the one before.
    fell: bool,
    /// Whether something changed after the end.
    reopened: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        RecordCodec::encode(&self.auction).unwrap().hash(state);
        (self.now, &self.open, self.fell, self.reopened).hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Bid(usize, i64),
    Pass(usize),
    /// An agent answers; less than 0 when it does not.
    Answer(u64, i64),
    Wake,
    Cancel,
}

fn heard(amount: i64) -> Heard {
    if amount < 0 {
        return Heard::Silent("gone".to_owned());
    }
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: String::new(),
        recipient: Recipient::Everyone,
        performative: Performative::Propose,
        protocol: String::new(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::json(&serde_json::json!({ "amount": amount })).unwrap(),
    })
}

impl World {
    fn after(&mut self, before: &View, out: Effects) {
        self.open.extend(
            out.dispatches
                .iter()
                .filter(|sent| sent.reply_within.is_some())
                .map(|sent| sent.number),
        );
        let falls = matches!(before.kind, Kind::English { .. });
        self.fell |= falls && self.auction.view().price < before.price;
    }

    /// Who pays and gets it, when it is sold.
    fn sold(&self) -> Option<&[synod_coordination::auction::Award]> {
        match self.auction.outcome() {
            Some(Outcome::Sold(sale)) => Some(&sale.winners),
            _ => None,
        }
    }
}

impl Model for Auctions {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let (now, by) = (Moment(0), Principal::user("ada"));
        let bidder = |name: &&str| Bidder { name: (*name).to_owned(), budget: Some(BUDGET) };
        let setup = Setup {
            goods: "one".to_owned(),
            kind: self.kind,
            bidders: NAMES.iter().take(self.bidders).map(bidder).collect(),
            reserve: RESERVE,
            closes_within_ms: 2,
            ..Setup::default()
        };
        let mut out = Effects::default();
        let opening = Opening { id: Uuid::nil(), now, seed: 1, by };
        let auction = Auction::open(setup, &opening, &mut out).unwrap();
        let before = auction.view();
        let (fell, reopened) = (false, false);
        let mut world = World { auction, now, open: BTreeSet::new(), fell, reopened };
        world.after(&before, out);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let amounts = 1..=BUDGET as i64 + 1;
        for number in &world.open {
            actions.extend(amounts.clone().map(|amount| Action::Answer(*number, amount)));
            actions.push(Action::Answer(*number, -1));
        }
        for who in 0..self.bidders {
            actions.extend(amounts.clone().map(|amount| Action::Bid(who, amount)));
            actions.push(Action::Pass(who));
        }
        if world.auction.next_wake().is_some() {
            actions.extend([Action::Wake, Action::Cancel]);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let mut out = Effects::default();
        let by = |who: usize| (NAMES[who].to_owned(), Principal::agent(NAMES[who]));
        match action {
            Action::Bid(who, amount) => {
                let (bidder, by) = by(who);
                world.auction.step(world.now, &by, Input::Bid { bidder, amount }, &mut out).ok()?;
            }
            Action::Pass(who) => {
                let (bidder, by) = by(who);
                world.auction.step(world.now, &by, Input::Pass { bidder }, &mut out).ok()?;
            }
            Action::Answer(number, amount) => {
                world.open.remove(&number);
                world.auction.heard(world.now, number, &heard(amount), &mut out);
            }
            Action::Wake => {
                world.now = world.auction.next_wake()?;
                world.auction.wake(world.now, &mut out);
            }
            Action::Cancel => {
                let cancel = Input::Cancel { reason: String::new() };
                world.auction.step(world.now, &Principal::user("ada"), cancel, &mut out).ok()?;
            }
        }
        world.reopened |= before.auction.has_ended() && world.auction != before.auction;
        world.after(&before.auction.view(), out);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one winner at most", |_, world: &World| {
                world.sold().is_none_or(|winners| winners.len() == 1)
            }),
            Property::always("nobody pays more than it bid or has", |_, world: &World| {
                world.sold().is_none_or(|winners| {
                    winners.iter().all(|won| won.price <= won.bid && won.bid <= BUDGET)
                })
            }),
            Property::always("nothing is sold below the reserve", |_, world: &World| {
                let above = |winners: &[synod_coordination::auction::Award]| {
                    winners.iter().all(|won| won.price >= RESERVE)
                };
                world.sold().is_none_or(above)
            }),
            Property::always("the leading bid only rises", |_, world: &World| !world.fell),
            Property::always("what has ended stays ended", |_, world: &World| !world.reopened),
            Property::eventually("it ends", |_, world: &World| world.auction.has_ended()),
            Property::sometimes("it is sold", |_, world: &World| world.sold().is_some()),
            Property::sometimes("it is not sold", |_, world: &World| {
                matches!(world.auction.outcome(), Some(Outcome::Unsold(_)))
            }),
        ]
    }
}

#[test]
fn an_auction_has_one_winner_who_can_pay_and_ends() {
    let extension = Some(Extension { window_ms: 1, most: 1 });
    for (kind, bidders) in [
        (Kind::English { start: 1, increment: 1, extension }, 2),
        (Kind::Dutch { start: 4, step: 1, every_ms: 1 }, 2),
        (Kind::FirstPrice, 3),
        (Kind::Vickrey, 3),
    ] {
        let checker = Auctions { kind, bidders }.checker().threads(2).spawn_bfs().join();
        println!("{kind:?}: {} states", checker.unique_state_count());
        checker.assert_properties();
    }
}
