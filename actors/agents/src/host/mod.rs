//! The host of agents: a dynamic supervisor that starts them, has them registered, and brings
//! them back.
//!
//! ```text
//!  node ─ StartAgent ─▶ AgentHost ─┬▶ AgentActor "word-count@1.0.0"
//!  API ── AddAgent ───▶     │      ├▶ AgentActor "word-count@1.1.0"
//!  socket ConnectAgent ▶    │      └▶ ...
//!                           └ RegisterAgent ─▶ registry ─▶ journal
//! ```
//!
//! Invariants:
//! - Never is an agent running that the registry does not know, beyond the time it takes to tell.
//! - Never does a request start an agent whose code runs on this machine.
//! - Never does a crash of the host lose an agent: the roster outlives it.

mod connections;
mod messages;
mod purpose;
mod roster;
mod shell;
mod stopping;

pub use messages::{
    AddAgent, AwaitAgents, Carrier, ConnectAgent, HostError, HostMessage, StartAgent, StopAgent,
};
pub use shell::{AgentHost, HostSettings, KindFactory};
