//! Handing over what this node leads, before it stops, is drained, or another is to lead.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use synod_cluster::{GroupId, Groups, NodeId, Tenant};
use synod_runtime::{Address, after};
use tokio::time::{Instant, sleep};

use super::work::{HandOver, WorkMessage};

/// Time that running work gets to end before it is handed back: requests wait for the new owner
/// meanwhile.
pub(super) const RUNNING: Duration = Duration::from_secs(1);

/// Time that a keeper gets beyond that.
const MARGIN: Duration = Duration::from_secs(6);

/// Time to give one group to another node.
const TRANSFER: Duration = Duration::from_secs(3);

/// How long a node that stops looks whether it is given a group after all, and how often.
const SETTLE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(25);

/// Time that all of it takes at most.
pub(super) const HAND_OVER: Duration = Duration::from_secs(10);

/// Hands over what this node leads.
pub(super) struct Leaving {
    groups: Groups,
    keeper: Address<WorkMessage>,
}

impl Leaving {
    pub(super) fn new(groups: Groups, keeper: Address<WorkMessage>) -> Self {
        Self { groups, keeper }
    }

    /// Hands over all that is led here, and takes nothing up any more: the node stops. What could
    /// not be handed over waits for those who are left to elect.
    pub(super) async fn depart(&self) {
        if let Err(why) = self.keeper.send(WorkMessage::Depart).await {
            tracing::warn!(%why, "the keeper of the work does not know that the node stops");
        }
        self.hand_over().await;
        // Another node may just be giving this one a group: nobody would do its work here.
        let until = after(Instant::now(), SETTLE);
        while Instant::now() < until {
            sleep(LOOK).await;
            self.hand_over().await;
        }
    }

    /// Hands over all that is led here to nodes that are up to date. What can't be handed over
    /// stays: whoever is left elects.
    pub(super) async fn hand_over(&self) {
        for view in self.groups.list().into_iter().filter(|view| view.is_leader_here) {
            let others = view.voters.iter().copied().filter(|node| *node != self.groups.own());
            self.transfer(view.group, others.collect()).await;
        }
    }

    async fn transfer(&self, group: GroupId, others: Vec<NodeId>) {
        for to in others {
            match self.groups.transfer_leader(group, to, TRANSFER).await {
                Ok(()) => return tracing::info!(%group, %to, "the group has another leader"),
                Err(why) => tracing::info!(%group, %to, %why, "the group stays for now"),
            }
        }
    }
}

/// The engines of a group, as consensus knows them.
pub(super) struct Engaged(pub(super) Address<WorkMessage>);

impl Tenant for Engaged {
    fn let_go(&self) -> BoxFuture<'_, ()> {
        async {
            let within = RUNNING + MARGIN;
            if let Err(why) = self.0.ask(HandOver { within: RUNNING }, within).await {
                tracing::warn!(%why, "the work was not handed over in order");
            }
        }
        .boxed()
    }

    fn stay(&self) -> BoxFuture<'_, ()> {
        async {
            if let Err(why) = self.0.send(WorkMessage::Resume).await {
                tracing::warn!(%why, "the work is not taken up again");
            }
        }
        .boxed()
    }
}
