//! A node to be: its configuration and the agents that its program brings.

use std::convert::Infallible;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use synod_agents::{Agent, AgentFactory, Programs, factory};
use synod_coordination::Protocol;

use super::coordination::{Offer, offer, offers};
use super::{Ground, Node, NodeError, assembly};
use crate::api::Metrics;
use crate::config::NodeConfig;
use crate::logging::LogLevel;

/// Builds a [`Node`].
///
/// ```no_run
/// # async fn example() -> Result<(), synod::NodeError> {
/// use synod::prelude::*;
///
/// let node = NodeBuilder::new().agent(synod::agents::Echo::default).start().await?;
/// node.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs until it is started"]
pub struct NodeBuilder {
    pub(super) config: NodeConfig,
    pub(super) file: Option<PathBuf>,
    pub(super) agents: Vec<Arc<dyn AgentFactory>>,
    pub(super) placed: Vec<super::cluster::OfProgram>,
    pub(super) serves: bool,
    pub(super) metrics: Metrics,
    pub(super) log: Option<LogLevel>,
    pub(super) programs: Programs,
    pub(super) ground: Option<Ground>,
    pub(super) protocols: Vec<Arc<dyn Offer>>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeBuilder {
    /// A node with the default configuration and the built-in agents.
    pub fn new() -> Self {
        Self {
            config: NodeConfig::default(),
            file: None,
            agents: vec![factory(synod_agents::Echo::default)],
            placed: Vec::new(),
            serves: true,
            metrics: Metrics::default(),
            log: None,
            programs: Programs::default(),
            ground: None,
            protocols: offers(),
        }
    }

    /// Adds an agent; `create` makes its instances, one for each worker.
    pub fn agent<F, A>(self, create: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Agent,
    {
        self.agent_from(factory(create))
    }

    /// Adds an agent from its factory.
    pub fn agent_from(mut self, factory: Arc<dyn AgentFactory>) -> Self {
        self.agents.push(factory);
        self
    }

    /// Offers a protocol of one's own, beside those that come with the program, or in place of the
    /// one that has the same name.
    pub fn protocol<P: Protocol>(mut self) -> Self {
        self.protocols.retain(|known| known.kind() != P::KIND);
        self.protocols.push(offer::<P>());
        self.protocols.sort_by_key(|known| known.kind());
        self
    }

    /// How the node is set up.
    pub fn config(mut self, config: NodeConfig) -> Self {
        self.config = config;
        self
    }

    /// The file that a reload reads again.
    pub fn config_file(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self
    }

    /// Leaves the HTTP side out: a node that only its own process can ask.
    pub fn without_http(mut self) -> Self {
        self.serves = false;
        self
    }

    /// Serves what this recorder measured under `/metrics`.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Lets a reload change the level of the log.
    pub fn log(mut self, log: LogLevel) -> Self {
        self.log = Some(log);
        self
    }

    /// Puts the node on a ground in memory instead of the machine: for simulations.
    pub fn on(mut self, ground: Ground) -> Self {
        self.ground = Some(ground);
        self
    }

    /// Starts the node and waits until it takes work.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is left running then.
    pub async fn start(self) -> Result<Node, NodeError> {
        match self.start_unless(std::future::pending::<Infallible>()).await? {
            ControlFlow::Continue(node) => Ok(node),
            ControlFlow::Break(never) => match never {},
        }
    }

    /// Starts the node like [`NodeBuilder::start`], unless `stop` comes first, however long the
    /// start takes: then what had started has been stopped again, and what `stop` gave is given.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is left running then.
    pub async fn start_unless<S>(
        self,
        stop: impl Future<Output = S>,
    ) -> Result<ControlFlow<S, Node>, NodeError> {
        assembly::start(self, stop).await
    }
}
