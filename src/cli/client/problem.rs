//! A problem (RFC 9457) as a reader takes it: tolerant of what it doesn't know.

use std::fmt;

use serde::Deserialize;

use crate::cli::exit::Exit;
use crate::cli::output::harmless;

/// What a node says when it does not do what it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    #[serde(rename = "type")]
    urn: String,
    /// The kind of problem in a sentence.
    pub(crate) title: String,
    /// What happened this time.
    pub(crate) detail: Option<String>,
    /// The field, parameter or header that is wrong.
    pub(crate) field: Option<String>,
    /// What was expected there.
    pub(crate) expected: Option<String>,
    /// What came instead.
    pub(crate) got: Option<String>,
    next_step: Option<String>,
    /// Seconds after which a retry makes sense.
    pub(crate) retry_after_s: Option<u64>,
    /// The trace in the node's log.
    pub(crate) trace_id: Option<String>,
}

impl Problem {
    /// Reads a problem from an answer; an answer that holds none is told by its status.
    #[must_use]
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let told: Option<Self> = serde_json::from_slice(body).ok();
        match told {
            Some(problem) if !problem.title.is_empty() => Self { status, ..problem },
            _ => Self {
                status,
                title: format!("the node answered with status {status}"),
                detail: first_line(body),
                ..Self::default()
            },
        }
    }

    /// The exit code that fits the status.
    #[must_use]
    pub(crate) fn exit(&self) -> Exit {
        match self.status {
            404 => Exit::NotFound,
            // No capable agent, a reused idempotency key: the node's state refuses, the request
            // itself is well-formed.
            422 if !self.urn.contains(":invalid-") => Exit::Refused,
            400 | 405 | 408 | 413 | 415 | 422 => Exit::Usage,
            401 | 403 | 409 | 429 | 503 => Exit::Refused,
            _ => Exit::Failed,
        }
    }

    /// What to do next, if the node says so.
    #[must_use]
    pub(crate) fn next_step(&self) -> Option<String> {
        let again = self.retry_after_s.map(|seconds| format!("try again in {seconds} s"));
        self.next_step.as_deref().map(|step| harmless(&as_commands(step))).or(again)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless(&self.title))?;
        let detail = self.detail.as_deref().unwrap_or_default();
        if !detail.is_empty() {
            // A configuration has a line for each of its faults.
            let lines: Vec<String> = detail.split('\n').map(harmless).collect();
            let before = if lines.len() > 1 { ":\n  " } else { ": " };
            write!(f, "{before}{}", lines.join("\n  "))?;
        }
        let facts = [("field", &self.field), ("expected", &self.expected), ("got", &self.got)];
        for (name, value) in facts {
            // The detail often says it all.
            if let Some(value) = value.as_deref().filter(|value| !detail.contains(*value)) {
                write!(f, "\n  {name}: {}", harmless(value))?;
            }
        }
        match &self.trace_id {
            Some(trace) if self.status >= 500 => write!(f, "\n  trace: {}", harmless(trace)),
            _ => Ok(()),
        }
    }
}

/// The advice with commands in place of the routes that they ask.
fn as_commands(step: &str) -> String {
    const COMMANDS: [(&str, &str); 8] = [
        ("GET /api/v1/tokens", "`synod tokens list`"),
        ("GET /api/v1/workflows/definitions", "`synod workflows definitions`"),
        ("GET /api/v1/workflows lists", "`synod workflows list` lists"),
        ("GET /api/v1/approvals", "`synod workflows approvals`"),
        ("GET /api/v1/agents", "`synod agents list`"),
        ("GET /api/v1/status", "`synod status`"),
        ("GET /readyz", "`synod status`"),
        ("POST /api/v1/node/drain", "`synod status drain`"),
    ];
    COMMANDS.iter().fold(step.to_owned(), |told, (route, command)| told.replace(route, command))
}

fn first_line(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| crate::cli::output::cut(line, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_field_and_the_next_step() {
        let body = br#"{"type":"urn:synod:problem:invalid-field","status":422,
            "title":"A field is not valid",
            "detail":"`priority`: expected low, got urgent","field":"priority",
            "expected":"low","got":"urgent","next_step":"see --help","novelty":1}"#;
        let problem = Problem::read(422, body);
        let told = problem.to_string();
        assert_eq!(told, "A field is not valid: `priority`: expected low, got urgent");
        assert_eq!(problem.next_step().as_deref(), Some("see --help"));
        assert_eq!(problem.exit(), Exit::Usage);
    }

    #[test]
    fn the_next_step_is_a_command_not_a_route() {
        let step = "GET /api/v1/agents lists who can do what".to_owned();
        let problem = Problem { next_step: Some(step), ..Problem::default() };
        let told = problem.next_step();
        assert_eq!(told.as_deref(), Some("`synod agents list` lists who can do what"));
    }

    #[test]
    fn what_the_detail_leaves_out_is_added() {
        let problem = Problem {
            title: "T".into(),
            field: Some("retry".into()),
            retry_after_s: Some(3),
            ..Problem::default()
        };
        assert_eq!(problem.to_string(), "T\n  field: retry");
        assert_eq!(problem.next_step().as_deref(), Some("try again in 3 s"));
    }

    #[test]
    fn each_fault_of_a_configuration_has_its_line() {
        let problem = Problem {
            title: "Faults".into(),
            detail: Some("n.toml:1:1: a\nn.toml:2:1: b\u{1b}[2J".into()),
            ..Problem::default()
        };
        let told = problem.to_string();
        assert!(told.starts_with("Faults:\n  n.toml:1:1: a\n  n.toml:2:1: b"), "{told}");
        assert!(!told.contains('\u{1b}'), "{told:?}");
    }

    #[test]
    fn an_answer_that_is_no_problem_is_told_by_its_status() {
        let problem = Problem::read(502, b"<html>\nBad gateway");
        assert_eq!(problem.to_string(), "the node answered with status 502: <html>");
        assert_eq!(problem.exit(), Exit::Failed);
    }

    #[test]
    fn each_status_has_its_exit_code() {
        let exit = |status| Problem { status, ..Problem::default() }.exit();
        assert_eq!(exit(404), Exit::NotFound);
        assert_eq!(exit(422), Exit::Refused);
        assert_eq!(exit(413), Exit::Usage);
        assert_eq!(exit(429), Exit::Refused);
        assert_eq!(exit(500), Exit::Failed);
    }
}
