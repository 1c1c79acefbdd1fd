//! What nodes say that they could host, and what is on them for good. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use synod_agents::Placing;
use synod_cluster::{Hlc, NodeId, Placeable, RegistryChange, RegistryEntry, RegistryKey};

use super::{PLACED, PREFIX};
use crate::node::cluster::agents;

/// Offers of all nodes that are known here; more are not.
const MOST: usize = 50_000;

/// What a node says of an agent that it could host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    instances: u32,
    require: BTreeMap<String, String>,
    apart_from: BTreeSet<String>,
}

impl From<&Placing> for Offer {
    fn from(placing: &Placing) -> Self {
        Self {
            instances: placing.instances,
            require: placing.require.clone(),
            apart_from: placing.apart_from.iter().map(ToString::to_string).collect(),
        }
    }
}

/// As much of the card of an agent as is needed here.
#[derive(Deserialize)]
struct Told {
    card: Carded,
}

#[derive(Deserialize)]
struct Carded {
    id: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// What all nodes say.
#[derive(Debug, Clone, Default)]
pub(in crate::node::cluster) struct Offers {
    offers: BTreeMap<(String, NodeId), (Hlc, Offer)>,
    fixed: BTreeMap<(NodeId, RegistryKey), String>,
}

impl Offers {
    /// Takes note of a change; whether it is one to this.
    pub(super) fn note(&mut self, change: &RegistryChange) -> bool {
        match change {
            RegistryChange::Snapshot(entries) => {
                *self = Self::default();
                for entry in entries.iter() {
                    self.put(entry);
                }
                true
            }
            RegistryChange::Put(entry) => self.put(entry),
            RegistryChange::Removed { node, key } => {
                let offered = key.as_str().strip_prefix(PREFIX).map(str::to_owned);
                let offered = offered.and_then(|id| self.offers.remove(&(id, *node)));
                let fixed = self.fixed.remove(&(*node, key.clone()));
                offered.is_some() || fixed.is_some()
            }
            RegistryChange::Forgotten { node } => {
                let before = (self.offers.len(), self.fixed.len());
                self.offers.retain(|(_, of), _| of != node);
                self.fixed.retain(|(of, _), _| of != node);
                before != (self.offers.len(), self.fixed.len())
            }
        }
    }

    fn put(&mut self, entry: &RegistryEntry) -> bool {
        let key = entry.key.as_str();
        if let Some(id) = key.strip_prefix(PREFIX) {
            return self.offered(id, entry);
        }
        if !key.starts_with(agents::PREFIX) {
            return false;
        }
        let Ok(Told { card }) = serde_json::from_slice::<Told>(&entry.value) else { return false };
        if card.metadata.contains_key(PLACED) {
            return false;
        }
        self.fixed.insert((entry.node, entry.key.clone()), card.id).is_none()
    }

    fn offered(&mut self, id: &str, entry: &RegistryEntry) -> bool {
        let Ok(offer) = serde_json::from_slice::<Offer>(&entry.value) else {
            tracing::warn!(node = %entry.node, key = %entry.key, "not the offer of an agent");
            return false;
        };
        let at = (id.to_owned(), entry.node);
        if self.offers.len() >= MOST && !self.offers.contains_key(&at) {
            tracing::warn!(most = MOST, "an agent to be placed is one too many");
            return false;
        }
        self.offers.insert(at, (entry.stamp, offer));
        true
    }

    /// What is to be placed. Where nodes differ, what was said last holds.
    pub(in crate::node::cluster) fn wanted(&self) -> BTreeMap<String, Placeable> {
        let mut wanted: BTreeMap<String, (Hlc, Placeable)> = BTreeMap::new();
        for ((id, node), (stamp, offer)) in &self.offers {
            let (said, what) = wanted.entry(id.clone()).or_default();
            what.able.insert(*node);
            if *stamp >= *said {
                *said = *stamp;
                what.instances = offer.instances;
                what.require.clone_from(&offer.require);
                what.apart_from.clone_from(&offer.apart_from);
            }
        }
        wanted.into_iter().map(|(id, (_, what))| (id, what)).collect()
    }

    /// The agents that are on each node for good.
    pub(in crate::node::cluster) fn fixed(&self) -> BTreeMap<NodeId, BTreeSet<String>> {
        let mut fixed: BTreeMap<NodeId, BTreeSet<String>> = BTreeMap::new();
        for ((node, _), id) in &self.fixed {
            fixed.entry(*node).or_default().insert(id.clone());
        }
        fixed
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(node: u64, key: &str, stamp: u64, value: serde_json::Value) -> RegistryEntry {
        RegistryEntry {
            node: NodeId(node),
            key: RegistryKey::parse(key).unwrap(),
            value: Bytes::from(value.to_string()),
            stamp: Hlc::at(stamp),
        }
    }

    fn offer(node: u64, stamp: u64, instances: u32) -> RegistryEntry {
        let offer = Offer::from(&Placing::default().instances(instances));
        entry(node, "offer/a", stamp, serde_json::to_value(offer).unwrap())
    }

    #[test]
    fn what_was_said_last_holds_for_all_that_offer() {
        let mut offers = Offers::default();
        assert!(offers.note(&RegistryChange::Put(offer(1, 20, 2))));
        assert!(offers.note(&RegistryChange::Put(offer(2, 10, 1))));
        let wanted = offers.wanted();
        assert_eq!((wanted["a"].instances, wanted["a"].able.len()), (2, 2));
        let key = RegistryKey::parse("offer/a").unwrap();
        assert!(offers.note(&RegistryChange::Removed { node: NodeId(1), key }));
        assert_eq!(offers.wanted()["a"].instances, 1);
        assert!(offers.note(&RegistryChange::Forgotten { node: NodeId(2) }));
        assert!(offers.wanted().is_empty());
    }

    #[test]
    fn agents_that_are_not_placed_are_on_their_nodes_for_good() {
        let mut offers = Offers::default();
        let told = |metadata| serde_json::json!({"card": {"id": "b", "metadata": metadata}});
        let fixed = entry(1, "agent/b/1.0.0", 1, told(serde_json::json!({})));
        let placed = entry(2, "agent/b/1.0.0", 1, told(serde_json::json!({PLACED: "cluster"})));
        assert!(offers.note(&RegistryChange::Put(fixed)));
        assert!(!offers.note(&RegistryChange::Put(placed)));
        let expected = BTreeMap::from([(NodeId(1), BTreeSet::from(["b".to_owned()]))]);
        assert_eq!(offers.fixed(), expected);
    }
}
