//! An agent as a Rust module: a crate of your own needs `synod` and nothing else.
//!
//! Run it, and it is a whole node with your agent in it:
//!
//! ```text
//! cargo run --example 01_hello_agent -- node
//! ```
//!
//! In another terminal, with the same program or with `synod`:
//!
//! ```text
//! cargo run --example 01_hello_agent -- tasks submit text.count '"to be or not to be"' --wait
//! ```
//!
//! Expect `completed` and the output `{"words": 6}`. Stop the node in the middle of anything, start
//! it again: what it accepted is still there.

use std::process::ExitCode;

use synod::prelude::*;

/// Counts words. Each worker of the agent has an instance of its own.
#[derive(Default)]
struct WordCount;

impl Agent for WordCount {
    /// Who it is and what it can do; tasks find it by its capabilities.
    fn card(&self) -> AgentCard {
        AgentCard::new("word-count", "1.0.0").capability("text.count")
    }

    /// A panic in here costs this attempt; the task is tried again.
    async fn perform(
        &mut self,
        work: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let text: String = work.payload.to_json()?;
        let words = text.split_whitespace().count();
        Ok(Payload::json(&std::collections::BTreeMap::from([("words", words)]))?)
    }
}

fn main() -> ExitCode {
    synod::main(|node| node.agent(WordCount::default))
}
