//! What voters that are agents are asked and told, and what they answer.
//!
//! Dispatches are numbered by round and place on the roll, so that an answer finds its voter, and
//! one of an earlier round finds nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload, Performative};

use super::super::methods::{Form, Method};
use super::input::{Paper, Rank};
use super::machine::{BallotProtocol, Stage, check_reason};
use super::paper;
use super::proposal::{TieBreak, VoterKind};
use super::result::{BallotOutcome, ChosenBy};
use super::roll::{Standing, Voter};
use super::view::SharedReason;
use crate::protocol::{Dispatch, Effects, Heard, Moment, Refusal};

/// The most reasons that are shared in a round, and the characters of each.
const MOST_SHARED: usize = 50;
const MOST_SHARED_CHARS: usize = 1_000;

/// What a voter is asked.
#[derive(Debug, Serialize)]
struct Question<'a> {
    question: &'a str,
    options: Vec<&'a str>,
    method: Method,
    /// The field that the answer is to have.
    answer_with: Form,
    round: u32,
    max_rounds: u32,
    /// What others were for in the round before, and why; nobody is named.
    reasons: &'a [SharedReason],
    /// The votes are in and tied between the options: the chair's choice decides.
    tied: bool,
    /// Whether it may answer with a veto.
    may_veto: bool,
}

/// What a voter answers: one of the first four fields, or that it abstains; and a veto, with the
/// option to strike where a veto strikes one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnswerDocument {
    choice: Option<String>,
    approve: Option<Vec<String>>,
    scores: Option<BTreeMap<String, f64>>,
    ranking: Option<Vec<Rank>>,
    abstain: bool,
    veto: Option<String>,
    reason: String,
}

/// What all are told in the end.
#[derive(Debug, Serialize)]
struct Announcement<'a> {
    question: &'a str,
    outcome: &'a BallotOutcome,
    why: String,
}

impl AnswerDocument {
    /// The filled-in ballot, none for an abstention.
    fn paper(self) -> Result<Option<Paper>, String> {
        let papers = [
            self.choice.map(Paper::Choice),
            self.approve.map(Paper::Approve),
            self.scores.map(Paper::Scores),
            self.ranking.map(|ranks| Paper::Ranking(ranks.into_iter().map(Vec::from).collect())),
        ];
        let mut papers = papers.into_iter().flatten();
        match (papers.next(), papers.next(), self.abstain) {
            (Some(paper), None, false) => Ok(Some(paper)),
            (None, _, true) => Ok(None),
            _ => Err("expected one of choice, approve, scores, ranking, abstain".to_owned()),
        }
    }
}

impl BallotProtocol {
    /// Asks every agent that is waited for.
    pub(super) fn ask(&self, out: &mut Effects) {
        match &self.stage {
            Stage::Voting { round, .. } => {
                let options = self.live.each().collect::<Vec<_>>();
                let content = self.question(&options, *round, false, false);
                let with_veto = self.question(&options, *round, false, true);
                let first = u64::from(*round - 1) * u64::from(self.roll.len()) + 1;
                let within = Some(self.rules.round_time());
                let is_waited_for = |voter: &Voter| voter.standing == Standing::Waiting;
                for (number, voter) in (first..).zip(self.roll.voters()) {
                    if is_waited_for(voter) {
                        let content =
                            if self.may_veto(&voter.name) { &with_veto } else { &content };
                        send(out, number, voter, Performative::QueryRef, content, within);
                    }
                }
            }
            Stage::Escalated { tied, .. } => {
                if let TieBreak::Chair { name } = &self.rules.tie
                    && let Some((_, chair)) = self.roll.find(name)
                {
                    let content = self.question(tied, self.round(), true, false);
                    let within = Some(Duration::from_millis(self.rules.decide_ms));
                    let number = self.chair_number();
                    send(out, number, chair, Performative::QueryRef, &content, within);
                }
            }
            Stage::Ended { .. } => {}
        }
    }

    /// Tells every voter that is an agent what came of it.
    pub(super) fn tell(&self, outcome: &BallotOutcome, out: &mut Effects) {
        let question = &self.rules.question;
        let content = json(&Announcement { question, outcome, why: outcome.why() });
        for (number, voter) in (self.chair_number() + 1..).zip(self.roll.voters()) {
            send(out, number, voter, Performative::Inform, &content, None);
        }
    }

    fn chair_number(&self) -> u64 {
        u64::from(self.rules.max_rounds) * u64::from(self.roll.len()) + 1
    }

    fn question(&self, options: &[u16], round: u32, tied: bool, may_veto: bool) -> Payload {
        let names = self.options.names();
        json(&Question {
            question: &self.rules.question,
            options: options.iter().map(|option| names[usize::from(*option)].as_str()).collect(),
            method: self.method(),
            answer_with: if tied { Form::Choice } else { self.method().form() },
            round,
            max_rounds: self.rules.max_rounds,
            reasons: &self.shared,
            tied,
            may_veto,
        })
    }

    /// Takes an answer, if it is one to what is being asked.
    pub(super) fn take_answer(
        &mut self,
        now: Moment,
        about: u64,
        heard: &Heard,
        out: &mut Effects,
    ) {
        match &self.stage {
            Stage::Voting { round, ends } if now < *ends => {
                let voters = u64::from(self.roll.len());
                let Some(place) = about.checked_sub(u64::from(*round - 1) * voters + 1) else {
                    return;
                };
                let is_waited_for =
                    |voter: &Voter| place < voters && voter.standing == Standing::Waiting;
                let at = place as usize;
                if self.roll.voters().get(at).is_some_and(is_waited_for) {
                    self.take_vote(now, at, heard, out);
                    self.close_if_over(now, out);
                }
            }
            Stage::Escalated { ends, .. } if now < *ends && about == self.chair_number() => {
                self.take_casting_vote(now, heard, out);
            }
            _ => {}
        }
    }

    fn take_vote(&mut self, now: Moment, at: usize, heard: &Heard, out: &mut Effects) {
        let taken = answer(heard).and_then(|document| self.take_document(now, at, document, out));
        if let Err(why) = taken {
            self.roll.fail((self.rules.method, &self.live), at);
            let name = self.roll.voters()[at].name.clone();
            out.note("ballot.silent", name, &self.round(), why);
        }
    }

    fn take_document(
        &mut self,
        now: Moment,
        at: usize,
        mut document: AnswerDocument,
        out: &mut Effects,
    ) -> Result<(), String> {
        let in_words = |refusal: Refusal| refusal.to_string();
        let reason = std::mem::take(&mut document.reason);
        check_reason(&reason).map_err(in_words)?;
        if let Some(struck) = document.veto.take() {
            let name = self.roll.voters()[at].name.clone();
            let struck = Some(struck).filter(|struck| !struck.is_empty());
            self.veto(now, &name, struck.as_deref(), reason.clone(), out).map_err(in_words)?;
            if !matches!(self.stage, Stage::Voting { .. }) {
                return Ok(());
            }
        }
        let read = |paper| paper::read(&paper, self.method(), &self.options, &self.live);
        let marks = document.paper()?.map(read).transpose().map_err(in_words)?;
        let reason = if self.roll.has_room(at, &reason) { reason } else { String::new() };
        self.count_in(at, marks, reason, out);
        Ok(())
    }

    /// A chair that does not answer may still decide, or somebody for it, until time is up.
    fn take_casting_vote(&mut self, now: Moment, heard: &Heard, out: &mut Effects) {
        let Stage::Escalated { tied, .. } = &self.stage else { return };
        let TieBreak::Chair { name } = self.rules.tie.clone() else { return };
        let choice = answer(heard).ok().and_then(|document| document.choice);
        let chosen = choice.and_then(|choice| self.options.find("choice", &choice).ok());
        if let Some(chosen) = chosen.filter(|chosen| tied.contains(chosen)) {
            out.note("ballot.tie-decided", name.clone(), &self.options.name(chosen), "");
            self.end_tie(now, Some(chosen), ChosenBy::Chair(name), out);
        }
    }

    /// Reasons of the round that has closed: all of them, or a part spread evenly over the roll.
    pub(super) fn reasons_to_share(&self) -> Vec<SharedReason> {
        let has_reason = |voter: &&Voter| !voter.reason.is_empty() && voter.marks.is_some();
        let with: Vec<&Voter> = self.roll.voters().iter().filter(has_reason).collect();
        let step = with.len().div_ceil(MOST_SHARED).max(1);
        let share = |voter: &&Voter| {
            let marks = voter.marks.as_ref()?;
            let reason = voter.reason.chars().take(MOST_SHARED_CHARS).collect();
            Some(SharedReason { ballot: paper::write(marks, &self.options), reason })
        };
        with.iter().step_by(step).filter_map(share).collect()
    }
}

/// The document of an answer, or why there is none.
fn answer(heard: &Heard) -> Result<AnswerDocument, String> {
    match heard {
        Heard::Silent(why) => Err(why.clone()),
        Heard::Reply(envelope) if envelope.performative == Performative::Inform => {
            envelope.content.to_json().map_err(|error| error.to_string())
        }
        Heard::Reply(envelope) => Err(format!("it answered {:?}", envelope.performative)),
    }
}

fn send(
    out: &mut Effects,
    number: u64,
    voter: &Voter,
    performative: Performative,
    content: &Payload,
    reply_within: Option<Duration>,
) {
    if voter.kind == VoterKind::Agent
        && let Ok(to) = AgentId::new(&voter.name)
    {
        let content = content.clone();
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within });
    }
}

fn json(value: &impl Serialize) -> Payload {
    Payload::json(value).unwrap_or_default()
}
