//! Checking a submission: everything that can be said about it without looking at the engine.

mod execution;
mod payload;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, LazyLock};

pub(crate) use execution::check_execution;

use sha2::{Digest, Sha256};
use synod_agents::{AgentId, Payload};
use synod_coordination::Rules;
use synod_runtime::{Correlation, Principal};

use crate::canonical::canonical;
use crate::config::TasksConfig;
use crate::error::SubmitError;
use crate::matching::Requirement;
use crate::messages::TaskSubmissionRequest;
use crate::task::{CapabilityRequirement, IdempotencyKey, Moment, RetryPolicy, TaskMode, TaskSpec};

/// What the idempotency keys of submissions are scoped to, beside the tenant.
const OPERATION: &str = "tasks.submit";

/// Most bytes of a task beside its input: it has to fit into one record of the journal.
const MAX_SPEC_BYTES: usize = 128 << 10;

/// The tenant of who names none.
static DEFAULT_TENANT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));

/// Who asks, and in which trace.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub principal: Principal,
    pub correlation: Option<Correlation>,
}

/// Checks a request and makes it a specification and an input.
///
/// # Errors
/// The first field that is wrong, with what was expected.
pub(crate) fn check(
    mut request: TaskSubmissionRequest,
    asker: Asker,
    config: &TasksConfig,
    now: Moment,
) -> Result<(TaskSpec, Payload), SubmitError> {
    check_text("kind", &request.kind, 128)?;
    let tenant = tenant(&request)?;
    let key = request.idempotency_key.as_deref();
    let key = key.map(|key| idempotency_key(&request, &tenant, key)).transpose()?;
    check_labels(&request.labels, config)?;
    check_options(&request)?;
    let agents = check_requirement(&mut request, config)?;
    let deadline = deadline(&request, config, now)?;
    let retry = retry(&request, config)?;
    let budget = budget(&request)?;
    let (replicas, rules) = (replicas(&request, config)?, rules(&request));
    let input = payload::input(request.payload, request.content_type, config)?;
    let allocation = request.allocation;
    let require = Requirement { capabilities: request.capabilities, agents, allocation };
    let spec = TaskSpec {
        kind: request.kind,
        priority: request.priority,
        mode: request.mode,
        require,
        replicas,
        allow_partial: request.allow_partial,
        rules,
        retry,
        deadline,
        tenant,
        budget,
        labels: request.labels,
        key,
        principal: asker.principal,
        correlation: asker.correlation,
    };
    check_weight(&spec)?;
    Ok((spec, input))
}

/// What each field may have is less; the names a caller in this process makes up need not be.
fn check_weight(spec: &TaskSpec) -> Result<(), SubmitError> {
    let bytes = spec.weight();
    if bytes > MAX_SPEC_BYTES {
        let expected = format!("at most {MAX_SPEC_BYTES} bytes beside the payload");
        return Err(invalid("task", expected, format!("{bytes} bytes")));
    }
    Ok(())
}

fn invalid(
    field: impl Into<String>,
    expected: impl Into<String>,
    got: impl Display,
) -> SubmitError {
    let mut got = got.to_string();
    if got.len() > 80 {
        got.truncate(got.floor_char_boundary(77));
        got.push('…');
    }
    SubmitError::Invalid { field: field.into(), expected: expected.into(), got }
}

/// Text of 1 to `max` visible bytes.
fn check_text(field: &str, given: &str, max: usize) -> Result<(), SubmitError> {
    let visible = |byte: u8| byte.is_ascii_graphic();
    if !given.is_empty() && given.len() <= max && given.bytes().all(visible) {
        return Ok(());
    }
    let got = if given.len() > max { format!("{} bytes", given.len()) } else { quoted(given) };
    Err(invalid(field, format!("1 to {max} visible ASCII characters"), got))
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn tenant(request: &TaskSubmissionRequest) -> Result<Arc<str>, SubmitError> {
    let Some(tenant) = request.tenant.as_deref() else { return Ok(DEFAULT_TENANT.clone()) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if tenant.is_empty() || tenant.len() > 64 || !tenant.bytes().all(allowed) {
        return Err(invalid("tenant", "1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'", quoted(tenant)));
    }
    Ok(Arc::from(tenant))
}

fn check_labels(
    labels: &BTreeMap<String, String>,
    config: &TasksConfig,
) -> Result<(), SubmitError> {
    let most = usize::from(config.max_labels);
    if labels.len() > most {
        return Err(invalid("labels", format!("at most {most}"), labels.len()));
    }
    for (key, value) in labels {
        if key.is_empty() || key.len() > 63 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let expected = "a key of 1 to 63 visible ASCII characters";
            return Err(invalid(label_field(key), expected, quoted(key)));
        }
        if value.len() > 255 {
            let got = format!("{} bytes", value.len());
            return Err(invalid(format!("labels.{key}"), "at most 255 bytes", got));
        }
        if value.chars().any(char::is_control) {
            let got = value.escape_debug();
            return Err(invalid(format!("labels.{key}"), "text without control characters", got));
        }
    }
    Ok(())
}

/// The field of a label, as far as its key can be shown.
fn label_field(key: &str) -> String {
    let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    format!("labels.{shown}")
}

/// Options of a mode are refused in another one: they would be ignored.
fn check_options(request: &TaskSubmissionRequest) -> Result<(), SubmitError> {
    let misplaced = [
        (request.consensus.is_some(), "consensus", TaskMode::Consensus),
        (request.competitive.is_some(), "competitive", TaskMode::Competitive),
        (request.allow_partial, "allow_partial", TaskMode::Parallel),
    ];
    for (given, field, mode) in misplaced {
        if given && request.mode != mode {
            let expected = format!("nothing, unless mode is {mode}");
            return Err(invalid(field, expected, format!("mode {}", request.mode)));
        }
    }
    if let Err(expected) = request.allocation.suits(request.mode, !request.agents.is_empty()) {
        return Err(invalid("allocation", expected, request.allocation));
    }
    if let Some(options) = request.consensus
        && let Err(faults) = options.rules().validate()
        && let Some(fault) = faults.into_iter().next()
    {
        let got = value_of(&options, &fault.key);
        return Err(invalid(format!("consensus.{}", fault.key), fault.reason, got));
    }
    Ok(())
}

/// The rules of the ballot, where there is one.
fn rules(request: &TaskSubmissionRequest) -> Option<Rules> {
    let votes = request.mode == TaskMode::Consensus;
    votes.then(|| request.consensus.unwrap_or_default().rules())
}

/// Completes and checks the capabilities, and reads the agents.
fn check_requirement(
    request: &mut TaskSubmissionRequest,
    config: &TasksConfig,
) -> Result<Vec<AgentId>, SubmitError> {
    imply_capability(request)?;
    check_capabilities(request, config)?;
    agents(request, config)
}

/// The kind is the required capability where nothing else is asked for.
fn imply_capability(request: &mut TaskSubmissionRequest) -> Result<(), SubmitError> {
    if request.capabilities.is_empty() && request.agents.is_empty() {
        let kind = CapabilityRequirement::any(&request.kind);
        let expected =
            "the form of a capability, because neither capabilities nor agents are given";
        let kind = kind.map_err(|_| invalid("kind", expected, quoted(&request.kind)))?;
        request.capabilities.push(kind);
    }
    Ok(())
}

fn check_capabilities(
    request: &TaskSubmissionRequest,
    config: &TasksConfig,
) -> Result<(), SubmitError> {
    let (given, most) = (&request.capabilities, usize::from(config.max_capabilities));
    if given.len() > most {
        return Err(invalid("capabilities", format!("at most {most}"), given.len()));
    }
    let mut names = BTreeSet::new();
    match given.iter().find(|known| !names.insert(known.name.as_str())) {
        Some(again) => Err(invalid("capabilities", "each name once", quoted(&again.name))),
        None => Ok(()),
    }
}

fn agents(
    request: &TaskSubmissionRequest,
    config: &TasksConfig,
) -> Result<Vec<AgentId>, SubmitError> {
    let most = usize::from(config.max_parts);
    if request.agents.len() > most {
        return Err(invalid("agents", format!("at most {most}"), request.agents.len()));
    }
    let mut agents = Vec::with_capacity(request.agents.len());
    for (at, id) in request.agents.iter().enumerate() {
        let parsed = AgentId::new(id);
        let expected = "an agent id: 1 to 64 of a-z, 0-9, '.', '_', '-'";
        agents.push(parsed.map_err(|_| invalid(format!("agents[{at}]"), expected, quoted(id)))?);
    }
    // In the others an agent may well have two stages.
    let once =
        matches!(request.mode, TaskMode::Single | TaskMode::Consensus | TaskMode::Competitive);
    let mut seen = BTreeSet::new();
    if let Some(twice) = agents.iter().find(|agent| once && !seen.insert(agent.as_str())) {
        let expected = format!("each agent once in mode {}", request.mode);
        return Err(invalid("agents", expected, quoted(twice.as_str())));
    }
    Ok(agents)
}

/// When the task is given up, UTC microseconds.
fn deadline(
    request: &TaskSubmissionRequest,
    config: &TasksConfig,
    now: Moment,
) -> Result<i64, SubmitError> {
    let longest = config.max_timeout_s;
    let after = |seconds: u64| {
        let us = i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        now.utc.saturating_add(us)
    };
    if let Some(timeout) = request.timeout_s
        && !(1..=longest).contains(&timeout)
    {
        return Err(invalid("timeout_s", format!("1 to {longest}"), timeout));
    }
    let given = request.deadline.map(|deadline| deadline.as_microsecond());
    if given.is_some_and(|given| given > after(longest)) {
        let expected = format!("at most {longest} s from now");
        return Err(invalid("deadline", expected, request.deadline.unwrap_or_default()));
    }
    let by_timeout = request.timeout_s.map(after);
    let earlier = given.into_iter().chain(by_timeout).min();
    Ok(earlier.unwrap_or_else(|| after(config.default_timeout_s)))
}

fn retry(
    request: &TaskSubmissionRequest,
    config: &TasksConfig,
) -> Result<RetryPolicy, SubmitError> {
    let policy = request.retry.over(config.retry);
    let Err(faults) = policy.validate() else { return Ok(policy) };
    let Some(fault) = faults.into_iter().next() else { return Ok(policy) };
    let expected = fault.reason.trim_start_matches("expected ").to_owned();
    let got = value_of(&policy, &fault.key);
    Err(invalid(format!("retry.{}", fault.key), expected, got))
}

/// What was given for a key of some options; a number that JSON has no form for is one.
fn value_of(options: &impl serde::Serialize, key: &str) -> String {
    let whole = serde_json::to_value(options).unwrap_or_default();
    let value = key.split('.').try_fold(&whole, |value, key| value.get(key));
    value.map_or_else(|| "another value".to_owned(), ToString::to_string)
}

/// Millionths of the agents' unit.
fn budget(request: &TaskSubmissionRequest) -> Result<Option<u64>, SubmitError> {
    let Some(budget) = request.budget else { return Ok(None) };
    if !(0.0..=1e12).contains(&budget) {
        return Err(invalid("budget", "a number from 0 to 1e12", budget));
    }
    Ok(Some(in_millionths(budget)))
}

/// A price of the agents' cards in millionths of their unit.
pub(crate) fn in_millionths(price: f64) -> u64 {
    (price * 1e6).round() as u64
}

fn replicas(request: &TaskSubmissionRequest, config: &TasksConfig) -> Result<u16, SubmitError> {
    let (field, replicas) = match request.mode {
        TaskMode::Consensus => ("consensus.voters", request.consensus.unwrap_or_default().voters),
        TaskMode::Competitive => {
            ("competitive.racers", request.competitive.unwrap_or_default().racers)
        }
        _ => return Ok(1),
    };
    if (1..=config.max_parts).contains(&replicas) {
        return Ok(replicas);
    }
    Err(invalid(field, format!("1 to {}", config.max_parts), replicas))
}

fn idempotency_key(
    request: &TaskSubmissionRequest,
    tenant: &str,
    key: &str,
) -> Result<IdempotencyKey, SubmitError> {
    check_text("idempotency_key", key, 255)?;
    let text = key.to_owned();
    // None of the three can hold a zero byte, so no two scopes run into each other.
    let scope = half_sha256(format!("{tenant}\0{OPERATION}\0{text}").as_bytes());
    let unkeyed = TaskSubmissionRequest { idempotency_key: None, ..request.clone() };
    let whole = serde_json::to_value(&unkeyed);
    let whole = whole.map_err(|error| payload::unreadable(&error))?;
    Ok(IdempotencyKey { text, scope, body: half_sha256(canonical(&whole).as_bytes()) })
}

fn half_sha256(bytes: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}
