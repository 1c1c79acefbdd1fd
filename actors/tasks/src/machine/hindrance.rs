//! Why a task is not done: what its parts wait for, and what sent them back.

use synod_agents::AgentStatus;

use super::TaskMachine;
use crate::task::{Failure, FailureKind, Part, Phase, TaskId};

/// Longest reason that is kept, in bytes.
const MAX_REASON: usize = 512;

/// Most agents that are looked at for a reason, so that it costs nobody else time.
const MAX_LOOKED_AT: usize = 1_000;

/// Agents that are named in a reason.
const MAX_NAMED: usize = 3;

impl TaskMachine {
    /// Why an execution of a part came back undone or was lost, in the words of its agent or of the
    /// way to it. It is recorded, so that it is known after a restart as well.
    pub(super) fn set_back(
        &self,
        id: TaskId,
        number: u16,
        kind: FailureKind,
        why: &str,
    ) -> Failure {
        let agent = self.part(id, number).and_then(|part| part.agent.as_deref());
        let mut message = format!("{}: {why}", agent.unwrap_or("an agent"));
        message.truncate(message.floor_char_boundary(MAX_REASON));
        Failure::new(kind, message)
    }

    /// Why a part that waits for an agent has none, as far as is known.
    pub(super) fn obstacle(&self, part: &Part) -> Option<String> {
        if part.phase != Phase::Ready {
            return None;
        }
        let sent_back = |failure: &&Failure| failure.kind.sends_back();
        let last = part.set_back.as_ref().or(part.last_error.as_ref().filter(sent_back));
        last.map(|failure| failure.message.clone()).or_else(|| self.absence(part))
    }

    /// What kept an open task from being done: what came last for its first open part.
    pub(super) fn hindrance(&self, id: TaskId) -> Option<String> {
        if let Some(name) = self.waiting.name_of(id) {
            return Some(format!("no agent is registered that it can be done by: {name}"));
        }
        let mut open = self.task(id)?.parts.iter().filter(|part| !part.has_ended());
        open.find_map(|part| {
            let failed = || part.last_error.as_ref().map(|failure| failure.message.clone());
            self.obstacle(part).or_else(failed)
        })
    }

    /// How the capable agents of a part stand, when none of them takes work.
    fn absence(&self, part: &Part) -> Option<String> {
        let mut away = Vec::new();
        for (seen, agent) in self.matching.capable(part.class).enumerate() {
            if agent.status == AgentStatus::Active || seen == MAX_LOOKED_AT {
                return None;
            }
            if seen < MAX_NAMED {
                away.push(format!("{} is {}", agent.label, agent.status));
            }
        }
        if away.is_empty() {
            return Some("no capable agent is registered".to_owned());
        }
        Some(format!("no capable agent is active: {}", away.join(", ")))
    }
}
