//! What happened, and how it is told: CloudEvents 1.0 in JSON.

use std::borrow::Cow;
use std::fmt;

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use serde::Serialize;
use synod_agents::{AgentId, AgentStatus};
use synod_coordination::sync::SharedChange;
use synod_runtime::{ActorPath, ActorState, Correlation};
use synod_tasks::TaskChange;
use synod_workflows::RunChange;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::Cursor;
use crate::api::coordination::ConversationNote;

/// One change of a task, a run, a document, an agent or an actor.
#[derive(Debug, Clone)]
pub struct Event {
    /// The type: `synod.task.completed`, `synod.step.started`, `synod.agent.joined`,
    /// `synod.actor.restarted`.
    pub kind: Cow<'static, str>,
    /// What changed.
    pub subject: Subject,
    /// When it happened; none for a word to one reader.
    pub at: Option<Timestamp>,
    /// The change itself.
    pub content: Content,
}

/// What an event is about; prints as the path of the resource below the API's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A task.
    Task(Uuid),
    /// A run of a workflow.
    Run(Uuid),
    /// A conversation: its protocol and its id.
    Conversation(Cow<'static, str>, Uuid),
    /// A document that agents share: its name.
    Document(String),
    /// An agent.
    Agent(AgentId),
    /// An actor.
    Actor(ActorPath),
    /// The stream itself.
    Stream,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => write!(f, "tasks/{id}"),
            Self::Run(id) => write!(f, "workflows/{id}"),
            Self::Conversation(protocol, id) => write!(f, "coordination/{protocol}/{id}"),
            Self::Document(name) => write!(f, "coordination/shared/{name}"),
            Self::Agent(id) => write!(f, "agents/{id}"),
            Self::Actor(path) => write!(f, "actors{path}"),
            Self::Stream => f.write_str("stream"),
        }
    }
}

/// The `data` of an event.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// A task changed its state.
    Task(TaskChange),
    /// Something happened to a run or to a step of it.
    Run(RunChange),
    /// Something happened in a conversation.
    Note(ConversationNote),
    /// Something changed in a document that agents share.
    Shared(SharedChange),
    /// An agent came, changed its status or left.
    Agent {
        /// Which version of it.
        version: String,
        /// How it stands now; none when it left.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<AgentStatus>,
        /// Why it left.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An actor of the node started, failed, restarted or ended.
    Actor {
        /// What it is: `agent`, `journal`.
        kind: &'static str,
        /// Its state now; none while it has no incarnation.
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<ActorState>,
        /// How often it has been restarted.
        restarts: u32,
        /// Why its incarnation ended, or the one before it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Changes of actors came faster than they could be told.
    Missed {
        /// How many are not told, all of them before the next event of an actor.
        missed: u64,
        /// What to do next.
        next_step: &'static str,
    },
    /// A word to the reader.
    Stream {
        /// Why.
        reason: &'static str,
        /// What to do next.
        next_step: &'static str,
    },
}

impl Content {
    /// Where the change stands in a trace.
    fn correlation(&self) -> Option<Correlation> {
        match self {
            Self::Task(change) => change.correlation,
            Self::Run(change) => change.correlation,
            _ => None,
        }
    }
}

/// Words to one reader about the stream itself.
#[derive(Debug, Clone, Copy)]
pub enum StreamNotice {
    /// The stream begins; its cursor says from where.
    Opened,
    /// The reader missed events.
    Reset {
        /// Why.
        reason: &'static str,
    },
    /// The node ends the stream.
    Closed {
        /// Why.
        reason: &'static str,
    },
}

impl StreamNotice {
    /// The type of the event that tells a reader to list again.
    pub const RESET: &'static str = "synod.stream.reset";

    /// The notice as an event.
    #[must_use]
    pub fn event(self) -> Event {
        let (kind, reason, next_step) = match self {
            Self::Opened => ("synod.stream.opened", "the stream is open", "read on"),
            Self::Reset { reason } => (
                Self::RESET,
                reason,
                "list tasks, runs and agents again, then read on after the id of this event",
            ),
            Self::Closed { reason } => {
                ("synod.stream.closed", reason, "connect again after the id of this event")
            }
        };
        let content = Content::Stream { reason, next_step };
        Event { kind: kind.into(), subject: Subject::Stream, at: None, content }
    }
}

/// A CloudEvent (CloudEvents 1.0, JSON event format), with the extensions `sequence` and
/// `traceparent` (Distributed Tracing).
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudEvent<'a> {
    /// Always `1.0`.
    specversion: &'static str,
    /// Unique within the source, and what to read on after for whoever has read this event.
    id: String,
    /// The node: `/nodes/NAME`.
    source: &'a str,
    /// What happened, such as `synod.task.completed`.
    #[serde(rename = "type")]
    kind: &'a str,
    /// What it happened to, such as `tasks/0198…`.
    subject: String,
    /// When (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// Always `application/json`.
    datacontenttype: &'static str,
    /// The event's number within this boot of the node; a word about the stream has that of the
    /// event before it.
    sequence: String,
    /// W3C trace context of what it happened to: of a task or a run, the span of its
    /// submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// The change.
    #[schema(value_type = Object)]
    data: &'a Content,
}

/// Writes an event as a CloudEvent.
pub(super) fn cloud_event(source: &str, id: String, cursor: Cursor, event: &Event) -> Utf8Bytes {
    let cloud = CloudEvent {
        specversion: "1.0",
        id,
        source,
        kind: &event.kind,
        subject: event.subject.to_string(),
        time: event.at.map(|at| at.to_string()),
        datacontenttype: "application/json",
        sequence: cursor.sequence.to_string(),
        traceparent: event.content.correlation().map(|trace| trace.traceparent()),
        data: &event.content,
    };
    // Nothing in an event can fail to serialise: no maps with other keys than strings.
    serde_json::to_string(&cloud).unwrap_or_default().into()
}
