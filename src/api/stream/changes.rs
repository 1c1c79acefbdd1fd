//! From changes to events. Pure: what is known, what is new, what is therefore told.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use synod_agents::{AgentChange, AgentEntry, AgentKey, AgentStatus};
use synod_coordination::sync::SharedChange;
use synod_runtime::{ActorPath, ActorState, LifecycleChange, LifecycleEvent};
use synod_tasks::{TaskChange, TaskState};
use synod_workflows::RunChange;
use uuid::Uuid;

use super::event::{Content, Event, Subject};
use crate::api::coordination::ConversationNote;

/// The event of a task's change.
pub(crate) fn task_event(change: &TaskChange) -> Event {
    Event {
        kind: match change.state {
            TaskState::Pending => "synod.task.pending",
            TaskState::Queued => "synod.task.queued",
            TaskState::Running => "synod.task.running",
            TaskState::Completed => "synod.task.completed",
            TaskState::Failed => "synod.task.failed",
            TaskState::Cancelled => "synod.task.cancelled",
        }
        .into(),
        subject: Subject::Task(change.task_id),
        at: Some(change.at),
        content: Content::Task(change.clone()),
    }
}

/// The event of what happened to a run: `synod.step.started`.
pub(crate) fn run_event(change: &RunChange) -> Event {
    Event {
        kind: format!("synod.{}", change.name).into(),
        subject: Subject::Run(change.run_id),
        at: Some(change.at),
        content: Content::Run(change.clone()),
    }
}

/// The event of what happened in a conversation: `synod.ballot.decided`.
pub(crate) fn note_event(
    protocol: Cow<'static, str>,
    conversation: Uuid,
    note: ConversationNote,
) -> Event {
    Event {
        kind: format!("synod.{}", note.kind).into(),
        subject: Subject::Conversation(protocol, conversation),
        at: Some(note.at),
        content: Content::Note(note),
    }
}

/// Most keys that an event names: it is no copy of the document.
const MOST_KEYS: usize = 64;

/// The event of a change in a document that agents share. Where it is of more than 64 keys it
/// names none, as where it is not known which they are.
pub(super) fn shared_event(mut change: SharedChange, at: Timestamp) -> Event {
    if change.keys.len() > MOST_KEYS {
        change.keys.clear();
    }
    Event {
        kind: "synod.shared.changed".into(),
        subject: Subject::Document(change.document.clone()),
        at: Some(at),
        content: Content::Shared(change),
    }
}

/// The agents that have been told of.
#[derive(Debug, Default)]
pub(super) struct KnownAgents(HashMap<AgentKey, AgentStatus>);

impl KnownAgents {
    /// Tells what is new in a change; a snapshot is told as the difference to what is known.
    pub(super) fn apply(
        &mut self,
        change: &AgentChange,
        at: Timestamp,
        mut tell: impl FnMut(Event),
    ) {
        match change {
            AgentChange::Snapshot(entries) => {
                let there: HashSet<_> = entries.iter().map(AgentEntry::key).collect();
                let gone = |key: &&AgentKey| !there.contains(*key);
                let gone: Vec<_> = self.0.keys().filter(gone).cloned().collect();
                for key in gone {
                    self.leave(&key, None, at, &mut tell);
                }
                for entry in entries.iter() {
                    self.join(entry, at, &mut tell);
                }
            }
            AgentChange::Joined(entry) => self.join(entry, at, &mut tell),
            AgentChange::StatusChanged { key, status } => self.stand(key, *status, at, &mut tell),
            AgentChange::Left { key, reason } => self.leave(key, Some(reason), at, &mut tell),
        }
    }

    fn join(&mut self, entry: &AgentEntry, at: Timestamp, tell: &mut impl FnMut(Event)) {
        let key = entry.key();
        if self.0.contains_key(&key) {
            return self.stand(&key, entry.status, at, tell);
        }
        tell(agent_event("synod.agent.joined", &key, Some(entry.status), None, at));
        self.0.insert(key, entry.status);
    }

    fn stand(
        &mut self,
        key: &AgentKey,
        status: AgentStatus,
        at: Timestamp,
        tell: &mut impl FnMut(Event),
    ) {
        if let Some(known) = self.0.get_mut(key)
            && *known != status
        {
            *known = status;
            tell(agent_event("synod.agent.status_changed", key, Some(status), None, at));
        }
    }

    fn leave(
        &mut self,
        key: &AgentKey,
        reason: Option<&String>,
        at: Timestamp,
        tell: &mut impl FnMut(Event),
    ) {
        if self.0.remove(key).is_some() {
            tell(agent_event("synod.agent.left", key, None, reason.cloned(), at));
        }
    }
}

fn agent_event(
    kind: &'static str,
    key: &AgentKey,
    status: Option<AgentStatus>,
    reason: Option<String>,
    at: Timestamp,
) -> Event {
    Event {
        kind: kind.into(),
        subject: Subject::Agent(key.id.clone()),
        at: Some(at),
        content: Content::Agent { version: key.version.to_string(), status, reason },
    }
}

/// The event of a change in an actor's life.
pub(super) fn actor_event(change: &LifecycleEvent) -> Event {
    let running = Some(ActorState::Running);
    let (kind, state, reason) = match &change.change {
        LifecycleChange::Started => ("synod.actor.started", running, None),
        LifecycleChange::Restarted { reason } => {
            ("synod.actor.restarted", running, reason.as_ref())
        }
        LifecycleChange::Stopped { reason } => ("synod.actor.stopped", None, Some(reason)),
        LifecycleChange::Failed { reason } => ("synod.actor.failed", None, Some(reason)),
        LifecycleChange::GaveUp { reason } => ("synod.actor.gave_up", None, Some(reason)),
        LifecycleChange::Paused => ("synod.actor.paused", Some(ActorState::Paused), None),
        LifecycleChange::Resumed => ("synod.actor.resumed", running, None),
        LifecycleChange::Ended => ("synod.actor.ended", None, None),
    };
    Event {
        kind: kind.into(),
        subject: Subject::Actor(change.path.clone()),
        at: Some(change.at),
        content: Content::Actor {
            kind: change.kind,
            state,
            restarts: change.restarts,
            reason: reason.map(ToString::to_string),
        },
    }
}

/// The event that tells of changes of actors that came too fast to be told.
pub(super) fn missed_event(missed: u64, at: Timestamp) -> Event {
    let next_step = "GET /api/v1/status shows how the actors are now";
    Event {
        kind: "synod.actor.missed".into(),
        subject: Subject::Actor(ActorPath::new("/")),
        at: Some(at),
        content: Content::Missed { missed, next_step },
    }
}

#[cfg(test)]
mod tests {
    use synod_runtime::ExitReason;

    use super::*;

    fn told(change: LifecycleChange) -> (String, serde_json::Value) {
        let (path, at) = ("/node/a".into(), Timestamp::UNIX_EPOCH);
        let event = actor_event(&LifecycleEvent { path, kind: "agent", change, restarts: 2, at });
        assert_eq!(event.subject.to_string(), "actors/node/a");
        (event.kind.into_owned(), serde_json::to_value(&event.content).unwrap())
    }

    #[test]
    fn a_restart_is_told_with_its_count_and_the_reason() {
        let (kind, data) =
            told(LifecycleChange::Restarted { reason: Some(ExitReason::Panic("no".into())) });
        assert_eq!(kind, "synod.actor.restarted");
        let expected = serde_json::json!({
            "kind": "agent", "state": "running", "restarts": 2, "reason": "panic: no",
        });
        assert_eq!(data, expected);
    }

    #[test]
    fn an_actor_without_an_incarnation_has_no_state() {
        let (kind, data) = told(LifecycleChange::Failed { reason: ExitReason::Killed });
        assert_eq!((kind.as_str(), data.get("state")), ("synod.actor.failed", None));
        assert_eq!(
            told(LifecycleChange::Ended).1,
            serde_json::json!({"kind": "agent", "restarts": 2})
        );
    }

    #[test]
    fn a_change_of_very_many_keys_is_told_as_one_of_any() {
        let told = |count: usize| {
            let keys = (0..count).map(|key| key.to_string()).collect();
            let change = SharedChange { document: "board".into(), keys, by: "user:ada".into() };
            let event = shared_event(change, Timestamp::UNIX_EPOCH);
            assert_eq!(event.subject.to_string(), "coordination/shared/board");
            serde_json::to_value(&event.content).unwrap()
        };
        let expected = serde_json::json!({"document": "board", "keys": ["0"], "by": "user:ada"});
        assert_eq!(told(1), expected);
        assert_eq!(told(MOST_KEYS)["keys"].as_array().unwrap().len(), MOST_KEYS);
        assert_eq!(told(MOST_KEYS + 1)["keys"], serde_json::json!([]));
    }

    #[test]
    fn changes_that_were_not_told_are_counted() {
        let event = missed_event(7, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (&*event.kind, event.subject.to_string().as_str()),
            ("synod.actor.missed", "actors/")
        );
        assert_eq!(serde_json::to_value(&event.content).unwrap()["missed"], 7);
    }
}
