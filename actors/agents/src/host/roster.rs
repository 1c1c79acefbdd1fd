//! Which agents the host runs; outlives its incarnations, so that all of them come back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use synod_runtime::Address;

use crate::actor::{Hosting, Mode};
use crate::agent::AgentFactory;
use crate::card::AgentCard;
use crate::config::AgentsConfig;
use crate::id::AgentKey;
use crate::registry::RegistryMessage;
use crate::remote::RemoteFactory;
use crate::schema::Schemas;

/// An agent that the host runs.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) hosting: Arc<Hosting>,
    /// Set for agents at the other end of a connection.
    pub(super) remote: Option<RemoteFactory>,
    /// Whether it was registered at run time.
    pub(super) durable: bool,
}

impl Member {
    pub(super) fn new(
        factory: Arc<dyn AgentFactory>,
        card: AgentCard,
        registry: Address<RegistryMessage>,
        config: Arc<AgentsConfig>,
    ) -> Self {
        let schemas = Arc::new(Schemas::of(&card));
        let hosting = Hosting {
            card: Arc::new(card),
            schemas,
            factory,
            registry,
            config,
            order: Mutex::new(Mode::Taking),
            pulse: Mutex::new(None),
        };
        Self { hosting: Arc::new(hosting), remote: None, durable: false }
    }

    pub(super) fn lasting(mut self) -> Self {
        self.durable = true;
        self
    }

    pub(super) fn remote(mut self, factory: RemoteFactory) -> Self {
        self.remote = Some(factory);
        self
    }
}

/// All agents of the host by key.
#[derive(Clone, Default)]
pub(super) struct Roster(Arc<Mutex<BTreeMap<AgentKey, Member>>>);

impl Roster {
    pub(super) fn get(&self, key: &AgentKey) -> Option<Member> {
        self.0.lock().get(key).cloned()
    }

    /// Takes in a member; false when there is one of its key.
    pub(super) fn add(&self, member: Member) -> bool {
        let key = member.hosting.card.key();
        let mut members = self.0.lock();
        if members.contains_key(&key) {
            return false;
        }
        members.insert(key, member);
        true
    }

    pub(super) fn remove(&self, key: &AgentKey) {
        self.0.lock().remove(key);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn all(&self) -> VecDeque<Member> {
        self.0.lock().values().cloned().collect()
    }
}
