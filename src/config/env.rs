//! Environment variables on top of the file: `SYNOD_HTTP__LISTEN` is `http.listen`.
//!
//! Two underscores separate the levels. `SYNOD_LOG` is the short name of `SYNOD_LOG__LEVEL`; the
//! other variables without them are of the command line and of tests, and one that is none of
//! these is a fault: whoever set it meant a key. An array or table is written as TOML:
//! `SYNOD_AGENTS__PROCESS='[{ id = "echo", command = ["./echo.py"] }]'`.

use std::ffi::OsString;

use serde_json::{Map, Value};

use super::NodeConfig;
use super::error::{KeyFault, Origin};
use super::explain::meant;
use super::nearest::nearest;
use super::path::{KeyPath, Step};

/// What all our variables begin with.
const PREFIX: &str = "SYNOD_";

/// Variables that set no key, without the prefix: of the command line, of tests, of benchmarks.
const OTHERS: [&str; 8] =
    ["URL", "TOKEN", "CA", "CONFIG", "SEED", "KILL_ROUNDS", "LOGHUB", "WRITE_GOLDEN"];
const BENCHMARKS: &str = "BENCH_";

/// One variable that sets a key.
#[derive(Debug, Clone)]
pub(super) struct Override {
    pub(super) variable: String,
    pub(super) path: KeyPath,
    raw: String,
}

/// The variables of this process that are text; others can't be ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

/// The variables that set keys, in the order of their names, and those that look as if they did.
pub(super) fn overrides(
    env: impl IntoIterator<Item = (String, String)>,
) -> (Vec<Override>, Vec<KeyFault>) {
    let (mut found, mut strangers) = (Vec::new(), Vec::new());
    for (variable, raw) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        match key_of(name) {
            Some(path) => found.push(Override { variable, path, raw }),
            None if OTHERS.contains(&name) || name.starts_with(BENCHMARKS) => {}
            None => strangers.push(stranger(name)),
        }
    }
    found.sort_by(|a, b| a.variable.cmp(&b.variable));
    strangers.sort_by(|a, b| a.key.cmp(&b.key));
    (found, strangers)
}

/// A variable of ours that nobody reads.
fn stranger(name: &str) -> KeyFault {
    let keys = NodeConfig::default().keys();
    let names: Vec<String> = keys.iter().map(|(key, _)| variable_of(key)).collect();
    let known = names.iter().map(String::as_str).chain(OTHERS);
    KeyFault {
        key: KeyPath::default().key(&name.to_lowercase()),
        origin: Origin::Environment { variable: format!("{PREFIX}{name}") },
        found: None,
        reason: "no variable of this name is read; a key is set by SYNOD_SECTION__KEY, with two \
                 underscores between the levels"
            .to_owned(),
        advice: nearest(name, known).map(|known| meant(&format!("{PREFIX}{known}"))),
    }
}

/// The name of the variable that sets a key, without the prefix.
fn variable_of(key: &KeyPath) -> String {
    key.to_string().replace('.', "__").to_uppercase()
}

fn key_of(name: &str) -> Option<KeyPath> {
    if name == "LOG" {
        return Some(KeyPath::parse("log.level"));
    }
    let levels: Vec<&str> = name.split("__").collect();
    let well_formed = levels.len() > 1 && levels.iter().all(|level| !level.is_empty());
    well_formed.then(|| KeyPath::parse(&levels.join(".").to_lowercase()))
}

impl Override {
    /// Lays the variable over `tree`. `defaults` tells which keys are strings, so that
    /// `SYNOD_NODE__NAME=7` is the name "7". False when the way down leads through a value.
    pub(super) fn apply(&self, tree: &mut Map<String, Value>, defaults: &Value) -> bool {
        let value = self.value(self.path.find(defaults));
        let mut table = tree;
        let steps = self.path.steps();
        for (depth, step) in steps.iter().enumerate() {
            // An environment variable can't reach into an array.
            let Step::Key(key) = step else { return false };
            if depth + 1 == steps.len() {
                table.insert(key.clone(), value);
                return true;
            }
            let next = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = next else { return false };
            table = inner;
        }
        false
    }

    fn value(&self, default: Option<&Value>) -> Value {
        let text = || Value::String(self.raw.clone());
        if default.is_some_and(Value::is_string) {
            return text();
        }
        let line = format!("value = {}", self.raw);
        let parsed = toml::from_str::<Map<String, Value>>(&line).ok();
        // A second line would smuggle in a second key.
        let parsed = parsed.filter(|table| table.len() == 1);
        parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn laid_over(variable: &str, raw: &str) -> Value {
        let defaults = json!({"node": {"name": "synod", "shutdown_s": 30}, "list": []});
        let mut tree = Map::new();
        for one in overrides([(variable.to_owned(), raw.to_owned())]).0 {
            assert!(one.apply(&mut tree, &defaults));
        }
        Value::Object(tree)
    }

    #[test]
    fn a_variable_takes_the_type_of_its_key() {
        assert_eq!(laid_over("SYNOD_NODE__NAME", "7"), json!({"node": {"name": "7"}}));
        assert_eq!(laid_over("SYNOD_NODE__SHUTDOWN_S", "7"), json!({"node": {"shutdown_s": 7}}));
        assert_eq!(laid_over("SYNOD_NODE__SHUTDOWN_S", "x"), json!({"node": {"shutdown_s": "x"}}));
        let two = json!({"list": [{"id": "a"}]});
        assert_eq!(laid_over("SYNOD_LIST__", "x"), json!({}), "a level without a name is none");
        let mut tree = Map::new();
        let list = Override {
            variable: String::new(),
            path: KeyPath::parse("list"),
            raw: "[{ id = \"a\" }]".to_owned(),
        };
        assert!(list.apply(&mut tree, &json!({})));
        assert_eq!(Value::Object(tree), two);
    }

    #[test]
    fn a_variable_of_ours_that_nobody_reads_is_a_fault_that_names_what_was_meant() {
        let told = |variable: &str| {
            let faults = overrides([(variable.to_owned(), "1".to_owned())]).1;
            faults.first().map(ToString::to_string)
        };
        let advice =
            |variable| told(variable).unwrap().split_once("did you mean ").map(|a| a.1.to_owned());
        assert_eq!(advice("SYNOD_HTTP_LISTEN").unwrap(), "`SYNOD_HTTP__LISTEN`?");
        assert_eq!(advice("SYNOD_NODE_DATA_FOLDER").unwrap(), "`SYNOD_NODE__DATA_FOLDER`?");
        assert_eq!(advice("SYNOD_CONFG").unwrap(), "`SYNOD_CONFIG`?");
        assert_eq!(advice("SYNOD_FOO"), None);
        assert!(told("SYNOD_FOO").unwrap().starts_with("environment SYNOD_FOO: "));
        for known in [
            "SYNOD_URL",
            "SYNOD_CONFIG",
            "SYNOD_TOKEN",
            "SYNOD_CA",
            "SYNOD_LOG",
            "SYNOD_SEED",
            "SYNOD_KILL_ROUNDS",
            "SYNOD_BENCH_ROUNDS",
            "SYNOD_LOGHUB",
            "SYNOD_WRITE_GOLDEN",
            "SYNODIC",
            "PATH",
        ] {
            assert_eq!(told(known), None, "{known}");
        }
    }

    #[test]
    fn other_variables_are_left_alone() {
        assert_eq!(laid_over("SYNOD_URL", "http://x"), json!({}));
        assert_eq!(laid_over("PATH", "/bin"), json!({}));
        assert_eq!(laid_over("SYNOD_LOG", "debug"), json!({"log": {"level": "debug"}}));
    }

    #[test]
    fn a_variable_can_not_smuggle_in_a_second_key() {
        let raw = "1\nother = 2";
        assert_eq!(laid_over("SYNOD_NODE__SHUTDOWN_S", raw), json!({"node": {"shutdown_s": raw}}));
    }
}
