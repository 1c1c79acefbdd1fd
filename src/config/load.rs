//! From a file and the environment to a checked [`NodeConfig`]: all of it, or a list of faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use synod_runtime::ConfigFault;

use super::document::Document;
use super::documented;
use super::draft::Draft;
use super::env::{Override, overrides};
use super::error::{ConfigError, KeyFault, Origin};
use super::explain::{Explained, explain, meant, missing_key, toml_text, unknown_key};
use super::nearest::nearest;
use super::path::{KeyPath, Step};
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
    let mut faults = sources.strangers.clone();
    let mut tree = sources.document.values();
    for one in &sources.overrides {
        if !one.apply(&mut tree, &defaults) {
            faults.push(not_a_table(one));
        }
    }
    let mut reader = Reader { tree, sources: &sources, faults, drafts: BTreeMap::new() };
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
    /// Variables that nobody reads.
    strangers: Vec<KeyFault>,
}

impl Sources {
    fn read(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (overrides, strangers) = overrides(env);
        let Some(path) = path else {
            let (path, document) = (PathBuf::new(), Document::default());
            return Ok(Self { path, document, overrides, strangers });
        };
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        match Document::parse(&text) {
            Ok(document) => Ok(Self { path, document, overrides, strangers }),
            Err(faults) => Err(ConfigError::Syntax { path, faults }),
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
        match self.document.place(key) {
            Some(place) if !strictly || self.document.sets(key) => {
                Origin::File { path: self.path.clone(), place }
            }
            _ => Origin::Default,
        }
    }
}

/// Takes the merged tree apart, section by section, and notes what is wrong with each.
pub(super) struct Reader<'s> {
    tree: Map<String, Value>,
    sources: &'s Sources,
    faults: Vec<KeyFault>,
    /// What is left of each section, for the names of its elements.
    drafts: BTreeMap<String, Draft>,
}

impl Reader<'_> {
    /// Takes a section; a missing one is all defaults. What is wrong in it is noted and left out,
    /// so that no fault hides another.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let Some(value) = self.tree.get(name) else { return T::default() };
        let mut draft = Draft::new(value.clone());
        let section = loop {
            match serde_path_to_error::deserialize::<_, T>(draft.value()) {
                Ok(section) => break section,
                Err(error) => {
                    let path = KeyPath::parse(&error.path().to_string());
                    let message = error.into_inner().to_string();
                    if !self.leave_out(name, &mut draft, &path, &message) {
                        break T::default();
                    }
                }
            }
        };
        self.drafts.insert(name.to_owned(), draft);
        section
    }

    /// Notes a fault and takes it out of the draft. False when nothing can be taken out.
    fn leave_out(&mut self, name: &str, draft: &mut Draft, path: &KeyPath, message: &str) -> bool {
        if let Some(missing) = missing_key(message) {
            // Without it the whole element can't be judged; who wrote it wrongly knows already.
            let key = within(name, &draft.written(path)).key(missing);
            if !self.is_known(&key) {
                self.note(key, message, None);
            }
            return draft.take_out(&Draft::element(path));
        }
        let mut path = path.clone();
        // A section read by hand does not note the key it stumbled over.
        if let Some(unknown) = unknown_key(message).filter(|name| path.last() != *name) {
            path = path.key(unknown);
        }
        let found = path.find(draft.value()).map(found);
        self.note(within(name, &draft.written(&path)), message, found);
        draft.take_out(&path)
    }

    /// Whether a fault of this key was told, or that another key was probably meant to be it.
    fn is_known(&self, key: &KeyPath) -> bool {
        let meant = meant(key.last());
        self.faults.iter().any(|fault| {
            let slip =
                || fault.key.parent() == key.parent() && fault.advice.as_ref() == Some(&meant);
            fault.key == *key || slip()
        })
    }

    fn note(&mut self, key: KeyPath, message: &str, found: Option<String>) {
        let Explained { unknown, mut reason, advice } = explain(message, &key);
        if message.starts_with("invalid ")
            && let Some(range) = documented::range_of(&key)
        {
            reason = within_range(&reason, &range);
        }
        let found = found.filter(|_| !unknown && !may_be_secret(&key));
        let origin = self.sources.origin(&key, false);
        self.faults.push(KeyFault { key, origin, found, reason, advice });
    }

    /// Adds sections nobody knows, and what the sections themselves refuse.
    fn finish(mut self, config: &NodeConfig) -> Vec<KeyFault> {
        for name in self.tree.keys().filter(|name| !SECTIONS.contains(&name.as_str())) {
            let key = KeyPath::default().key(name);
            let known = SECTIONS.join(", ");
            self.faults.push(KeyFault {
                origin: self.sources.origin(&key, false),
                key,
                found: None,
                reason: format!("there is no such section; there are {known}"),
                advice: nearest(name, SECTIONS).map(meant),
            });
        }
        let read = serde_json::to_value(config).unwrap_or_default();
        let refused = config.validate().err().unwrap_or_default();
        let judged: Vec<_> =
            refused.into_iter().filter_map(|fault| self.judged(fault, &read)).collect();
        self.faults.extend(judged);
        self.faults.sort_by_key(|fault| fault.origin.place());
        self.faults
    }

    /// A fault that a section found in what was read of it; none when it follows from one that was
    /// told before.
    fn judged(&self, fault: ConfigFault, read: &Value) -> Option<KeyFault> {
        let key = self.written(&KeyPath::parse(&fault.key));
        let told = |other: &KeyFault| {
            key.is_within(&other.key) || fault.reason.contains(&format!("`{}`", other.key))
        };
        if self.is_known(&key) || self.faults.iter().any(told) {
            return None;
        }
        let value = KeyPath::parse(&fault.key).find(read);
        let plain = value.filter(|value| !value.is_array() && !value.is_object());
        let found = plain.filter(|_| !may_be_secret(&key)).map(found);
        let reason = without_found(&fault.reason, found.as_deref().unwrap_or_default());
        let origin = self.sources.origin(&key, false);
        Some(KeyFault { key, origin, found, reason: reason.to_owned(), advice: None })
    }

    /// The name in the file of a key of what was read.
    fn written(&self, key: &KeyPath) -> KeyPath {
        let Some((Step::Key(name), rest)) = key.steps().split_first() else { return key.clone() };
        let Some(draft) = self.drafts.get(name) else { return key.clone() };
        within(name, &draft.written(&KeyPath::of(rest)))
    }
}

/// What was expected of a value of another type, with the range that its key has.
fn within_range(reason: &str, range: &str) -> String {
    let kinds = ["a whole number", "a number"];
    match kinds.into_iter().find(|kind| reason.contains(kind)) {
        Some(kind) => format!("expected {kind}, {range}"),
        None => format!("expected {range}"),
    }
}

/// A value that was found, as TOML. JSON, which the values pass through, has no number for `nan`
/// and `inf`, and TOML has no null.
fn found(value: &Value) -> String {
    if value.is_null() { "nan or inf".to_owned() } else { toml_text(value) }
}

/// A path inside a section.
fn within(section: &str, path: &KeyPath) -> KeyPath {
    KeyPath::default().key(section).join(path)
}

/// What is sent along to others, or handed to programs, may hold what only they should know.
fn may_be_secret(key: &KeyPath) -> bool {
    let secret =
        |step: &Step| matches!(step, Step::Key(name) if name == "headers" || name == "env");
    key.steps().iter().any(secret)
}

/// What was expected, without what was found: that is told beside it.
fn without_found<'r>(reason: &'r str, found: &str) -> &'r str {
    let before = reason.strip_prefix("is ").unwrap_or(reason).strip_prefix(found);
    let before = before.and_then(|rest| rest.strip_prefix(": ").or(rest.strip_prefix(", ")));
    let behind = reason.strip_suffix(found).and_then(|rest| rest.strip_suffix(", got "));
    before.or(behind).filter(|_| !found.is_empty()).unwrap_or(reason)
}
