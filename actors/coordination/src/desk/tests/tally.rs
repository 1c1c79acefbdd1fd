//! The protocol of these tests: a sum that grows to its goal, told by chance numbers of its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload, Performative};
use synod_runtime::Principal;

use crate::protocol::{
    Dispatch, Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for,
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) goal: u64,
    pub(super) lasts: Option<Duration>,
    pub(super) filler: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Say {
    Add(u64),
    AddAs(String, u64),
    Long(String),
    Ask(String, Duration),
    Tell(String),
    End,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    seed: u64,
    goal: u64,
    sum: u64,
    steps: u64,
    deadline: Option<Moment>,
    asked: BTreeMap<u64, (String, Duration)>,
    heard: BTreeSet<u64>,
    numbers: u64,
    has_ended: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TallyView {
    pub(super) seed: u64,
    pub(super) sum: u64,
    pub(super) heard: usize,
    pub(super) ended: bool,
}

impl Tally {
    fn dispatch(&mut self, to: &str, within: Option<Duration>) -> Result<Dispatch, Refusal> {
        let to = AgentId::new(to).map_err(|error| Refusal::invalid("to", error.to_string()))?;
        self.numbers += 1;
        Ok(self.dispatch_of(self.numbers, to, within))
    }

    fn dispatch_of(&self, number: u64, to: AgentId, reply_within: Option<Duration>) -> Dispatch {
        let performative = Performative::QueryRef;
        Dispatch { number, to, performative, content: Payload::text("how many?"), reply_within }
    }

    fn add(&mut self, count: u64, out: &mut Effects) {
        self.steps += 1;
        self.sum += count;
        let drawn = ChaCha12Rng::seed_from_u64(self.seed ^ self.steps).next_u64();
        out.note("tally.added", "", &(count, drawn), format!("{} of {}", self.sum, self.goal));
        if self.sum >= self.goal {
            self.has_ended = true;
            out.note("tally.reached", "", &self.sum, "the goal is reached");
        }
    }
}

impl Protocol for Tally {
    const KIND: &'static str = "tally";
    const VERSION: u16 = 1;
    const SPEECH: &'static str = "counting";

    type Setup = Goal;
    type Input = Say;
    type Answer = u64;
    type View = TallyView;

    fn open(setup: Goal, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        if setup.goal == 0 {
            return Err(Refusal::invalid("goal", "0; expected 1 or more"));
        }
        out.note("tally.opened", opening.by.to_string(), &setup.goal, "");
        Ok(Self {
            seed: opening.seed,
            goal: setup.goal,
            sum: 0,
            steps: 0,
            deadline: setup.lasts.map(|lasts| opening.now.after(lasts)),
            asked: BTreeMap::new(),
            heard: BTreeSet::new(),
            numbers: 0,
            has_ended: false,
        })
    }

    fn step(
        &mut self,
        _now: Moment,
        by: &Principal,
        input: Say,
        out: &mut Effects,
    ) -> Result<u64, Refusal> {
        if self.has_ended {
            return Err(Refusal::TooLate("the goal is reached".to_owned()));
        }
        match input {
            Say::Add(0) => return Err(Refusal::invalid("add", "0; expected 1 or more")),
            Say::Add(count) => self.add(count, out),
            Say::AddAs(name, count) => {
                may_speak_for(by, &name)?;
                self.add(count, out);
            }
            Say::Long(text) => out.note("tally.long", "", &text, "as asked"),
            Say::Ask(agent, within) => {
                let dispatch = self.dispatch(&agent, Some(within))?;
                self.asked.insert(dispatch.number, (agent, within));
                out.dispatches.push(dispatch);
            }
            Say::Tell(agent) => {
                let dispatch = self.dispatch(&agent, None)?;
                out.dispatches.push(dispatch);
            }
            Say::End => self.has_ended = true,
        }
        Ok(self.sum)
    }

    fn wake(&mut self, _now: Moment, out: &mut Effects) {
        self.deadline = None;
        self.has_ended = true;
        out.note("tally.expired", "", &self.sum, "its time is over");
    }

    fn next_wake(&self) -> Option<Moment> {
        self.deadline
    }

    fn heard(&mut self, _now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        let Some((agent, _)) = self.asked.remove(&about) else { return };
        self.heard.insert(about);
        match heard {
            Heard::Reply(reply) => {
                assert!(reply.conversation.is_some() && reply.sender == agent);
                out.note("tally.heard", agent, &about, reply.content.to_text().unwrap_or_default());
            }
            Heard::Silent(why) => out.note("tally.silent", agent, &about, why),
        }
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn resume(&self, out: &mut Effects) {
        for (number, (agent, within)) in &self.asked {
            let to = AgentId::new(agent).expect("it was one before");
            out.dispatches.push(self.dispatch_of(*number, to, Some(*within)));
        }
    }

    /// Version 0 said nothing but how many to add, in one byte.
    fn input_of(version: u16, bytes: &[u8]) -> Option<Say> {
        match (version, bytes) {
            (0, [count]) => Some(Say::Add((*count).into())),
            _ => None,
        }
    }

    fn view(&self) -> TallyView {
        let (seed, sum, ended) = (self.seed, self.sum, self.has_ended);
        TallyView { seed, sum, heard: self.heard.len(), ended }
    }
}
