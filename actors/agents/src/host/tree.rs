//! How a node gets its agents: settings in, a supervised tree and two addresses out.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_journal::JournalMessage;
use synod_runtime::{Address, Strategy, Supervisor, SupervisorSpec};

use super::messages::{HostError, HostMessage};
use super::roster::{Member, Roster};
use super::shell::AgentHost;
use crate::agent::AgentFactory;
use crate::card::{AgentCard, AgentKind};
use crate::config::AgentsConfig;
use crate::error::AgentError;
use crate::process::ProcessFactory;
use crate::registry::{RegistryActor, RegistryMessage};

/// Makes the factory of an agent from its card alone, for one kind of agent.
pub type KindFactory =
    Arc<dyn Fn(&AgentCard) -> Result<Arc<dyn AgentFactory>, AgentError> + Send + Sync>;

/// What the agents of a node are made of.
#[derive(Clone, Default)]
pub struct AgentsSettings {
    /// The section `agents` of the configuration, validated; its process agents are started.
    pub config: AgentsConfig,
    /// Where run-time registrations are kept. Without it they are refused.
    pub journal: Option<Address<JournalMessage>>,
    /// The agents of code.
    pub agents: Vec<Arc<dyn AgentFactory>>,
    /// How agents are made from their card alone, by kind: what a request may start. Connected
    /// programs (`websocket`) need no entry.
    pub kinds: BTreeMap<AgentKind, KindFactory>,
}

/// What the host works with.
#[derive(Clone)]
pub(super) struct HostSettings {
    pub(super) config: Arc<AgentsConfig>,
    pub(super) registry: Address<RegistryMessage>,
    pub(super) kinds: BTreeMap<AgentKind, KindFactory>,
}

/// The agents of a node, not yet started.
pub struct AgentsTree {
    /// Supervises the registry and, after it, the host: agents of a registry that crashed are
    /// started anew, so that what it says is true.
    pub supervisor: SupervisorSpec,
    /// The registry.
    pub registry: Address<RegistryMessage>,
    /// The host.
    pub host: Address<HostMessage>,
}

impl AgentsTree {
    /// Puts the tree together.
    ///
    /// # Errors
    /// The first agent of the settings whose card is not valid, or is there twice.
    pub fn new(settings: AgentsSettings) -> Result<Self, HostError> {
        let AgentsSettings { config, journal, mut agents, kinds } = settings;
        let config = Arc::new(config);
        let registry = RegistryActor::spec(Arc::clone(&config), journal);
        let registry_address = registry.address();
        for process in &config.process {
            agents.push(Arc::new(ProcessFactory::new(process.clone(), Arc::clone(&config))));
        }
        let roster = Roster::default();
        for factory in agents {
            let card = factory.card();
            card.validate()?;
            let key = card.key();
            if !roster.add(Member::new(factory, card, registry_address.clone(), config.clone())) {
                return Err(HostError::Exists(key));
            }
        }
        let settings = HostSettings { config, registry: registry_address.clone(), kinds };
        let host = AgentHost::spec(settings, roster);
        let host_address = host.address();
        let supervisor = Supervisor::new(Strategy::RestForOne).child(registry).child(host);
        Ok(Self { supervisor, registry: registry_address, host: host_address })
    }
}
