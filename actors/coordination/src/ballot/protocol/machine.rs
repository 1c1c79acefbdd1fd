//! The machine: what may happen to a ballot, and when.

use serde::{Deserialize, Serialize};
use synod_runtime::Principal;

use super::super::methods::{Count, Live, Marks, Method};
use super::checks::{self, MOST_TEXT};
use super::input::{BallotAnswer, BallotInput, Paper};
use super::paper::{self, Options};
use super::proposal::{Proposal, TieBreak, VetoEffect};
use super::result::{BallotOutcome, ChosenBy};
use super::roll::{Roll, Standing};
use super::view::{BallotView, RoundResult, SharedReason};
use crate::protocol::{Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for};

/// One ballot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BallotProtocol {
    pub(super) opener: Principal,
    pub(super) seed: u64,
    /// The proposal without its voters and options, which are below.
    pub(super) rules: Proposal,
    pub(super) options: Options,
    pub(super) live: Live,
    pub(super) roll: Roll,
    pub(super) stage: Stage,
    /// The rounds that have closed.
    pub(super) rounds: Vec<RoundResult>,
    /// The count of the last of them.
    pub(super) count: Option<Count>,
    /// What is shared with the voters of this round.
    pub(super) shared: Vec<SharedReason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Stage {
    Voting { round: u32, ends: Moment },
    Escalated { tied: Vec<u16>, ends: Moment },
    Ended { outcome: BallotOutcome, at: Moment },
}

impl Protocol for BallotProtocol {
    const KIND: &'static str = "ballot";
    const VERSION: u16 = 1;

    type Setup = Proposal;
    type Input = BallotInput;
    type Answer = BallotAnswer;
    type View = BallotView;

    fn open(mut rules: Proposal, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        checks::check(&rules)?;
        let options = Options::of(std::mem::take(&mut rules.options));
        let voters = std::mem::take(&mut rules.voters);
        let ballot = Self {
            opener: opening.by.clone(),
            seed: opening.seed,
            live: Live::all(options.names().len()),
            roll: Roll::of(voters, options.names().len()),
            stage: Stage::Voting { round: 1, ends: opening.now.after(rules.round_time()) },
            rounds: Vec::new(),
            count: None,
            shared: Vec::new(),
            options,
            rules,
        };
        ballot.note_opening(out);
        ballot.ask(out);
        Ok(ballot)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: BallotInput,
        out: &mut Effects,
    ) -> Result<BallotAnswer, Refusal> {
        let round = self.round();
        self.in_time(now)?;
        let mut replaced = false;
        match input {
            BallotInput::Vote { voter, ballot, reason } => {
                replaced = self.vote(by, &voter, Some(&ballot), reason, out)?;
                self.close_if_over(now, out);
            }
            BallotInput::Abstain { voter, reason } => {
                replaced = self.vote(by, &voter, None, reason, out)?;
                self.close_if_over(now, out);
            }
            BallotInput::Veto { holder, option, reason } => {
                self.may_vote()?;
                may_speak_for(by, &holder)?;
                self.veto(now, &holder, option.as_deref(), reason, out)?;
            }
            BallotInput::Close {} => {
                self.may_vote()?;
                may_speak_for(by, &self.opener.name)?;
                self.close_round(now, true, out);
            }
            BallotInput::Cancel { reason } => {
                may_speak_for(by, &self.opener.name)?;
                check_reason(&reason)?;
                let by = by.name.to_string();
                self.end(now, BallotOutcome::Cancelled { by, reason }, out);
            }
            BallotInput::Decide { by: name, option, reason } => {
                self.decide(now, by, &name, option.as_deref(), &reason, out)?;
            }
        }
        Ok(BallotAnswer { round, replaced, outcome: self.outcome().cloned() })
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        match &self.stage {
            Stage::Voting { ends, .. } if now >= *ends => self.close_round(now, false, out),
            Stage::Escalated { tied, ends } if now >= *ends => {
                let tied = self.options.named(tied);
                self.end(now, BallotOutcome::Undecided { tied }, out);
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        match &self.stage {
            Stage::Voting { ends, .. } | Stage::Escalated { ends, .. } => Some(*ends),
            Stage::Ended { .. } => None,
        }
    }

    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        self.take_answer(now, about, heard, out);
    }

    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    fn resume(&self, out: &mut Effects) {
        self.ask(out);
    }

    fn view(&self) -> BallotView {
        self.show()
    }
}

impl BallotProtocol {
    /// What came of it, once it has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<&BallotOutcome> {
        if let Stage::Ended { outcome, .. } = &self.stage { Some(outcome) } else { None }
    }

    /// The round that is open, or was the last.
    pub(super) fn round(&self) -> u32 {
        match &self.stage {
            Stage::Voting { round, .. } => *round,
            _ => self.rounds.last().map_or(1, |last| last.round),
        }
    }

    pub(super) fn method(&self) -> Method {
        self.rules.method
    }

    /// Whether nobody is to see what others are for before the round closes.
    pub(super) fn is_independent(&self) -> bool {
        self.rules.independent || self.rules.max_rounds > 1
    }

    fn in_time(&self, now: Moment) -> Result<(), Refusal> {
        match &self.stage {
            Stage::Ended { outcome, .. } => {
                Err(Refusal::TooLate(format!("the ballot has ended: {}", outcome.why())))
            }
            Stage::Voting { ends, .. } | Stage::Escalated { ends, .. } if now >= *ends => {
                Err(Refusal::TooLate("the time for it is up".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn may_vote(&self) -> Result<(), Refusal> {
        if matches!(self.stage, Stage::Voting { .. }) {
            return Ok(());
        }
        Err(Refusal::TooLate("voting has closed; the tie is yet to be decided".to_owned()))
    }

    fn vote(
        &mut self,
        by: &Principal,
        name: &str,
        ballot: Option<&Paper>,
        reason: String,
        out: &mut Effects,
    ) -> Result<bool, Refusal> {
        self.may_vote()?;
        may_speak_for(by, name)?;
        let Some((at, voter)) = self.roll.find(name) else {
            let reason = format!("'{name}' is not of the electorate, which is frozen");
            return Err(Refusal::NotAllowed(reason));
        };
        if voter.standing != Standing::Waiting && !self.rules.revote {
            let reason = format!("'{name}' has been counted in this round already");
            return Err(Refusal::Conflict(reason));
        }
        check_reason(&reason)?;
        if !self.roll.has_room(at, &reason) {
            let advice = "no room for further reasons: vote with a shorter one or none";
            return Err(Refusal::Full(advice.to_owned()));
        }
        let read = |paper| paper::read(paper, self.method(), &self.options, &self.live);
        let marks = ballot.map(read).transpose()?;
        Ok(self.count_in(at, marks, reason, out))
    }

    /// Counts what a voter is for; says whether it took the place of an earlier vote.
    pub(super) fn count_in(
        &mut self,
        at: usize,
        marks: Option<Marks>,
        reason: String,
        out: &mut Effects,
    ) -> bool {
        let rule = (self.rules.method, &self.live);
        let replaced = self.roll.hear(rule, at, marks, reason);
        self.note_vote(at, out);
        replaced
    }

    /// Lets a veto take effect. It is refused where the holder has none.
    pub(super) fn veto(
        &mut self,
        now: Moment,
        holder: &str,
        option: Option<&str>,
        reason: String,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        check_reason(&reason)?;
        if !self.may_veto(holder) {
            return Err(Refusal::NotAllowed(format!("'{holder}' may not veto")));
        }
        let effect = self.rules.veto.as_ref().map_or(VetoEffect::End, |rule| rule.effect);
        let struck = match (effect, option) {
            (VetoEffect::End, _) => None,
            (VetoEffect::Strike, Some(name)) => Some(self.strikeable(name)?),
            (VetoEffect::Strike, None) => {
                return Err(Refusal::invalid("option", "none: expected the option to strike"));
            }
        };
        out.note("ballot.vetoed", holder, &option, reason.clone());
        if let Some(option) = struck {
            self.live.strike(option);
            self.roll.recount((self.rules.method, &self.live));
        }
        if struck.is_none() || self.live.is_empty() {
            let by = holder.to_owned();
            self.end(now, BallotOutcome::Vetoed { by, reason }, out);
        } else {
            self.close_if_over(now, out);
        }
        Ok(())
    }

    pub(super) fn may_veto(&self, name: &str) -> bool {
        let is_holder = |holder: &String| holder == name;
        self.rules.veto.as_ref().is_some_and(|rule| rule.holders.iter().any(is_holder))
    }

    fn strikeable(&self, name: &str) -> Result<u16, Refusal> {
        let option = self.options.find("option", name)?;
        if self.rules.status_quo.as_deref() == Some(name) {
            return Err(Refusal::invalid("option", "the status quo can't be struck"));
        }
        if !self.live.has(option) {
            return Err(Refusal::Conflict(format!("'{name}' has been struck already")));
        }
        Ok(option)
    }

    fn decide(
        &mut self,
        now: Moment,
        by: &Principal,
        name: &str,
        option: Option<&str>,
        reason: &str,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let Stage::Escalated { tied, .. } = &self.stage else {
            return Err(Refusal::Conflict("there is no tie to decide".to_owned()));
        };
        may_speak_for(by, name)?;
        check_reason(reason)?;
        let who = match &self.rules.tie {
            TieBreak::Chair { name: chair } if chair == name => ChosenBy::Chair(name.to_owned()),
            TieBreak::Escalate { to } if to.as_deref().is_none_or(|to| to == name) => {
                may_be_human(by, name)?;
                ChosenBy::Human(name.to_owned())
            }
            _ => return Err(Refusal::NotAllowed(format!("'{name}' may not decide the tie"))),
        };
        let chosen = option.map(|option| self.options.find("option", option)).transpose()?;
        if chosen.is_some_and(|chosen| !tied.contains(&chosen)) {
            let reason = format!("expected one of those tied: {:?}", self.options.named(tied));
            return Err(Refusal::invalid("option", reason));
        }
        out.note("ballot.tie-decided", name, &option, reason);
        self.end_tie(now, chosen, who, out);
        Ok(())
    }
}

/// Decisions that are left to humans are not an agent's.
fn may_be_human(by: &Principal, name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > MOST_TEXT {
        return Err(Refusal::invalid("by", "expected the name of who decides"));
    }
    if by.kind == synod_runtime::PrincipalKind::Agent {
        return Err(Refusal::NotAllowed(format!("{by}: the tie is for a human to decide")));
    }
    Ok(())
}

pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.len() <= MOST_TEXT {
        return Ok(());
    }
    let got = reason.len();
    Err(Refusal::invalid("reason", format!("{got} bytes: expected at most {MOST_TEXT}")))
}
