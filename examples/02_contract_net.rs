//! Contract net: a job goes to the worker that has shown most, not to the one that promises most.
//!
//! ```text
//! cargo run --example 02_contract_net
//! ```
//!
//! Two workers are called for proposals. `boaster` promises the moon and has failed nine times of
//! ten; `steady` promises little and has delivered. Expect `steady` to be awarded the contract and
//! to report `{"done_by": "steady"}`, and the notes that say why.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde_json::json;
use synod::agents::{Envelope, MessageContext, Performative};
use synod::coordination::contract_net::{ContractNet, Measured, Setup};
use synod::coordination::desk::{History, Open, ended};
use synod::prelude::*;
use synod::runtime::Principal;

/// A worker that promises to take so long, in milliseconds.
struct Worker(&'static str, u32);

impl Agent for Worker {
    fn card(&self) -> AgentCard {
        AgentCard::new(self.0, "1.0.0").capability("weld").protocol("contract-net")
    }

    async fn perform(
        &mut self,
        _: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Err(AgentError::refused("work comes by contract"))
    }

    /// Answers a call with a proposal, and an award with the work done.
    async fn receive(
        &mut self,
        envelope: Envelope,
        _: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let (act, content) = match envelope.performative {
            Performative::Cfp => (Performative::Propose, json!({"time_ms": self.1})),
            Performative::AcceptProposal => (Performative::Inform, json!({"done_by": self.0})),
            _ => return Ok(None),
        };
        Ok(Some(envelope.answer(act, Payload::json(&content)?)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut config = synod::config::NodeConfig::default();
    config.node.data_folder = folder.path().to_owned();
    let builder = NodeBuilder::new().config(config).without_http();
    let builder = builder.agent(|| Worker("boaster", 10)).agent(|| Worker("steady", 900));
    let node = builder.start().await?;

    let setup = Setup {
        task: "weld a frame".into(),
        participants: vec!["boaster".parse()?, "steady".parse()?],
        measured: vec![
            Measured::new("boaster".parse()?, 0.1, 1_000.0),
            Measured::new("steady".parse()?, 0.99, 1_000.0),
        ],
        ..Setup::default()
    };
    let (desk, within) = (node.desk::<ContractNet>(), Duration::from_secs(10));
    let id = desk.ask(Open::new(setup, Principal::user("boss")), within).await??.id;
    let result = ended(&desk, id).await?.view.result;
    for told in desk.ask(History { id, after: 0, limit: 100 }, within).await??.notes {
        println!("{:<24} {:<10} {}", told.note.kind, told.note.who, told.note.why);
    }
    println!("{}", serde_json::to_string(&result)?);
    node.stop().await;
    Ok(())
}
