//! Choosing an agent by asking: a call for proposals (`contract_net`, FIPA SC00029), a sealed
//! second-price auction (`auction`) or a ballot among the agents themselves (`consensus`).
//!
//! ```text
//!  free capable agents ──▶ Round ◀── Said: bid, vote, refusal, nothing
//!   (best measured first)    │ all have answered, or time is up
//!                            ▼
//!                   Ranking: who is next, at which price, and why
//! ```
//!
//! A round is never in a record: only who was chosen, at which price and why. Nobody's capacity is
//! held while it is open; whether there is room is looked at when it is decided, and who has none
//! is passed over. Who says nothing, or something that is no answer, is judged by what was measured
//! of it; who refuses is left out.

mod config;
mod ranking;
mod reading;
#[cfg(test)]
mod tests;

pub use config::BiddingConfig;

pub(crate) use ranking::{Candidate, Place, Ranked, Terms, rank};
pub(crate) use reading::read;

use std::sync::Arc;

use synod_coordination::contract_net::Claim;
use synod_coordination::{Ballot, Input, Quorum, Rules, Threshold, TieRule};

use crate::matching::{AgentSlot, ClassId};
use crate::task::Allocation;

/// What an agent said to a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// It would do it, on these terms.
    Bid(Claim),
    /// This agent should do it, by its id or its label.
    Vote(String),
    /// It does not want it.
    Refused,
    /// Nothing in time; or it does not speak the protocol.
    Silent,
    /// Something that is no answer to the call.
    Unfit(Unfit),
}

/// Why something is no answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The agent did not understand the call.
    NotUnderstood,
    /// It has more bytes than an answer may have.
    TooLarge,
    /// It is not what was asked for: no proposal, no JSON object, a number that is none.
    Malformed,
    /// A number is negative, infinite or none, or a quality is above 1.
    OutOfRange,
    /// It names nobody that there is to choose from.
    NotOnOffer,
}

/// Somebody who was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub agent: AgentSlot,
    /// `id@version`.
    pub label: Arc<str>,
    pub said: Option<Said>,
}

/// A call that is open.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Tells it from earlier ones for the same part.
    pub number: u64,
    pub class: ClassId,
    pub kind: Allocation,
    /// Who was asked, the best measured first.
    pub seats: Vec<Seat>,
}

impl Round {
    /// Takes an answer; gives it back as it counts, or nothing when it does not: who gave it was
    /// not asked, or has answered.
    pub(crate) fn hear(&mut self, agent: AgentSlot, said: Said) -> Option<&Said> {
        let said = self.fitting(said);
        let seat = self.seats.iter_mut().find(|seat| seat.agent == agent)?;
        if seat.said.is_some() {
            return None;
        }
        seat.said = Some(said);
        seat.said.as_ref()
    }

    /// An answer, if it is one that can be counted here.
    fn fitting(&self, said: Said) -> Said {
        match said {
            Said::Bid(_) if self.kind == Allocation::Consensus => Said::Unfit(Unfit::Malformed),
            Said::Bid(claim) if claim.check("").is_err() => Said::Unfit(Unfit::OutOfRange),
            Said::Vote(_) if self.kind != Allocation::Consensus => Said::Unfit(Unfit::Malformed),
            Said::Vote(name) if self.seat_of(&name).is_none() => Said::Unfit(Unfit::NotOnOffer),
            said => said,
        }
    }

    /// Who is called so.
    pub(crate) fn seat_of(&self, name: &str) -> Option<usize> {
        let id = |label: &str| label.split('@').next() == Some(name);
        self.seats.iter().position(|seat| *seat.label == *name || id(&seat.label))
    }

    /// How many have answered.
    pub(crate) fn answered(&self) -> usize {
        self.seats.iter().filter(|seat| seat.said.is_some()).count()
    }

    /// Whether nothing that may still come changes what is decided.
    pub(crate) fn is_settled(&self) -> bool {
        let all = self.seats.iter().all(|seat| seat.said.is_some());
        all || (self.kind == Allocation::Consensus
            && self.ballot(false).is_some_and(|ballot| ballot.outcome().is_some()))
    }

    /// The votes so far; with `closing`, whoever is silent has failed.
    pub(crate) fn ballot(&self, closing: bool) -> Option<Ballot<usize, usize>> {
        let rules = Rules {
            quorum: Quorum::Voters(1),
            threshold: Threshold::Plurality,
            // Ties are decided by what was measured.
            tie: TieRule::StatusQuo,
        };
        let mut ballot = Ballot::open(0..self.seats.len(), rules, None, 0).ok()?;
        for (voter, seat) in self.seats.iter().enumerate() {
            let input = match &seat.said {
                Some(Said::Vote(name)) => match self.seat_of(name) {
                    Some(choice) => Input::Vote { voter, choice },
                    None => Input::Fail { voter },
                },
                Some(Said::Refused) => Input::Abstain { voter },
                Some(_) => Input::Fail { voter },
                None if closing => Input::Fail { voter },
                None => continue,
            };
            if ballot.step(std::time::Duration::ZERO, input).is_err() {
                // It is closed: nothing more changes it.
                break;
            }
        }
        Some(ballot)
    }
}
