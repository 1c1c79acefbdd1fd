//! The cards of the team: who can do what, and of which form input and output are.

use serde_json::{Value, json};
use synod_agents::{AgentCard, Capability};

use crate::judges::Criterion;
use crate::reporters::Voice;

/// Version of all agents of the team.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names of the capabilities.
pub(crate) const READ: &str = "log.read";
pub(crate) const MINE: &str = "log.mine";
pub(crate) const CITE: &str = "log.cite";
pub(crate) const DIGEST: &str = "log.digest";
pub(crate) const RANK: &str = "log.rank";
pub(crate) const AUDIT: &str = "log.audit";
pub(crate) const SUMMARISE: &str = "log.summarise";
pub(crate) const DETECT_RARE: &str = "log.detect.rare";
pub(crate) const DETECT_RATE: &str = "log.detect.rate";
pub(crate) const DETECT_FAILURES: &str = "log.detect.failures";
pub(crate) const JUDGE: &str = "log.judge";
pub(crate) const REPORT: &str = "log.report";

/// An object that has these fields; what they hold is checked where it is read.
fn object(required: &[&str]) -> Value {
    json!({"type": "object", "required": required})
}

fn digest() -> Value {
    object(&["chunks", "files", "severities", "templates", "sources"])
}

fn findings() -> Value {
    json!({"type": "array", "items": object(&["id", "kind", "severity", "title", "evidence"])})
}

fn card(id: &str, about: &str, capability: Capability) -> AgentCard {
    AgentCard::new(id, VERSION).description(about).capability(capability)
}

fn can(name: &str, does: &str, input: Value, output: Value) -> Capability {
    Capability::new(name).description(does).input(input).output(output)
}

pub(super) fn reader(workers: u32) -> AgentCard {
    let does = "splits a chunk of a log into lines and dates them";
    let (input, output) = (object(&["chunk", "rehearse_crash"]), object(&["chunk", "lines"]));
    card("log-reader", "reads logs", can(READ, does, input, output)).concurrency(workers)
}

pub(super) fn miner(workers: u32) -> AgentCard {
    let does = "groups the lines of a chunk by template and counts them over time";
    let capability = can(MINE, does, object(&["chunk", "lines"]), digest());
    card("log-miner", "mines templates", capability).concurrency(workers)
}

pub(super) fn foreman() -> AgentCard {
    let does = "reads a file or a folder of logs: cuts it, gives its chunks out as tasks";
    let output = object(&["input", "totals", "places", "audited"]);
    let capability = can(DIGEST, does, json!({"type": "object"}), output);
    card("log-foreman", "makes one digest of a whole log", capability).concurrency(4)
}

pub(super) fn clerk() -> AgentCard {
    let does = "quotes lines that show a finding, and makes a case of each for the judges";
    let capability = can(CITE, does, object(&["findings", "places"]), object(&["cases"]));
    card("log-clerk", "finds the lines that show a finding", capability)
}

pub(super) fn ranker() -> AgentCard {
    let does = "orders what the detectors found";
    let output = object(&["lines", "templates", "findings"]);
    let capability = can(RANK, does, object(&["digest", "findings"]), output);
    card("finding-ranker", "says what comes first", capability)
}

pub(super) fn auditor() -> AgentCard {
    let does = "checks that each chunk and each line is in a digest exactly once";
    let input = object(&["chunks", "bytes", "digest"]);
    let capability = can(AUDIT, does, input, object(&["lines", "messages"]));
    card("log-auditor", "trusts nobody's sums", capability)
}

pub(super) fn summariser() -> AgentCard {
    let does = "groups the templates of a whole log";
    let input = object(&["chunks", "bytes", "digest"]);
    card(
        "log-summariser",
        "makes one picture of many chunks",
        can(SUMMARISE, does, input, digest()),
    )
}

pub(super) fn rare_detector() -> AgentCard {
    let does = "finds templates that hardly ever occur";
    card("detector-rare", "looks for what is new", can(DETECT_RARE, does, digest(), findings()))
}

pub(super) fn rate_detector() -> AgentCard {
    let does = "finds templates at many times their usual rate";
    card("detector-rate", "looks for spikes", can(DETECT_RATE, does, digest(), findings()))
}

pub(super) fn failure_detector() -> AgentCard {
    let does = "finds sources that fail, or are refused, many times in a short time";
    let capability = can(DETECT_FAILURES, does, digest(), findings());
    card("detector-failures", "looks for repeated failures", capability)
}

pub(super) fn judge(criterion: Criterion) -> AgentCard {
    let asks = match criterion {
        Criterion::Strength => "is it more than chance?",
        Criterion::Impact => "does it matter to whoever runs the system?",
        Criterion::Novelty => "does it say something that no other finding does?",
    };
    let capability = can(JUDGE, asks, object(&["finding", "before"]), object(&["vote", "reason"]));
    card(&format!("judge-{}", criterion.name()), asks, capability)
}

pub(super) fn reporter(voice: Voice) -> AgentCard {
    let (does, output) =
        ("tells the findings to people", object(&["reporter", "headline", "paragraphs"]));
    let capability = can(REPORT, does, object(&["input", "findings"]), output);
    card(&format!("reporter-{}", voice.name()), does, capability)
}
