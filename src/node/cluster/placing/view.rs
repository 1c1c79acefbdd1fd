//! Placed agents as users see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_cluster::{ControlState, NodeId, placements, seat_lease, shard_of};
use utoipa::ToSchema;

use super::Offers;
use crate::node::cluster::view::NodeName;

/// An agent that the cluster places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedStatus {
    /// Its id.
    pub agent: String,
    /// The shard that it is placed by.
    pub shard: u16,
    /// How many nodes are to host it.
    pub instances: u32,
    /// Who hosts it, or is about to.
    pub seats: Vec<SeatStatus>,
    /// Who should host it: fewer than `instances` when no more nodes can.
    pub should: Vec<NodeName>,
    /// The nodes that have it in their code or configuration.
    pub able: Vec<NodeName>,
}

/// A node that hosts an instance of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeatStatus {
    /// Which instance, from 0.
    pub slot: u32,
    /// The node.
    pub node: NodeName,
    /// The fence, `term.index`: it rises with every host of this instance.
    pub fence: String,
}

impl Offers {
    /// The agents that the cluster places, by id.
    pub(in crate::node::cluster) fn statuses(&self, state: &ControlState) -> Vec<PlacedStatus> {
        let wanted = self.wanted();
        let mut hosts: BTreeMap<String, Vec<NodeId>> = placements(state, &wanted, &self.fixed());
        let name = |node: &NodeId| NodeName {
            id: node.to_string(),
            name: state.record(*node).map_or_else(|| node.to_string(), |it| it.name.to_string()),
        };
        let seat = |agent: &str, slot: u32| {
            let lease = state.holder(&seat_lease(agent, slot)?, state.clock_us)?;
            let fence = format!("{}.{}", lease.token.epoch, lease.token.position);
            Some(SeatStatus { slot, node: name(&lease.holder), fence })
        };
        let status = |(agent, what): (&String, &synod_cluster::Placeable)| PlacedStatus {
            agent: agent.clone(),
            shard: shard_of(agent),
            instances: what.instances,
            seats: (0..what.instances).filter_map(|slot| seat(agent, slot)).collect(),
            should: hosts.remove(agent).unwrap_or_default().iter().map(name).collect(),
            able: what.able.iter().map(name).collect(),
        };
        wanted.iter().map(status).collect()
    }
}
