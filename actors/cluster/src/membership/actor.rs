//! The actor of membership: messages become inputs of [`Machine`], commands become sends, calls
//! and timers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use synod_runtime::{Actor, ActorError, Context, MailboxConfig, Reply, Request, Spec, TimerKey};
use tokio::time::Instant;

use super::asking::MembershipPort;
use super::config::MembershipConfig;
use super::events::{Command, Input, Phase};
use super::machine::Machine;
use super::messages::{
    Expulsion, JoinCluster, JoinRefusal, Joined, MemberChange, MemberView, MembershipMessage,
    MembershipView,
};
use super::seat::is_writable;
use crate::detector::{NodeVerdict, Vitals};
use crate::feed::Listeners;
use crate::links::{Answer, LinkEvent, Peers};
use crate::node::NodeId;
use crate::wire::Service;

/// Messages of other nodes that may wait.
const MAILBOX: usize = 4096;
/// Askers that wait for this node to become a member.
const MAX_JOINERS: usize = 16;
/// Events of links that may wait.
const LINK_EVENTS: usize = 1024;

/// Keeps this node a member of its cluster, and knows the others.
pub struct Membership {
    config: MembershipConfig,
    pub(super) peers: Peers,
    vitals: Vitals,
    kept: Arc<Mutex<Kept>>,
    machine: Option<Machine>,
    origin: Instant,
    alarm: Option<(TimerKey, Duration)>,
    pub(super) asked: usize,
    tickets: BTreeMap<u64, Answer>,
    next_ticket: u64,
    joiners: Vec<Reply<Result<Joined, JoinRefusal>>>,
    expelled: Option<Expulsion>,
}

/// Outlives a crash: who listens, where the cluster was, and how often this began anew.
#[derive(Default)]
struct Kept {
    listeners: Listeners<MemberChange>,
    seeds: Vec<String>,
    lives: u32,
}

impl Membership {
    /// The spec of this node's membership. It serves [`Service::Membership`] of `peers`, teaches
    /// them where members are found, lets `vitals` hear their heartbeats, and tells it what it
    /// thinks of each node.
    #[must_use]
    pub fn spec(config: MembershipConfig, peers: Peers, vitals: Vitals) -> Spec<Self> {
        let kept = Arc::<Mutex<Kept>>::default();
        let make = move || Self {
            config,
            peers: peers.clone(),
            vitals: vitals.clone(),
            kept: Arc::clone(&kept),
            machine: None,
            origin: Instant::now(),
            alarm: None,
            asked: 0,
            tickets: BTreeMap::new(),
            next_ticket: 0,
            joiners: Vec::new(),
            expelled: None,
        };
        Spec::new("membership", make).mailbox(MailboxConfig::bounded(MAILBOX))
    }

    fn now(&self, ctx: &Context<Self>) -> Duration {
        ctx.now().saturating_duration_since(self.origin)
    }

    /// Lets the machine decide and does what it says.
    fn step(&mut self, ctx: &mut Context<Self>, input: Input) -> Result<(), ActorError> {
        let now = self.now(ctx);
        let machine = self.machine.as_mut().ok_or_else(|| ActorError::new("not started"))?;
        let commands = machine.step(now, input);
        self.vitals.forgive(machine.health.slack());
        let due = machine.next_due();
        for command in commands {
            self.execute(ctx, command);
        }
        self.set_alarm(ctx, now, due);
        Ok(())
    }

    fn set_alarm(&mut self, ctx: &mut Context<Self>, now: Duration, due: Option<Duration>) {
        let set_for = self.alarm.as_ref().map(|(_, at)| *at);
        if set_for == due {
            return;
        }
        if let Some((timer, _)) = self.alarm.take() {
            ctx.cancel_timer(timer);
        }
        self.alarm = due.map(|at| {
            let wait = at.saturating_sub(now);
            (ctx.send_after(wait, MembershipMessage::Tick), at)
        });
    }

    fn execute(&mut self, ctx: &mut Context<Self>, command: Command) {
        match command {
            Command::Learn(record) => drop(self.peers.learn(record)),
            Command::Forget(node) => {
                self.vitals.forget(node);
                self.peers.forget(node);
            }
            Command::Publish(change) => self.publish(&change),
            Command::Cast { to, body } => self.cast(to, body),
            Command::Exchange { with, body } => self.ask(ctx, with, body),
            Command::Answer { ticket, answer } => {
                let Some(port) = self.tickets.remove(&ticket) else { return };
                match answer {
                    Ok(body) => port.send(body),
                    Err(reason) => port.refuse(reason),
                }
            }
            Command::Meet(address) => self.meet(ctx, address),
            Command::Joined => {
                let joined = Joined { members: self.up() + 1 };
                tracing::info!(members = joined.members, "joined the cluster");
                self.joiners.drain(..).for_each(|reply| reply.send(Ok(joined)));
            }
        }
    }

    fn publish(&mut self, change: &MemberChange) {
        match change {
            MemberChange::Up(record) => {
                tracing::info!(node = %record.id, name = %record.name, "a member is up");
                self.vitals.judge(record.id, NodeVerdict::Up);
            }
            MemberChange::Recovered(node) => self.vitals.judge(*node, NodeVerdict::Up),
            MemberChange::Suspect(node) => {
                tracing::info!(%node, "a member is suspected to be dead");
                metrics::counter!("synod_members_suspected_total").increment(1);
                self.vitals.judge(*node, NodeVerdict::Suspect);
            }
            MemberChange::Down(node) => {
                tracing::warn!(%node, "a member is taken for dead");
                metrics::counter!("synod_members_down_total").increment(1);
                self.vitals.judge(*node, NodeVerdict::Down);
            }
            MemberChange::Left(node) => {
                tracing::info!(%node, "a member has left");
                self.vitals.judge(*node, NodeVerdict::Down);
            }
            MemberChange::Expelled(expulsion) => {
                tracing::error!(%expulsion, "this node is no longer a member");
                self.expelled = Some(expulsion.clone());
                let refusal = JoinRefusal::Expelled(expulsion.clone());
                self.joiners.drain(..).for_each(|reply| reply.send(Err(refusal.clone())));
            }
            MemberChange::Snapshot(_) | MemberChange::Forgotten(_) => {}
        }
        self.kept.lock().listeners.publish(change);
    }

    fn cast(&self, to: NodeId, body: Bytes) {
        if let Err(error) = self.peers.try_cast(to, Service::Membership, body) {
            // The protocol expects losses: it asks again, and others.
            metrics::counter!("synod_membership_unsent_total").increment(1);
            tracing::trace!(node = %to, %error, "a message of membership was not sent");
        }
    }

    // ---- requests ----

    fn join(&mut self, ctx: &mut Context<Self>, request: Request<JoinCluster>) -> ActorResult {
        let (join, reply) = request.into_parts();
        let own = &self.peers.own().address;
        if let Some(expulsion) = &self.expelled {
            reply.send(Err(JoinRefusal::Expelled(expulsion.clone())));
            return Ok(());
        }
        if join.seeds.iter().all(|seed| seed == own) {
            reply.send(Err(JoinRefusal::NoSeed));
            return Ok(());
        }
        self.joiners.retain(|reply| !reply.is_closed());
        if self.joiners.len() < MAX_JOINERS {
            self.joiners.push(reply);
        }
        self.kept.lock().seeds.clone_from(&join.seeds);
        self.step(ctx, Input::Join(join.seeds))
    }

    fn up(&self) -> usize {
        self.machine.as_ref().map_or(0, |machine| machine.table.up().count())
    }

    /// The members with what links know of their lives.
    fn members(&self, now: Instant) -> Vec<MemberView> {
        let Some(machine) = &self.machine else { return Vec::new() };
        let mut members = machine.views(now.saturating_duration_since(self.origin));
        for member in &mut members {
            let signs = self.vitals.of(member.record.id, now);
            member.phi = signs.phi;
            member.silence_ms = signs.silence.map(|silence| silence.as_millis() as u64);
        }
        members
    }

    fn view(&self, now: Instant) -> Result<MembershipView, ActorError> {
        let machine = self.machine.as_ref().ok_or_else(|| ActorError::new("not started"))?;
        Ok(MembershipView {
            own: self.peers.own().clone(),
            renewal: machine.foca.identity().rank.renewal,
            standing: machine.standing(),
            weakness: machine.health.weakness(),
            suspicion_ms: machine.suspicion().as_millis() as u64,
            join_error: machine.joining.last_error.clone(),
            sent: machine.counters.sent,
            received: machine.counters.received,
            malformed: machine.counters.malformed,
            turned_away: machine.door.lock().turned_away,
            members: self.members(now),
        })
    }

    fn measure(&self, ctx: &Context<Self>) {
        let Some(machine) = &self.machine else { return };
        let up = self.up() + usize::from(machine.phase == Phase::In);
        metrics::gauge!("synod_members_up").set(up as f64);
        metrics::gauge!("synod_membership_weakness").set(f64::from(machine.health.weakness()));
        metrics::counter!("synod_membership_sent_total").absolute(machine.counters.sent);
        metrics::counter!("synod_membership_received_total").absolute(machine.counters.received);
        metrics::counter!("synod_membership_malformed_total").absolute(machine.counters.malformed);
        ctx.describe(format!("{up} members up"));
    }
}

type ActorResult = Result<(), ActorError>;

impl Actor for Membership {
    type Message = MembershipMessage;
    const KIND: &'static str = "membership";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let own = self.peers.own().clone();
        if !is_writable(&own) {
            return Err(ActorError::new("the node's record (name, addresses, labels) is too long"));
        }
        self.origin = ctx.now();
        let (lives, mut seeds) = {
            let mut kept = self.kept.lock();
            kept.lives += 1;
            kept.listeners.lost_touch();
            (kept.lives, kept.seeds.clone())
        };
        // Each machine of this start begins above the seats that others know from the former.
        let (renewal, rng) = (lives - 1, ctx.system().entropy().child());
        self.machine = Some(Machine::new(own, renewal, self.config, rng, self.now(ctx)));
        self.peers.serve(Service::Membership, Arc::new(MembershipPort::new(ctx.address())));
        self.peers.listen(Arc::new(self.vitals.clone()));
        self.follow(ctx, self.peers.subscribe(LINK_EVENTS))?;
        if lives > 1 {
            seeds.extend(self.peers.known().into_iter().map(|record| record.address));
        }
        let input = if seeds.is_empty() { Input::Tick } else { Input::Join(seeds) };
        self.step(ctx, input)
    }

    async fn handle(
        &mut self,
        message: MembershipMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            MembershipMessage::Join(request) => self.join(ctx, request),
            MembershipMessage::Leave(request) => {
                self.kept.lock().seeds.clear();
                self.step(ctx, Input::Leave)?;
                request.answer(());
                Ok(())
            }
            MembershipMessage::Remove(request) => {
                let node = request.body.node;
                let can = self.machine.as_ref().is_some_and(|machine| machine.can_remove(node));
                self.step(ctx, Input::Remove(node))?;
                request.answer(can);
                Ok(())
            }
            MembershipMessage::Show(request) => {
                let view = self.view(ctx.now())?;
                request.answer(view);
                Ok(())
            }
            MembershipMessage::Subscribe(listener) => {
                self.kept.lock().listeners.add(listener);
                Ok(())
            }
            MembershipMessage::Heard { from, body, credit } => {
                let stepped = self.step(ctx, Input::Heard { from, body });
                drop(credit);
                stepped
            }
            MembershipMessage::Asked { from, body, answer } => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.tickets.insert(ticket, answer);
                self.step(ctx, Input::Asked { ticket, from, body })
            }
            MembershipMessage::Answered { by, answer } => {
                self.asked = self.asked.saturating_sub(1);
                self.step(ctx, Input::Answered { by, answer })
            }
            MembershipMessage::Met { address, answer } => {
                self.asked = self.asked.saturating_sub(1);
                if let Err(error) = &answer {
                    tracing::debug!(%address, %error, "a seed was not met");
                }
                self.step(ctx, Input::Met { answer })
            }
            MembershipMessage::Links { feed, news } => {
                for event in news.events {
                    if let LinkEvent::Up { node, .. } = event {
                        self.step(ctx, Input::LinkUp(node))?;
                    }
                }
                self.follow(ctx, feed)
            }
            MembershipMessage::Tick => {
                self.alarm = None;
                self.step(ctx, Input::Tick)
            }
        }
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let now = ctx.now();
        let mut kept = self.kept.lock();
        kept.listeners.catch_up(|| MemberChange::Snapshot(self.members(now).into()));
        drop(kept);
        self.measure(ctx);
        Ok(())
    }
}
