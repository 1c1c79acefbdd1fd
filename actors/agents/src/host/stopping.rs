//! The end of one agent: in order first, by force when its time is over.

use std::sync::Arc;

use synod_runtime::{Context, Priority, Reply, Request};
use tokio::time::Instant;

use super::messages::{HostMessage, StopAgent};
use super::shell::{AgentHost, Step, Stepped};
use crate::messages::AgentMessage;
use crate::registry::RegistryMessage;

/// An agent that is being stopped.
pub(super) struct Stopping {
    /// When it is stopped by force.
    by: Instant,
    /// Who waits for its end.
    replies: Vec<Reply<()>>,
}

impl AgentHost {
    pub(super) fn stop_agent(&mut self, request: Request<StopAgent>, ctx: &mut Context<Self>) {
        let (StopAgent { key, within }, reply) = request.into_parts();
        let name: Arc<str> = key.to_string().into();
        self.roster.remove(&name);
        self.to_restore.retain(|member| member.name != name);
        if !ctx.has_child(&name) {
            self.agents.remove(&name);
            return reply.send(());
        }
        // Ahead of all work, so that none is taken any more.
        if let Some(Ok(permit)) = self.agents.get(&name).map(|address| address.reserve()) {
            permit.with_priority(Priority::Critical).send(AgentMessage::Retire);
        }
        let by = synod_runtime::after(ctx.now(), within);
        let stopping = self.stopping.entry(Arc::clone(&name));
        let stopping = stopping.or_insert_with(|| Stopping { by, replies: Vec::new() });
        stopping.by = stopping.by.min(by);
        stopping.replies.push(reply);
        if within.is_zero() {
            self.overdue(&name, ctx);
        } else {
            ctx.send_after(within, HostMessage::Own(Step(Stepped::Overdue(name))));
        }
    }

    pub(super) fn overdue(&mut self, name: &str, ctx: &mut Context<Self>) {
        if self.stopping.get(name).is_some_and(|stopping| stopping.by <= ctx.now()) {
            ctx.stop_child(name);
            // One that waited for its restart is gone already.
            self.answer_stopped(ctx);
        }
    }

    /// The actor of an agent has ended for good, unless it is back: it was retired or stopped.
    pub(super) fn ended(&mut self, name: &str, reason: String) {
        if self.agents.get(name).is_none_or(|address| !address.is_closed()) {
            return;
        }
        self.agents.remove(name);
        let Some(member) = self.roster.remove(name) else { return };
        if let Ok(permit) = self.registry.reserve() {
            permit.send(RegistryMessage::Ended { key: member.card().key(), reason });
        }
    }

    /// Answers who waits for agents of which nothing runs any more.
    pub(super) fn answer_stopped(&mut self, ctx: &Context<Self>) {
        let gone = self.stopping.extract_if(|name, _| !ctx.has_child(name));
        for (name, stopping) in gone {
            self.agents.remove(&name);
            stopping.replies.into_iter().for_each(|reply| reply.send(()));
        }
    }
}
