//! One text for each definition, so that a definition can be named by the hash of its text.
//!
//! After RFC 8785: no white space, members in order of their names (here of their bytes), and a
//! number without a fraction that is exact in a double is written as an integer. Keys at their
//! defaults are left out, so that a key that a later version of Synod adds changes no hash.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::hash::DefinitionHash;
use super::model::Definition;

/// Largest integer up to which every integer is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Definition {
    /// Its canonical JSON text.
    #[must_use]
    pub fn canonical(&self) -> String {
        // A definition holds nothing that JSON can't say.
        let value = serde_json::to_value(self).unwrap_or_default();
        let mut text = String::new();
        write(&value, &mut text);
        text
    }

    /// The hash of its canonical text.
    #[must_use]
    pub fn hash(&self) -> DefinitionHash {
        DefinitionHash(Sha256::digest(self.canonical().as_bytes()).into())
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() <= EXACT => {
                out.push_str(&(double as i64).to_string());
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, out);
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                separate(at, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn separate(at: usize, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
}
