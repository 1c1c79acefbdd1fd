//! The registry: which agents there are, how they stand, and who is told of it.
//!
//! ```text
//!  host, API ── Register, Retire, SetStatus ─▶ RegistryActor ─▶ Registry (pure)
//!  links ───── Connection ───────────────────▶      │
//!                                                   ├─ AgentChange ─▶ listeners, in order
//!                                                   ├─ Pause, Resume, Drain, Retire ─▶ agents
//!                                                   └─ Append ─▶ journal (run-time registrations)
//! ```
//!
//! Invariants:
//! - Never does a run-time registration count before it is in the journal, nor its retirement.
//! - Never does a listener miss a change without being given a snapshot after it.
//! - Never does a lost connection change what an operator wanted: a paused agent that reconnects
//!   is paused.

mod cursor;
mod durable;
mod listeners;
mod machine;
mod messages;
mod records;
mod shell;
#[cfg(test)]
mod tests;

pub use messages::{
    AgentPage, AgentSelector, Delivery, DurableCards, FindAgents, Heartbeat, InvalidCursor,
    ListAgents, Listener, RegisterAgent, RegisterError, Registered, RegistryMessage, RetireAgent,
    RetireError, SetAgentStatus, SetStatusError, ShowAgent, UnknownAgent,
};
pub use shell::RegistryActor;
