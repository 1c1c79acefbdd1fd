//! Checking what a keeper asks for: the limits of tasks hold.

use std::sync::Arc;
use std::time::Duration;

use synod_coordination::Rules;
use synod_runtime::Correlation;
use tokio::time::Instant;

use super::{
    Asker, DEFAULT_TENANT, check_labels, check_text, check_weight, in_millionths, invalid,
};
use crate::config::TasksConfig;
use crate::error::SubmitError;
use crate::machine::Asked;
use crate::matching::Requirement;
use crate::messages::{Execute, ExecutionSpec};
use crate::task::{CapabilityRequirement, Moment, RetryPolicy, TaskMode, TaskSpec};

/// Checks what is asked for and makes it a specification and an input.
///
/// # Errors
/// The first value that is wrong, with what was expected.
pub(crate) fn check_execution(
    asked: Execute,
    correlation: Option<Correlation>,
    config: &TasksConfig,
    now: Moment,
    at: Instant,
) -> Result<Asked, SubmitError> {
    let Execute { id, attempt, mut spec, principal } = asked;
    if attempt == 0 {
        return Err(invalid("attempt", "at least 1", attempt));
    }
    let bytes = spec.input.bytes.len() as u64;
    if bytes > config.max_payload_bytes {
        return Err(SubmitError::PayloadTooLarge { bytes, limit: config.max_payload_bytes });
    }
    let asker = Asker { principal, correlation };
    let key = std::mem::take(&mut spec.idempotency_key);
    let input = std::mem::take(&mut spec.input).into();
    let watch = std::mem::take(&mut spec.watch);
    let (start_within, wait_for_agent) = (spec.start_within.map(micros), spec.wait_for_agent);
    let left = spec.deadline.saturating_duration_since(at);
    let deadline = now.utc.saturating_add(i64::try_from(micros(left)).unwrap_or(i64::MAX));
    let spec = Arc::new(specification(spec, asker, deadline, config)?);
    check_weight(&spec)?;
    Ok(Asked { id, attempt, spec, input, key, watch, start_within, wait_for_agent })
}

fn specification(
    spec: ExecutionSpec,
    asker: Asker,
    deadline: i64,
    config: &TasksConfig,
) -> Result<TaskSpec, SubmitError> {
    check_text("kind", &spec.kind, 128)?;
    check_labels(&spec.labels, config)?;
    let replicas = replicas(&spec, config)?;
    let consensus = spec.consensus.unwrap_or_default().rules();
    check_terms(&spec, &consensus)?;
    let budget = match spec.budget {
        Some(budget) if !(0.0..=1e12).contains(&budget) => {
            return Err(invalid("budget", "a number from 0 to 1e12", budget));
        }
        budget => budget.map(in_millionths),
    };
    let retry = RetryPolicy { max_attempts: 1, max_lost: spec.max_lost, ..RetryPolicy::default() };
    let (mode, allocation) = (spec.mode, spec.allocation);
    let require = requirement(&spec.kind, spec.capabilities, spec.agents, config)?;
    Ok(TaskSpec {
        priority: spec.priority,
        mode,
        replicas,
        allow_partial: spec.allow_partial && mode == TaskMode::Parallel,
        rules: (mode == TaskMode::Consensus).then_some(consensus),
        retry,
        deadline,
        budget,
        key: None,
        principal: asker.principal,
        correlation: asker.correlation,
        require: Requirement { allocation, ..require },
        tenant: spec.tenant.unwrap_or_else(|| DEFAULT_TENANT.clone()),
        labels: spec.labels,
        kind: spec.kind,
    })
}

/// What can be said of the terms without the node's configuration.
fn check_terms(spec: &ExecutionSpec, consensus: &Rules) -> Result<(), SubmitError> {
    if spec.mode == TaskMode::Consensus
        && let Err(faults) = consensus.validate()
        && let Some(fault) = faults.into_iter().next()
    {
        let got = super::value_of(consensus, &fault.key);
        return Err(invalid(format!("consensus.{}", fault.key), fault.reason, got));
    }
    if spec.max_lost > 1_000 {
        return Err(invalid("max_lost", "at most 1000", spec.max_lost));
    }
    let suits = spec.allocation.suits(spec.mode, !spec.agents.is_empty());
    suits.map_err(|expected| invalid("allocation", expected, spec.allocation))
}

fn requirement(
    kind: &str,
    mut capabilities: Vec<CapabilityRequirement>,
    agents: Vec<synod_agents::AgentId>,
    config: &TasksConfig,
) -> Result<Requirement, SubmitError> {
    let (most, given) = (usize::from(config.max_capabilities), capabilities.len());
    if given > most {
        return Err(invalid("capabilities", format!("at most {most}"), given));
    }
    let most = usize::from(config.max_parts);
    if agents.len() > most {
        return Err(invalid("agents", format!("at most {most}"), agents.len()));
    }
    if capabilities.is_empty() && agents.is_empty() {
        let expected =
            "the form of a capability, because neither capabilities nor agents are given";
        let implied = CapabilityRequirement::any(kind);
        capabilities.push(implied.map_err(|_| invalid("kind", expected, kind))?);
    }
    Ok(Requirement { capabilities, agents, ..Requirement::default() })
}

fn replicas(spec: &ExecutionSpec, config: &TasksConfig) -> Result<u16, SubmitError> {
    let (field, replicas) = match spec.mode {
        TaskMode::Consensus => ("consensus.voters", spec.consensus.unwrap_or_default().voters),
        TaskMode::Competitive => {
            ("competitive.racers", spec.competitive.unwrap_or_default().racers)
        }
        _ => return Ok(1),
    };
    if (1..=config.max_parts).contains(&replicas) {
        return Ok(replicas);
    }
    Err(invalid(field, format!("1 to {}", config.max_parts), replicas))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
