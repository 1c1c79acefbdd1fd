//! What a card must satisfy before its agent is registered; every fault is named, not the first.

use std::collections::BTreeSet;

use crate::card::{AgentCard, AgentKind, Capability};
use crate::id::{AgentId, is_identifier};
use crate::schema;

const MAX_TEXT: usize = 4_096;
const MAX_NAME: usize = 128;
const MAX_VERSION: usize = 64;
const MAX_CAPABILITIES: usize = 64;
const MAX_PROTOCOLS: usize = 32;
const MAX_SCHEMA: usize = 64 * 1_024;
/// All schemas of a card together: it has to fit into one record of the journal.
const MAX_SCHEMAS: usize = 256 * 1_024;
const MAX_METADATA: usize = 64;
const MAX_VALUE: usize = 1_024;
const MAX_ENDPOINT: usize = 2_048;

/// One thing that is wrong with a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}, got {got}")]
pub struct CardFault {
    /// Path of the field, `capabilities[2].input_schema`.
    pub field: String,
    /// What would be right.
    pub expected: String,
    /// What was there, cut to a readable length.
    pub got: String,
}

/// Collects faults; one method per form of rule.
struct Faults(Vec<CardFault>);

impl Faults {
    fn require(&mut self, ok: bool, field: &str, expected: &str, got: impl ToString) {
        if !ok {
            let got = got.to_string().chars().take(80).collect();
            self.0.push(CardFault { field: field.into(), expected: expected.into(), got });
        }
    }

    fn at_most(&mut self, length: usize, limit: usize, field: &str, unit: &str) {
        let expected = format!("at most {limit} {unit}");
        self.require(length <= limit, field, &expected, format!("{length} {unit}"));
    }

    /// Text for people: bounded, and nothing that drives their terminals.
    fn text(&mut self, text: &str, limit: usize, field: &str, lines: bool) {
        self.at_most(text.len(), limit, field, "bytes");
        let drives = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\t'));
        let expected = "text without control characters";
        self.require(!text.chars().any(drives), field, expected, text.escape_debug());
    }
}

/// Characters that reorder the text around them (Unicode TR 9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with what does not print as its number.
fn escaped(text: &str) -> String {
    text.escape_debug().to_string()
}

impl AgentCard {
    /// Checks every field.
    ///
    /// # Errors
    /// All that is wrong, each with its field and what was expected.
    pub fn validate(&self) -> Result<(), Vec<CardFault>> {
        let mut faults = Faults(Vec::new());
        self.check_identity(&mut faults);
        self.check_limits(&mut faults);
        self.check_endpoint(&mut faults);
        self.check_metadata(&mut faults);
        self.check_capabilities(&mut faults);
        self.check_protocols(&mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
    }

    fn check_identity(&self, faults: &mut Faults) {
        let id = self.id.as_str();
        let expected = "1 to 64 of a-z, 0-9, '.', '_', '-', a letter or digit first";
        faults.require(AgentId::new(id).is_ok(), "id", expected, id);
        if let Some(text) = &self.malformed_version {
            faults.require(false, "version", "a semantic version such as 1.0.0", text);
        }
        faults.at_most(self.version.to_string().len(), MAX_VERSION, "version", "bytes");
        faults.text(&self.name, MAX_NAME, "name", false);
        faults.text(&self.description, MAX_TEXT, "description", true);
        let fair = self.cost.is_finite() && self.cost >= 0.0;
        faults.require(fair, "cost", "a finite number of at least 0", self.cost);
    }

    fn check_limits(&self, faults: &mut Faults) {
        let limits = &self.limits;
        let tasks = limits.max_concurrent_tasks;
        let field = "limits.max_concurrent_tasks";
        faults.require((1..=4_096).contains(&tasks), field, "1 to 4096", tasks);
        let seconds = limits.perform_timeout_s;
        let field = "limits.perform_timeout_s";
        faults.require((1..=86_400).contains(&seconds), field, "1 to 86400", seconds);
        let grace = limits.grace_ms.unwrap_or(0);
        faults.require(grace <= 600_000, "limits.grace_ms", "0 to 600000", grace);
    }

    fn check_endpoint(&self, faults: &mut Faults) {
        match (&self.endpoint, self.kind) {
            (None, AgentKind::Http) => {
                faults.require(false, "endpoint", "the URL of the http agent", "nothing");
            }
            (Some(url), AgentKind::Http) => {
                let web = url.starts_with("http://") || url.starts_with("https://");
                let expected = "a URL with http:// or https://";
                faults.require(web, "endpoint", expected, escaped(url));
                faults.text(url, MAX_ENDPOINT, "endpoint", false);
                let plain = !url.chars().any(is_bidi_control);
                let expected = "a URL without characters that reorder text";
                faults.require(plain, "endpoint", expected, escaped(url));
            }
            (Some(url), _) => {
                let expected = "nothing: the kind is not http";
                faults.require(false, "endpoint", expected, escaped(url));
            }
            (None, _) => {}
        }
    }

    fn check_metadata(&self, faults: &mut Faults) {
        faults.at_most(self.metadata.len(), MAX_METADATA, "metadata", "entries");
        for (key, value) in self.metadata.iter().take(MAX_METADATA) {
            let field = format!("metadata.{}", key.chars().take(40).collect::<String>());
            let field = field.escape_debug().to_string();
            faults.require(!key.is_empty(), &field, "a key of 1 to 128 bytes", "none");
            faults.text(key, MAX_NAME, &field, false);
            faults.text(value, MAX_VALUE, &field, true);
        }
    }

    fn check_protocols(&self, faults: &mut Faults) {
        faults.at_most(self.protocols.len(), MAX_PROTOCOLS, "protocols", "protocols");
        let mut seen = BTreeSet::new();
        for (index, protocol) in self.protocols.iter().take(MAX_PROTOCOLS).enumerate() {
            let field = format!("protocols[{index}]");
            let expected = "1 to 128 of a-z, 0-9, '.', '_', '-', a letter or digit first";
            faults.require(is_identifier(protocol, MAX_NAME), &field, expected, protocol);
            let fresh = seen.insert(protocol.as_str());
            faults.require(fresh, &field, "each protocol once", protocol);
        }
    }

    fn check_capabilities(&self, faults: &mut Faults) {
        let count = self.capabilities.len();
        let some = (1..=MAX_CAPABILITIES).contains(&count);
        faults.require(some, "capabilities", "1 to 64 capabilities", count);
        let mut seen = BTreeSet::new();
        let mut schemas = 0;
        for (index, capability) in self.capabilities.iter().take(MAX_CAPABILITIES).enumerate() {
            let field = format!("capabilities[{index}]");
            let fresh = seen.insert(capability.name.as_str());
            faults.require(fresh, &field, "each capability once", &capability.name);
            schemas += capability.check(&field, faults);
        }
        faults.at_most(schemas, MAX_SCHEMAS, "capabilities", "bytes of schemas");
    }
}

impl Capability {
    /// Checks it and returns the size of its schemas.
    fn check(&self, field: &str, faults: &mut Faults) -> usize {
        let named = is_identifier(&self.name, MAX_NAME);
        let expected = "1 to 128 of a-z, 0-9, '.', '_', '-', a letter or digit first";
        faults.require(named, &format!("{field}.name"), expected, &self.name);
        let described = format!("{field}.description");
        faults.text(&self.description, MAX_TEXT, &described, true);
        let schemas =
            [("input_schema", &self.input_schema), ("output_schema", &self.output_schema)];
        let mut total = 0;
        for (name, schema) in schemas {
            let Some(schema) = schema else { continue };
            let field = format!("{field}.{name}");
            let size = schema.to_string().len();
            total += size;
            faults.at_most(size, MAX_SCHEMA, &field, "bytes");
            if size <= MAX_SCHEMA
                && let Err(reason) = schema::compile(schema)
            {
                faults.require(false, &field, "a JSON Schema (draft 2020-12)", reason);
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(card: &AgentCard) -> Vec<String> {
        let faults = card.validate().err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_small_card_is_enough() {
        assert_eq!(AgentCard::new("a", "1.0.0").capability("text.count").validate(), Ok(()));
    }

    #[test]
    fn every_fault_is_reported_with_its_field() {
        let card = AgentCard::new("Not An Id", "one")
            .capability("Bad Name")
            .capability(Capability::new("a").input(json!({"type": 7})))
            .capability("a")
            .concurrency(0)
            .cost(f64::NAN)
            .endpoint("http://here/");
        assert_eq!(
            fields(&card),
            [
                "id",
                "version",
                "cost",
                "limits.max_concurrent_tasks",
                "endpoint",
                "capabilities[0].name",
                "capabilities[1].input_schema",
                "capabilities[2]",
            ]
        );
    }

    #[test]
    fn a_version_is_at_most_64_bytes_and_texts_drive_no_terminal() {
        let long = format!("1.0.0-{}", "a".repeat(1 << 20));
        assert_eq!(fields(&AgentCard::new("a", long.as_str()).capability("x")), ["version"]);
        let mut card =
            AgentCard::new("a", "1.0.0").capability(Capability::new("x").description("\u{1b}[2J"));
        card.name = "bell\u{7}".into();
        card.description = "two\nlines are fine, \u{9b}31m is not".into();
        card.metadata.insert("a\u{0}".into(), "1".into());
        card.metadata.insert("b".into(), "\r".into());
        let expected =
            ["name", "description", "metadata.a\\0", "metadata.b", "capabilities[0].description"];
        assert_eq!(fields(&card), expected);
        card.description = "two\nlines\tare fine".into();
        assert!(!fields(&card).contains(&"description".to_owned()));
    }

    #[test]
    fn an_http_agent_needs_a_web_address() {
        let card = AgentCard::new("a", "1.0.0").capability("x").kind(AgentKind::Http);
        assert_eq!(fields(&card), ["endpoint"]);
        assert_eq!(fields(&card.clone().endpoint("ftp://x")), ["endpoint"]);
        assert!(fields(&card.endpoint("https://x/perform")).is_empty());
    }

    #[test]
    fn an_endpoint_drives_no_terminal_and_reorders_no_text() {
        let card = AgentCard::new("a", "1.0.0").capability("x").kind(AgentKind::Http);
        for bad in ["\u{1b}[2J", "\u{9b}31m", "\r\nhost: other", "\u{202e}", "\u{2066}", "\t"] {
            let faults = card.clone().endpoint(format!("http://x/{bad}")).validate().unwrap_err();
            let [CardFault { field, got, .. }] = &faults[..] else { panic!("{bad:?}: {faults:?}") };
            assert_eq!(field, "endpoint");
            assert!(got.is_ascii() && !got.chars().any(char::is_control), "{bad:?}: {got}");
        }
    }

    #[test]
    fn a_schema_that_points_to_the_network_is_refused() {
        let remote = json!({"$ref": "http://127.0.0.1:1/schema.json"});
        let card = AgentCard::new("a", "1.0.0").capability(Capability::new("x").input(remote));
        assert_eq!(fields(&card), ["capabilities[0].input_schema"]);
    }

    #[test]
    fn a_capability_may_be_written_as_its_name() {
        let card: AgentCard =
            serde_json::from_value(json!({"id": "a", "capabilities": ["x", {"name": "y"}]}))
                .unwrap();
        assert_eq!(card.capabilities, [Capability::new("x"), Capability::new("y")]);
        let unknown = json!({"id": "a", "capabilities": [{"name": "y", "inptu_schema": {}}]});
        let error = serde_json::from_value::<AgentCard>(unknown).unwrap_err();
        assert!(error.to_string().contains("inptu_schema"), "{error}");
    }
}
