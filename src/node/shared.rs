//! The state that agents share, on this node: on its own journal, alone or with the nodes that are
//! up.
//!
//! ```text
//!  shared-state ── Spread ──▶ link ──▶ Arrivals ──▶ shared-state of another node
//!     │    ▲          ▲ who is up
//!  journal └ API    shared-peers ◀── membership
//! ```
//!
//! Every node has one, whoever leads the work: it is read and written without any other node.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use synod_cluster::{
    Answer, Credit, Listener, MemberChange, MemberView, MembershipMessage, NodeId, Peers, Port,
    Service,
};
use synod_coordination::sync::{Alone, SharedConfig, SharedMessage, SharedState, Spread};
use synod_journal::{JournalConfig, JournalMessage};
use synod_runtime::{Actor, ActorError, Address, Context, Spec, SupervisorSpec};

use super::assembly::BACKOFF;
use super::cluster::Settled;
use crate::config::NodeConfig;

/// The other nodes that are up, as this one knows.
type Up = Arc<RwLock<BTreeSet<NodeId>>>;

/// Adds the shared state of this node, and what joins it to that of others.
pub(super) fn add(
    root: SupervisorSpec,
    config: &NodeConfig,
    journal: Address<JournalMessage>,
    among: Option<&Settled>,
) -> (SupervisorSpec, Address<SharedMessage>) {
    let limits = fitting(config.shared, &config.journal);
    let Some(settled) = among else {
        let shared = SharedState::spec(limits, journal, Arc::new(Alone)).backoff(BACKOFF);
        let address = shared.address();
        return (root.child(shared), address);
    };
    let (peers, membership) = settled.links();
    let up = Up::default();
    let links = Links { peers: peers.clone(), up: Arc::clone(&up) };
    let shared = SharedState::spec(limits, journal, Arc::new(links)).backoff(BACKOFF);
    let address = shared.address();
    peers.serve(Service::Shared, Arc::new(Arrivals(address.clone())));
    let peers = SharedPeers::spec(membership, up).backoff(BACKOFF);
    (root.child(shared).child(peers), address)
}

/// A write is one record, and some of them are one append: no larger than the journal takes.
fn fitting(config: SharedConfig, journal: &JournalConfig) -> SharedConfig {
    let most = usize::try_from(journal.max_record_bytes / 2).unwrap_or(usize::MAX);
    SharedConfig { delta_bytes: config.delta_bytes.min(most), ..config }
}

/// The way to the shared state of other nodes.
struct Links {
    peers: Peers,
    up: Up,
}

impl Spread for Links {
    fn peers(&self) -> Vec<u64> {
        self.up.read().iter().map(|node| node.0).collect()
    }

    fn send(&self, to: u64, bytes: Bytes) {
        if let Err(why) = self.peers.try_cast(NodeId(to), Service::Shared, bytes) {
            metrics::counter!("synod_shared_unsent_total").increment(1);
            tracing::debug!(node = %NodeId(to), %why, "shared state was not sent; a round will");
        }
    }
}

/// Where that of other nodes arrives.
struct Arrivals(Address<SharedMessage>);

/// Bytes that hold on to the sender's credit: who sends more than is read here is slowed down.
struct Held {
    bytes: Bytes,
    _credit: Credit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Port for Arrivals {
    fn cast(&self, from: NodeId, body: Bytes) {
        // Without room it is lost, which the next round makes good for.
        drop(self.0.try_send(SharedMessage::Heard { from: from.0, bytes: body }));
    }

    fn cast_held(&self, from: NodeId, body: Bytes, credit: Credit) {
        self.cast(from, Bytes::from_owner(Held { bytes: body, _credit: credit }));
    }

    fn call(&self, _: NodeId, _: Bytes, answer: Answer) {
        answer.refuse("shared state answers no calls");
    }
}

/// Notes which nodes are up.
struct SharedPeers {
    membership: Address<MembershipMessage>,
    up: Up,
}

impl SharedPeers {
    /// The actor, called `shared-peers`. It belongs after the membership.
    fn spec(membership: Address<MembershipMessage>, up: Up) -> Spec<Self> {
        Spec::new("shared-peers", move || Self {
            membership: membership.clone(),
            up: Arc::clone(&up),
        })
    }
}

/// Takes a change over.
fn note(up: &mut BTreeSet<NodeId>, change: &MemberChange) {
    match change {
        MemberChange::Snapshot(members) => {
            let there = members.iter().filter(|member| member.is_up());
            *up = there.map(MemberView::id).collect();
        }
        MemberChange::Up(record) => drop(up.insert(record.id)),
        MemberChange::Recovered(node) => drop(up.insert(*node)),
        MemberChange::Suspect(_) => {}
        MemberChange::Down(node) | MemberChange::Left(node) | MemberChange::Forgotten(node) => {
            up.remove(node);
        }
        MemberChange::Expelled(_) => up.clear(),
    }
}

impl Actor for SharedPeers {
    type Message = MemberChange;
    const KIND: &'static str = "shared-peers";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let listener = Listener::to(&ctx.address(), |change| change);
        self.membership.send(MembershipMessage::Subscribe(listener)).await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        change: MemberChange,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let mut up = self.up.write();
        note(&mut up, &change);
        ctx.describe(format!("{} other nodes are up", up.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nodes_that_are_up_are_told() {
        let (one, two) = (NodeId(1), NodeId(2));
        let mut up = BTreeSet::from([one, two]);
        note(&mut up, &MemberChange::Suspect(one));
        assert_eq!(up.len(), 2, "a suspect may well be there");
        note(&mut up, &MemberChange::Down(one));
        assert_eq!(up, BTreeSet::from([two]));
        note(&mut up, &MemberChange::Recovered(one));
        note(&mut up, &MemberChange::Left(two));
        assert_eq!(up, BTreeSet::from([one]));
        note(&mut up, &MemberChange::Snapshot(Arc::from([])));
        assert!(up.is_empty());
    }

    #[test]
    fn a_write_is_never_larger_than_a_record() {
        let journal = JournalConfig { max_record_bytes: 64 << 10, ..JournalConfig::default() };
        let config = SharedConfig::default();
        assert_eq!(fitting(config, &journal).delta_bytes, 32 << 10);
        assert_eq!(fitting(config, &JournalConfig::default()), config);
    }
}
