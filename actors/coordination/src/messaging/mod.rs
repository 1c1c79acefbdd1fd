//! Messages between agents: sent to one, to those with a capability, to all; published by topic;
//! spread by rumour.
//!
//! ```text
//!  agents, protocols, API ── Send ──▶ MessageRouter ── Receive ──▶ agents
//!                                        │   └── conversations' history, dead letters
//!                                        ▼ topic
//!                       ── Publish ──▶ Topics ──▶ queues, listeners, durable subscriptions
//! ```
//!
//! Invariants:
//! - What can't be delivered is a dead letter with its reason, never silence.
//! - Never does a slow reader slow others down, or hold more than its bound.
//! - Never does somebody outside of a conversation speak in it.

mod courier;
pub mod gossip;
mod history;
mod kinds;
pub mod router;
pub mod topics;

pub use courier::AgentCourier;
pub use history::{HistoryEntry, HistoryLimits};
pub use kinds::{
    ConflictReport, Discovery, MessageType, Presence, Registration, SynchronisationRequest,
    TaskRequest, TaskResponse, UnknownMessageType, Vote, WrongType,
};
