//! Handing over what this node leads, before it stops or is drained.

use std::time::Duration;

use synod_cluster::{GroupId, Groups, NodeId};
use synod_runtime::Address;

use super::work::{HandOver, WorkMessage};

/// Time that running work gets to end before it is handed back: requests wait for the new owner
/// meanwhile.
const RUNNING: Duration = Duration::from_secs(1);

/// Time that a keeper gets beyond that.
const MARGIN: Duration = Duration::from_secs(6);

/// Time to give one group to another node.
const TRANSFER: Duration = Duration::from_secs(3);

/// Time that all of it takes at most.
pub(super) const HAND_OVER: Duration = Duration::from_secs(10);

/// Knows what this node leads and how to let go of it.
pub(super) struct Leaving {
    groups: Groups,
    keepers: Vec<(GroupId, Address<WorkMessage>)>,
}

impl Leaving {
    pub(super) fn new(groups: Groups, keepers: Vec<(GroupId, Address<WorkMessage>)>) -> Self {
        Self { groups, keepers }
    }

    /// Hands over all that is led here to nodes that are up to date. What can't be handed over
    /// stays: whoever is left elects.
    pub(super) async fn hand_over(&self) {
        for view in self.groups.list().into_iter().filter(|view| view.is_leader_here) {
            let others = view.voters.iter().copied().filter(|node| *node != self.groups.own());
            let others: Vec<NodeId> = others.collect();
            if others.is_empty() {
                continue;
            }
            self.let_go(view.group).await;
            if !self.transfer(view.group, &others).await {
                self.stay(view.group).await;
            }
        }
    }

    /// Has the engines of a group end what runs.
    async fn let_go(&self, group: GroupId) {
        let keeper = self.keepers.iter().find(|(of, _)| *of == group);
        let Some((_, keeper)) = keeper else { return };
        if let Err(why) = keeper.ask(HandOver { within: RUNNING }, RUNNING + MARGIN).await {
            tracing::warn!(%group, %why, "the work was not handed over in order");
        }
    }

    /// Takes the work up again that nobody else has taken.
    async fn stay(&self, group: GroupId) {
        if let Some((_, keeper)) = self.keepers.iter().find(|(of, _)| *of == group)
            && let Err(why) = keeper.send(WorkMessage::Resume).await
        {
            tracing::warn!(%group, %why, "the work is not taken up again");
        }
    }

    /// Whether another node leads the group now.
    async fn transfer(&self, group: GroupId, others: &[NodeId]) -> bool {
        for to in others {
            match self.groups.transfer_leader(group, *to, TRANSFER).await {
                Ok(()) => {
                    tracing::info!(%group, %to, "the group has another leader");
                    return true;
                }
                Err(why) => tracing::info!(%group, %to, %why, "the group stays for now"),
            }
        }
        false
    }
}
