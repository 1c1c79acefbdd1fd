//! The actor of the registry: messages become inputs of [`Gossip`], commands become sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use synod_runtime::{
    Actor, ActorError, Address, Context, MailboxConfig, Priority, SendOptions, Spec,
};
use tokio::time::Instant;

use super::config::RegistryConfig;
use super::entry::RegistryChange;
use super::gossip::{Command, Gossip, Input, Moment};
use super::messages::{OriginView, RegistryMessage, RegistryView};
use crate::feed::{Listener, Listeners};
use crate::links::{Answer, Credit, Peers, Port};
use crate::membership::MembershipMessage;
use crate::node::NodeId;
use crate::wire::Service;

/// Agents can come by the ten thousand at start-up.
const MAILBOX: usize = 16_384;
/// Most entries in one answer to a list.
const PAGE: usize = 1000;

/// Keeps what all nodes say of themselves.
pub struct RegistrySync {
    config: RegistryConfig,
    peers: Peers,
    membership: Address<MembershipMessage>,
    kept: Arc<Mutex<Kept>>,
    origin: Instant,
    is_flushing: bool,
}

/// Outlives a crash: versions that others have seen must never be given again.
#[derive(Default)]
struct Kept {
    gossip: Option<Gossip>,
    listeners: Listeners<RegistryChange>,
    origin: Option<Instant>,
}

impl RegistrySync {
    /// The spec of the registry of this node. It follows `membership` and serves
    /// [`Service::Registry`] of `peers`.
    #[must_use]
    pub fn spec(
        config: RegistryConfig,
        peers: Peers,
        membership: Address<MembershipMessage>,
    ) -> Spec<Self> {
        let kept = Arc::<Mutex<Kept>>::default();
        let make = move || Self {
            config,
            peers: peers.clone(),
            membership: membership.clone(),
            kept: Arc::clone(&kept),
            origin: Instant::now(),
            is_flushing: false,
        };
        Spec::new("registry-sync", make).mailbox(MailboxConfig::bounded(MAILBOX))
    }

    fn moment(&self, ctx: &Context<Self>) -> Moment {
        let utc = ctx.system().clock().utc().as_millisecond();
        let at = ctx.now().saturating_duration_since(self.origin);
        Moment { at, utc_ms: u64::try_from(utc).unwrap_or(0) }
    }

    /// Lets the machine decide and does what it says.
    fn with<T>(
        &mut self,
        ctx: &mut Context<Self>,
        decide: impl FnOnce(&mut Gossip, Moment, &mut Vec<Command>) -> T,
    ) -> Result<T, ActorError> {
        let (moment, mut commands) = (self.moment(ctx), Vec::new());
        let mut kept = self.kept.lock();
        let gossip = kept.gossip.as_mut().ok_or_else(|| ActorError::new("not started"))?;
        let result = decide(gossip, moment, &mut commands);
        let hot = gossip.has_hot();
        for command in commands {
            match command {
                Command::Publish(change) => kept.listeners.publish(&change),
                Command::Cast { to, body } => self.cast(to, body),
            }
        }
        drop(kept);
        if hot && !self.is_flushing {
            self.is_flushing = true;
            ctx.send_after(self.config.gather(), RegistryMessage::Flush);
        }
        Ok(result)
    }

    fn cast(&self, to: NodeId, body: Bytes) {
        if let Err(error) = self.peers.try_cast(to, Service::Registry, body) {
            // The next round makes good for it.
            metrics::counter!("synod_registry_unsent_total").increment(1);
            tracing::trace!(node = %to, %error, "a message of the registry was not sent");
        }
    }

    fn step(&mut self, ctx: &mut Context<Self>, input: Input) -> Result<(), ActorError> {
        self.with(ctx, |gossip, now, commands| commands.extend(gossip.step(now, input)))
    }

    fn view(gossip: &Gossip, now: Moment) -> RegistryView {
        let counters = gossip.counters;
        let origins: Vec<_> = gossip
            .map
            .sizes()
            .map(|(node, origin)| OriginView {
                node,
                incarnation: origin.incarnation,
                version: origin.version,
                entries: origin.live_count() as u64,
                tombstones: origin.tombstone_count() as u64,
                bytes: origin.weight as u64,
            })
            .collect();
        let lag = counters.last_heard.map(|heard| now.at.saturating_sub(heard));
        RegistryView {
            fingerprint: format!("{:016x}", gossip.map.fingerprint()),
            entries: origins.iter().map(|origin| origin.entries).sum(),
            bytes: origins.iter().map(|origin| origin.bytes).sum(),
            peers: gossip.peer_count() as u64,
            sent: counters.sent,
            received: counters.received,
            malformed: counters.malformed,
            differed: counters.differed,
            refused: counters.too_much,
            drifted: counters.drifted,
            lag_ms: lag.map(|lag| lag.as_millis() as u64),
            origins,
        }
    }

    fn measure(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let view = self.with(ctx, |gossip, now, _| Self::view(gossip, now))?;
        metrics::gauge!("synod_registry_entries").set(view.entries as f64);
        metrics::gauge!("synod_registry_bytes").set(view.bytes as f64);
        metrics::counter!("synod_registry_sent_total").absolute(view.sent);
        metrics::counter!("synod_registry_received_total").absolute(view.received);
        metrics::counter!("synod_registry_refused_total").absolute(view.refused);
        ctx.describe(format!("{} entries of {} nodes", view.entries, view.origins.len()));
        Ok(())
    }

    fn catch_up(&self) {
        let mut kept = self.kept.lock();
        let Kept { gossip: Some(gossip), listeners, .. } = &mut *kept else { return };
        let everything = || gossip.map.list("", None, usize::MAX).into();
        listeners.catch_up(|| RegistryChange::Snapshot(everything()));
    }
}

impl Actor for RegistrySync {
    type Message = RegistryMessage;
    const KIND: &'static str = "registry-sync";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let own = self.peers.own();
        {
            let mut kept = self.kept.lock();
            self.origin = *kept.origin.get_or_insert(ctx.now());
            if kept.gossip.is_none() {
                let rng = ctx.system().entropy().child();
                kept.gossip = Some(Gossip::new(own.id, own.incarnation, self.config, rng));
            }
            kept.listeners.lost_touch();
        }
        let port = Arc::new(RegistryPort { actor: ctx.address() });
        self.peers.serve(Service::Registry, port);
        let listener = Listener::to(&ctx.address(), RegistryMessage::Member);
        // A membership that can't be reached is restarted by its supervisor, and this one too.
        let told = self.membership.try_send(MembershipMessage::Subscribe(listener));
        told.map_err(|error| ActorError::new(format!("no membership: {error}")))?;
        ctx.send_every(self.config.round(), || RegistryMessage::Round);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: RegistryMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RegistryMessage::Put(request) => {
                let (put, reply) = request.into_parts();
                let written = self.with(ctx, |gossip, now, commands| {
                    gossip.write(now, put.key, Some(put.value), commands)
                })?;
                reply.send(written);
            }
            RegistryMessage::Remove(request) => {
                let (remove, reply) = request.into_parts();
                let written = self.with(ctx, |gossip, now, commands| {
                    gossip.write(now, remove.key, None, commands)
                })?;
                reply.send(written);
            }
            RegistryMessage::Get(request) => {
                let key = request.body.key.clone();
                let found = self.with(ctx, |gossip, _, _| gossip.map.get(key.as_str()))?;
                request.answer(found);
            }
            RegistryMessage::List(request) => {
                let ask = request.body.clone();
                let limit = ask.limit.min(PAGE);
                let found = self.with(ctx, |gossip, _, _| {
                    gossip.map.list(&ask.prefix, ask.after.as_ref(), limit)
                })?;
                request.answer(found);
            }
            RegistryMessage::Show(request) => {
                let view = self.with(ctx, |gossip, now, _| Self::view(gossip, now))?;
                request.answer(view);
            }
            RegistryMessage::Subscribe(listener) => self.kept.lock().listeners.add(listener),
            RegistryMessage::Member(change) => self.step(ctx, Input::Member(change))?,
            RegistryMessage::Heard { from, body, credit } => {
                self.step(ctx, Input::Heard { from, body })?;
                drop(credit);
            }
            RegistryMessage::Round => {
                self.step(ctx, Input::Round)?;
                self.measure(ctx)?;
            }
            RegistryMessage::Flush => {
                self.is_flushing = false;
                self.step(ctx, Input::Flush)?;
            }
        }
        Ok(())
    }

    async fn settle(&mut self, _ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.catch_up();
        Ok(())
    }
}

/// Where other nodes' messages arrive. What finds no room is lost; rounds make good for it.
struct RegistryPort {
    actor: Address<RegistryMessage>,
}

impl Port for RegistryPort {
    fn cast(&self, from: NodeId, body: Bytes) {
        self.cast_held(from, body, Credit { room: None });
    }

    fn cast_held(&self, from: NodeId, body: Bytes, credit: Credit) {
        let options =
            SendOptions::new().priority(Priority::Normal).time_to_live(Duration::from_secs(10));
        let message = RegistryMessage::Heard { from, body, credit };
        drop(self.actor.try_send_with(message, options));
    }

    fn call(&self, _from: NodeId, _body: Bytes, answer: Answer) {
        answer.refuse("the registry takes no calls");
    }
}
