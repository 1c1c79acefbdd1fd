//! What a run is given, and how it refuses what it can't take.

use std::collections::BTreeSet;
use std::sync::Arc;

use synod_agents::Usage;
use synod_runtime::Principal;

use super::opening::Variable;
use super::ticket::{ApprovalId, Ticket};
use crate::definition::DefinitionHash;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::{RunId, RunState};
use crate::plan::Plan;

/// Why something outside of the run did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// One sentence for people.
    pub message: Arc<str>,
    /// The soonest another attempt makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Fault {
    /// A fault that says nothing about when to try again.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into(), retry_after_ms: None }
    }
}

/// What a run is given.
#[derive(Debug, Clone)]
pub enum Input {
    /// It is admitted.
    Begin,
    /// An execution ended.
    Executed {
        /// Which.
        ticket: Ticket,
        /// With what.
        outcome: Result<Json, Fault>,
        /// Who executed it.
        agent: Option<Arc<str>>,
        /// For how long, in microseconds.
        ran_us: u64,
        /// What it used up, whatever came of it.
        usage: Usage,
    },
    /// The time it asked to be woken at has come.
    Wake,
    /// A person decides.
    Decide(Box<Decision>),
    /// A message on a topic.
    Message {
        /// The topic.
        topic: Arc<str>,
        /// What it is known by, if it may come again; then it is taken once.
        key: Option<Arc<str>>,
        /// What it says.
        payload: Json,
    },
    /// What a step emitted has been passed on.
    Emitted {
        /// Which.
        ticket: Ticket,
    },
    /// A run that a step started has ended, or could not be started.
    ChildEnded {
        /// The run.
        run: RunId,
        /// The step that it was started for.
        ticket: Ticket,
        /// Its output, or why there is none.
        outcome: Result<Json, Fault>,
    },
    /// An execution gave a sign of life.
    Heartbeat {
        /// Which.
        ticket: Ticket,
        /// When, UTC microseconds.
        at: i64,
    },
    /// It is to end.
    Cancel {
        /// Who says so.
        by: Principal,
        /// Why.
        why: Arc<str>,
        /// Whether what was done is to be undone: by the fallback that is worked on, then by the
        /// plan before it.
        compensate: bool,
    },
    /// It is to begin nothing more.
    Pause {
        /// Who says so.
        by: Principal,
    },
    /// It is to go on.
    Resume {
        /// Who says so.
        by: Principal,
    },
    /// The engine stops in order: executions are taken back, which is no loss of theirs.
    HandBack,
    /// How it stands is to be remembered.
    Checkpoint {
        /// Under this name.
        name: Arc<str>,
        /// Who says so.
        by: Principal,
    },
    /// It is to go back to a checkpoint.
    Rollback {
        /// To which.
        to: Arc<str>,
        /// Who says so.
        by: Principal,
        /// Why.
        why: Arc<str>,
        /// Whether what was done since is to be undone.
        compensate: bool,
    },
    /// It is to go on with another definition or other variables.
    Amend(Box<Amendment>),
}

/// A person's decision about an approval.
#[derive(Debug, Clone)]
pub struct Decision {
    /// About what.
    pub approval: ApprovalId,
    /// Who decides.
    pub by: Principal,
    /// The roles of who decides.
    pub roles: Vec<Arc<str>>,
    /// Whether it is approved.
    pub approved: bool,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// What was suggested, as the person changed it.
    pub payload: Option<Json>,
}

/// A change of a run that is under way.
#[derive(Debug, Clone)]
pub struct Amendment {
    /// What it is to run.
    pub definition: DefinitionHash,
    /// The same, compiled.
    pub plan: Arc<Plan>,
    /// Ids of the steps that the old and the new definition both have, and that differ.
    pub changed: BTreeSet<Arc<str>>,
    /// Variables that get other values.
    pub variables: Vec<Variable>,
    /// Who changes it.
    pub by: Principal,
    /// Why.
    pub why: Arc<str>,
}

/// Why a run does not take an input. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What has ended never reopens.
    #[error("the run has ended: it is {0}")]
    Ended(RunState),
    /// It is not in a state for this.
    #[error("the run is {state}: {why}")]
    NotNow {
        /// The state it is in.
        state: RunState,
        /// What was expected.
        why: &'static str,
    },
    /// There is no such approval that waits for a decision.
    #[error("no approval '{0}' waits for a decision here")]
    NoSuchApproval(ApprovalId),
    /// The time to decide is over.
    #[error("the deadline of the approval has passed")]
    TooLate,
    /// This person has decided already.
    #[error("'{0}' has decided about this approval already")]
    DecidedBefore(Arc<str>),
    /// This person may not decide.
    #[error("'{who}' may not decide about this approval: expected {expected}")]
    MayNotDecide {
        /// Who tried.
        who: Arc<str>,
        /// Who may.
        expected: String,
    },
    /// The suggestion must be taken or left as it is.
    #[error("the payload of this approval can't be edited")]
    NotEditable,
    /// There is no checkpoint of this name.
    #[error("there is no checkpoint '{0}'")]
    NoSuchCheckpoint(Arc<str>),
    /// There is one of this name.
    #[error("there is a checkpoint '{0}' already")]
    CheckpointExists(Arc<str>),
    /// No more checkpoints are kept.
    #[error("the run has {0} checkpoints, which is as many as are kept")]
    TooManyCheckpoints(usize),
    /// The change touches what has happened already, or what is not there.
    #[error("the change is not possible: {0}")]
    NotAmendable(String),
    /// A name or a reason is too long.
    #[error("{field} is too long: {got} bytes, expected at most {most}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// How long it is.
        got: usize,
        /// How long it may be.
        most: usize,
    },
}
