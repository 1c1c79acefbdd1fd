//! The actor of the desk: links and lives that end, confirmations, watches, children.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use synod_runtime::{
    Actor, ActorError, Address, Context, Heard, LifecycleFeed, MailboxConfig, Spec, Strategy,
    Supervision, TaskFailure,
};
use tokio::sync::Semaphore;

use super::config::RemoteConfig;
use super::desk::{RemoteDesk, Shared};
use super::error::RemoteError;
use super::letter::Cast;
use super::offers::reply;
use super::spawning::Order;
use super::watching::{MonitorNews, ToTell, Watched, Watching};
use crate::feed::Listener;
use crate::links::{Answer, LinkEvent, LinkFeed, LinkNews, Peers, Port};
use crate::membership::{MemberChange, MembershipMessage};
use crate::node::NodeId;
use crate::wire::Service;

/// Between looks at what is late.
const LOOK: Duration = Duration::from_millis(250);
/// How long a watch may take to be made again after a break.
const AGAIN: Duration = Duration::from_secs(10);
/// Changes of links, and of actors, that may wait.
const FEED: usize = 4_096;
/// Messages that may wait: few, and none of them from users.
const MAILBOX: usize = 4_096;

/// What the desk's actor is told; all of it by the desk itself.
#[derive(Debug)]
pub enum RemoteMessage {
    /// Something has come that is to be confirmed.
    Due,
    /// Time to look for what is late.
    Look,
    /// What became of links.
    Links(Result<LinkNews, TaskFailure>),
    /// What became of actors.
    Lives(Result<Heard, TaskFailure>),
    /// What became of nodes.
    Member(MemberChange),
    /// A watch was made again after a break, or not.
    Watched(NodeId, u64, Result<Result<(), RemoteError>, TaskFailure>),
    /// Another node wants an actor.
    Spawn(Order, Answer),
}

/// Looks after what the desk has under way.
pub struct RemoteActor {
    desk: RemoteDesk,
    membership: Option<Address<MembershipMessage>>,
    feeds: Option<(Arc<LinkFeed>, Arc<LifecycleFeed>)>,
}

impl RemoteDesk {
    /// The spec of the desk of this node, called `remote`, and the handle to it. It serves
    /// [`Service::Message`] of `peers`; with `membership` it learns of the end of nodes to which
    /// there is no connection, too.
    #[must_use]
    pub fn spec(
        config: RemoteConfig,
        peers: Peers,
        membership: Option<Address<MembershipMessage>>,
    ) -> (Spec<RemoteActor>, Self) {
        let shared = Arc::new(Shared {
            config,
            peers: peers.clone(),
            actor: OnceLock::new(),
            system: OnceLock::new(),
            offers: RwLock::default(),
            types: RwLock::default(),
            flights: Mutex::default(),
            arrived: Mutex::default(),
            is_due: AtomicBool::new(false),
            asks: Arc::new(Semaphore::new(config.max_asks)),
            watching: Mutex::new(Watching::default()),
            watched: Mutex::new(Watched::default()),
            lost: AtomicU64::new(0),
        });
        let desk = Self { shared: Arc::clone(&shared) };
        let made = desk.clone();
        let supervision = Supervision { strategy: Strategy::Dynamic, ..Supervision::default() };
        let spec = Spec::new("remote", move || RemoteActor {
            desk: made.clone(),
            membership: membership.clone(),
            feeds: None,
        })
        .mailbox(MailboxConfig::bounded(MAILBOX))
        .supervision(supervision);
        // The spec is new, so is its address.
        let _ = shared.actor.set(spec.address());
        peers.serve(Service::Message, shared as Arc<dyn Port>);
        (spec, desk)
    }
}

impl RemoteActor {
    fn shared(&self) -> &Shared {
        &self.desk.shared
    }

    fn follow_links(&self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if let Some((links, _)) = &self.feeds {
            let feed = Arc::clone(links);
            ctx.attach(async move { feed.next().await }, RemoteMessage::Links)?;
        }
        Ok(())
    }

    fn follow_lives(&self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if let Some((_, lives)) = &self.feeds {
            let feed = Arc::clone(lives);
            ctx.attach(async move { feed.next().await }, RemoteMessage::Lives)?;
        }
        Ok(())
    }

    fn confirm(&self) {
        let shared = self.shared();
        shared.is_due.store(false, Ordering::Release);
        let nodes: Vec<_> = shared.arrived.lock().keys().copied().collect();
        for node in nodes {
            // What does not go out now does at the next look.
            shared.confirm(node);
        }
    }

    fn look(&self, ctx: &mut Context<Self>) {
        let shared = self.shared();
        self.confirm();
        shared.watching.lock().deliver();
        let before = ctx.now().checked_sub(shared.config.unconfirmed());
        if let Some(before) = before {
            let flights: Vec<_> = shared.flights.lock().values().map(Arc::clone).collect();
            for flight in flights {
                let late = flight.lock().expire(before);
                shared.bury(late, "the other node has not confirmed them in time");
            }
        }
        ctx.send_after(LOOK, RemoteMessage::Look);
    }

    fn links(&self, news: LinkNews, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if news.missed > 0 {
            let nodes: Vec<_> = self.shared().flights.lock().keys().copied().collect();
            for node in nodes {
                self.interrupted(node, "the link may have broken", ctx)?;
            }
        }
        for event in news.events {
            match event {
                LinkEvent::Down { node, reason, .. } => self.gone(node, &reason),
                LinkEvent::Interrupted { node, reason, .. } => {
                    self.interrupted(node, &reason, ctx)?;
                }
                LinkEvent::Up { .. } | LinkEvent::Idle { .. } => {}
            }
        }
        Ok(())
    }

    /// What was on its way is lost; watches are made again, as news may be lost as well.
    fn interrupted(
        &self,
        node: NodeId,
        why: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let shared = self.shared();
        shared.lose(node, why);
        shared.arrived.lock().remove(&node);
        let watches = shared.watching.lock().of(node);
        for (id, name) in watches {
            let shared = Arc::clone(&self.desk.shared);
            let again = async move { shared.watch(node, id, name, AGAIN).await };
            ctx.attach(again, move |made| RemoteMessage::Watched(node, id, made))?;
        }
        Ok(())
    }

    /// Nobody knows what becomes of that node.
    fn gone(&self, node: NodeId, why: &str) {
        let shared = self.shared();
        shared.lose(node, why);
        shared.arrived.lock().remove(&node);
        shared.watched.lock().forget(node);
        let watches = shared.watching.lock().of(node);
        for (id, _) in watches {
            let news = MonitorNews::NodeDown(why.to_owned());
            shared.watching.lock().tell(node, id, news);
        }
    }

    fn watched(&self, node: NodeId, id: u64, made: Result<(), RemoteError>) {
        let news = match made {
            Ok(()) => return,
            Err(RemoteError::Closed | RemoteError::UnknownName(_)) => MonitorNews::Ended(None),
            Err(why) => MonitorNews::NodeDown(why.to_string()),
        };
        self.shared().watching.lock().tell(node, id, news);
    }

    fn member(&self, change: MemberChange) {
        match change {
            MemberChange::Down(node) => self.gone(node, "it is taken for dead"),
            MemberChange::Left(node) => self.gone(node, "it has left the cluster"),
            MemberChange::Forgotten(node) => {
                self.gone(node, "it is forgotten");
                self.shared().flights.lock().remove(&node);
            }
            MemberChange::Snapshot(_)
            | MemberChange::Up(_)
            | MemberChange::Suspect(_)
            | MemberChange::Recovered(_)
            | MemberChange::Expelled(_) => {}
        }
    }

    fn lives(&self, heard: Heard) {
        let shared = self.shared();
        let mut told: Vec<ToTell> = Vec::new();
        {
            let mut watched = shared.watched.lock();
            for event in heard.events {
                told.extend(watched.changed(&event.path, event.change));
            }
            if heard.missed > 0 {
                told.extend(watched.sweep());
            }
        }
        for ((node, watch), news) in told {
            shared.cast(node, &Cast::News { watch, news });
        }
    }

    fn spawn(&self, order: Order, answer: Answer, ctx: &mut Context<Self>) {
        reply(answer, self.try_spawn(order, ctx));
    }

    fn try_spawn(&self, order: Order, ctx: &mut Context<Self>) -> Result<(), RemoteError> {
        if ctx.children().len() >= self.shared().config.max_spawned {
            return Err(RemoteError::Full);
        }
        let spec = (order.make)(&self.desk).map_err(RemoteError::Refused)?;
        if **spec.name() != *order.name {
            let why = format!("the factory called it `{}`, not `{}`", spec.name(), order.name);
            return Err(RemoteError::Refused(why));
        }
        ctx.spawn_any(spec).map_err(|why| RemoteError::Refused(why.to_string()))
    }
}

impl Actor for RemoteActor {
    type Message = RemoteMessage;
    const KIND: &'static str = "remote";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // Set by the first incarnation, the same for all.
        let _ = self.shared().system.set(ctx.system().clone());
        let links = Arc::new(self.shared().peers.subscribe(FEED));
        let lives = Arc::new(ctx.system().subscribe_lifecycle(FEED));
        self.feeds = Some((links, lives));
        self.follow_links(ctx)?;
        self.follow_lives(ctx)?;
        if let Some(membership) = &self.membership {
            let members = Listener::to(&ctx.address(), RemoteMessage::Member);
            membership.send(MembershipMessage::Subscribe(members)).await?;
        }
        self.look(ctx);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: RemoteMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RemoteMessage::Due => self.confirm(),
            RemoteMessage::Look => self.look(ctx),
            RemoteMessage::Links(Ok(news)) => {
                self.links(news, ctx)?;
                self.follow_links(ctx)?;
            }
            RemoteMessage::Lives(Ok(heard)) => {
                self.lives(heard);
                self.follow_lives(ctx)?;
            }
            RemoteMessage::Links(Err(why)) | RemoteMessage::Lives(Err(why)) => {
                return Err(ActorError::new(format!("a feed of the node ended: {why}")));
            }
            RemoteMessage::Member(change) => self.member(change),
            RemoteMessage::Watched(node, id, made) => {
                let made = made.map_err(|why| RemoteError::Unreached(why.to_string()));
                self.watched(node, id, made.and_then(|made| made));
            }
            RemoteMessage::Spawn(order, answer) => self.spawn(order, answer, ctx),
        }
        Ok(())
    }
}
