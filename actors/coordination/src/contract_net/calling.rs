//! A round: the call goes out, proposals and refusals come in, the round closes.

use std::time::Duration;

use synod_agents::{Payload, Performative};
use synod_runtime::Principal;

use super::letters;
use super::machine::{Asked, ContractNet, Phase, State};
use super::score::{Claim, Scored, best_first};
use super::terms::Failed;
use crate::bounds::{MAX_TEXT, clipped, longest};
use crate::lot::lot;
use crate::protocol::{Dispatch, Effects, Heard, Moment, Refusal};

impl ContractNet {
    /// Calls whoever is not out.
    pub(super) fn begin_round(&mut self, now: Moment, out: &mut Effects) {
        self.round += 1;
        self.unsettled = 0;
        for candidate in &mut self.candidates {
            if candidate.state != State::Out {
                candidate.state = State::Waiting;
                self.unsettled += 1;
            }
        }
        if self.unsettled == 0 {
            return self.fail(Failed::NoContractor, out);
        }
        let until = now.after(self.proposals_within());
        self.phase = Phase::Calling { until };
        (self.to_call, self.unanswered) = (0, 0);
        self.call = letters::call(&self.setup, self.round, until);
        let what = serde_json::json!({ "round": self.round, "called": self.unsettled });
        let why = format!("round {} of at most {}", self.round, self.setup.max_rounds);
        out.note("contract_net.called", "", &what, why);
        self.call_more(now, out);
    }

    /// Sends as many calls as may be unanswered.
    fn call_more(&mut self, now: Moment, out: &mut Effects) {
        let Phase::Calling { until } = self.phase else { return };
        if !self.setup.ask_agents {
            return;
        }
        while self.unanswered < self.setup.fan_out {
            let index = self.to_call;
            let Some(candidate) = self.candidates.get_mut(index as usize) else { return };
            self.to_call += 1;
            if candidate.state != State::Waiting {
                continue;
            }
            self.dispatched += 1;
            self.unanswered += 1;
            candidate.state = State::Called(self.dispatched);
            self.asked.insert(self.dispatched, Asked::Proposal(index));
            out.dispatches.extend(self.calling_of(self.dispatched, index, now.until(until)));
        }
    }

    pub(super) fn calling_of(&self, number: u64, index: u32, within: Duration) -> Option<Dispatch> {
        let (to, performative) = (self.agent(index)?.clone(), Performative::Cfp);
        let (content, reply_within) = (self.call.clone(), Some(within));
        Some(Dispatch { number, to, performative, content, reply_within })
    }

    pub(super) fn propose(
        &mut self,
        now: Moment,
        by: &Principal,
        participant: &str,
        claim: Claim,
        note: String,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        claim.check("claim")?;
        longest("note", &note, MAX_TEXT)?;
        let index = self.speaker(by, participant)?;
        self.still_calling(now)?;
        self.not_yet_answered(index, participant)?;
        self.proposed(now, index, claim, clipped(note), out);
        Ok(())
    }

    /// Takes a refusal: of a candidate to propose, or of the contractor to go on.
    pub(super) fn refuse(
        &mut self,
        now: Moment,
        by: &Principal,
        participant: &str,
        reason: String,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        longest("reason", &reason, MAX_TEXT)?;
        let index = self.speaker(by, participant)?;
        if let Phase::Awarded(award) = &self.phase
            && award.index == index
        {
            self.pass_on(now, &format!("it refused: {}", clipped(reason)), false, out);
            return Ok(());
        }
        self.still_calling(now)?;
        self.not_yet_answered(index, participant)?;
        self.settle(now, index, State::Refused, clipped(reason), out);
        Ok(())
    }

    fn still_calling(&self, now: Moment) -> Result<(), Refusal> {
        match self.phase {
            Phase::Calling { until } if now < until => Ok(()),
            Phase::Calling { .. } => {
                Err(Refusal::TooLate("the deadline for proposals has passed".to_owned()))
            }
            _ => {
                let phase = self.standing().phase;
                Err(Refusal::TooLate(format!("proposals are over: it is {phase}")))
            }
        }
    }

    fn not_yet_answered(&self, index: u32, participant: &str) -> Result<(), Refusal> {
        let state = self.candidates.get(index as usize).map(|candidate| candidate.state);
        match state {
            Some(State::Waiting | State::Called(_) | State::Silent) => Ok(()),
            Some(State::Out) => {
                let why = format!(
                    "'{participant}' had the contract and lost it, or did not \
                     understand the call: it is out"
                );
                Err(Refusal::NotAllowed(why))
            }
            _ => Err(Refusal::Conflict(format!("'{participant}' has answered this call already"))),
        }
    }

    /// Takes what a candidate answered to its call, or that it did not.
    pub(super) fn heard_bidder(
        &mut self,
        now: Moment,
        index: u32,
        heard: &Heard,
        out: &mut Effects,
    ) {
        if self.still_calling(now).is_err() {
            return;
        }
        let (state, why) = match heard {
            Heard::Silent(why) => (State::Silent, why.clone()),
            Heard::Reply(answer) => match answer.performative {
                Performative::Propose => match letters::proposed(&answer.content) {
                    Ok((claim, note)) => return self.proposed(now, index, claim, note, out),
                    Err(fault) => (State::Refused, format!("its proposal is none: {fault}")),
                },
                Performative::Refuse => (State::Refused, letters::reason(&answer.content)),
                Performative::NotUnderstood => (State::Out, "it did not understand".to_owned()),
                other => (State::Refused, format!("it answered {other}, expected propose")),
            },
        };
        self.settle(now, index, state, clipped(why), out);
    }

    fn proposed(&mut self, now: Moment, index: u32, claim: Claim, note: String, out: &mut Effects) {
        self.settle(now, index, State::Proposed(claim), note, out);
    }

    /// A candidate has settled; the next is called, and after the last the round closes.
    fn settle(&mut self, now: Moment, index: u32, state: State, why: String, out: &mut Effects) {
        let who = self.name(index);
        let Some(candidate) = self.candidates.get_mut(index as usize) else { return };
        let before = std::mem::replace(&mut candidate.state, state);
        if let State::Called(number) = before {
            self.asked.remove(&number);
            self.unanswered -= 1;
        }
        if matches!(before, State::Called(_) | State::Waiting) {
            self.unsettled -= 1;
        }
        match state {
            State::Proposed(claim) => out.note("contract_net.proposed", who, &claim, why),
            State::Silent => out.note("contract_net.silent", who, &(), why),
            _ => out.note("contract_net.refused", who, &(), why),
        }
        self.call_more(now, out);
        if self.unsettled == 0 {
            self.close(now, out);
        }
    }

    /// The round is over: ranks what was proposed, and goes on with that.
    pub(super) fn close(&mut self, now: Moment, out: &mut Effects) {
        self.asked.retain(|_, asked| matches!(asked, Asked::Result(..)));
        self.call = Payload::empty();
        self.ranked = self.scored();
        let (proposals, least) = (self.ranked.len(), self.setup.min_proposals as usize);
        if proposals >= least {
            best_first(&mut self.ranked, lot(self.seed, self.round.into()));
            let wait = Duration::from_millis(self.setup.choice_within_ms);
            if wait.is_zero() {
                return self.award_best(now, out);
            }
            self.phase = Phase::Evaluating { until: now.after(wait) };
            let what = serde_json::json!({ "round": self.round, "proposals": proposals });
            let why = format!("{proposals} proposals; the best is taken unless one is chosen");
            return out.note("contract_net.evaluating", "", &what, why);
        }
        let failed = if proposals == 0 { Failed::NoProposals } else { Failed::TooFewProposals };
        self.next_round_or(failed, now, out);
    }

    /// Another round, whose call takes the place of rejections (SC00030H), or the end.
    pub(super) fn next_round_or(&mut self, failed: Failed, now: Moment, out: &mut Effects) {
        if self.round < self.setup.max_rounds {
            self.ranked.clear();
            return self.begin_round(now, out);
        }
        self.reject_ranked(0, failed.as_str(), out);
        self.fail(failed, out);
    }

    fn scored(&self) -> Vec<Scored> {
        let scored = |(index, candidate): (usize, &super::machine::Candidate)| {
            let State::Proposed(claim) = &candidate.state else { return None };
            let score = self.setup.scoring.score(candidate.history.as_ref(), claim);
            Some(Scored { index: u32::try_from(index).ok()?, score })
        };
        self.candidates.iter().enumerate().filter_map(scored).collect()
    }
}
