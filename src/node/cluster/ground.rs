//! What a simulation sees of the cluster on a node that stands on its ground; nothing else does.

use synod_journal::JournalMessage;
use synod_runtime::Address;

use super::{Cluster, NodeBuilder, Settling};
use crate::node::{ClusterParts, Witness};

fn witness(builder: &NodeBuilder) -> Option<&dyn Witness> {
    builder.ground.as_ref().map(|ground| &*ground.witness)
}

/// The node's journal as its groups are to know it.
pub(super) fn journal(
    builder: &NodeBuilder,
    real: &Address<JournalMessage>,
) -> Address<JournalMessage> {
    witness(builder).map_or_else(|| real.clone(), |witness| witness.journal(real.clone()))
}

/// The log of the work as its engines are to know it.
pub(super) fn work_log(
    builder: &NodeBuilder,
    real: &Address<JournalMessage>,
) -> Address<JournalMessage> {
    witness(builder).map_or_else(|| real.clone(), |witness| witness.work_log(real.clone()))
}

/// Says where the parts are reached.
pub(super) fn show(builder: &NodeBuilder, cluster: &Cluster, settling: &Settling) {
    let Some(witness) = witness(builder) else { return };
    witness.parts(ClusterParts {
        peers: cluster.peers.clone(),
        groups: cluster.groups.clone(),
        control: cluster.control.clone(),
        membership: cluster.membership.clone(),
        told: settling.told.clone(),
        agents: settling.agents.clone(),
    });
}
