//! What may change while a node runs.
//!
//! A reload is all or nothing: when a single changed key needs a restart, nothing is applied and
//! each such key is named.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NodeConfig;
use super::explain::toml_text;
use super::path::KeyPath;

/// Keys (and sections) that a running node takes over; `config/node.toml` marks them `[live]`.
const LIVE: [&str; 3] = ["log.level", "tasks", "workflows"];

/// A key with two values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, with its section.
    pub key: String,
    /// Its value in the running node, as TOML.
    pub from: String,
    /// Its value in the new configuration, as TOML.
    pub to: String,
}

/// Changes that a running node can't take over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing was changed: a restart is needed for {}", named(.0))]
pub struct NeedsRestart(pub Vec<Change>);

/// Compares a running configuration with a new one.
///
/// # Errors
/// [`NeedsRestart`] with every changed key that is not live; nothing may be applied then.
pub fn diff_live(old: &NodeConfig, new: &NodeConfig) -> Result<Vec<Change>, NeedsRestart> {
    let (old, new) = (BTreeMap::from_iter(old.keys()), BTreeMap::from_iter(new.keys()));
    // A key of a table may be there on one side alone.
    let names: BTreeSet<&KeyPath> = old.keys().chain(new.keys()).collect();
    let (mut live, mut fixed) = (Vec::new(), Vec::new());
    for key in names {
        let (from, to) = (old.get(key), new.get(key));
        if from != to {
            let told = |value: Option<&Value>| value.map_or_else(|| "not set".into(), toml_text);
            let change = Change { key: key.to_string(), from: told(from), to: told(to) };
            if is_live(key) { live.push(change) } else { fixed.push(change) }
        }
    }
    if fixed.is_empty() { Ok(live) } else { Err(NeedsRestart(fixed)) }
}

/// Whether a running node takes over a change of this key.
#[must_use]
pub fn is_live(key: &KeyPath) -> bool {
    LIVE.iter().any(|live| key.is_within(&KeyPath::parse(live)))
}

fn named(changes: &[Change]) -> String {
    let each =
        changes.iter().map(|change| format!("`{}` ({} -> {})", change.key, change.from, change.to));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_key_is_taken_over() {
        let old = NodeConfig::default();
        let mut new = old.clone();
        new.log.level = "debug".to_owned();
        let changes = diff_live(&old, &new).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].key, "log.level");
        assert_eq!((changes[0].from.as_str(), changes[0].to.as_str()), ("\"info\"", "\"debug\""));
        assert!(diff_live(&old, &old).unwrap().is_empty());
    }

    #[test]
    fn one_key_that_needs_a_restart_refuses_the_whole_reload() {
        let old = NodeConfig::default();
        let mut new = old.clone();
        new.log.level = "debug".to_owned();
        new.node.name = "other".to_owned();
        let refused = diff_live(&old, &new).unwrap_err();
        assert_eq!(refused.0.len(), 1, "only what is in the way is named");
        assert!(refused.to_string().contains("`node.name` (\"synod\" -> \"other\")"), "{refused}");
    }

    #[test]
    fn every_live_key_exists() {
        let tree = serde_json::to_value(NodeConfig::default()).unwrap();
        for live in LIVE {
            assert!(KeyPath::parse(live).find(&tree).is_some(), "{live} is no key");
        }
    }
}
