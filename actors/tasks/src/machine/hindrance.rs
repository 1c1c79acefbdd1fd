//! Why a task is not done: what its parts wait for, and what sent them back.

use synod_agents::AgentStatus;

use super::TaskMachine;
use crate::task::{Part, Phase, TaskId};

/// Longest reason that is kept, in bytes.
const MAX_REASON: usize = 512;

/// Most agents that are looked at for a reason, so that it costs nobody else time.
const MAX_LOOKED_AT: usize = 1_000;

/// Agents that are named in a reason.
const MAX_NAMED: usize = 3;

impl TaskMachine {
    /// Remembers why a part was sent back: by its agent, or with it.
    pub(super) fn note_set_back(&mut self, id: TaskId, number: u16, why: &str) {
        let Some(part) = self.part(id, number) else { return };
        let agent = part.agent.as_deref().unwrap_or("an agent");
        let mut reason = format!("{agent}: {why}");
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        if let Some(part) = self.part_mut(id, number) {
            part.set_back = Some(reason.into());
        }
    }

    /// Why a part that waits for an agent has none, as far as is known.
    pub(super) fn obstacle(&self, part: &Part) -> Option<String> {
        if part.phase != Phase::Ready {
            return None;
        }
        part.set_back.as_deref().map(str::to_owned).or_else(|| self.absence(part))
    }

    /// What kept an open task from being done: what came last for its first open part.
    pub(super) fn hindrance(&self, id: TaskId) -> Option<String> {
        if let Some(name) = self.waiting.name_of(id) {
            return Some(format!("no agent is registered that it can be done by: {name}"));
        }
        let mut open = self.book.task(id)?.parts.iter().filter(|part| !part.has_ended());
        open.find_map(|part| {
            let failed = || part.last_error.as_ref().map(|failure| failure.message.clone());
            let sent_back = || part.set_back.as_deref().map(str::to_owned);
            self.obstacle(part).or_else(failed).or_else(sent_back)
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
