//! How a ballot is shown, and what is noted of it.

use serde::{Deserialize, Serialize};

use super::super::methods::{Count, Method};
use super::input::Paper;
use super::machine::{BallotProtocol, Stage};
use super::paper;
use super::proposal::TieBreak;
use super::result::BallotOutcome;
use super::roll::{Standing, Voter};
use crate::protocol::Effects;

/// The most ballots and names that are shown.
const MOST_SHOWN: usize = 1_000;

/// A reason as it is shared: nobody is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SharedReason {
    /// What somebody is for.
    pub ballot: Paper,
    /// Why.
    pub reason: String,
}

/// What a round came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RoundResult {
    /// Which, from 1.
    pub round: u32,
    /// How many have voted or abstained so far.
    pub took_part: u32,
    /// The weight of the ballots that were counted.
    pub cast: f64,
    /// The winner, those tied, or none.
    pub winners: Vec<String>,
    /// What each option got, in the order of the options.
    pub tally: Vec<f64>,
}

/// A ballot that was cast.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CastBallot {
    /// By whom.
    pub voter: String,
    /// With what weight.
    pub weight: f64,
    /// What it says; none for who abstained or failed.
    pub ballot: Option<Paper>,
    /// Why.
    pub reason: String,
    /// Whether the voter failed or stayed silent.
    pub failed: bool,
}

/// Where a ballot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BallotState {
    /// Votes are taken.
    Voting,
    /// A tie waits for its chair or a human.
    Escalated,
    /// It has an outcome.
    Ended,
}

/// How a ballot stands.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BallotView {
    /// What is to be decided.
    pub question: String,
    /// What can be chosen.
    pub options: Vec<String>,
    /// Options that a veto has struck.
    pub struck: Vec<String>,
    /// The option that means that things stay as they are.
    pub status_quo: Option<String>,
    /// How ballots are filled in and counted.
    pub method: Method,
    /// Where it stands.
    pub state: BallotState,
    /// The round that is open, or was the last.
    pub round: u32,
    /// The most rounds.
    pub max_rounds: u32,
    /// When the round, or the wait for a decision, ends (UTC microseconds); none when it has
    /// ended.
    pub ends_at_us: Option<i64>,
    /// When it ended (UTC microseconds).
    pub ended_at_us: Option<i64>,
    /// How many may vote.
    pub voters: u32,
    /// The weight of all of them.
    pub weight: f64,
    /// How many have voted or abstained.
    pub took_part: u32,
    /// How many have to.
    pub quorum: u32,
    /// How many are waited for in this round.
    pub waiting: u32,
    /// Who is waited for, up to 1,000 of them.
    pub waiting_for: Vec<String>,
    /// Whether what voters are for is hidden while a round is open.
    pub independent: bool,
    /// What each option has so far, in the order of the options; none while that is hidden, and
    /// for methods that count only when all is in.
    pub tally: Option<Vec<f64>>,
    /// The rounds that have closed.
    pub rounds: Vec<RoundResult>,
    /// The count of the last of them, with all that led to its result.
    pub count: Option<Count>,
    /// Reasons of the round before, as they are shared with the voters.
    pub shared_reasons: Vec<SharedReason>,
    /// The ballots, up to 1,000 of them, once they are no longer hidden.
    pub ballots: Vec<CastBallot>,
    /// Those tied, while the tie waits to be decided.
    pub tied: Vec<String>,
    /// Who decides the tie; empty when any human may.
    pub decided_by: Option<String>,
    /// What came of it.
    pub outcome: Option<BallotOutcome>,
    /// The outcome in words.
    pub why: Option<String>,
}

impl BallotProtocol {
    pub(super) fn show(&self) -> BallotView {
        let (state, ends_at_us, ended_at_us) = match &self.stage {
            Stage::Voting { ends, .. } => (BallotState::Voting, Some(ends.0), None),
            Stage::Escalated { ends, .. } => (BallotState::Escalated, Some(ends.0), None),
            Stage::Ended { at, .. } => (BallotState::Ended, None, Some(at.0)),
        };
        let is_open = state == BallotState::Voting;
        let is_hidden = is_open && self.is_independent();
        let (tied, decided_by) = self.shown_tie();
        let names = self.options.names();
        BallotView {
            question: self.rules.question.clone(),
            options: names.to_vec(),
            struck: self.struck(),
            status_quo: self.rules.status_quo.clone(),
            method: self.method(),
            state,
            round: self.round(),
            max_rounds: self.rules.max_rounds,
            ends_at_us,
            ended_at_us,
            voters: self.roll.len(),
            weight: self.roll.weight() as f64 / 1e6,
            took_part: self.roll.took_part,
            quorum: self.quorum(),
            waiting: if is_open { self.roll.waiting } else { 0 },
            waiting_for: if is_open { self.waiting_for() } else { Vec::new() },
            independent: self.is_independent(),
            tally: (!is_hidden && self.method().is_additive())
                .then(|| self.roll.running().tally(self.method())),
            rounds: self.rounds.clone(),
            count: self.count.clone(),
            shared_reasons: self.shared.clone(),
            ballots: if is_hidden { Vec::new() } else { self.shown_ballots() },
            tied,
            decided_by,
            outcome: self.outcome().cloned(),
            why: self.outcome().map(BallotOutcome::why),
        }
    }

    fn struck(&self) -> Vec<String> {
        let all = 0..self.options.names().len() as u16;
        all.filter(|option| !self.live.has(*option)).map(|at| self.options.name(at)).collect()
    }

    fn waiting_for(&self) -> Vec<String> {
        let waiting = |voter: &&Voter| voter.standing == Standing::Waiting;
        let names = self.roll.voters().iter().filter(waiting).map(|voter| voter.name.clone());
        names.take(MOST_SHOWN).collect()
    }

    fn shown_ballots(&self) -> Vec<CastBallot> {
        let heard = self.roll.voters().iter().filter(|voter| voter.standing != Standing::Waiting);
        let show = |voter: &Voter| CastBallot {
            voter: voter.name.clone(),
            weight: voter.weight as f64 / 1e6,
            ballot: voter.marks.as_ref().map(|marks| paper::write(marks, &self.options)),
            reason: voter.reason.clone(),
            failed: voter.standing == Standing::Failed,
        };
        heard.take(MOST_SHOWN).map(show).collect()
    }

    fn shown_tie(&self) -> (Vec<String>, Option<String>) {
        let Stage::Escalated { tied, .. } = &self.stage else { return (Vec::new(), None) };
        let by = match &self.rules.tie {
            TieBreak::Chair { name } => name.clone(),
            TieBreak::Escalate { to } => to.clone().unwrap_or_default(),
            TieBreak::StatusQuo | TieBreak::Random => String::new(),
        };
        (self.options.named(tied), Some(by))
    }

    pub(super) fn note_opening(&self, out: &mut Effects) {
        let why = format!(
            "'{}': {} options, {} voters, quorum {}",
            self.rules.question,
            self.options.names().len(),
            self.roll.len(),
            self.quorum(),
        );
        out.note("ballot.opened", &*self.opener.name, &self.method(), why);
    }

    /// Notes that a voter has been heard; what it said only where that is not hidden.
    pub(super) fn note_vote(&self, at: usize, out: &mut Effects) {
        let Some(voter) = self.roll.voters().get(at) else { return };
        let heard = self.roll.len() - self.roll.waiting;
        let why = format!(
            "{heard} of {} heard, {} took part, quorum {}",
            self.roll.len(),
            self.roll.took_part,
            self.quorum(),
        );
        let marks = voter.marks.as_ref().filter(|_| !self.is_independent());
        let ballot = marks.map(|marks| paper::write(marks, &self.options));
        out.note("ballot.heard", voter.name.clone(), &ballot, why);
    }
}
