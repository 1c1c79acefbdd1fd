//! Calls to agents: who does this? They are sent as envelopes, and what is said back goes to the
//! machine.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use synod_agents::{AgentError, Envelope, Payload, Performative, Receive, Recipient};
use synod_runtime::{Context, SendOptions};

use super::TaskEngine;
use super::step::{Asked, Own, Step};
use crate::bidding::{Said, read};
use crate::machine::{Call, Input};
use crate::matching::AgentSlot;
use crate::messages::TasksMessage;
use crate::task::{Allocation, Body, Moment, TaskId};

/// Who sends calls.
const SENDER: &str = "tasks";

/// Most bytes of an input that is shown in a call.
const MAX_SHOWN_BYTES: usize = 16 << 10;

/// What agents are asked for.
const PROPOSAL: &str = "propose {price?, time_ms?, quality?}, or refuse";
const ASK: &str = "propose {amount}, or refuse";
const VOTE: &str = "inform {choice: one of the candidates}, or refuse";

/// An answer to a call, or that none came.
pub(super) type Answer = Asked<Result<Option<Envelope>, AgentError>>;

/// The content of a call.
#[derive(Serialize)]
struct Content<'a> {
    /// The task, and the number of the part.
    task: TaskId,
    part: u16,
    /// What kind of work it is.
    kind: &'a str,
    /// The first capability that is required.
    capability: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    /// The input, if it is JSON and of 16 KiB at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
    input_bytes: u64,
    /// How much time is left for all of it, in milliseconds.
    left_ms: u64,
    /// Of a question who should do it: from whom to choose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<&'a str>,
    /// What is expected.
    answer: &'static str,
}

/// Which call something is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallName {
    pub task: TaskId,
    pub part: u16,
    pub round: u64,
    pub kind: Allocation,
}

impl TaskEngine {
    /// Sends a call to all that are asked, unless its round is over already.
    pub(super) fn call(&mut self, call: &Call, ctx: &mut Context<Self>) {
        let Call { task, part, round, kind, .. } = *call;
        if !self.machine.awaits_bids(task, part, round) {
            return;
        }
        let now = self.now(ctx);
        let name = CallName { task, part, round, kind };
        let content = content(call, now);
        for (agent, _) in &call.asked {
            let envelope = self.envelope(call, *agent, &content, now, ctx);
            self.send_call(name, *agent, envelope, call, ctx);
        }
        self.step(now, Input::Called { task, part, round });
    }

    fn send_call(
        &mut self,
        name: CallName,
        agent: AgentSlot,
        envelope: Option<Envelope>,
        call: &Call,
        ctx: &mut Context<Self>,
    ) {
        let heard = move |outcome| TasksMessage::Own(Step(Own::Heard { name, agent, outcome }));
        let (Some(address), Some(envelope)) = (self.addresses.get(agent), envelope) else {
            // It left after it had been found.
            let now = self.now(ctx);
            return self.heard(now, name, agent, Ok(Ok(None)));
        };
        let mut options = SendOptions::new().priority(call.spec.priority);
        if let Some(correlation) = call.spec.correlation {
            options = options.correlation(correlation);
        }
        let within = Duration::from_micros(call.within);
        address.ask_into_with(Receive { envelope }, within, options, &ctx.address(), heard);
    }

    fn envelope(
        &self,
        call: &Call,
        agent: AgentSlot,
        content: &Payload,
        now: Moment,
        ctx: &Context<Self>,
    ) -> Option<Envelope> {
        let to = self.machine.agent_id(agent)?;
        let (performative, protocol) = match call.kind {
            Allocation::Consensus => (Performative::QueryRef, "fipa-query"),
            Allocation::Auction => (Performative::Cfp, "sealed-bid-auction"),
            _ => (Performative::Cfp, "fipa-contract-net"),
        };
        let mut random = [0; 8];
        ctx.system().entropy().fill(&mut random);
        let mut envelope =
            Envelope::new(SENDER, Recipient::Agent(to), performative, content.clone())
                .protocol(protocol)
                .conversation(call.task);
        envelope.reply_with = Some(format!("{}/{}", call.part, call.round));
        let within = i64::try_from(call.within).unwrap_or(i64::MAX);
        envelope.reply_by_us = Some(now.utc.saturating_add(within));
        envelope.trace = call.spec.correlation.map(|trace| trace.to_string()).unwrap_or_default();
        envelope.stamp(now.utc, u64::from_le_bytes(random));
        Some(envelope)
    }

    /// An agent answered a call, or did not.
    pub(super) fn heard(&mut self, now: Moment, name: CallName, agent: AgentSlot, said: Answer) {
        let said = match said {
            Ok(Ok(Some(envelope))) => read(name.kind, &envelope),
            // It reads no messages, is gone, is not reached or did not answer in time.
            Ok(Ok(None) | Err(_)) | Err(_) => Said::Silent,
        };
        let CallName { task, part, round, .. } = name;
        self.step(now, Input::Heard { task, part, round, agent, said });
    }
}

/// The same for all that are asked.
fn content(call: &Call, now: Moment) -> Payload {
    let shown = match &call.input {
        Body::Inline { bytes, .. } if bytes.len() <= MAX_SHOWN_BYTES => {
            serde_json::from_slice::<&RawValue>(bytes).ok()
        }
        _ => None,
    };
    let votes = call.kind == Allocation::Consensus;
    let candidates = call.asked.iter().filter(|_| votes).map(|(_, label)| &**label).collect();
    let content = Content {
        task: call.task,
        part: call.part,
        kind: &call.spec.kind,
        capability: call.capability.as_deref(),
        labels: &call.spec.labels,
        input: shown,
        input_bytes: call.input.length(),
        left_ms: call.deadline.saturating_sub(now.mono) / 1_000,
        candidates,
        answer: match call.kind {
            Allocation::Consensus => VOTE,
            Allocation::Auction => ASK,
            _ => PROPOSAL,
        },
    };
    // Nothing in it has no form in JSON.
    Payload::json(&content).unwrap_or_default()
}
