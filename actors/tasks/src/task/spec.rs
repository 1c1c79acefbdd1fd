//! What was asked: a submission that has been checked and will not change any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_coordination::Rules;
use synod_runtime::{Correlation, Principal, Priority};

use super::body::Body;
use super::capability::CapabilityRequirement;
use super::failure::Failure;
use super::retry::RetryPolicy;
use super::state::{TaskMode, TaskState};
use crate::matching::Requirement;

/// A checked submission, its input apart: that is dropped when the task has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskSpec {
    pub kind: String,
    pub priority: Priority,
    pub mode: TaskMode,
    /// What it asks of its agents.
    pub require: Requirement,
    /// How many voters or racers are chosen when none are named.
    pub replicas: u16,
    /// Whether a parallel task completes although some of its parts failed.
    pub allow_partial: bool,
    /// The rules of the ballot; present in consensus mode.
    pub rules: Option<Rules>,
    pub retry: RetryPolicy,
    /// When it is given up, UTC microseconds.
    pub deadline: i64,
    pub tenant: Arc<str>,
    /// What its executions may cost in all, in millionths of the agents' unit.
    pub budget: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub key: Option<IdempotencyKey>,
    pub principal: Principal,
    pub correlation: Option<Correlation>,
}

impl TaskSpec {
    /// About how many bytes it takes in a record; never much less than it does.
    pub(crate) fn weight(&self) -> usize {
        let versions = |known: &CapabilityRequirement| {
            known.min_version.as_ref().map_or(0, |version| version.pre.len() + version.build.len())
        };
        let capabilities = self.require.capabilities.iter();
        let capabilities = capabilities.map(|known| known.name.len() + versions(known) + 64);
        let agents = self.require.agents.iter().map(|agent| agent.as_str().len() + 4);
        let labels = self.labels.iter().map(|(key, value)| key.len() + value.len() + 8);
        let key = self.key.as_ref().map_or(0, |key| key.text.len() + 40);
        let names = self.kind.len() + self.tenant.len() + self.principal.name.len() + key;
        names + capabilities.chain(agents).chain(labels).sum::<usize>() + 256
    }
}

/// What makes a second submission the same as the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey {
    /// As the submitter wrote it.
    pub text: String,
    /// Half a SHA-256 of tenant, operation and key.
    pub scope: [u8; 16],
    /// Half a SHA-256 of the request in canonical form.
    pub body: [u8; 16],
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The output of this part is the result.
    CompletedBy(u16),
    /// The result was put together from the outputs of the parts.
    Completed(Body),
    /// It failed; the part at fault, if it was one.
    Failed(Failure, Option<u16>),
    /// It was cancelled by this principal.
    Cancelled(Principal),
}

impl Verdict {
    /// The final state it stands for.
    pub(crate) fn state(&self) -> TaskState {
        match self {
            Self::CompletedBy(_) | Self::Completed(_) => TaskState::Completed,
            Self::Failed(..) => TaskState::Failed,
            Self::Cancelled(_) => TaskState::Cancelled,
        }
    }
}
