//! Agents that are programs: a child process that speaks JSON-RPC 2.0 on its standard input and
//! output, one message a line. Any language will do.
//!
//! ```text
//!  worker-0 ── Deliver ─▶ ProcessActor ─▶ Child (pure) ── lines ─▶ stdin ──▶ program
//!  worker-1 ◀─ outcome ──             ◀──             ◀─ lines ── stdout ◀─ (one process,
//!                                       last complaints ◀──────── stderr     pipelined)
//! ```
//!
//! # The protocol
//!
//! The node writes requests and notifications; the program answers requests, in any order, and
//! writes `progress` notifications if it likes. Nothing else may go to its standard output; what
//! it has to say to people goes to standard error.
//!
//! ```text
//! → {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol":1,"agent":"word-count",
//!      "version":"1.0.0","capabilities":["text.count"],"max_concurrent_tasks":1}}
//! ← {"jsonrpc":"2.0","id":1,"result":{"protocol":1}}
//!
//! → {"jsonrpc":"2.0","id":2,"method":"perform","params":{"work":"0197…/0/1@1","kind":"count",
//!      "capability":"text.count","payload":{"text":"one two"},"deadline_ms":30000,
//!      "idempotency_key":"…","labels":{}}}
//! ← {"jsonrpc":"2.0","method":"progress","params":{"id":2,"fraction":0.5,"note":"half way"}}
//! ← {"jsonrpc":"2.0","id":2,"result":{"payload":{"json":{"words":2}}}}
//!
//! → {"jsonrpc":"2.0","method":"cancel","params":{"id":2}}
//! → {"jsonrpc":"2.0","id":3,"method":"ping","params":{}}
//! ← {"jsonrpc":"2.0","id":3,"result":{}}
//!
//! → {"jsonrpc":"2.0","id":4,"method":"receive","params":{"reply_within_ms":2000,"envelope":{
//!      "id":"…","sender":"contract-net","recipient":{"agent":"word-count"},"performative":"cfp",
//!      "protocol":"fipa-contract-net","conversation":"…","content":{"json":{"words":900}}}}}
//! ← {"jsonrpc":"2.0","id":4,"result":{"answer":{"performative":"propose",
//!      "content":{"json":{"price":3}}}}}
//! ```
//!
//! - **initialize** comes first. `protocol` must be answered with 1. The program may also return
//!   `version` and `capabilities`, which must then agree with the configuration,
//!   `"ping_while_busy": true` when it answers pings while it works, and `"receives": true` when it
//!   reads messages.
//! - **perform** is one assignment ([`WorkOrder`](crate::WorkOrder)); up to
//!   `max_concurrent_tasks` of them are under way at once. Its result is a
//!   [`WorkResult`](crate::WorkResult); `state` in it is kept for the program, if the task takes
//!   the result, and comes back with the next `perform`; `usage` says what the work used up,
//!   `{"tokens": 1200, "money_micros": 3500}`, and counts towards the budget of whoever asked.
//! - An **error** is a JSON-RPC error. Its `data` may carry `kind`, one of
//!   [`AgentErrorKind`](crate::AgentErrorKind), `retry_after_ms` and `usage`; code -32602 alone
//!   means `invalid_input`, everything else `failed`.
//! - **cancel** says that a perform is of no more use. It is answered all the same, with a result
//!   or an error. A program that has not answered within the grace time is killed.
//! - **receive** is a message to the agent ([`ReceiveOrder`](crate::ReceiveOrder)), one at a time,
//!   also while work is under way; of a program that did not say that it `receives` it is answered
//!   with not-understood by the node. The result is a [`ReceiveAnswer`](crate::ReceiveAnswer): `{}`
//!   for nothing. What comes after `reply_within_ms` is ignored.
//! - **ping** is sent from time to time while nothing is under way; without an answer the program
//!   counts as hung and is killed.
//! - End of file on standard input means: end.
//!
//! # What the program lives in
//!
//! The environment holds `PATH` and what is configured, nothing else; the program leads a process
//! group of its own, which is killed as a whole (SIGTERM, grace, SIGKILL) when the agent stops.
//!
//! A line that is not JSON-RPC fails the work whose id it names, or, if it is the first such line
//! since the last answer, the only work in hand; the program goes on. Others are logged and
//! ignored, unless so many come in a row ([`MAX_STRAYS`](crate::MAX_STRAYS)) that nothing sensible
//! is to be expected any more: then the program is killed.
//!
//! A line that is too long or not UTF-8, too many lines, garbage before `initialize` is answered:
//! the program is killed, and the only work it had in hand has `failed`; several are `lost`. It
//! ends or hangs: what it had in hand is `lost`. Either way it is started again, after a back-off
//! that doubles.
//!
//! Invariants:
//! - Never is work left unanswered when its process goes.
//! - Never does an answer of an earlier process count for work of the present one.
//! - Never does a program, or a program it started, outlive its agent; of a node that was killed,
//!   never into the work of the next one on the same data.

mod actor;
mod child;
mod codec;
mod config;
mod machine;
mod programs;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{ActorError, Context, Shutdown, Spec};

use crate::actor::AgentActor;
use crate::agent::{AgentFactory, AgentSource};
use crate::card::AgentCard;
use crate::config::AgentsConfig;
use crate::relay::{Relay, link_mailbox};
use actor::ProcessActor;
use machine::Times;

pub use config::ProcessAgentConfig;
pub use programs::Programs;

/// The factory of one agent that is a program: its instances share the child process.
#[derive(Clone)]
pub struct ProcessFactory {
    config: Arc<ProcessAgentConfig>,
    agents: Arc<AgentsConfig>,
    card: Arc<AgentCard>,
    programs: Programs,
}

impl ProcessFactory {
    /// The factory of the agent that `config` describes, on a node with these settings. Its
    /// program becomes one of `programs`.
    #[must_use]
    pub fn new(config: ProcessAgentConfig, agents: Arc<AgentsConfig>, programs: Programs) -> Self {
        let card = Arc::new(config.card());
        Self { config: Arc::new(config), agents, card, programs }
    }

    fn times(&self) -> Times {
        Times {
            initialize: Duration::from_millis(self.config.init_timeout_ms),
            ping_every: Duration::from_millis(self.config.ping_ms),
            ping_answer: Duration::from_millis(self.config.ping_timeout_ms),
            grace: self.grace(),
            backoff: self.agents.backoff(),
        }
    }

    fn grace(&self) -> Duration {
        self.agents.grace(&self.config.limits)
    }
}

impl AgentFactory for ProcessFactory {
    fn card(&self) -> Arc<AgentCard> {
        Arc::clone(&self.card)
    }

    fn open(&self, ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError> {
        let (factory, agent) = (self.clone(), ctx.address());
        // The child has its grace time, the link a moment more.
        let shutdown = self.config.ends_within();
        let spec = Spec::new("link", move || ProcessActor::new(factory.clone(), agent.clone()))
            .mailbox(link_mailbox())
            .shutdown(Shutdown::Within(shutdown));
        let link = ctx.spawn_child(spec)?;
        let (card, grace) = (self.card(), self.grace());
        Ok(Arc::new(move || Box::new(Relay { card: Arc::clone(&card), link: link.clone(), grace })))
    }

    fn has_link(&self) -> bool {
        true
    }
}
