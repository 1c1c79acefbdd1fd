//! Agents that the cluster may have this node host, as the program and the configuration have them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_agents::{
    Agent, AgentActor, AgentCard, AgentFactory, AgentSource, AgentsConfig, Place, Placing, Pulse,
    factory,
};
use synod_runtime::{ActorError, ConfigFault, Context};

use super::PLACED;
use crate::node::NodeBuilder;

/// Time that a worker, and whoever looks after it, may take beyond the grace of its work.
const WORKER: Duration = Duration::from_secs(1);

/// An agent that a few nodes of the cluster host.
#[derive(Clone)]
pub(in crate::node) struct PlacedAgent {
    pub(in crate::node) factory: Arc<dyn AgentFactory>,
    pub(in crate::node) placing: Placing,
    /// The longest that it takes to stop it by force.
    pub(in crate::node) ends_within: Duration,
}

impl PlacedAgent {
    /// An agent whose link, if it has one, ends within `link`.
    pub(in crate::node) fn new(
        factory: Arc<dyn AgentFactory>,
        placing: Placing,
        config: &AgentsConfig,
        link: Duration,
    ) -> Self {
        let ends_within = config.grace(&factory.card().limits) + WORKER + link;
        Self { factory, placing, ends_within }
    }

    /// What the host of agents is to start.
    pub(super) fn seated(&self) -> Arc<dyn AgentFactory> {
        let card = AgentCard::clone(&self.factory.card()).meta(PLACED, Place::Cluster.as_str());
        Arc::new(Seated { inner: Arc::clone(&self.factory), card: Arc::new(card) })
    }
}

/// An agent that the program has a few nodes host.
#[derive(Clone)]
pub(in crate::node) struct OfProgram {
    pub(in crate::node) factory: Arc<dyn AgentFactory>,
    placing: Placing,
}

impl OfProgram {
    /// The same on a node with these settings.
    pub(in crate::node) fn under(&self, config: &AgentsConfig) -> PlacedAgent {
        let factory = Arc::clone(&self.factory);
        PlacedAgent::new(factory, self.placing.clone(), config, Duration::ZERO)
    }
}

impl NodeBuilder {
    /// Adds an agent that a few nodes of the cluster host, of those whose programs add it. A node
    /// alone hosts it itself.
    pub fn placed_agent<F, A>(mut self, create: F, placing: Placing) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Agent,
    {
        self.placed.push(OfProgram { factory: factory(create), placing });
        self
    }
}

/// These agents by id.
///
/// # Errors
/// What is wrong with how they are to be placed.
pub(in crate::node) fn placed(
    agents: Vec<PlacedAgent>,
) -> Result<BTreeMap<String, PlacedAgent>, Vec<ConfigFault>> {
    let (mut by_id, mut faults) = (BTreeMap::new(), Vec::new());
    for agent in agents {
        let id = agent.factory.card().id.to_string();
        let of_agent = format!("agent {id:?}");
        faults.extend(agent.placing.faults().into_iter().map(|fault| fault.within(&of_agent)));
        if by_id.insert(id, agent).is_some() {
            let reason = "expected one version of it on this node, as it is placed by its id; \
                          got several";
            faults.push(ConfigFault::new("place", reason).within(&of_agent));
        }
    }
    if faults.is_empty() { Ok(by_id) } else { Err(faults) }
}

/// An agent whose card says that it is placed. The card stays as it is from host to host, so that
/// nodes which know the agent go on knowing it.
struct Seated {
    inner: Arc<dyn AgentFactory>,
    card: Arc<AgentCard>,
}

impl AgentFactory for Seated {
    fn card(&self) -> Arc<AgentCard> {
        Arc::clone(&self.card)
    }

    fn open(&self, ctx: &mut Context<AgentActor>) -> Result<AgentSource, ActorError> {
        self.inner.open(ctx)
    }

    fn has_link(&self) -> bool {
        self.inner.has_link()
    }

    fn registered(&self, pulse: &Pulse) {
        self.inner.registered(pulse);
    }
}

#[cfg(test)]
mod tests {
    use synod_agents::Echo;

    use super::*;

    fn agent(instances: u32) -> PlacedAgent {
        let placing = Placing::default().instances(instances);
        let config = AgentsConfig { grace_ms: 2_000, ..AgentsConfig::default() };
        PlacedAgent::new(factory(Echo::default), placing, &config, Duration::from_secs(3))
    }

    #[test]
    fn an_agent_that_is_placed_says_so() {
        let agent = agent(1);
        assert_eq!(agent.ends_within, Duration::from_secs(6));
        assert_eq!(agent.seated().card().metadata[PLACED], "cluster");
    }

    #[test]
    fn what_can_not_be_placed_is_named() {
        let faults = placed(vec![agent(1), agent(0)]).err().unwrap();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["agent \"echo\".instances", "agent \"echo\".place"]);
    }
}
