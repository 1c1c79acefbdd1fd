//! Who asks the links for a connection.

use std::sync::{Arc, OnceLock};

use synod_runtime::Address;

use super::actor::LinksMessage;
use crate::node::NodeId;
use crate::wire::StreamKind;

/// Something waits for a connection to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) node: NodeId,
    pub(crate) kind: StreamKind,
}

/// Where demands go. The address comes later than the first who have to know it.
#[derive(Clone, Default)]
pub(crate) struct Demands(Arc<OnceLock<Address<LinksMessage>>>);

impl Demands {
    /// Says where demands go; the first word counts.
    pub(crate) fn connect(&self, links: Address<LinksMessage>) {
        self.0.get_or_init(|| links);
    }

    /// Makes a demand. One that finds no room is found by the next sweep.
    pub(crate) fn make(&self, demand: Demand) {
        self.tell(LinksMessage::demand(demand));
    }

    /// Tells the links something that a later sweep would find too.
    pub(crate) fn tell(&self, message: LinksMessage) {
        if self.0.get().is_none_or(|links| links.try_send(message).is_err()) {
            metrics::counter!("synod_link_demands_deferred_total").increment(1);
        }
    }

    pub(crate) fn address(&self) -> Option<&Address<LinksMessage>> {
        self.0.get()
    }
}
