//! What happens to a run: the only thing that changes it, live and in a replay alike.
//!
//! Any prefix of a run's events is a state it can go on from; what one input caused is stored
//! together all the same. Each event happened at a recorded time, UTC microseconds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use synod_agents::Usage;
use synod_runtime::Principal;

use super::opening::{Opening, Variable};
use super::ticket::{ApprovalId, Spot, Ticket};
use crate::definition::DefinitionHash;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::RunId;
use crate::plan::StepIndex;

/// A failure: of an attempt, of a step, of a level, of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind it is.
    pub kind: ErrorKind,
    /// One sentence for people.
    pub message: Arc<str>,
    /// Who failed, where it was an agent.
    pub agent: Option<Arc<str>>,
}

impl Failure {
    /// A failure of no agent in particular.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into(), agent: None }
    }
}

/// What a piece of work waits for once it is begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Begun {
    /// An execution by an agent, or by several.
    Execution,
    /// This time.
    Timer {
        /// UTC microseconds.
        until: i64,
    },
    /// The end of this run.
    Child {
        /// The run.
        run: RunId,
    },
    /// A decision of people.
    Approval(Box<Asked>),
    /// A message on this topic; given up at `until`.
    Message {
        /// The topic.
        topic: Arc<str>,
        /// UTC microseconds.
        until: Option<i64>,
    },
    /// That its input has been published on this topic.
    Emission {
        /// The topic.
        topic: Arc<str>,
    },
    /// Its items; the input is the list of them.
    Items {
        /// How many.
        count: u32,
    },
    /// The first racer that succeeds.
    Race {
        /// How many.
        count: u32,
    },
}

/// What people are asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The name of the approval.
    pub id: ApprovalId,
    /// The question.
    pub question: Arc<str>,
    /// What is to be approved, as it was suggested.
    pub payload: Json,
    /// Until when it can be decided.
    pub deadline: Option<i64>,
}

/// What becomes of a failed step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Handling {
    /// It counts as skipped.
    Skip,
    /// It counts as completed, with this output.
    Default(Json),
    /// The run goes on at another step.
    GoTo(StepIndex),
    /// The level fails, and what was done is undone.
    Compensate,
    /// The level fails.
    Fail,
}

/// A decision of a person about an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Who decided.
    pub by: Principal,
    /// Whether it is approved.
    pub approved: bool,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// What the person made of what was suggested, if it was changed.
    pub payload: Option<Json>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// With its outputs.
    Completed(Json),
    /// With a failure, of this step where it was one.
    Failed {
        /// What failed.
        failure: Failure,
        /// The id of the step.
        step: Option<Arc<str>>,
    },
    /// Ended from outside.
    Cancelled {
        /// By whom.
        by: Principal,
        /// Why.
        why: Arc<str>,
    },
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// It was accepted; always the first.
    Opened(Box<Opening>),
    /// A step of the older run that it comes from counts here as well.
    Carried {
        /// The step.
        step: StepIndex,
        /// The visit that its result is of.
        visit: u32,
        /// What came of it.
        result: Carried,
    },
    /// It was admitted, and its variables have their first values.
    Began {
        /// Their values.
        variables: Vec<Variable>,
    },
    /// A piece of work was begun: a new visit of a step, its first attempt. The input is left
    /// out where it is a constant of the definition.
    Started {
        /// Where.
        spot: Spot,
        /// The input, unless it is a constant.
        input: Option<Json>,
        /// What it waits for.
        begun: Begun,
    },
    /// An attempt ended in a failure; there is another one at `until`.
    Retrying {
        /// Where.
        spot: Spot,
        /// What went wrong.
        failure: Failure,
        /// UTC microseconds.
        until: i64,
    },
    /// The next attempt was begun after the wait.
    Again {
        /// Where.
        spot: Spot,
        /// What it waits for.
        begun: Begun,
    },
    /// An execution was lost, and the next attempt begun at once.
    Lost {
        /// Where.
        spot: Spot,
        /// Why.
        why: Arc<str>,
    },
    /// The engine went down with this execution; the same attempt was begun again.
    Redispatched {
        /// Where.
        spot: Spot,
    },
    /// The engine stops in order and has taken back what was being executed.
    HandedBack,
    /// A piece of work is done.
    Succeeded {
        /// Where.
        spot: Spot,
        /// What it yields.
        output: Json,
        /// Who did it.
        agent: Option<Arc<str>>,
        /// For how long, in microseconds.
        ran_us: u64,
    },
    /// An attempt used up so much: it counts towards the budget of its step, whatever comes of it.
    Spent {
        /// Where.
        spot: Spot,
        /// What.
        usage: Usage,
    },
    /// A message that no work waits for yet is kept for work that will.
    MessageKept {
        /// The topic.
        topic: Arc<str>,
        /// What it is known by, if it may come again.
        key: Option<Arc<str>>,
        /// What it says.
        payload: Json,
    },
    /// The oldest message that was kept is not kept any longer, as there are too many.
    MessageDropped,
    /// Work that waits for a message has taken one that was kept, and is done with it.
    MessageTaken {
        /// Where.
        spot: Spot,
        /// Which message, in the order in which they were kept, from 1.
        number: u32,
    },
    /// The items of a step, or a race, are done; the output follows from them.
    Joined {
        /// The step.
        step: StepIndex,
    },
    /// A piece of work failed for good.
    Failed {
        /// Where.
        spot: Spot,
        /// What went wrong.
        failure: Failure,
        /// What becomes of it.
        handling: Handling,
    },
    /// A step was not begun: its condition did not hold, or all that it depends on was skipped so.
    Skipped {
        /// The step.
        step: StepIndex,
    },
    /// Somebody decided about an approval; it may need more of them.
    Decided {
        /// Where.
        spot: Spot,
        /// What was decided.
        decided: Decided,
    },
    /// An approval waits for a decision for long; what the plan says for this has been done.
    Escalated {
        /// Where.
        spot: Spot,
        /// Which step of the escalation, from 1.
        number: u32,
    },
    /// The level failed as a whole: time, limits, expressions of the plan.
    LevelFailed {
        /// What went wrong.
        failure: Failure,
    },
    /// The fallback of the level goes on.
    FellBack {
        /// Their values.
        variables: Vec<Variable>,
    },
    /// What was done on the level is undone; what was done on the level before it comes next.
    Unwound,
    /// It was asked to end.
    CancelRequested {
        /// By whom.
        by: Principal,
        /// Why.
        why: Arc<str>,
        /// Whether what was done is undone.
        compensate: bool,
    },
    /// Nothing more is begun until it is resumed.
    Paused {
        /// By whom.
        by: Principal,
    },
    /// It goes on.
    Resumed {
        /// By whom.
        by: Principal,
    },
    /// A child that no step waits for any longer has ended.
    ChildStopped {
        /// The run.
        run: RunId,
    },
    /// A result came for what no longer counts; it was ignored.
    Late {
        /// Of which attempt.
        ticket: Ticket,
        /// The kind of the failure, if it was one.
        error: Option<ErrorKind>,
    },
    /// How it stands has a name.
    Checkpointed {
        /// The name.
        name: Arc<str>,
        /// By whom.
        by: Principal,
    },
    /// It is going back to a checkpoint, and undoes first what was done since.
    RollbackBegan {
        /// The name of the checkpoint.
        to: Arc<str>,
        /// By whom.
        by: Principal,
        /// Why.
        why: Arc<str>,
    },
    /// It is where it was at the checkpoint.
    RolledBack {
        /// The name of the checkpoint.
        to: Arc<str>,
        /// By whom.
        by: Principal,
        /// Why.
        why: Arc<str>,
    },
    /// It goes on with another definition and other variables.
    Amended(Box<Amended>),
    /// How it ends is decided; `on_finish` or `on_cancel` comes before the end.
    Concluded {
        /// How it ends.
        ending: Ending,
    },
    /// It has ended; always the last.
    Ended {
        /// How it ends.
        ending: Ending,
    },
}

/// The result of a step that is taken over from an older run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Carried {
    /// It completed.
    Completed(Json),
    /// It was skipped by its condition.
    Skipped,
    /// It failed, and the run went on.
    Handled(Failure),
}

/// A change of a run that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amended {
    /// What it runs from now on.
    pub definition: DefinitionHash,
    /// Variables that have other values from now on.
    pub variables: Vec<Variable>,
    /// Who changed it.
    pub by: Principal,
    /// Why.
    pub why: Arc<str>,
}

impl Event {
    /// About how many bytes it takes in a record.
    #[must_use]
    pub fn weight(&self) -> usize {
        let content = match self {
            Self::Opened(opening) => {
                let labels = opening.labels.iter().map(|(key, value)| key.len() + value.len());
                opening.inputs.size() + labels.sum::<usize>() + 200
            }
            Self::Began { variables } | Self::FellBack { variables } => {
                variables.iter().map(|(name, value)| name.len() + value.size()).sum()
            }
            Self::Started { input, begun, .. } => {
                let asked = match begun {
                    Begun::Approval(asked) => asked.question.len() + asked.payload.size() + 32,
                    _ => 0,
                };
                input.as_ref().map_or(0, Json::size) + asked
            }
            Self::Succeeded { output: value, .. }
            | Self::Carried { result: Carried::Completed(value), .. }
            | Self::Concluded { ending: Ending::Completed(value) }
            | Self::Ended { ending: Ending::Completed(value) } => value.size(),
            Self::MessageKept { topic, key, payload } => {
                topic.len() + key.as_ref().map_or(0, |key| key.len()) + payload.size()
            }
            Self::Retrying { failure, .. } | Self::Failed { failure, .. } => failure.message.len(),
            Self::Decided { decided, .. } => {
                decided.payload.as_ref().map_or(0, Json::size)
                    + decided.reason.as_ref().map_or(0, |reason| reason.len())
            }
            _ => 0,
        };
        content + 24
    }
}
