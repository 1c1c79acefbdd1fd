//! The actors of links: one that listens and owns the others, one for each node in use.

use std::sync::Arc;

use synod_runtime::{Actor, ActorError, Context, Spec};

use super::config::LinksConfig;
use super::identity::ClusterIdentity;
use super::peers::Peers;
use super::shared::Shared;
use super::transport::Transport;
use crate::node::NodeRecord;

/// Listens for other nodes, and owns the links to them. Its name is `links`.
pub struct Links {
    transport: Arc<dyn Transport>,
}

/// What the links tell one another; nothing for others to send.
#[derive(Debug)]
pub struct LinksMessage(());

impl Links {
    /// The links of a node, and the handle that uses them; the handle is valid at once.
    #[must_use]
    pub fn spec(
        config: LinksConfig,
        own: NodeRecord,
        cluster: Arc<ClusterIdentity>,
        transport: Arc<dyn Transport>,
    ) -> (Spec<Self>, Peers) {
        let shared = Shared::new(config, own, cluster);
        let spec = Spec::new("links", move || Self { transport: Arc::clone(&transport) });
        (spec, Peers { shared })
    }
}

impl Actor for Links {
    type Message = LinksMessage;

    const KIND: &'static str = "links";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let acceptor = self.transport.listen().await?;
        ctx.describe(format!("listens at {}", acceptor.address()?));
        Ok(())
    }

    async fn handle(
        &mut self,
        _message: LinksMessage,
        _ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        Ok(())
    }
}
