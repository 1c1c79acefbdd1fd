//! The machine: where a contract net stands, and what moves it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload, Performative};
use synod_runtime::Principal;

use super::letters;
use super::score::{Claim, History, Scored};
use super::terms::{Input, Outcome, Setup, Standing};
use super::view::View;
use crate::bounds::{MAX_CONTENT, clipped, longest};
use crate::protocol::{
    Dispatch, Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for,
};

/// One contract net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContractNet {
    /// As opened, but for participants and measured history: they are in `candidates`.
    pub(super) setup: Setup,
    pub(super) owner: Principal,
    pub(super) seed: u64,
    /// Ordered by agent.
    pub(super) candidates: Vec<Candidate>,
    pub(super) round: u32,
    pub(super) phase: Phase,
    /// The call of this round.
    pub(super) call: Payload,
    /// The first candidate that this round has not come to.
    pub(super) to_call: u32,
    /// How many calls are unanswered.
    pub(super) unanswered: u32,
    /// How many candidates have not settled in this round.
    pub(super) unsettled: u32,
    /// What was asked by which dispatch.
    pub(super) asked: BTreeMap<u64, Asked>,
    /// The number of the last dispatch.
    pub(super) dispatched: u64,
    /// The last fencing token given.
    pub(super) fence: u64,
    /// Those that can still be awarded in this round, the best first.
    pub(super) ranked: Vec<Scored>,
}

/// Somebody who is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) agent: AgentId,
    pub(super) history: Option<History>,
    pub(super) state: State,
}

/// Where a candidate stands in this round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum State {
    /// Nothing was heard of it, and no call was sent.
    Waiting,
    /// It was sent the call by this dispatch.
    Called(u64),
    Proposed(Claim),
    Refused,
    /// It could not be asked, or did not answer.
    Silent,
    /// It has had the contract and lost it, or does not understand the call: out of all rounds.
    Out,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Phase {
    Calling { until: Moment },
    Evaluating { until: Moment },
    Awarded(Award),
    Ended { outcome: Outcome },
}

/// The live award.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Award {
    pub(super) index: u32,
    pub(super) fence: u64,
    pub(super) until: Moment,
    /// The dispatch that told it; 0 when nobody is sent anything.
    pub(super) told: u64,
}

/// What a dispatch asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Asked {
    /// A candidate for its proposal.
    Proposal(u32),
    /// A contractor for its result, under this fencing token.
    Result(u32, u64),
}

impl Protocol for ContractNet {
    const KIND: &'static str = "contract-net";
    const VERSION: u16 = 1;

    type Setup = Setup;
    type Input = Input;
    type Answer = Standing;
    type View = View;

    fn open(mut setup: Setup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        setup.check()?;
        let mut net = Self {
            candidates: candidates(&mut setup),
            setup,
            owner: opening.by.clone(),
            seed: opening.seed,
            round: 0,
            phase: Phase::Calling { until: opening.now },
            call: Payload::empty(),
            to_call: 0,
            unanswered: 0,
            unsettled: 0,
            asked: BTreeMap::new(),
            dispatched: 0,
            fence: 0,
            ranked: Vec::new(),
        };
        net.begin_round(opening.now, out);
        Ok(net)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: Input,
        out: &mut Effects,
    ) -> Result<Standing, Refusal> {
        if self.has_ended() {
            let why = format!("the contract net is over: {}", self.standing().phase);
            return Err(Refusal::TooLate(why));
        }
        match input {
            Input::Propose { participant, claim, note } => {
                self.propose(now, by, &participant, claim, note, out)?;
            }
            Input::Refuse { participant, reason } => {
                self.refuse(now, by, &participant, reason, out)?;
            }
            Input::Report { participant, fence, result } => {
                longest("result", &result, MAX_CONTENT)?;
                self.contractor(now, by, &participant, fence)?;
                self.done(letters::payload(result), out);
            }
            Input::Fail { participant, fence, reason } => {
                self.contractor(now, by, &participant, fence)?;
                self.pass_on(now, &clipped(reason), false, out);
            }
            Input::Award { participant } => self.choose(now, by, &participant, out)?,
            Input::CallAgain { content } => self.call_again(now, by, content, out)?,
            Input::Cancel { reason } => self.cancel(by, reason, out)?,
        }
        Ok(self.standing())
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        if self.next_wake().is_none_or(|due| now < due) {
            return;
        }
        match self.phase {
            Phase::Calling { .. } => self.close(now, out),
            Phase::Evaluating { .. } => self.award_best(now, out),
            Phase::Awarded(_) => self.pass_on(now, "it missed the deadline", true, out),
            Phase::Ended { .. } => {}
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        match self.phase {
            Phase::Calling { until } | Phase::Evaluating { until } => Some(until),
            Phase::Awarded(Award { until, .. }) => Some(until),
            Phase::Ended { .. } => None,
        }
    }

    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        match self.asked.remove(&about) {
            Some(Asked::Proposal(index)) => self.heard_bidder(now, index, heard, out),
            Some(Asked::Result(index, fence)) => {
                self.heard_contractor(now, index, fence, heard, out);
            }
            None => {}
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    fn resume(&self, out: &mut Effects) {
        for (number, asked) in &self.asked {
            let dispatch = match (asked, &self.phase) {
                (Asked::Proposal(index), Phase::Calling { .. }) => {
                    self.calling_of(*number, *index, self.proposals_within())
                }
                (Asked::Result(_, fence), Phase::Awarded(award)) if award.fence == *fence => {
                    self.award_of(award)
                }
                _ => None,
            };
            out.dispatches.extend(dispatch);
        }
    }

    fn view(&self) -> View {
        View::of(self)
    }
}

impl ContractNet {
    /// How it ended; none while it goes on.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Ended { outcome } => Some(outcome),
            _ => None,
        }
    }

    /// Who has the live award and under which fencing token.
    #[must_use]
    pub fn live_award(&self) -> Option<(&AgentId, u64)> {
        let Phase::Awarded(award) = &self.phase else { return None };
        Some((self.agent(award.index)?, award.fence))
    }

    pub(super) fn standing(&self) -> Standing {
        let (phase, award) = match &self.phase {
            Phase::Calling { .. } => ("calling", None),
            Phase::Evaluating { .. } => ("evaluating", None),
            Phase::Awarded(award) => ("awarded", Some((self.name(award.index), award.fence))),
            Phase::Ended { outcome: Outcome::Done { contractor, fence, .. } } => {
                ("done", Some((contractor.to_string(), *fence)))
            }
            Phase::Ended { outcome: Outcome::Failed(_) } => ("failed", None),
            Phase::Ended { outcome: Outcome::Cancelled { .. } } => ("cancelled", None),
        };
        let (contractor, fence) = award.unzip();
        Standing { phase, round: self.round, contractor, fence }
    }

    /// The participant's place, when `by` may speak for it.
    pub(super) fn speaker(&self, by: &Principal, participant: &str) -> Result<u32, Refusal> {
        let place = self.candidates.binary_search_by(|other| other.agent.as_str().cmp(participant));
        let Ok(place) = place else {
            let why = format!("'{participant}' is not among the participants");
            return Err(Refusal::NotAllowed(why));
        };
        may_speak_for(by, participant)?;
        Ok(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Refuses whoever has not opened it.
    pub(super) fn owned(&self, by: &Principal) -> Result<(), Refusal> {
        if self.owner.is_anonymous() {
            return Ok(());
        }
        may_speak_for(by, &self.owner.name)
    }

    pub(super) fn agent(&self, index: u32) -> Option<&AgentId> {
        self.candidates.get(index as usize).map(|candidate| &candidate.agent)
    }

    pub(super) fn name(&self, index: u32) -> String {
        self.agent(index).map(ToString::to_string).unwrap_or_default()
    }

    pub(super) fn proposals_within(&self) -> Duration {
        Duration::from_millis(self.setup.proposals_within_ms)
    }

    /// Sends something that wants no answer, unless nobody is to be sent anything.
    pub(super) fn tell(
        &mut self,
        index: u32,
        performative: Performative,
        content: Payload,
        out: &mut Effects,
    ) {
        if !self.setup.ask_agents {
            return;
        }
        let Some(to) = self.agent(index).cloned() else { return };
        self.dispatched += 1;
        let number = self.dispatched;
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within: None });
    }
}

/// The participants with their history, ordered by name; taken out of the setup.
fn candidates(setup: &mut Setup) -> Vec<Candidate> {
    let measured = std::mem::take(&mut setup.measured);
    let mut shown: BTreeMap<AgentId, History> = measured
        .into_iter()
        .map(|measured| (measured.participant.clone(), measured.history()))
        .collect();
    let mut agents = std::mem::take(&mut setup.participants);
    agents.sort_unstable();
    let candidate = |agent: AgentId| {
        let history = shown.remove(&agent);
        Candidate { agent, history, state: State::Waiting }
    };
    agents.into_iter().map(candidate).collect()
}
