//! Synod: a supervised node of actors in which agents take tasks, and nothing accepted is lost.
//!
//! A program that brings its own agents has one line of `main`; everything else is the same
//! binary: the node, the command line, the API.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use synod::prelude::*;
//!
//! #[derive(Default)]
//! struct WordCount;
//!
//! impl Agent for WordCount {
//!     fn card(&self) -> AgentCard {
//!         AgentCard::new("word-count", "1.0.0").capability("text.count")
//!     }
//!
//!     async fn perform(
//!         &mut self,
//!         work: Assignment,
//!         _: &mut AgentContext,
//!     ) -> Result<Payload, AgentError> {
//!         let text: String = work.payload.to_json()?;
//!         Ok(Payload::json(&text.split_whitespace().count())?)
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     synod::main(|node| node.agent(WordCount::default))
//! }
//! ```
//!
//! Each family of actors is a module here: [`runtime`], [`journal`], [`agents`],
//! [`security`], [`coordination`], [`tasks`], [`workflows`], [`integrations`], [`triage`].

pub mod api;
pub mod cli;
pub mod config;
mod dashboard;
pub mod logging;
pub mod node;
pub mod status;

pub use synod_agents as agents;
pub use synod_coordination as coordination;
pub use synod_integrations as integrations;
pub use synod_journal as journal;
pub use synod_runtime as runtime;
pub use synod_security as security;
pub use synod_tasks as tasks;
pub use synod_triage as triage;
pub use synod_workflows as workflows;

use std::process::ExitCode;

pub use node::{Node, NodeBuilder, NodeError};

/// What the program of an agent needs.
pub mod prelude {
    pub use crate::agents::{
        Agent, AgentCard, AgentContext, AgentError, AgentErrorKind, Assignment, Capability, Payload,
    };
    pub use crate::node::{Node, NodeBuilder};
}

/// Runs the command line of `synod` with the agents that `configure` adds to every node it starts.
pub fn main(configure: impl FnOnce(NodeBuilder) -> NodeBuilder) -> ExitCode {
    cli::run(std::env::args_os(), configure(NodeBuilder::new()))
}
