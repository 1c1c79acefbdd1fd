//! What `synod tasks submit` sends: options, laid over a request from a file.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::exit::CliError;
use crate::cli::input::{json_file, json_text, lay_over, pair};

/// A task to be done.
///
/// The node checks it: a field that is wrong is named in the answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synod tasks submit echo '{\"text\": \"one two\"}' --wait\n  \
    synod tasks submit review @change.json --capability code.review --mode consensus\n  \
    synod tasks submit render @scene.json --allocation contract_net\n  \
    synod tasks submit --file request.json --idempotency-key order-7")]
pub(crate) struct Submission {
    /// What kind of task it is
    #[arg(required_unless_present = "file")]
    kind: Option<String>,
    /// Its input: JSON, @FILE, or @- for standard input
    payload: Option<String>,
    /// A whole request in JSON, from a file or `-`; options change it
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// critical, high, normal, low, background, or 1 (most urgent) to 10
    #[arg(long)]
    priority: Option<String>,
    /// A capability the agent must have; may be given more than once
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,
    /// An agent to use, in this order; may be given more than once
    #[arg(long = "agent", value_name = "ID")]
    agents: Vec<String>,
    /// single, sequential, parallel, pipeline, consensus or competitive
    #[arg(long)]
    mode: Option<String>,
    /// How an agent is chosen: measured, random, least_loaded, load_balancing, contract_net,
    /// auction or consensus
    #[arg(long, value_name = "STRATEGY")]
    allocation: Option<String>,
    /// Seconds from acceptance to end, all attempts and waits included
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// When it is too late, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// How often it is tried when an agent reports an error
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
    /// The same key is the same task, however often it is sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// On whose behalf
    #[arg(long)]
    tenant: Option<String>,
    /// A label; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
}

impl Submission {
    /// The request as JSON; fields that are not given are left to the node.
    pub(crate) fn request(self) -> Result<Value, CliError> {
        let mut request: Map<String, Value> = match &self.file {
            Some(source) => json_file(source)?,
            None => Map::new(),
        };
        let payload = match &self.payload {
            Some(text) => Some(json_text("PAYLOAD", text)?),
            None => None,
        };
        let single = [
            ("kind", self.kind.map(Value::from)),
            ("payload", payload),
            ("priority", self.priority.map(priority)),
            ("mode", self.mode.map(Value::from)),
            ("allocation", self.allocation.map(Value::from)),
            ("timeout_s", self.timeout.map(Value::from)),
            ("deadline", self.deadline.map(Value::from)),
            ("idempotency_key", self.idempotency_key.map(Value::from)),
            ("tenant", self.tenant.map(Value::from)),
        ];
        for (field, value) in single {
            request.extend(value.map(|value| (field.to_owned(), value)));
        }
        for (field, values) in [("capabilities", self.capabilities), ("agents", self.agents)] {
            if !values.is_empty() {
                request.insert(field.to_owned(), json!(values));
            }
        }
        let labels = self.labels.into_iter().map(|(key, value)| (key, Value::from(value)));
        lay_over(&mut request, "labels", labels)?;
        let attempts = self.max_attempts.map(|most| ("max_attempts".to_owned(), Value::from(most)));
        lay_over(&mut request, "retry", attempts)?;
        Ok(Value::Object(request))
    }
}

/// A number is sent as one: the node takes names and 1 to 10.
fn priority(text: String) -> Value {
    text.parse::<u8>().map_or_else(|_| Value::from(text), Value::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        submission: Submission,
    }

    fn request(args: &[&str]) -> Result<Value, CliError> {
        let line = Line::try_parse_from([&["submit"], args].concat()).unwrap();
        line.submission.request()
    }

    #[test]
    fn only_what_is_given_is_sent() {
        assert_eq!(request(&["echo"]).unwrap(), json!({"kind": "echo"}));
        let args = [
            "echo",
            "[1]",
            "--priority",
            "2",
            "--capability",
            "a",
            "--capability",
            "b",
            "--label",
            "k=v",
            "--max-attempts",
            "3",
            "--allocation",
            "least_loaded",
        ];
        let expected = json!({
            "kind": "echo", "payload": [1], "priority": 2, "capabilities": ["a", "b"],
            "labels": {"k": "v"}, "retry": {"max_attempts": 3}, "allocation": "least_loaded",
        });
        assert_eq!(request(&args).unwrap(), expected);
    }

    #[test]
    fn options_change_a_request_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.json");
        let text = r#"{"kind": "a", "retry": {"max_lost": 9}, "priority": "low"}"#;
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let found = request(&["--file", path, "--priority", "high", "--max-attempts", "2"]);
        let expected = json!({
            "kind": "a", "retry": {"max_lost": 9, "max_attempts": 2}, "priority": "high",
        });
        assert_eq!(found.unwrap(), expected);
        std::fs::write(path, r#"{"kind": "a", "retry": 1}"#).unwrap();
        assert!(request(&["--file", path, "--max-attempts", "2"]).is_err());
    }

    #[test]
    fn a_task_needs_a_kind_or_a_file() {
        assert!(Line::try_parse_from(["submit"]).is_err());
    }
}
