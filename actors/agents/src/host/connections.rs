//! Programs that connect: the first time their agent is made, later they take it up again.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Address, Context, Reply};

use super::messages::{ConnectAgent, HostError, HostMessage};
use super::purpose::{Connecting, Purpose};
use super::shell::{AgentHost, Step, Stepped};
use crate::card::AgentKind;
use crate::messages::{AgentMessage, CheckHealth};
use crate::remote::SessionInlet;

/// How long an agent's actor may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(15);

impl AgentHost {
    pub(super) fn connect(
        &mut self,
        ask: ConnectAgent,
        reply: Reply<Result<SessionInlet, HostError>>,
        ctx: &mut Context<Self>,
    ) {
        let ConnectAgent { mut card, outgoing } = ask;
        let connecting = Connecting { reply, outgoing };
        card.kind = AgentKind::Websocket;
        let key = card.key();
        let name = key.to_string();
        match self.roster.get(&name) {
            Some(member) if member.remote.is_some() && **member.card() == card => {
                match self.agents.get(&member.name) {
                    Some(agent) => self.open(&member.name, agent, connecting, ctx),
                    None => connecting.refuse(HostError::Unavailable("it is brought back".into())),
                }
            }
            Some(_) => connecting.refuse(HostError::Exists(key)),
            None => self.add(card, Purpose::Connected(connecting), ctx),
        }
    }

    /// Opens a session as soon as the agent's actor has started: when it answers.
    pub(super) fn open(
        &self,
        name: &Arc<str>,
        agent: &Address<AgentMessage>,
        connecting: Connecting,
        ctx: &Context<Self>,
    ) {
        let name = Arc::clone(name);
        agent.ask_into(CheckHealth, START_TIMEOUT, &ctx.address(), move |_| {
            HostMessage::Own(Step(Stepped::Started(name, connecting)))
        });
    }

    pub(super) fn started(&self, name: &str, connecting: Connecting) {
        let Connecting { reply, outgoing } = connecting;
        let remote = self.roster.get(name).and_then(|member| member.remote);
        let session = remote
            .and_then(|remote| remote.connect(outgoing))
            .ok_or_else(|| HostError::Unavailable("the agent's link is not running".into()));
        reply.send(session);
    }
}
