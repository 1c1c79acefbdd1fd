//! The links of a node: listens, and has an actor for each node that is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, ChildEvent, Context, MailboxConfig, SpawnError, Spec, Strategy,
    Supervision,
};

use super::accepting::accept;
use super::link::Link;
use super::messages::{LinkMessage, LinksInput, LinksMessage};
use crate::links::config::LinksConfig;
use crate::links::handshake::Acquaintance;
use crate::links::identity::ClusterIdentity;
use crate::links::peers::Peers;
use crate::links::shared::Shared;
use crate::links::transport::Transport;
use crate::links::view::LinkState;
use crate::node::{NodeId, NodeRecord};
use crate::wire::StreamKind;

/// Messages that may wait.
const MAILBOX: usize = 8_192;
/// Between two looks for demands that nobody heard.
const SWEEP: Duration = Duration::from_secs(1);
/// Links that may fail within [`LINK_PERIOD`] before all of them start anew.
const LINK_FAILURES: u32 = 100;
const LINK_PERIOD: Duration = Duration::from_secs(10);

/// Listens for other nodes, and owns the links to them. Its name is `links`.
pub struct Links {
    shared: Arc<Shared>,
    links: BTreeMap<NodeId, (Arc<str>, Address<LinkMessage>)>,
    /// Links that are about to end; their names are not free yet.
    leaving: BTreeSet<Arc<str>>,
}

impl Links {
    /// The links of a node, and the handle that uses them; the handle is valid at once.
    #[must_use]
    pub fn spec(
        config: LinksConfig,
        own: NodeRecord,
        cluster: Arc<ClusterIdentity>,
        transport: Arc<dyn Transport>,
    ) -> (Spec<Self>, Peers) {
        let shared = Shared::new(config, own, cluster, transport);
        let owned = Arc::clone(&shared);
        let factory = move || Self {
            shared: Arc::clone(&owned),
            links: BTreeMap::new(),
            leaving: BTreeSet::new(),
        };
        let spec = Spec::new("links", factory)
            .mailbox(MailboxConfig::bounded(MAILBOX))
            .supervision(Supervision::new(Strategy::Dynamic).intensity(LINK_FAILURES, LINK_PERIOD));
        shared.demands.connect(spec.address());
        (spec, Peers { shared })
    }

    /// The link to a node that is known; made when there is none.
    fn link(
        &mut self,
        node: NodeId,
        ctx: &mut Context<Self>,
    ) -> Result<Option<Address<LinkMessage>>, ActorError> {
        if let Some((_, address)) = self.links.get(&node) {
            return Ok(Some(address.clone()));
        }
        let Ok(peer) = self.shared.peer(node) else { return Ok(None) };
        let plain = format!("link-{}", peer.record().name);
        // Two nodes may have the same name by mistake.
        for name in [plain.clone(), format!("{plain}-{node}")] {
            if self.leaving.contains(name.as_str()) {
                // The sweep after its end finds the demand.
                return Ok(None);
            }
            let (shared, peer) = (Arc::clone(&self.shared), Arc::clone(&peer));
            let make = move || Link::new(Arc::clone(&shared), Arc::clone(&peer), node);
            let spec = Spec::new(name, make);
            let name = Arc::clone(spec.name());
            match ctx.spawn_child(spec) {
                Ok(address) => {
                    self.links.insert(node, (name, address.clone()));
                    return Ok(Some(address));
                }
                Err(SpawnError::NameTaken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn tell(
        &mut self,
        node: NodeId,
        message: LinkMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let Some(link) = self.link(node, ctx)?
            && link.try_send(message).is_err()
        {
            tracing::debug!(%node, "a link is too busy to hear");
        }
        Ok(())
    }

    fn arrived(
        &mut self,
        acquaintance: Box<Acquaintance>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let record = acquaintance.theirs.record.clone();
        let node = record.id;
        self.shared.learn(record);
        self.tell(node, LinkMessage::Arrived(acquaintance), ctx)
    }

    /// Makes good what a full mailbox or an ending actor has dropped.
    fn sweep(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mesh = self.shared.is_mesh();
        for (node, peer) in self.shared.peers() {
            let has_link = self.links.contains_key(&node);
            for kind in StreamKind::ALL {
                let is_kept = mesh && !has_link && kind == StreamKind::Control;
                if is_kept || peer.state(kind) == LinkState::Connecting {
                    self.tell(node, LinkMessage::Demand(kind), ctx)?;
                }
            }
        }
        Ok(())
    }

    fn learned(&mut self, node: NodeId, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if self.links.contains_key(&node) {
            return self.tell(node, LinkMessage::Renewed, ctx);
        }
        if self.shared.is_mesh() {
            return self.tell(node, LinkMessage::Demand(StreamKind::Control), ctx);
        }
        Ok(())
    }

    fn forget(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        // It may have been learned again in the meantime.
        if self.shared.peer(node).is_err() {
            self.let_go(node, ctx);
        }
    }

    /// A link says that nobody needs it. Somebody may have come to need it since.
    fn left(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        let is_unused = |kind: &StreamKind| {
            let peer = self.shared.peer(node);
            peer.is_ok_and(|peer| peer.state(*kind) == LinkState::Idle)
        };
        if StreamKind::ALL.iter().all(is_unused) {
            self.let_go(node, ctx);
        }
    }

    fn let_go(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        if let Some((name, _)) = self.links.remove(&node)
            && ctx.stop_child(&name)
        {
            self.leaving.insert(name);
        }
    }

    async fn begin(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // Kept from the first start on: a restart has the same system.
        let _ = self.shared.system.set(ctx.system().clone());
        let acceptor = self.shared.transport.listen().await?;
        ctx.describe(format!("listens at {}", acceptor.address()?));
        let accepting = accept(acceptor, Arc::clone(&self.shared));
        ctx.attach(accepting, |end| {
            LinksMessage(LinksInput::Deaf(end.unwrap_or_else(|failure| failure.to_string())))
        })?;
        ctx.send_every(SWEEP, || LinksMessage(LinksInput::Sweep));
        self.sweep(ctx)
    }
}

impl Actor for Links {
    type Message = LinksMessage;

    const KIND: &'static str = "links";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.begin(ctx).await
    }

    async fn handle(
        &mut self,
        message: LinksMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message.0 {
            LinksInput::Demand(demand) => {
                self.tell(demand.node, LinkMessage::Demand(demand.kind), ctx)
            }
            LinksInput::Learned(node) => self.learned(node, ctx),
            LinksInput::Forgotten(node) => {
                self.forget(node, ctx);
                Ok(())
            }
            LinksInput::Left(node) => {
                self.left(node, ctx);
                Ok(())
            }
            LinksInput::Arrived(acquaintance) => self.arrived(acquaintance, ctx),
            LinksInput::Sweep => self.sweep(ctx),
            LinksInput::Deaf(reason) => {
                Err(ActorError::new(format!("the listener failed: {reason}")))
            }
        }
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let ChildEvent::Exited { name, .. } = event
            && !ctx.has_child(&name)
        {
            self.leaving.remove(&name);
            self.sweep(ctx)?;
        }
        Ok(())
    }
}
