//! Auctions that are driven by hand, and the rules of winning and paying by themselves.

mod bundles;
mod double;
mod open;
mod rules;
mod truth;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use synod_agents::{Envelope, Payload, Performative, Recipient};
use synod_runtime::Principal;
use uuid::Uuid;

use super::{Auction, Bidder, Bundle, Input, Item, Kind, Outcome, Sale, Setup, Standing};
use crate::protocol::{Dispatch, Effects, Heard, Moment, Note, Opening, Protocol, Refusal};

/// One auction, its clock, and all that came of it.
pub(super) struct World {
    pub(super) auction: Auction,
    pub(super) now: Moment,
    pub(super) sent: Vec<Dispatch>,
    pub(super) notes: Vec<Note>,
}

/// Open for 10 s; nobody is sent anything.
pub(super) fn setup(kind: Kind, bidders: &[&str]) -> Setup {
    Setup {
        goods: "minutes of a GPU".to_owned(),
        kind,
        bidders: bidders.iter().map(|name| bidder(name, None)).collect(),
        closes_within_ms: 10_000,
        ask_agents: false,
        ..Setup::default()
    }
}

pub(super) fn bidder(name: &str, budget: Option<u64>) -> Bidder {
    Bidder { name: name.to_owned(), budget }
}

pub(super) fn item(name: &str) -> Item {
    Item { name: name.to_owned(), ..Item::default() }
}

pub(super) fn opening(seed: u64) -> Opening {
    Opening { id: Uuid::nil(), now: Moment(0), seed, by: Principal::user("ada") }
}

pub(super) fn answer(performative: Performative, content: &serde_json::Value) -> Heard {
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: "somebody".to_owned(),
        recipient: Recipient::Everyone,
        performative,
        protocol: String::new(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::json(content).unwrap(),
    })
}

/// What a test draws from a seed, which it prints.
pub(super) struct Draws(ChaCha12Rng);

impl Draws {
    pub(super) fn of(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0.random_range(0..most)
    }
}

impl World {
    pub(super) fn open(setup: Setup) -> Self {
        let mut out = Effects::default();
        let auction = Auction::open(setup, &opening(1), &mut out).unwrap();
        let mut world = Self { auction, now: Moment(0), sent: Vec::new(), notes: Vec::new() };
        world.took(out);
        world
    }

    fn took(&mut self, out: Effects) {
        self.sent.extend(out.dispatches);
        self.notes.extend(out.notes);
    }

    pub(super) fn step(&mut self, by: &str, input: Input) -> Result<Standing, Refusal> {
        let mut out = Effects::default();
        let before = self.auction.clone();
        let answer = self.auction.step(self.now, &Principal::user(by), input, &mut out);
        if answer.is_err() {
            assert!(self.auction == before, "a refusal changed something");
            assert!(out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.took(out);
        answer
    }

    pub(super) fn bid(&mut self, name: &str, amount: i64) -> Result<Standing, Refusal> {
        self.step(name, Input::Bid { bidder: name.to_owned(), amount })
    }

    pub(super) fn ask(&mut self, name: &str, amount: i64) -> Result<Standing, Refusal> {
        self.step(name, Input::Ask { bidder: name.to_owned(), amount })
    }

    pub(super) fn pass(&mut self, name: &str) -> Result<Standing, Refusal> {
        self.step(name, Input::Pass { bidder: name.to_owned() })
    }

    pub(super) fn bundles(
        &mut self,
        name: &str,
        bundles: &[(&[&str], i64)],
    ) -> Result<Standing, Refusal> {
        let bundle = |(items, amount): &(&[&str], i64)| Bundle {
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            amount: *amount,
        };
        let bundles = bundles.iter().map(bundle).collect();
        self.step(name, Input::BidBundles { bidder: name.to_owned(), bundles })
    }

    pub(super) fn hear(&mut self, about: u64, heard: &Heard) {
        let mut out = Effects::default();
        self.auction.heard(self.now, about, heard, &mut out);
        self.took(out);
    }

    /// Lets so many milliseconds pass.
    pub(super) fn pass_ms(&mut self, ms: i64) {
        let until = Moment(self.now.0 + ms * 1_000);
        while let Some(due) = self.auction.next_wake().filter(|due| *due <= until) {
            self.now = due;
            let mut out = Effects::default();
            self.auction.wake(due, &mut out);
            self.took(out);
        }
        self.now = until;
    }

    pub(super) fn sale(&self) -> &Sale {
        match self.auction.outcome() {
            Some(Outcome::Sold(sale)) => sale,
            other => panic!("not sold: {other:?}"),
        }
    }

    /// Who pays how much.
    pub(super) fn winners(&self) -> Vec<(&str, u64)> {
        self.sale().winners.iter().map(|award| (award.who.as_str(), award.price)).collect()
    }

    /// Who was sent this, in order.
    pub(super) fn told(&self, what: Performative) -> Vec<&str> {
        let sent = self.sent.iter().filter(|sent| sent.performative == what);
        sent.map(|sent| sent.to.as_str()).collect()
    }
}
