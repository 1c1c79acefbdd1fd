//! Between what was asked, as it is stored, and the machine's own types.

use std::borrow::Cow;
use std::sync::Arc;

use semver::Version;
use synod_coordination::{Quorum, Rules, Threshold, TieRule};
use synod_runtime::{Correlation, Principal, PrincipalKind, Priority};

use super::RecordError;
use super::events::{agent_id, unknown};
use super::v1::{
    CapabilityV1, KeyV1, PrincipalKindV1, PrincipalV1, QuorumV1, RetryV1, RulesV1, SpecV1,
    ThresholdV1, TieV1, TraceV1,
};
use crate::matching::Requirement;
use crate::task::{
    Allocation, CapabilityRequirement, IdempotencyKey, RetryPolicy, TaskMode, TaskSpec,
};

impl<'a> From<&'a TaskSpec> for SpecV1<'a> {
    fn from(spec: &'a TaskSpec) -> Self {
        let borrowed = |text: &'a String| Cow::Borrowed(text.as_str());
        let retry = RetryV1::from(spec.retry);
        Self {
            kind: borrowed(&spec.kind),
            priority: spec.priority as u8,
            mode: spec.mode.code(),
            capabilities: spec.require.capabilities.iter().map(Into::into).collect(),
            agents: spec.require.agents.iter().map(|id| Cow::Borrowed(id.as_str())).collect(),
            replicas: spec.replicas,
            allow_partial: spec.allow_partial,
            rules: spec.rules.map(Into::into),
            retry: (retry != RetryV1::USUAL).then_some(retry),
            deadline: spec.deadline,
            tenant: Cow::Borrowed(&spec.tenant),
            budget: spec.budget,
            labels: spec.labels.iter().map(|(k, v)| (borrowed(k), borrowed(v))).collect(),
            key: spec.key.as_ref().map(Into::into),
            principal: (&spec.principal).into(),
            trace: spec.correlation.map(Into::into),
        }
    }
}

impl TryFrom<SpecV1<'_>> for TaskSpec {
    type Error = RecordError;

    fn try_from(spec: SpecV1<'_>) -> Result<Self, RecordError> {
        let capabilities = spec.capabilities.into_iter().map(TryInto::try_into);
        let agents = spec.agents.iter().map(|id| agent_id(id));
        let priority = Priority::ALL.get(usize::from(spec.priority)).copied();
        Ok(Self {
            kind: spec.kind.into_owned(),
            priority: priority.ok_or_else(|| unknown("priority", spec.priority))?,
            mode: TaskMode::from_code(spec.mode).ok_or_else(|| unknown("mode", spec.mode))?,
            require: Requirement {
                capabilities: capabilities.collect::<Result<_, _>>()?,
                agents: agents.collect::<Result<_, _>>()?,
                // It is stored beside.
                allocation: Allocation::default(),
            },
            replicas: spec.replicas,
            allow_partial: spec.allow_partial,
            rules: spec.rules.map(Into::into),
            retry: spec.retry.unwrap_or(RetryV1::USUAL).into(),
            deadline: spec.deadline,
            tenant: Arc::from(spec.tenant),
            budget: spec.budget,
            labels: spec
                .labels
                .into_iter()
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
            key: spec.key.map(Into::into),
            principal: spec.principal.into(),
            correlation: spec.trace.map(TryInto::try_into).transpose()?,
        })
    }
}

impl<'a> From<&'a CapabilityRequirement> for CapabilityV1<'a> {
    fn from(known: &'a CapabilityRequirement) -> Self {
        let min_version = known.min_version.as_ref().map(ToString::to_string);
        Self { name: Cow::Borrowed(&known.name), min_version }
    }
}

impl TryFrom<CapabilityV1<'_>> for CapabilityRequirement {
    type Error = RecordError;

    fn try_from(known: CapabilityV1<'_>) -> Result<Self, RecordError> {
        let parse = |text: String| Version::parse(&text).map_err(|_| unknown("version", text));
        let min_version = known.min_version.map(parse).transpose()?;
        Ok(Self { name: known.name.into_owned(), min_version })
    }
}

impl From<RetryPolicy> for RetryV1 {
    fn from(policy: RetryPolicy) -> Self {
        let RetryPolicy { max_attempts, max_lost, initial_ms, multiplier, max_ms, jitter } = policy;
        Self { max_attempts, max_lost, initial_ms, multiplier, max_ms, jitter }
    }
}

impl From<RetryV1> for RetryPolicy {
    fn from(policy: RetryV1) -> Self {
        let RetryV1 { max_attempts, max_lost, initial_ms, multiplier, max_ms, jitter } = policy;
        Self { max_attempts, max_lost, initial_ms, multiplier, max_ms, jitter }
    }
}

impl From<Rules> for RulesV1 {
    fn from(rules: Rules) -> Self {
        Self {
            quorum: match rules.quorum {
                Quorum::Voters(voters) => QuorumV1::Voters(voters),
                Quorum::Share(share) => QuorumV1::Share(share),
            },
            threshold: match rules.threshold {
                Threshold::Plurality => ThresholdV1::Plurality,
                Threshold::Majority => ThresholdV1::Majority,
                Threshold::Unanimous => ThresholdV1::Unanimous,
                Threshold::Share(share) => ThresholdV1::Share(share),
            },
            tie: match rules.tie {
                TieRule::StatusQuo => TieV1::StatusQuo,
                TieRule::First => TieV1::First,
                TieRule::Random => TieV1::Random,
            },
        }
    }
}

impl From<RulesV1> for Rules {
    fn from(rules: RulesV1) -> Self {
        Self {
            quorum: match rules.quorum {
                QuorumV1::Voters(voters) => Quorum::Voters(voters),
                QuorumV1::Share(share) => Quorum::Share(share),
            },
            threshold: match rules.threshold {
                ThresholdV1::Plurality => Threshold::Plurality,
                ThresholdV1::Majority => Threshold::Majority,
                ThresholdV1::Unanimous => Threshold::Unanimous,
                ThresholdV1::Share(share) => Threshold::Share(share),
            },
            tie: match rules.tie {
                TieV1::StatusQuo => TieRule::StatusQuo,
                TieV1::First => TieRule::First,
                TieV1::Random => TieRule::Random,
            },
        }
    }
}

impl<'a> From<&'a IdempotencyKey> for KeyV1<'a> {
    fn from(key: &'a IdempotencyKey) -> Self {
        Self { text: Cow::Borrowed(&key.text), scope: key.scope, body: key.body }
    }
}

impl From<KeyV1<'_>> for IdempotencyKey {
    fn from(key: KeyV1<'_>) -> Self {
        Self { text: key.text.into_owned(), scope: key.scope, body: key.body }
    }
}

impl<'a> From<&'a Principal> for PrincipalV1<'a> {
    fn from(principal: &'a Principal) -> Self {
        let kind = match principal.kind {
            PrincipalKind::User => PrincipalKindV1::User,
            PrincipalKind::Agent => PrincipalKindV1::Agent,
            PrincipalKind::Node => PrincipalKindV1::Node,
            PrincipalKind::Anonymous => PrincipalKindV1::Anonymous,
        };
        Self { kind, name: Cow::Borrowed(&principal.name) }
    }
}

impl From<PrincipalV1<'_>> for Principal {
    fn from(principal: PrincipalV1<'_>) -> Self {
        let kind = match principal.kind {
            PrincipalKindV1::User => PrincipalKind::User,
            PrincipalKindV1::Agent => PrincipalKind::Agent,
            PrincipalKindV1::Node => PrincipalKind::Node,
            PrincipalKindV1::Anonymous => PrincipalKind::Anonymous,
        };
        Self { kind, name: Arc::from(principal.name) }
    }
}

impl From<Correlation> for TraceV1 {
    fn from(known: Correlation) -> Self {
        Self { trace: known.trace_id(), span: known.span_id(), flags: known.flags() }
    }
}

impl TryFrom<TraceV1> for Correlation {
    type Error = RecordError;

    fn try_from(known: TraceV1) -> Result<Self, RecordError> {
        let trace = u128::from_be_bytes(known.trace);
        let span = u64::from_be_bytes(known.span);
        let text = format!("00-{trace:032x}-{span:016x}-{:02x}", known.flags);
        text.parse().map_err(|_| unknown("trace context", text))
    }
}
