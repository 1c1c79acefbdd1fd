//! Contract net: a job goes to the worker that has shown most, not to the one that promises most.
//!
//! ```text
//! cargo run --example 02_contract_net
//! ```
//!
//! Two workers are called for proposals. `boaster` promises the moon and has failed nine times of
//! ten; `steady` promises little and has delivered. Expect `steady` to be awarded the contract and
//! to report `{"done_by": "steady"}`, and the notes that say why.

use std::time::Duration;

use synod::agents::{Envelope, MessageContext, Performative};
use synod::coordination::contract_net::{ContractNet, Measured, Setup};
use synod::coordination::desk::{History, Open, ended};
use synod::prelude::*;
use synod::runtime::Principal;

/// A worker that promises to take so long, in milliseconds.
#[derive(Clone)]
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
        Ok(match envelope.performative {
            Performative::Cfp => {
                let promise = serde_json::json!({"time_ms": self.1});
                Some(envelope.answer(Performative::Propose, Payload::json(&promise)?))
            }
            Performative::AcceptProposal => {
                let result = serde_json::json!({"done_by": self.0});
                Some(envelope.answer(Performative::Inform, Payload::json(&result)?))
            }
            _ => None,
        })
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

    let shown = |who: &str, success| Measured::new(who.parse().expect("a name"), success, 1_000.0);
    let setup = Setup {
        task: "weld a frame".into(),
        participants: vec!["boaster".parse()?, "steady".parse()?],
        measured: vec![shown("boaster", 0.1), shown("steady", 0.99)],
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
