//! What an agent's actor is asked and told, and how agents appear to all others.

use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use synod_runtime::{Address, Ask, Request, requests};

use crate::card::AgentCard;
use crate::envelope::Envelope;
use crate::error::AgentError;
use crate::id::{AgentId, AgentKey};
use crate::named::named;
use crate::work::{Assignment, Performed, WorkId};

/// Do this work. Sent by whoever dispatches, with `ask_into`.
///
/// Beside the reply there are the kernel's errors: `Unanswered` and `Closed` mean that the
/// execution was lost in a crash, `Deadline` that no answer came in time.
#[derive(Debug)]
pub struct Perform {
    /// The work.
    pub assignment: Assignment,
}

impl Ask for Perform {
    type Reply = Result<Performed, AgentError>;
}

/// Read this message. Answered with what the agent says back, or with nothing.
///
/// The agent reads one message after the other, beside its work: a busy agent can still bid and
/// vote. What it says is about this message and in its own name, whatever it wrote there.
#[derive(Debug)]
pub struct Receive {
    /// The message; until when an answer is of use is in it, and the asker's deadline holds too.
    pub envelope: Envelope,
}

impl Ask for Receive {
    type Reply = Result<Option<Envelope>, AgentError>;
}

/// How are you? Answered at once, whatever work is in hand.
#[derive(Debug)]
pub struct CheckHealth;

impl Ask for CheckHealth {
    type Reply = AgentHealth;
}

/// How an agent is and what it has in hand.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AgentHealth {
    /// Which agent.
    #[schema(value_type = String)]
    pub id: AgentId,
    /// Which version of it.
    #[schema(value_type = String)]
    pub version: Version,
    /// Whether it takes work: active, connected, not every worker down, and not the last three
    /// executions lost or turned away as unavailable. One that it answers ends such a row.
    pub healthy: bool,
    /// What it was told: active, paused or draining; or that it is disconnected.
    pub status: AgentStatus,
    /// Assignments it may have in work at the same time.
    pub capacity: u32,
    /// Workers that wait for their restart after a crash.
    pub workers_down: u32,
    /// Crashes of workers since the agent started.
    pub crashes: u64,
    /// How often its child process was started again, if it is a program that the node runs.
    pub program_restarts: u64,
    /// Threads that did not stop when told, and still run; their results are ignored.
    pub abandoned_threads: u32,
    /// Why it is disconnected, if it is; else the last error or crash, if any.
    pub last_error: Option<String>,
    /// What is in work.
    pub in_hand: Vec<WorkInHand>,
}

/// One assignment in work.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct WorkInHand {
    /// Which work: `task/part/attempt@epoch`.
    pub work: String,
    /// For how long, in milliseconds.
    pub running_ms: u64,
    /// Whether it has been told to stop.
    pub cancelling: bool,
    /// What it reported last: done so far, 0 to 1.
    pub progress: Option<f32>,
    /// What it reported last, in words.
    pub note: Option<String>,
}

/// The protocol of every agent's actor, whatever the kind of the agent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every message is the large one")]
pub enum AgentMessage {
    /// Do this work, or refuse at once: more than `max_concurrent_tasks` is never queued.
    Perform(Request<Perform>),
    /// Read this message; at most 256 wait to be read, more are refused.
    Receive(Request<Receive>),
    /// Stop this work: token, grace, then it is dropped. Unknown work is ignored.
    Cancel {
        /// Which work.
        work: WorkId,
    },
    /// Take no more work until `Resume`; what is in hand goes on.
    Pause,
    /// Take work again.
    Resume,
    /// Take no more work; what is in hand ends.
    Drain,
    /// Take no more work, end what is in hand, then stop for good.
    Retire,
    /// How are you?
    Health(Request<CheckHealth>),
    /// From the agent's own workers and companions.
    Own(crate::actor::Report),
}

requests!(AgentMessage { Perform(Perform), Receive(Receive), Health(CheckHealth) });

named! {
    /// Whether an agent is given work.
    pub enum AgentStatus {
        /// It is given work.
        Active = "active",
        /// It ends what it has and is given no more.
        Draining = "draining",
        /// It is given none until it is active again.
        Paused = "paused",
        /// Its connection is down; set by the node alone.
        Disconnected = "disconnected",
    }
}

/// A registered agent as the registry hands it out. `A` is its address.
#[derive(Debug, Clone)]
pub struct AgentEntry<A = Address<AgentMessage>> {
    /// Who it is and what it can do.
    pub card: Arc<AgentCard>,
    /// Whether it is given work.
    pub status: AgentStatus,
    /// Where it is reached; stable across its restarts.
    pub address: A,
    /// When it was registered (UTC).
    pub registered_at: Timestamp,
    /// When it was last heard of (UTC): registration, heartbeat, or a sign on its connection.
    pub last_heartbeat: Timestamp,
}

impl<A> AgentEntry<A> {
    /// What it is registered under.
    #[must_use]
    pub fn key(&self) -> AgentKey {
        self.card.key()
    }

    /// What the outside sees of it.
    #[must_use]
    pub fn view(&self) -> AgentView {
        AgentView {
            card: AgentCard::clone(&self.card),
            status: self.status,
            registered_at: self.registered_at,
            last_heartbeat: self.last_heartbeat,
        }
    }
}

/// A registered agent as users see it: its card and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentView {
    /// The card, its fields beside those below.
    #[serde(flatten)]
    pub card: AgentCard,
    /// Whether it is given work.
    pub status: AgentStatus,
    /// When it was registered (UTC).
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// When it was last heard of (UTC).
    #[schema(value_type = String, format = DateTime)]
    pub last_heartbeat: Timestamp,
}

/// What the registry tells its listeners, in order. `A` is the address of an agent.
#[derive(Debug, Clone)]
pub enum AgentChange<A = Address<AgentMessage>> {
    /// All agents there are: what was known before is void. It comes first, and again whenever
    /// the listener's mailbox was full when a change was to be delivered.
    Snapshot(Arc<[AgentEntry<A>]>),
    /// A new agent, or a new version of one. An entry of the same key replaces the older one.
    Joined(AgentEntry<A>),
    /// It is given work, or no longer.
    StatusChanged {
        /// Which agent.
        key: AgentKey,
        /// How it stands now.
        status: AgentStatus,
    },
    /// It is gone. What it had in hand answers for itself, with `Unanswered` or `Lost`.
    Left {
        /// Which agent.
        key: AgentKey,
        /// Why, in words.
        reason: String,
    },
}
