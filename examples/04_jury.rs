//! A jury that votes with reasons: each votes alone first, then all read the reasons and may change
//! their minds, once.
//!
//! ```text
//! cargo run --example 04_jury
//! ```
//!
//! Three jurors judge a log line. In the first round only `metrics` sees the fault; in the second
//! the others follow its reason. Expect `incident` after two rounds.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use synod::agents::{Envelope, MessageContext, Performative};
use synod::coordination::ballot::{BallotProtocol, Proposal, VoterEntry};
use synod::coordination::desk::{History, Open, ended};
use synod::prelude::*;
use synod::runtime::Principal;

/// A juror, and whether it has seen the fault by itself.
struct Juror(&'static str, bool);

impl Agent for Juror {
    fn card(&self) -> AgentCard {
        AgentCard::new(self.0, "1.0.0").capability("judge").protocol("ballot")
    }

    async fn perform(
        &mut self,
        _: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Err(AgentError::refused("a juror only votes"))
    }

    async fn receive(
        &mut self,
        question: Envelope,
        _: &mut MessageContext,
    ) -> Result<Option<Envelope>, AgentError> {
        let asked: serde_json::Value = question.content.to_json()?;
        let reasons = asked["reasons"].to_string();
        let vote = match (self.1, reasons.contains("disk")) {
            (true, _) => serde_json::json!({"choice": "incident", "reason": "disk latency x40"}),
            (_, true) => {
                serde_json::json!({"choice": "incident", "reason": "the disk explains it"})
            }
            _ => serde_json::json!({"choice": "noise", "reason": "seen it before"}),
        };
        Ok(Some(question.answer(Performative::Inform, Payload::json(&vote)?)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut config = synod::config::NodeConfig::default();
    config.node.data_folder = folder.path().to_owned();
    let jury = NodeBuilder::new().config(config).without_http();
    let jury = jury.agent(|| Juror("metrics", true)).agent(|| Juror("traces", false));
    let node = jury.agent(|| Juror("logs", false)).start().await?;
    let (desk, within) = (node.desk::<BallotProtocol>(), Duration::from_secs(10));

    let voters = ["metrics", "traces", "logs"].map(VoterEntry::agent).to_vec();
    let question = "Is `write took 4.1 s` an incident?";
    let mut proposal = Proposal::new(question, &["incident", "noise"], voters);
    proposal.max_rounds = 2;
    let id = desk.ask(Open::new(proposal, Principal::user("ada")), within).await??.id;
    let verdict = ended(&desk, id).await?.view;
    for told in desk.ask(History { id, after: 0, limit: 100 }, within).await??.notes {
        println!("{:<24} {:<10} {}", told.note.kind, told.note.who, told.note.why);
    }
    println!("{:?}", verdict.outcome);
    node.stop().await;
    Ok(())
}
