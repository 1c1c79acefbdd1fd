//! The node: puts the families together, starts and stops them as one.
//!
//! ```text
//! NodeBuilder ── start ──▶ assembly ──▶ System + root supervisor ──▶ Node (addresses, stop)
//!                                                                      ▲
//! process: signals ────────────────────────────────────────────────────┘
//! ```
//!
//! Never: a family that knows the node; a start that leaves something behind when it fails.

mod assembly;
mod builder;
mod cluster;
mod coordination;
mod endpoint;
mod engines;
mod error;
mod ground;
pub mod process;
mod reload;
pub(crate) mod security;
mod shared;
mod start;

use std::time::Duration;

use synod_agents::{HostMessage, RegistryMessage};
use synod_coordination::Protocol;
use synod_coordination::desk::DeskMessage;
use synod_coordination::sync::SharedMessage;
use synod_runtime::{Address, ExitReason, RootHandle, System};
use synod_tasks::{DrainEngine, TasksMessage};
use synod_workflows::{DrainWorkflows, WorkflowsMessage};

pub use builder::NodeBuilder;
pub use cluster::{
    Cluster, ClusterError, ClusterView, GroupStatus, LinkStatus, MemberStatus, PlacedStatus,
    SeatStatus,
};
pub(crate) use coordination::Post;
pub use endpoint::Endpoint;
pub use engines::{EngineSet, Engines};
pub use error::NodeError;
pub use ground::{ClusterParts, Ground, Witness};

use crate::status::StatusMessage;
use endpoint::EndpointFile;

/// Time the parts get to stop once running work has had its own.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Where the parts of a node are reached.
#[derive(Clone)]
struct Parts {
    engines: Engines,
    tasks: Address<TasksMessage>,
    workflows: Address<WorkflowsMessage>,
    registry: Address<RegistryMessage>,
    host: Address<HostMessage>,
    shared: Address<SharedMessage>,
    status: Address<StatusMessage>,
    /// None when the node is alone.
    cluster: Option<Cluster>,
}

/// A running node. It runs until [`Node::stop`], not until it is dropped.
pub struct Node {
    system: System,
    root: RootHandle,
    parts: Parts,
    url: Option<String>,
    endpoint: Option<EndpointFile>,
    drain_within: Duration,
}

impl Node {
    /// The task engine.
    #[must_use]
    pub fn tasks(&self) -> &Address<TasksMessage> {
        &self.parts.tasks
    }

    /// The workflow engine.
    #[must_use]
    pub fn workflows(&self) -> &Address<WorkflowsMessage> {
        &self.parts.workflows
    }

    /// The desk of a protocol that the node offers; closed when it offers none of that name and
    /// type, or when another node does the work.
    #[must_use]
    pub fn desk<P: Protocol>(&self) -> Address<DeskMessage<P>> {
        self.parts.engines.desk()
    }

    /// The engines and desks at work.
    #[cfg(test)]
    pub(crate) fn engines(&self) -> &Engines {
        &self.parts.engines
    }

    /// The registry of agents.
    #[must_use]
    pub fn registry(&self) -> &Address<RegistryMessage> {
        &self.parts.registry
    }

    /// The host of agents.
    #[must_use]
    pub fn host(&self) -> &Address<HostMessage> {
        &self.parts.host
    }

    /// The state that agents share: this node's own, in step with that of other nodes.
    #[must_use]
    pub fn shared(&self) -> &Address<SharedMessage> {
        &self.parts.shared
    }

    /// The status actor.
    #[must_use]
    pub fn status(&self) -> &Address<StatusMessage> {
        &self.parts.status
    }

    /// The cluster that the node belongs to, unless it is alone.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.parts.cluster.as_ref()
    }

    /// The kernel under it all.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Where it is asked by HTTP, if it serves.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Waits until the node has ended by itself, which means that it gave up, and says why.
    pub async fn ended(&self) -> ExitReason {
        self.root.ended().await
    }

    /// Stops in order: accepts no more, lets running work finish within `node.shutdown_s`, hands
    /// back what does not, flushes, and ends all actors.
    pub async fn stop(mut self) {
        let within = self.drain_within;
        if let Some(cluster) = &self.parts.cluster {
            cluster.part().await;
        }
        let told = within + STOP_WITHIN;
        let (runs, tasks) = tokio::join!(
            self.parts.workflows.ask(DrainWorkflows { within }, told),
            self.parts.tasks.ask(DrainEngine { within }, told),
        );
        match runs {
            Ok(drained) => tracing::info!(
                open = drained.open,
                interrupted = drained.interrupted,
                "runs are drained; what is open goes on at the next start"
            ),
            Err(error) => tracing::warn!(%error, "the workflow engine did not drain"),
        }
        match tasks {
            Ok(drained) => tracing::info!(
                handed_back = drained.handed_back,
                open = drained.open,
                "drained; what is open goes on at the next start"
            ),
            Err(error) => tracing::warn!(%error, "the task engine did not drain"),
        }
        self.endpoint.take();
        if let Err(error) = self.system.stop(STOP_WITHIN).await {
            tracing::warn!(%error, "not everything stopped in time");
        }
    }
}
