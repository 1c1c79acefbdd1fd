//! What a contract net is opened with, what it is told, and how it ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload};

use super::score::{Claim, Measured, Scoring};
use crate::bounds::{MAX_CONTENT, MAX_PARTICIPANTS, MAX_TEXT, MAX_WAIT_MS, longest, within};
use crate::protocol::Refusal;

const MAX_ROUNDS: u32 = 100;
const MAX_RESERVE: u32 = 1_000;

/// What a contract net is opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// What is to be done, for people; at most 4 KiB.
    pub task: String,
    /// The particulars, as JSON or text; at most 1 MiB.
    pub content: String,
    /// The agents that are called: 1 to 100,000, each once.
    #[schema(value_type = Vec<String>)]
    pub participants: Vec<AgentId>,
    /// What some of them have shown so far; whoever is missing counts as the prior.
    pub measured: Vec<Measured>,
    /// Milliseconds in which proposals may come, in each round; 1 to a week. Default 30 s.
    pub proposals_within_ms: u64,
    /// Milliseconds in which whoever called may choose; the best is taken when they are over.
    /// Default 0: the best is taken at once.
    pub choice_within_ms: u64,
    /// Milliseconds that a contractor has; 1 to a week. Default 300 s.
    pub contract_within_ms: u64,
    /// A round with fewer proposals awards nothing. 1 to the number of participants. Default 1.
    pub min_proposals: u32,
    /// How many rounds there may be; 1 to 100. Default 1: not iterated.
    pub max_rounds: u32,
    /// How many of the next best are kept, unrejected, for the case that the contractor fails; 0
    /// to 1,000. Default 16.
    pub reserve: u32,
    /// How many calls may be unanswered at a time; 1 to 100,000. Default 1,000.
    pub fan_out: u32,
    /// How bids are scored.
    pub scoring: Scoring,
    /// Whether participants are sent anything. Without it they learn of the call and of the award
    /// elsewhere, and answer by inputs. Default true.
    pub ask_agents: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            task: String::new(),
            content: String::new(),
            participants: Vec::new(),
            measured: Vec::new(),
            proposals_within_ms: 30_000,
            choice_within_ms: 0,
            contract_within_ms: 300_000,
            min_proposals: 1,
            max_rounds: 1,
            reserve: 16,
            fan_out: 1_000,
            scoring: Scoring::default(),
            ask_agents: true,
        }
    }
}

/// What a contract net is told by programs; agents that were sent a call just answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// A proposal.
    Propose {
        /// Whose.
        participant: String,
        /// What it says of itself.
        #[serde(default)]
        claim: Claim,
        /// A word to it, for people.
        #[serde(default)]
        note: String,
    },
    /// No proposal; or, of the contractor, the contract given back.
    Refuse {
        /// Who refuses.
        participant: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// The work is done.
    Report {
        /// The contractor.
        participant: String,
        /// The fencing token it was given with the award.
        fence: u64,
        /// The result, as JSON or text; at most 1 MiB.
        result: String,
    },
    /// The work failed.
    Fail {
        /// The contractor.
        participant: String,
        /// The fencing token it was given with the award.
        fence: u64,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Whoever called chooses, while there is time for it.
    Award {
        /// Whom: one of those that proposed.
        participant: String,
    },
    /// Whoever called finds none of the proposals good enough and calls again, while there is time
    /// to choose (SC00030H).
    CallAgain {
        /// The particulars of the revised call; none when they stay as they were.
        #[serde(default)]
        content: Option<String>,
    },
    /// Whoever called calls it off.
    Cancel {
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The work is done.
    Done {
        /// By whom.
        contractor: AgentId,
        /// Under which fencing token.
        fence: u64,
        /// The result.
        result: Payload,
    },
    /// It will not be done.
    Failed(Failed),
    /// It was called off.
    Cancelled {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Why a contract net failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// Nobody proposed.
    NoProposals,
    /// Some proposed, but fewer than was asked for.
    TooFewProposals,
    /// Whoever was awarded the contract failed, refused, died or was late, and nobody is left.
    NoContractor,
}

impl Failed {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoProposals => "no proposals",
            Self::TooFewProposals => "too few proposals",
            Self::NoContractor => "no contractor",
        }
    }
}

/// Where it stands after an input was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Standing {
    /// `calling`, `evaluating`, `awarded`, `done`, `failed` or `cancelled`.
    pub phase: &'static str,
    /// The round, from 1.
    pub round: u32,
    /// Who works, or has worked.
    pub contractor: Option<String>,
    /// Under which fencing token.
    pub fence: Option<u64>,
}

impl Setup {
    /// Whether a call can be made of it.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for the first thing that is out of its range.
    pub fn check(&self) -> Result<(), Refusal> {
        longest("task", &self.task, MAX_TEXT)?;
        longest("content", &self.content, MAX_CONTENT)?;
        if self.task.is_empty() && self.content.is_empty() {
            return Err(Refusal::invalid("task", "it is empty, and so is the content"));
        }
        let count = self.participants.len();
        within("participants", count as u64, 1, MAX_PARTICIPANTS as u64)?;
        within("proposals_within_ms", self.proposals_within_ms, 1, MAX_WAIT_MS)?;
        within("choice_within_ms", self.choice_within_ms, 0, MAX_WAIT_MS)?;
        within("contract_within_ms", self.contract_within_ms, 1, MAX_WAIT_MS)?;
        within("min_proposals", self.min_proposals.into(), 1, count as u64)?;
        within("max_rounds", self.max_rounds.into(), 1, MAX_ROUNDS.into())?;
        within("reserve", self.reserve.into(), 0, MAX_RESERVE.into())?;
        within("fan_out", self.fan_out.into(), 1, MAX_PARTICIPANTS as u64)?;
        self.scoring.check("scoring")?;
        self.check_names()
    }

    fn check_names(&self) -> Result<(), Refusal> {
        let mut names = BTreeSet::new();
        for (at, name) in self.participants.iter().enumerate() {
            if !names.insert(name) {
                let why = format!("'{name}' is there twice");
                return Err(Refusal::invalid(format!("participants[{at}]"), why));
            }
        }
        let mut known = BTreeSet::new();
        for (at, measured) in self.measured.iter().enumerate() {
            let name = &measured.participant;
            let at = format!("measured[{at}]");
            measured.history().check(&at)?;
            if !names.contains(name) {
                let why = format!("'{name}' is not among the participants");
                return Err(Refusal::invalid(format!("{at}.participant"), why));
            }
            if !known.insert(name) {
                let why = format!("'{name}' is there twice");
                return Err(Refusal::invalid(format!("{at}.participant"), why));
            }
        }
        Ok(())
    }
}
