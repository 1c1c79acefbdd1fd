//! From a file and the environment to a checked [`NodeConfig`]: all of it, or a list of faults.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::document::Document;
use super::env::{Override, overrides};
use super::error::{ConfigError, KeyFault, Origin};
use super::explain::{explain, toml_text, unknown_key};
use super::nearest::nearest;
use super::path::KeyPath;
use super::{NodeConfig, SECTIONS};

/// A checked configuration and where each of its values comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: NodeConfig,
    sources: Sources,
}

impl Loaded {
    /// Where the value of a key comes from.
    #[must_use]
    pub fn origin(&self, key: &KeyPath) -> Origin {
        self.sources.origin(key, true)
    }
}

/// Reads the file at `path` (none: the defaults), lays the environment over it, and checks it.
pub(super) fn load(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let sources = Sources::read(path, env)?;
    let defaults = serde_json::to_value(NodeConfig::default()).unwrap_or_default();
    let mut faults = Vec::new();
    let mut tree = sources.document.values();
    for one in &sources.overrides {
        if !one.apply(&mut tree, &defaults) {
            faults.push(not_a_table(one));
        }
    }
    let mut reader = Reader { tree, sources: &sources, faults };
    let config = NodeConfig::read(&mut reader);
    let faults = reader.finish(&config);
    if faults.is_empty() {
        Ok(Loaded { config, sources })
    } else {
        Err(ConfigError::Invalid(faults))
    }
}

fn not_a_table(one: &Override) -> KeyFault {
    KeyFault {
        key: one.path.clone(),
        origin: Origin::Environment { variable: one.variable.clone() },
        found: None,
        reason: "the way to this key leads through a value, not a section".to_owned(),
        advice: Some("give an array as a whole, written as TOML".to_owned()),
    }
}

/// The file and the environment, as they were.
#[derive(Debug)]
struct Sources {
    path: PathBuf,
    document: Document,
    overrides: Vec<Override>,
}

impl Sources {
    fn read(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let overrides = overrides(env);
        let Some(path) = path else {
            return Ok(Self { path: PathBuf::new(), document: Document::default(), overrides });
        };
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        match Document::parse(&text) {
            Ok(document) => Ok(Self { path, document, overrides }),
            Err(fault) => Err(ConfigError::Syntax {
                path,
                line: fault.line,
                column: fault.column,
                message: fault.message,
            }),
        }
    }

    /// Where a key comes from. A key that nobody set comes from the defaults when `strictly`, and
    /// otherwise from the section that lacks it.
    fn origin(&self, key: &KeyPath, strictly: bool) -> Origin {
        let sets = |one: &&Override| {
            // A section that nobody knows comes from the variable of a key inside it.
            key.is_within(&one.path) || !strictly && one.path.is_within(key)
        };
        if let Some(one) = self.overrides.iter().rev().find(sets) {
            return Origin::Environment { variable: one.variable.clone() };
        }
        let line = self.document.line(key);
        if line.is_none() || strictly && !self.document.sets(key) {
            return Origin::Default;
        }
        Origin::File { path: self.path.clone(), line }
    }
}

/// Takes the merged tree apart, section by section, and notes what is wrong with each.
pub(super) struct Reader<'s> {
    tree: Map<String, Value>,
    sources: &'s Sources,
    faults: Vec<KeyFault>,
}

impl Reader<'_> {
    /// Takes a section; a missing one is all defaults, a wrong one is noted.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let Some(value) = self.tree.remove(name) else { return T::default() };
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(section) => section,
            Err(error) => {
                let path = error.path().to_string();
                let message = error.into_inner().to_string();
                let mut key = KeyPath::parse(&format!("{name}.{path}"));
                // A section read by hand does not note the key it stumbled over.
                if let Some(unknown) = unknown_key(&message).filter(|name| key.last() != *name) {
                    key = key.key(unknown);
                }
                let explained = explain(&message, &key);
                let found = if explained.unknown {
                    None
                } else {
                    KeyPath::parse(&path).find(&value).map(toml_text)
                };
                let origin = self.sources.origin(&key, false);
                let (reason, advice) = (explained.reason, explained.advice);
                self.faults.push(KeyFault { key, origin, found, reason, advice });
                T::default()
            }
        }
    }

    /// Adds sections nobody took, and what the sections themselves refuse.
    fn finish(mut self, config: &NodeConfig) -> Vec<KeyFault> {
        for name in std::mem::take(&mut self.tree).keys() {
            let key = KeyPath::default().key(name);
            let known = SECTIONS.join(", ");
            self.faults.push(KeyFault {
                origin: self.sources.origin(&key, false),
                key,
                found: None,
                reason: format!("there is no such section; there are {known}"),
                advice: nearest(name, SECTIONS).map(|known| format!("did you mean `{known}`?")),
            });
        }
        // A section that could not be read stands at its defaults: nothing to say about its values.
        let unread: Vec<KeyPath> = self.faults.iter().map(|fault| fault.key.clone()).collect();
        for fault in config.validate().err().unwrap_or_default() {
            let key = KeyPath::parse(&fault.key);
            if unread.iter().any(|other| other.steps().first() == key.steps().first()) {
                continue;
            }
            let origin = self.sources.origin(&key, false);
            // The reason says what was found, in the words of who checked it.
            let (found, reason) = (None, fault.reason);
            self.faults.push(KeyFault { key, origin, found, reason, advice: None });
        }
        self.faults
    }
}
