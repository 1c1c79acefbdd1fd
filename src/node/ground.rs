//! What a node stands on when it isn't the machine: time, chance, a disk and a network that a
//! simulation owns.
//!
//! Whole nodes then run side by side in one process and one thread, and the same seed gives the
//! same run. No configuration leads here: only a program can put a node on such a ground.

use std::fmt;
use std::sync::Arc;

use synod_agents::RegistryMessage as AgentsMessage;
use synod_cluster::{
    Control, Groups, MembershipMessage, Peers, RegistryMessage as ToldMessage, Transport,
};
use synod_journal::{JournalMessage, SimulatedDisk};
use synod_runtime::{Address, System};

/// A node's surroundings in memory.
#[derive(Clone)]
pub struct Ground {
    /// The kernel, with the clock and the chance of this node.
    pub system: System,
    /// What its journal is on.
    pub disk: SimulatedDisk,
    /// How it reaches others, and they it.
    pub transport: Arc<dyn Transport>,
    /// Where others reach it, `host:port`.
    pub address: String,
    /// Who looks on.
    pub witness: Arc<dyn Witness>,
}

/// Stands between the parts of a node and sees what passes. It may delay, and what it gives back
/// must be in order.
pub trait Witness: Send + Sync + 'static {
    /// The journal, as the groups of the node are to know it.
    fn journal(&self, real: Address<JournalMessage>) -> Address<JournalMessage>;

    /// The log of the work, as the engines are to know it.
    fn work_log(&self, real: Address<JournalMessage>) -> Address<JournalMessage>;

    /// The parts of the cluster on this node, before they run.
    fn parts(&self, parts: ClusterParts);
}

/// Where the parts of the cluster on a node are reached.
#[derive(Clone)]
pub struct ClusterParts {
    /// The connections.
    pub peers: Peers,
    /// The replicated logs.
    pub groups: Groups,
    /// The control group.
    pub control: Control,
    /// Who is there.
    pub membership: Address<MembershipMessage>,
    /// What nodes tell of themselves.
    pub told: Address<ToldMessage>,
    /// The agents of all nodes, as this one knows them.
    pub agents: Address<AgentsMessage>,
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("address", &self.address).finish_non_exhaustive()
    }
}
