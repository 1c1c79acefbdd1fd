//! The contract: given to the best, passed on when it is not fulfilled, and how it all ends.

use std::time::Duration;

use synod_agents::{Payload, Performative};
use synod_runtime::Principal;

use super::letters;
use super::machine::{Asked, Award, ContractNet, Phase, State};
use super::terms::{Failed, Outcome};
use crate::bounds::{MAX_CONTENT, MAX_TEXT, clipped, longest};
use crate::protocol::{Dispatch, Effects, Heard, Moment, Refusal};

impl ContractNet {
    /// Gives the contract to the best that is left, and rejects whoever is not kept in reserve.
    pub(super) fn award_best(&mut self, now: Moment, out: &mut Effects) {
        if self.ranked.is_empty() {
            return self.next_round_or(Failed::NoContractor, now, out);
        }
        let best = self.ranked.remove(0);
        self.fence += 1;
        let until = now.after(self.contract_within());
        let (index, fence) = (best.index, self.fence);
        let mut award = Award { index, fence, until, told: 0 };
        if self.setup.ask_agents {
            self.dispatched += 1;
            award.told = self.dispatched;
            self.asked.insert(award.told, Asked::Result(index, fence));
        }
        let (dispatch, score, left) = (self.award_of(&award), best.score, self.ranked.len());
        let what = serde_json::json!({ "fence": fence, "score": score, "round": self.round });
        let why = format!("the best of {}: score {score:.4}", left + 1);
        self.phase = Phase::Awarded(award);
        out.note("contract_net.awarded", self.name(index), &what, why);
        out.dispatches.extend(dispatch);
        self.reject_ranked(self.setup.reserve as usize, "others were better", out);
    }

    /// What tells a contractor of its award; none when nobody is sent anything.
    pub(super) fn award_of(&self, award: &Award) -> Option<Dispatch> {
        if award.told == 0 {
            return None;
        }
        Some(Dispatch {
            number: award.told,
            to: self.agent(award.index)?.clone(),
            performative: Performative::AcceptProposal,
            content: letters::accepted(&self.setup, self.round, award.fence, award.until),
            reply_within: Some(self.contract_within()),
        })
    }

    fn contract_within(&self) -> Duration {
        Duration::from_millis(self.setup.contract_within_ms)
    }

    /// Refuses whoever does not hold the live award.
    pub(super) fn contractor(
        &self,
        now: Moment,
        by: &Principal,
        participant: &str,
        fence: u64,
    ) -> Result<(), Refusal> {
        let index = self.speaker(by, participant)?;
        let Phase::Awarded(award) = &self.phase else {
            let phase = self.standing().phase;
            return Err(Refusal::Conflict(format!("no contract is awarded: it is {phase}")));
        };
        if award.index != index || award.fence != fence {
            let (holder, live) = (self.name(award.index), award.fence);
            let why = format!("fence {fence} of '{participant}' is stale: '{holder}' has {live}");
            return Err(Refusal::Conflict(why));
        }
        if now >= award.until {
            return Err(Refusal::TooLate("the deadline of the contract has passed".to_owned()));
        }
        Ok(())
    }

    /// Takes what a contractor answered to its award, or that it did not.
    pub(super) fn heard_contractor(
        &mut self,
        now: Moment,
        index: u32,
        fence: u64,
        heard: &Heard,
        out: &mut Effects,
    ) {
        let live = matches!(&self.phase, Phase::Awarded(award)
            if award.index == index && award.fence == fence && now < award.until);
        if !live {
            // It is kept that an answer came, so that nobody searches for it; it changes nothing.
            let what = serde_json::json!({ "fence": fence });
            let why = "the contract is no longer its own";
            return out.note("contract_net.stale", self.name(index), &what, why);
        }
        let answer = match heard {
            Heard::Silent(why) => {
                let why = format!("it is silent: {}", clipped(why.clone()));
                return self.pass_on(now, &why, true, out);
            }
            Heard::Reply(answer) => answer,
        };
        let why = match answer.performative {
            Performative::Inform if answer.content.bytes.len() <= MAX_CONTENT => {
                return self.done(answer.content.clone(), out);
            }
            Performative::Inform => format!("its result is larger than {MAX_CONTENT} bytes"),
            Performative::Failure => format!("it failed: {}", letters::reason(&answer.content)),
            Performative::Refuse => format!("it refused: {}", letters::reason(&answer.content)),
            other => format!("it answered {other}, expected inform or failure"),
        };
        self.pass_on(now, &why, false, out);
    }

    /// The work is done.
    pub(super) fn done(&mut self, result: Payload, out: &mut Effects) {
        let Some((contractor, fence)) = self.live_award() else { return };
        let contractor = contractor.clone();
        let what = serde_json::json!({ "fence": fence, "bytes": result.bytes.len() });
        let why = format!("its result came under fence {fence}");
        out.note("contract_net.done", contractor.as_str(), &what, why);
        self.reject_ranked(0, "the work is done", out);
        self.end(Outcome::Done { contractor, fence, result });
    }

    /// Takes the contract from its holder and gives it to the next best; `recall` when the holder
    /// may still be at work and is to be told.
    pub(super) fn pass_on(&mut self, now: Moment, why: &str, recall: bool, out: &mut Effects) {
        let Phase::Awarded(Award { index, fence, .. }) = self.phase else { return };
        let what = serde_json::json!({ "fence": fence });
        out.note("contract_net.contract_lost", self.name(index), &what, why);
        if recall {
            let content = letters::cancelled(Some(fence), why);
            self.tell(index, Performative::Cancel, content, out);
        }
        if let Some(candidate) = self.candidates.get_mut(index as usize) {
            candidate.state = State::Out;
        }
        self.award_best(now, out);
    }

    /// Whoever called chooses another than the best.
    pub(super) fn choose(
        &mut self,
        now: Moment,
        by: &Principal,
        participant: &str,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.owned(by)?;
        self.still_evaluating(now)?;
        let place = self.ranked.iter().position(|scored| {
            self.agent(scored.index).is_some_and(|agent| agent.as_str() == participant)
        });
        let Some(place) = place else {
            let why = format!("'{participant}' has not proposed");
            return Err(Refusal::invalid("award.participant", why));
        };
        let chosen = self.ranked.remove(place);
        self.ranked.insert(0, chosen);
        self.award_best(now, out);
        Ok(())
    }

    /// Whoever called wants better proposals.
    pub(super) fn call_again(
        &mut self,
        now: Moment,
        by: &Principal,
        content: Option<String>,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.owned(by)?;
        self.still_evaluating(now)?;
        if self.round >= self.setup.max_rounds {
            let why = format!("all {} rounds are used up", self.setup.max_rounds);
            return Err(Refusal::Full(why));
        }
        if let Some(content) = content {
            longest("call_again.content", &content, MAX_CONTENT)?;
            self.setup.content = content;
        }
        self.ranked.clear();
        self.begin_round(now, out);
        Ok(())
    }

    fn still_evaluating(&self, now: Moment) -> Result<(), Refusal> {
        match self.phase {
            Phase::Evaluating { until } if now < until => Ok(()),
            _ => {
                let phase = self.standing().phase;
                Err(Refusal::TooLate(format!("it is not, or no longer, to be chosen: {phase}")))
            }
        }
    }

    /// Calls it off and tells whoever has been called.
    pub(super) fn cancel(
        &mut self,
        by: &Principal,
        reason: String,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.owned(by)?;
        longest("cancel.reason", &reason, MAX_TEXT)?;
        out.note("contract_net.cancelled", by.to_string(), &(), reason.clone());
        let live = match &self.phase {
            Phase::Awarded(award) => Some((award.index, award.fence)),
            _ => None,
        };
        if let Some((index, fence)) = live {
            let content = letters::cancelled(Some(fence), &reason);
            self.tell(index, Performative::Cancel, content, out);
            self.reject_ranked(0, "it was cancelled", out);
        } else {
            self.cancel_calls(&reason, out);
        }
        self.end(Outcome::Cancelled { by: by.to_string(), reason });
        Ok(())
    }

    /// Tells those that have a call, answered or not.
    fn cancel_calls(&mut self, reason: &str, out: &mut Effects) {
        let content = letters::cancelled(None, reason);
        for index in 0..u32::try_from(self.candidates.len()).unwrap_or(u32::MAX) {
            let state = self.candidates.get(index as usize).map(|candidate| candidate.state);
            if matches!(state, Some(State::Called(_) | State::Proposed(_))) {
                self.tell(index, Performative::Cancel, content.clone(), out);
            }
        }
    }

    /// Rejects those that are ranked behind the first `kept`.
    pub(super) fn reject_ranked(&mut self, kept: usize, why: &str, out: &mut Effects) {
        if self.ranked.len() <= kept {
            return;
        }
        let content = letters::rejected(self.round, why);
        for rejected in self.ranked.split_off(kept) {
            self.tell(rejected.index, Performative::RejectProposal, content.clone(), out);
        }
    }

    pub(super) fn fail(&mut self, failed: Failed, out: &mut Effects) {
        let what = serde_json::json!({ "reason": failed, "rounds": self.round });
        out.note("contract_net.failed", "", &what, format!("failed: {}", failed.as_str()));
        self.end(Outcome::Failed(failed));
    }

    fn end(&mut self, outcome: Outcome) {
        self.asked.clear();
        self.ranked.clear();
        self.phase = Phase::Ended { outcome };
    }
}
