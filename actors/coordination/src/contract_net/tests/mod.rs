//! Contract nets that are driven by hand.

mod cost;
mod fipa;
mod properties;
mod rules;

use synod_agents::{AgentId, Envelope, Payload, Performative, Recipient};
use synod_runtime::Principal;
use uuid::Uuid;

use super::{Claim, ContractNet, Input, Setup, Standing};
use crate::protocol::{Dispatch, Effects, Heard, Moment, Note, Opening, Protocol, Refusal};

/// One contract net, its clock, and all that came of it.
pub(super) struct World {
    pub(super) net: ContractNet,
    pub(super) now: Moment,
    pub(super) sent: Vec<Dispatch>,
    pub(super) notes: Vec<Note>,
}

pub(super) fn agent(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

/// Proposals within 1 s, contracts within 10 s.
pub(super) fn setup(names: &[&str]) -> Setup {
    Setup {
        task: "count the words".to_owned(),
        participants: names.iter().map(|name| agent(name)).collect(),
        proposals_within_ms: 1_000,
        contract_within_ms: 10_000,
        ..Setup::default()
    }
}

pub(super) fn opening(seed: u64) -> Opening {
    Opening { id: Uuid::nil(), now: Moment(0), seed, by: Principal::user("ada") }
}

pub(super) fn answer(performative: Performative, content: Payload) -> Heard {
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
        content,
    })
}

/// A proposal of this quality.
pub(super) fn quality(quality: f64) -> Heard {
    let claim = serde_json::json!({ "quality": quality });
    answer(Performative::Propose, Payload::json(&claim).unwrap())
}

impl World {
    pub(super) fn open(setup: Setup) -> Self {
        let mut out = Effects::default();
        let net = ContractNet::open(setup, &opening(1), &mut out).unwrap();
        let mut world = Self { net, now: Moment(0), sent: Vec::new(), notes: Vec::new() };
        world.took(out);
        world
    }

    fn took(&mut self, out: Effects) {
        self.sent.extend(out.dispatches);
        self.notes.extend(out.notes);
    }

    pub(super) fn hear(&mut self, about: u64, heard: &Heard) {
        let mut out = Effects::default();
        self.net.heard(self.now, about, heard, &mut out);
        self.took(out);
    }

    /// The last dispatch of this kind to the agent, answered.
    pub(super) fn answer(&mut self, to: &str, asked: Performative, heard: &Heard) {
        let sent = self.sent.iter().rev();
        let number = sent.clone().find(|sent| sent.to.as_str() == to && sent.performative == asked);
        let number = number.unwrap_or_else(|| panic!("{to} was sent no {asked}")).number;
        self.hear(number, heard);
    }

    pub(super) fn step(&mut self, by: &str, input: Input) -> Result<Standing, Refusal> {
        let mut out = Effects::default();
        let before = self.net.clone();
        let answer = self.net.step(self.now, &Principal::user(by), input, &mut out);
        if answer.is_err() {
            assert!(self.net == before, "a refusal changed something");
            assert!(out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.took(out);
        answer
    }

    pub(super) fn propose(&mut self, name: &str, quality: f64) -> Result<Standing, Refusal> {
        let claim = Claim { quality: Some(quality), ..Claim::default() };
        self.step(name, Input::Propose { participant: name.to_owned(), claim, note: String::new() })
    }

    pub(super) fn report(&mut self, name: &str, fence: u64) -> Result<Standing, Refusal> {
        let (participant, result) = (name.to_owned(), "42".to_owned());
        self.step(name, Input::Report { participant, fence, result })
    }

    /// Lets so many milliseconds pass.
    pub(super) fn pass_ms(&mut self, ms: i64) {
        let until = Moment(self.now.0 + ms * 1_000);
        while let Some(due) = self.net.next_wake().filter(|due| *due <= until) {
            self.now = due;
            let mut out = Effects::default();
            self.net.wake(due, &mut out);
            self.took(out);
        }
        self.now = until;
    }

    pub(super) fn phase(&self) -> &'static str {
        self.net.standing().phase
    }

    pub(super) fn contractor(&self) -> Option<(String, u64)> {
        self.net.live_award().map(|(agent, fence)| (agent.to_string(), fence))
    }

    /// Who was sent this, in order.
    pub(super) fn told(&self, what: Performative) -> Vec<&str> {
        let sent = self.sent.iter().filter(|sent| sent.performative == what);
        sent.map(|sent| sent.to.as_str()).collect()
    }
}
