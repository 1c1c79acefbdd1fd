//! What consensus needs of the links between nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::links::{LinkError, Peers, Port};
use crate::node::NodeId;
use crate::wire::Service;

/// How nodes call each other. What one task calls first at a node arrives there first, as long as
/// the connection lasts.
pub trait Network: Send + Sync + 'static {
    /// Calls a node. The call is on its way once the future has been polled.
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>>;

    /// Says who answers the calls of a service, from now on.
    fn serve(&self, service: Service, port: Arc<dyn Port>);
}

impl Network for Peers {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let peers = self.clone();
        Box::pin(async move { Peers::call(&peers, to, service, body, within).await })
    }

    fn serve(&self, service: Service, port: Arc<dyn Port>) {
        Peers::serve(self, service, port);
    }
}
