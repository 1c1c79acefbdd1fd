//! When a round closes, and what comes of it.

use std::time::Duration;

use super::super::tally::below;
use super::machine::{BallotProtocol, Stage};
use super::paper::favourite;
use super::proposal::{Proposal, TieBreak};
use super::result::{BallotOutcome, ChosenBy};
use super::roll::Standing;
use super::view::RoundResult;
use crate::protocol::{Effects, Moment};

impl Proposal {
    pub(super) fn round_time(&self) -> Duration {
        Duration::from_millis(self.round_ms)
    }
}

impl BallotProtocol {
    /// How many have to take part.
    pub(super) fn quorum(&self) -> u32 {
        self.rules.quorum.of(self.roll.len())
    }

    /// Closes the round if nothing that follows in it could matter. Those who may veto have their
    /// time in every round, as each may turn out to be the last.
    pub(super) fn close_if_over(&mut self, now: Moment, out: &mut Effects) {
        let Stage::Voting { round, .. } = self.stage else { return };
        let is_over = self.roll.waiting == 0 || self.is_settled(round);
        if is_over && !self.rules.revote && self.no_veto_is_left() {
            self.close_round(now, false, out);
        }
    }

    /// Whether the outcome is the same whatever those say who are waited for.
    fn is_settled(&self, round: u32) -> bool {
        if !self.rules.early_close {
            return false;
        }
        let roll = &self.roll;
        let needed = self.quorum();
        if roll.took_part + roll.waiting_new < needed {
            return true;
        }
        let need = self.method().need(self.rules.threshold);
        round >= self.rules.max_rounds
            && roll.took_part >= needed
            && self.method().is_additive()
            && roll.running().is_settled(self.method(), need, &self.live, roll.waiting_weight)
    }

    /// Whether every holder of a veto has voted instead.
    fn no_veto_is_left(&self) -> bool {
        let has_voted = |name: &String| {
            let standing = self.roll.find(name).map(|(_, voter)| voter.standing);
            matches!(standing, Some(Standing::Voted | Standing::Abstained))
        };
        self.rules.veto.as_ref().is_none_or(|rule| rule.holders.iter().all(has_voted))
    }

    /// Counts; then another round, a tie to decide, or the end. `is_final`: no round follows.
    pub(super) fn close_round(&mut self, now: Moment, is_final: bool, out: &mut Effects) {
        let Stage::Voting { round, .. } = self.stage else { return };
        for at in 0..self.roll.voters().len() {
            self.roll.fail((self.rules.method, &self.live), at);
        }
        let count = self.method().count(self.rules.threshold, &self.roll.profile(&self.live));
        let result = RoundResult {
            round,
            took_part: self.roll.took_part,
            cast: count.cast,
            winners: self.options.named(&count.winners),
            tally: count.tally.clone(),
        };
        let (took_part, needed) = (self.roll.took_part, self.quorum());
        let why = format!("{took_part} of {} took part, quorum {needed}", self.roll.len());
        out.note("ballot.round-closed", "", &result, why);
        let winners = count.winners.clone();
        let most = count.tally.iter().copied().fold(0.0, f64::max);
        let cast = count.cast;
        let is_through = is_final || round >= self.rules.max_rounds || self.is_at_rest(&result);
        self.rounds.push(result);
        self.count = Some(count);
        if took_part < needed {
            self.end(now, BallotOutcome::NoQuorum { took_part, needed }, out);
        } else if !is_through {
            self.open_round(now, round + 1, out);
        } else {
            match winners[..] {
                [] => self.end(now, BallotOutcome::BelowThreshold { most, cast }, out),
                [only] => {
                    let option = self.options.name(only);
                    self.end(now, BallotOutcome::Chosen { option, by: ChosenBy::Votes }, out);
                }
                _ => self.break_tie(now, winners, out),
            }
        }
    }

    /// Whether a further round would hardly change anything: all are for the same, nobody has
    /// changed, or the same option leads as in the round before.
    fn is_at_rest(&self, result: &RoundResult) -> bool {
        let before = self.rounds.last();
        let is_stable = before.is_some_and(|before| {
            self.roll.is_unmoved()
                || (!result.winners.is_empty() && before.winners == result.winners)
        });
        is_stable || self.roll.is_agreed()
    }

    fn open_round(&mut self, now: Moment, round: u32, out: &mut Effects) {
        self.shared = self.reasons_to_share();
        self.roll.begin_round();
        self.stage = Stage::Voting { round, ends: now.after(self.rules.round_time()) };
        let why = format!("round {round} of at most {}", self.rules.max_rounds);
        out.note("ballot.round-opened", "", &round, why);
        self.ask(out);
    }

    fn break_tie(&mut self, now: Moment, tied: Vec<u16>, out: &mut Effects) {
        match &self.rules.tie {
            TieBreak::StatusQuo => self.end_tie(now, None, ChosenBy::TieRule, out),
            TieBreak::Random => {
                let drawn = tied.get(below(self.seed, tied.len())).copied();
                self.end_tie(now, drawn, ChosenBy::TieRule, out);
            }
            TieBreak::Chair { name } => {
                let marks = self.roll.find(name).and_then(|(_, voter)| voter.marks.as_ref());
                match marks.and_then(|marks| favourite(marks, &tied)) {
                    Some(chosen) => {
                        let by = ChosenBy::Chair(name.clone());
                        self.end_tie(now, Some(chosen), by, out);
                    }
                    None => self.escalate(now, tied, name.clone(), out),
                }
            }
            TieBreak::Escalate { to } => {
                let to = to.clone().unwrap_or_default();
                self.escalate(now, tied, to, out);
            }
        }
    }

    fn escalate(&mut self, now: Moment, tied: Vec<u16>, to: String, out: &mut Effects) {
        out.note("ballot.escalated", to, &self.options.named(&tied), "the votes are tied");
        let ends = now.after(Duration::from_millis(self.rules.decide_ms));
        self.stage = Stage::Escalated { tied, ends };
        self.ask(out);
    }

    /// Ends a tie with the option chosen, or with none.
    pub(super) fn end_tie(
        &mut self,
        now: Moment,
        chosen: Option<u16>,
        by: ChosenBy,
        out: &mut Effects,
    ) {
        let outcome = match chosen {
            Some(option) => BallotOutcome::Chosen { option: self.options.name(option), by },
            None => BallotOutcome::Kept { option: self.rules.status_quo.clone(), by },
        };
        self.end(now, outcome, out);
    }

    /// Ends the ballot, once and for all.
    pub(super) fn end(&mut self, at: Moment, outcome: BallotOutcome, out: &mut Effects) {
        out.note("ballot.decided", "", &outcome, outcome.why());
        self.tell(&outcome, out);
        self.shared = Vec::new();
        self.stage = Stage::Ended { outcome, at };
    }
}
