//! What a ballot is opened with.

use serde::{Deserialize, Serialize};

use super::super::config::Quorum;
use super::super::methods::Method;

/// How long a round takes when nothing else is said, in milliseconds.
const ROUND_MS: u64 = 60_000;

/// How long a tie waits for whoever decides it when nothing else is said, in milliseconds: a day.
const DECIDE_MS: u64 = 86_400_000;

/// A question and the rules by which it is decided; fixed when the ballot opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What is to be decided; at most 4 KiB.
    pub question: String,
    /// What can be chosen: 2 to 1,000 (300 where options are compared in pairs or rounds), each
    /// once, 256 KiB in all.
    pub options: Vec<String>,
    /// The option that means that things stay as they are.
    #[serde(default)]
    pub status_quo: Option<String>,
    /// How ballots are filled in and counted; default `majority`.
    #[serde(default)]
    pub method: Method,
    /// The least share of the weight cast that the winner of `plurality` or `approval` needs;
    /// above 0 and at most 1. The other methods have none beside their own.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Who votes: 1 to 100,000. Frozen with the opening.
    pub voters: Vec<VoterEntry>,
    /// How many have to take part, abstentions counted; default half of the voters.
    #[serde(default = "half")]
    pub quorum: Quorum,
    /// So many voters may be faulty or lie (Byzantine). The ballot opens only with at least 3f+1
    /// voters of equal weight and a quorum of at least 2f+1, so that any two quorums share an
    /// honest voter.
    #[serde(default)]
    pub tolerate_faults: Option<u32>,
    /// How long a round takes at most, in milliseconds: 1 to 30 days; default a minute.
    #[serde(default = "round_ms")]
    pub round_ms: u64,
    /// The most rounds of deliberation, 1 to 10; default 1. After each but the last, reasons are
    /// shared and all may vote again; it ends sooner when all agree or nothing moves any more.
    #[serde(default = "one")]
    pub max_rounds: u32,
    /// Nobody sees ballots or tallies of a round before it closes; default yes. Always so with
    /// several rounds.
    #[serde(default = "yes")]
    pub independent: bool,
    /// The last round closes as soon as no further vote could change the outcome; default yes.
    /// Where votes may be changed it never can be known.
    #[serde(default = "yes")]
    pub early_close: bool,
    /// Whether a voter may vote again in a round; the last vote counts. Default no.
    #[serde(default)]
    pub revote: bool,
    /// What a tie comes to; default things stay as they are.
    #[serde(default)]
    pub tie: TieBreak,
    /// How long a tie waits for its chair or human, in milliseconds: 1 to 30 days; default a day.
    #[serde(default = "decide_ms")]
    pub decide_ms: u64,
    /// Who may veto, and what comes of it; default nobody.
    #[serde(default)]
    pub veto: Option<VetoRule>,
}

/// A voter as it is named in a proposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoterEntry {
    /// The agent's id or the user's name; 1 to 256 bytes.
    pub name: String,
    /// How much its vote weighs, counted in millionths: 0.000001 to 1,000,000; default 1.
    #[serde(default = "weight_of_one")]
    pub weight: f64,
    /// Agents are asked, users vote by themselves; default `agent`.
    #[serde(default)]
    pub kind: VoterKind,
}

impl VoterEntry {
    /// An agent whose vote weighs 1.
    #[must_use]
    pub fn agent(name: impl Into<String>) -> Self {
        Self { name: name.into(), weight: 1.0, kind: VoterKind::Agent }
    }

    /// A user whose vote weighs 1.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self { name: name.into(), weight: 1.0, kind: VoterKind::User }
    }
}

/// What kind of party votes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoterKind {
    /// An agent: it is asked.
    #[default]
    Agent,
    /// A user: votes without being asked.
    User,
}

/// What becomes of a tie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TieBreak {
    /// Things stay as they are.
    #[default]
    StatusQuo,
    /// The chair's own ballot decides where it prefers one of those tied; else the chair is
    /// waited for.
    Chair {
        /// Who.
        name: String,
    },
    /// By lot, from the ballot's seed.
    Random,
    /// A human decides.
    Escalate {
        /// Who; any user when nobody is named.
        #[serde(default)]
        to: Option<String>,
    },
}

/// Who may veto, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VetoRule {
    /// Who: 1 to 1,000 names. A holder that has not voted keeps a round open for its whole time.
    pub holders: Vec<String>,
    /// What a veto does; default it ends the ballot.
    #[serde(default)]
    pub effect: VetoEffect,
}

/// What a veto does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VetoEffect {
    /// It ends the ballot: nothing is chosen.
    #[default]
    End,
    /// It takes the option that it names out of the running.
    Strike,
}

impl Proposal {
    /// A question with the default rules: a majority of voters in one independent round.
    #[must_use]
    pub fn new(question: &str, options: &[&str], voters: Vec<VoterEntry>) -> Self {
        Self {
            question: question.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            status_quo: None,
            method: Method::default(),
            threshold: None,
            voters,
            quorum: half(),
            tolerate_faults: None,
            round_ms: ROUND_MS,
            max_rounds: one(),
            independent: true,
            early_close: true,
            revote: false,
            tie: TieBreak::default(),
            decide_ms: DECIDE_MS,
            veto: None,
        }
    }
}

fn half() -> Quorum {
    Quorum::Share(0.5)
}

fn round_ms() -> u64 {
    ROUND_MS
}

fn decide_ms() -> u64 {
    DECIDE_MS
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn weight_of_one() -> f64 {
    1.0
}
