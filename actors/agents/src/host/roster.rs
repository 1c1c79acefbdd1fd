//! Which agents the host runs; outlives its incarnations, so that all of them come back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use synod_runtime::Address;

use crate::actor::{Hosting, Mode};
use crate::agent::AgentFactory;
use crate::card::AgentCard;
use crate::config::AgentsConfig;
use crate::messenger::Outbox;
use crate::registry::RegistryMessage;
use crate::remote::RemoteFactory;
use crate::schema::Schemas;

/// An agent that the host runs.
#[derive(Clone)]
pub(super) struct Member {
    /// Of its actor: `id@version`.
    pub(super) name: Arc<str>,
    pub(super) hosting: Arc<Hosting>,
    /// Set for agents at the other end of a connection.
    pub(super) remote: Option<RemoteFactory>,
    /// Whether it was registered at run time.
    pub(super) durable: bool,
}

impl Member {
    pub(super) fn new(
        factory: Arc<dyn AgentFactory>,
        registry: Address<RegistryMessage>,
        config: Arc<AgentsConfig>,
        outbox: Outbox,
    ) -> Self {
        let card = factory.card();
        let name = card.key().to_string().into();
        let schemas = Schemas::of(&card);
        let hosting = Hosting {
            card,
            schemas,
            factory,
            registry,
            config,
            order: Mutex::new(Mode::Taking),
            pulse: Mutex::new(None),
            outbox,
        };
        Self { name, hosting: Arc::new(hosting), remote: None, durable: false }
    }

    /// The same, registered at run time.
    pub(super) fn lasting(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The same, at the other end of a connection.
    pub(super) fn connected_by(mut self, factory: RemoteFactory) -> Self {
        self.remote = Some(factory);
        self
    }

    pub(super) fn card(&self) -> &Arc<AgentCard> {
        &self.hosting.card
    }
}

/// All agents of the host by name.
#[derive(Clone, Default)]
pub(super) struct Roster(Arc<Mutex<BTreeMap<Arc<str>, Member>>>);

impl Roster {
    pub(super) fn get(&self, name: &str) -> Option<Member> {
        self.0.lock().get(name).cloned()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.lock().contains_key(name)
    }

    /// Takes in a member; false when there is one of its name.
    pub(super) fn add(&self, member: &Member) -> bool {
        let mut members = self.0.lock();
        if members.contains_key(&member.name) {
            return false;
        }
        members.insert(Arc::clone(&member.name), member.clone());
        true
    }

    pub(super) fn remove(&self, name: &str) -> Option<Member> {
        self.0.lock().remove(name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn all(&self) -> VecDeque<Member> {
        self.0.lock().values().cloned().collect()
    }
}
