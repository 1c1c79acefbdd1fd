//! One member of a group that spreads rumours. Pure: rounds, what is heard and chance come in.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use synod_agents::{AgentId, Payload};
use uuid::Uuid;

use super::config::GossipConfig;
use crate::protocol::Refusal;

/// Bytes that a rumour takes beside its content, about.
const OVERHEAD: usize = 128;

/// Something that spreads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rumour {
    /// Its name.
    pub id: Uuid,
    /// Who began it.
    pub origin: AgentId,
    /// Rounds since it began, as its bearer counts them.
    pub age: u32,
    /// What it says.
    pub content: Payload,
}

impl Rumour {
    fn weight(&self) -> usize {
        self.content.bytes.len() + self.content.content_type.len() + OVERHEAD
    }
}

/// What members tell each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum GossipMessage {
    /// What is new, and all that one knows: tell me what is not among it.
    Push {
        /// What is new.
        rumours: Vec<Rumour>,
        /// What one knows.
        known: Vec<Uuid>,
    },
    /// What the other has missed.
    Missed {
        /// That.
        rumours: Vec<Rumour>,
    },
}

/// One member of a group.
#[derive(Debug, Clone)]
pub struct Gossip {
    config: GossipConfig,
    own: AgentId,
    peers: Vec<AgentId>,
    rumours: BTreeMap<Uuid, Rumour>,
    /// By age; the least told first among equals by id.
    by_age: BTreeSet<(u32, Uuid)>,
}

impl Gossip {
    /// A member called `own` of a group; who of the group is `own` does not matter.
    #[must_use]
    pub fn new(
        config: GossipConfig,
        own: AgentId,
        group: impl IntoIterator<Item = AgentId>,
    ) -> Self {
        let peers: BTreeSet<AgentId> = group.into_iter().filter(|peer| *peer != own).collect();
        let peers = peers.into_iter().collect();
        Self { config, own, peers, rumours: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    /// Begins a rumour.
    ///
    /// # Errors
    /// It is too large for a message; nothing is spread.
    pub fn spread(&mut self, id: Uuid, content: Payload) -> Result<(), Refusal> {
        let rumour = Rumour { id, origin: self.own.clone(), age: 0, content };
        let (size, most) = (rumour.weight(), self.config.max_message_bytes);
        if size > most {
            let reason = format!("{size} bytes with its name, expected at most {most}");
            return Err(Refusal::invalid("content", reason));
        }
        self.learn(rumour);
        Ok(())
    }

    /// Whether a rumour is known.
    #[must_use]
    pub fn knows(&self, id: Uuid) -> bool {
        self.rumours.contains_key(&id)
    }

    /// How many rumours are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.rumours.len()
    }

    /// A round begins: everything is a round older, and some members are talked to.
    pub fn tick(&mut self, chance: &mut impl Rng, out: &mut Vec<(AgentId, GossipMessage)>) {
        self.grow_older();
        let rumours = self.news();
        let known: Vec<Uuid> = self.rumours.keys().copied().collect();
        for peer in self.drawn(chance) {
            let push = GossipMessage::Push { rumours: rumours.clone(), known: known.clone() };
            out.push((peer, push));
        }
    }

    /// Another member says something. What is new here goes to `told`.
    pub fn hear(
        &mut self,
        from: &AgentId,
        message: GossipMessage,
        out: &mut Vec<(AgentId, GossipMessage)>,
        told: &mut Vec<Rumour>,
    ) {
        // Who is no member of the group may neither tell nor ask.
        if self.peers.binary_search(from).is_err() {
            return;
        }
        let (rumours, known) = match message {
            GossipMessage::Push { rumours, known } => (rumours, Some(known)),
            GossipMessage::Missed { rumours } => (rumours, None),
        };
        if let Some(known) = known {
            let known: BTreeSet<Uuid> = known.into_iter().collect();
            let missed = self.but(&known, &rumours);
            if !missed.is_empty() {
                out.push((from.clone(), GossipMessage::Missed { rumours: missed }));
            }
        }
        for rumour in rumours {
            let fits = rumour.weight() <= self.config.max_message_bytes;
            let alive = rumour.age <= self.config.kept_rounds;
            if fits && alive && !self.knows(rumour.id) {
                told.push(rumour.clone());
                self.learn(rumour);
            }
        }
    }

    fn learn(&mut self, rumour: Rumour) {
        self.by_age.insert((rumour.age, rumour.id));
        self.rumours.insert(rumour.id, rumour);
        if self.rumours.len() > self.config.max_rumours
            && let Some((_, oldest)) = self.by_age.pop_last()
        {
            self.rumours.remove(&oldest);
        }
    }

    fn grow_older(&mut self) {
        let most = self.config.kept_rounds;
        self.rumours.values_mut().for_each(|rumour| rumour.age += 1);
        self.rumours.retain(|_, rumour| rumour.age <= most);
        self.by_age = self.rumours.values().map(|rumour| (rumour.age, rumour.id)).collect();
    }

    /// What is told of: the newest that fit into a message.
    fn news(&self) -> Vec<Rumour> {
        let young = self.by_age.iter().take_while(|(age, _)| *age <= self.config.told_rounds);
        self.fitting(young.filter_map(|(_, id)| self.rumours.get(id)))
    }

    /// What is neither known there nor was told by it just now.
    fn but(&self, known: &BTreeSet<Uuid>, told: &[Rumour]) -> Vec<Rumour> {
        let told: BTreeSet<Uuid> = told.iter().map(|rumour| rumour.id).collect();
        let missed = self.by_age.iter().filter(|(_, id)| !known.contains(id) && !told.contains(id));
        self.fitting(missed.filter_map(|(_, id)| self.rumours.get(id)))
    }

    fn fitting<'a>(&self, rumours: impl Iterator<Item = &'a Rumour>) -> Vec<Rumour> {
        let mut left = self.config.max_message_bytes;
        let fitting = rumours.take_while(|rumour| {
            let fits = rumour.weight() <= left;
            left = left.saturating_sub(rumour.weight());
            fits
        });
        fitting.cloned().collect()
    }

    /// Members that are talked to, each at most once.
    fn drawn(&self, chance: &mut impl Rng) -> BTreeSet<AgentId> {
        let wanted = self.config.fan_out.min(self.peers.len());
        let mut drawn = BTreeSet::new();
        while drawn.len() < wanted {
            let index = chance.random_range(0..self.peers.len());
            drawn.insert(self.peers[index].clone());
        }
        drawn
    }
}
