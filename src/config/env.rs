//! Environment variables on top of the file: `SYNOD_HTTP__LISTEN` is `http.listen`.
//!
//! Two underscores separate the levels. Variables without them (`SYNOD_URL`) belong to the command
//! line, except `SYNOD_LOG`, the short name of `SYNOD_LOG__LEVEL`. An array or table is written
//! as TOML: `SYNOD_AGENTS__PROCESS='[{ id = "echo", command = ["./echo.py"] }]'`.

use std::ffi::OsString;

use serde_json::{Map, Value};

use super::path::{KeyPath, Step};

/// What all our variables begin with.
const PREFIX: &str = "SYNOD_";

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

/// The variables that set keys, in the order of their names.
pub(super) fn overrides(env: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<Override> = env
        .into_iter()
        .filter_map(|(variable, raw)| {
            let path = key_of(variable.strip_prefix(PREFIX)?)?;
            Some(Override { variable, path, raw })
        })
        .collect();
    found.sort_by(|a, b| a.variable.cmp(&b.variable));
    found
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
        for one in overrides([(variable.to_owned(), raw.to_owned())]) {
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
