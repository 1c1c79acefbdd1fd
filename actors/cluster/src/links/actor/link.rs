//! The link to one node: carries out what its policy says, and owns the tasks of its connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use synod_runtime::{Actor, ActorError, Context, TaskFailure, TaskKey};

use super::messages::{LinkMessage, LinksMessage};
use crate::links::admission::{Standing, replaces};
use crate::links::channel::{Connection, End, Line, Unsent, Window};
use crate::links::event::LinkEvent;
use crate::links::handshake::{Acquaintance, Failure, Met, call_out};
use crate::links::peer::Peer;
use crate::links::policy::{Command, Look, Policy};
use crate::links::shared::Shared;
use crate::node::{Incarnation, NodeId};
use crate::wire::StreamKind;

/// Connections made within this time of one another were made at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A connection that stands, and its task.
struct Running {
    epoch: u64,
    task: TaskKey,
    standing: Standing,
}

pub(super) struct Link {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    node: NodeId,
    /// Set at the start.
    policy: Option<Policy>,
    running: [Option<Running>; 2],
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, node: NodeId) -> Self {
        Self { shared, peer, node, policy: None, running: [None, None] }
    }

    fn policy(&mut self) -> Result<&mut Policy, ActorError> {
        self.policy.as_mut().ok_or_else(|| ActorError::new("the link has not started"))
    }

    fn chance(ctx: &Context<Self>) -> f64 {
        ctx.system().entropy().fraction()
    }

    fn carry_out(&mut self, command: Command, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match command {
            Command::Dial(kind) => self.dial(kind, ctx)?,
            Command::Fail(kind, reason) => {
                self.peer.channel(kind).fail(&reason);
            }
            Command::Relent(kind) => self.peer.channel(kind).relent(),
            Command::Close(kind, reason) => self.cut(kind, &reason, ctx)?,
            Command::Rest(kind) => {
                self.peer.channel(kind).rest();
            }
            Command::Beat => self.peer.channel(StreamKind::Control).beat(ctx.now()),
            Command::Leave => self.shared.demands.tell(LinksMessage::left(self.node)),
        }
        Ok(())
    }

    fn dial(&mut self, kind: StreamKind, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let (shared, node) = (Arc::clone(&self.shared), self.node);
        let address = self.peer.record().address;
        let dialling = async move { call_out(&shared, &address, Some(node), kind).await };
        ctx.attach(dialling, move |ended| {
            let dialled = ended.unwrap_or_else(|failure| Err(Failure::Broken(failure.to_string())));
            LinkMessage::Dialled(kind, dialled)
        })?;
        Ok(())
    }

    fn dialled(
        &mut self,
        kind: StreamKind,
        dialled: Result<Met, Failure>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let (now, chance) = (ctx.now(), Self::chance(ctx));
        match dialled {
            Ok(Met::New(acquaintance)) => self.install(*acquaintance, ctx),
            Ok(Met::Known(_)) => {
                self.policy()?.crossed(kind, now);
                Ok(())
            }
            Err(failure) if failure.is_crossed() => {
                self.policy()?.crossed(kind, now);
                Ok(())
            }
            Err(failure) => {
                if let Failure::Refused(_) = failure {
                    self.peer.refused.fetch_add(1, Ordering::Relaxed);
                }
                let reason = failure.to_string();
                *self.peer.last_error.lock() = Some(reason.clone());
                let command = self.policy()?.failed(kind, &reason, now, chance);
                command.map_or(Ok(()), |command| self.carry_out(command, ctx))
            }
        }
    }

    /// Takes a connection into use, if it is the one that counts.
    fn install(
        &mut self,
        acquaintance: Acquaintance,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let theirs = &acquaintance.theirs;
        let (kind, incarnation) = (theirs.stream, theirs.record.incarnation);
        let caller = acquaintance.caller;
        let standing = Standing { incarnation, caller, since: ctx.now() };
        if !self.makes_way(kind, &standing, ctx)? {
            return Ok(());
        }
        self.peer.learn(theirs.record.clone());
        let config = &self.shared.config;
        let own = Window {
            frames: config.window_frames,
            bytes: config.window_bytes,
            max_body: config.max_body_bytes,
        };
        let epoch = self.shared.next_epoch();
        let channel = Arc::clone(self.peer.channel(kind));
        let line = Line::new(Arc::clone(&channel), epoch, acquaintance.window(), own);
        channel.open(Arc::clone(&line));
        // The claim ends once the connection stands.
        let Acquaintance { stream, read, claim: _claim, .. } = acquaintance;
        let shared = Arc::clone(&self.shared);
        let connection = Connection::new(stream.bytes, read, line, self.node, shared);
        let task = ctx.attach(connection.run(), move |end| {
            LinkMessage::Ended(kind, epoch, end.unwrap_or_else(|failure| broken(&failure)))
        })?;
        self.running[kind.index()] = Some(Running { epoch, task, standing });
        let now = ctx.now();
        let command = self.policy()?.installed(kind, now);
        self.greet(kind, incarnation, ctx);
        command.map_or(Ok(()), |command| self.carry_out(command, ctx))
    }

    fn greet(&self, kind: StreamKind, incarnation: Incarnation, ctx: &Context<Self>) {
        ctx.describe(format!("node {} at {}", self.node, self.peer.record().address));
        if kind == StreamKind::Control {
            *self.peer.last_error.lock() = None;
            self.peer.channel(kind).beat(ctx.now());
            self.shared.feeds.tell(&LinkEvent::Up { node: self.node, incarnation });
        }
    }

    /// Whether a new connection is to be used; those that it replaces are closed.
    fn makes_way(
        &mut self,
        kind: StreamKind,
        later: &Standing,
        ctx: &mut Context<Self>,
    ) -> Result<bool, ActorError> {
        if later.incarnation < self.peer.record().incarnation {
            return Ok(false);
        }
        let lower = self.node.min(self.shared.own.id);
        let standing = |running: &Option<Running>| running.as_ref().map(|running| running.standing);
        if let Some(former) = standing(&self.running[kind.index()])
            && !replaces(&former, later, lower, AT_ONCE)
        {
            return Ok(false);
        }
        for other in StreamKind::ALL {
            let Some(former) = standing(&self.running[other.index()]) else { continue };
            if former.incarnation < later.incarnation {
                self.cut(other, "the node has started again", ctx)?;
            } else if other == kind {
                self.cut(other, "the node has called again", ctx)?;
            }
        }
        Ok(true)
    }

    /// Ends a connection that stands.
    fn cut(
        &mut self,
        kind: StreamKind,
        reason: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let Some(running) = self.running[kind.index()].take() else { return Ok(()) };
        ctx.abort(running.task);
        self.broke(kind, running.epoch, reason, ctx)
    }

    fn ended(
        &mut self,
        kind: StreamKind,
        epoch: u64,
        end: End,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let running = &mut self.running[kind.index()];
        if running.as_ref().is_none_or(|running| running.epoch != epoch) {
            return Ok(());
        }
        *running = None;
        match end {
            End::Rested => self.rested(kind, epoch, ctx),
            End::Broken(reason) => self.broke(kind, epoch, &reason, ctx),
        }
    }

    fn rested(
        &mut self,
        kind: StreamKind,
        epoch: u64,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let channel = Arc::clone(self.peer.channel(kind));
        channel.close(epoch, Unsent::Keep);
        self.policy()?.rested(kind);
        if kind == StreamKind::Control {
            self.shared.silenced(self.node);
            self.shared.feeds.tell(&LinkEvent::Idle { node: self.node });
        }
        // Something may have come since the two agreed.
        if channel.is_wanted() { self.demanded(kind, ctx) } else { Ok(()) }
    }

    fn broke(
        &mut self,
        kind: StreamKind,
        epoch: u64,
        reason: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let channel = self.peer.channel(kind);
        let lost = channel.close(epoch, Unsent::Fail(reason));
        channel.counters.breaks.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("synod_link_breaks_total").increment(1);
        tracing::info!(node = self.shared.name_of(self.node), ?kind, reason, lost, "link broke");
        *self.peer.last_error.lock() = Some(reason.to_owned());
        let (node, reason_text) = (self.node, reason.to_owned());
        if kind == StreamKind::Control {
            self.shared.silenced(node);
            self.shared.feeds.tell(&LinkEvent::Down { node, reason: reason_text, lost });
        } else {
            self.shared.feeds.tell(&LinkEvent::Interrupted { node, reason: reason_text, lost });
        }
        let (now, chance) = (ctx.now(), Self::chance(ctx));
        let command = self.policy()?.broke(kind, reason, now, chance);
        self.carry_out(command, ctx)
    }

    fn demanded(&mut self, kind: StreamKind, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let command = self.policy()?.demanded(kind);
        command.map_or(Ok(()), |command| self.carry_out(command, ctx))
    }

    fn tick(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let looks = StreamKind::ALL.map(|kind| {
            let channel = self.peer.channel(kind);
            Look { alive: channel.take_alive(), used: channel.take_used() }
        });
        let (now, chance, mesh) = (ctx.now(), Self::chance(ctx), self.shared.is_mesh());
        let commands = self.policy()?.tick(now, looks, mesh, chance);
        commands.into_iter().try_for_each(|command| self.carry_out(command, ctx))
    }
}

fn broken(failure: &TaskFailure) -> End {
    End::Broken(failure.to_string())
}

impl Actor for Link {
    type Message = LinkMessage;

    const KIND: &'static str = "link";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.policy = Some(Policy::new(&self.shared.config, ctx.now()));
        ctx.send_every(self.shared.config.heartbeat(), || LinkMessage::Tick);
        // What a former incarnation left waiting, or failing.
        for kind in StreamKind::ALL {
            self.peer.channel(kind).relent();
            if self.peer.channel(kind).is_wanted() {
                self.demanded(kind, ctx)?;
            }
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        message: LinkMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            LinkMessage::Demand(kind) => self.demanded(kind, ctx),
            LinkMessage::Renewed => {
                let now = ctx.now();
                self.policy()?.renewed(now);
                Ok(())
            }
            LinkMessage::Arrived(acquaintance) => self.install(*acquaintance, ctx),
            LinkMessage::Dialled(kind, dialled) => self.dialled(kind, dialled, ctx),
            LinkMessage::Ended(kind, epoch, end) => self.ended(kind, epoch, end, ctx),
            LinkMessage::Tick => self.tick(ctx),
        }
    }
}

impl Drop for Link {
    /// However it ends, nobody waits for what it carried.
    fn drop(&mut self) {
        for kind in StreamKind::ALL {
            self.peer.channel(kind).orphan("the link has ended");
        }
    }
}
