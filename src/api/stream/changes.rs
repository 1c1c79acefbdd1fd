//! From changes to events. Pure: what is known, what is new, what is therefore told.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use synod_agents::{AgentChange, AgentEntry, AgentKey, AgentStatus};
use synod_runtime::{ActorPath, ActorSnapshot, ActorState};
use synod_tasks::{TaskChange, TaskState};

use super::event::{Content, Event, Subject};

/// The event of a task's change.
pub(super) fn task_event(change: &TaskChange) -> Event {
    Event {
        kind: match change.state {
            TaskState::Pending => "synod.task.pending",
            TaskState::Queued => "synod.task.queued",
            TaskState::Running => "synod.task.running",
            TaskState::Completed => "synod.task.completed",
            TaskState::Failed => "synod.task.failed",
            TaskState::Cancelled => "synod.task.cancelled",
        },
        subject: Subject::Task(change.task_id),
        at: Some(change.at),
        content: Content::Task(change.clone()),
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
        kind,
        subject: Subject::Agent(key.id.clone()),
        at: Some(at),
        content: Content::Agent { version: key.version.to_string(), status, reason },
    }
}

/// The actors that have been told of.
#[derive(Debug, Default)]
pub(super) struct KnownActors {
    known: HashMap<ActorPath, Seen>,
    looks: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    state: ActorState,
    restarts: u32,
    /// The look in which it was seen last.
    look: u64,
}

impl KnownActors {
    /// Tells the difference between a tree and the one before. `lives` says of an actor that is not
    /// in the tree whether it is there all the same: a tree may be cut.
    pub(super) fn look(
        &mut self,
        tree: &ActorSnapshot,
        at: Timestamp,
        lives: impl Fn(&ActorPath) -> bool,
        mut tell: impl FnMut(Event),
    ) {
        self.looks += 1;
        for actor in tree.iter() {
            let now = Seen { state: actor.state, restarts: actor.restarts, look: self.looks };
            let before = self.known.insert(actor.path.clone(), now);
            if let Some(kind) = difference(before, now) {
                tell(actor_event(kind, actor, at));
            }
        }
        let look = self.looks;
        self.known.retain(|path, seen| {
            let stays = seen.look == look || lives(path);
            if !stays {
                tell(ended(path, seen.restarts, at));
            }
            stays
        });
    }
}

fn difference(before: Option<Seen>, now: Seen) -> Option<&'static str> {
    let Some(before) = before else { return Some("synod.actor.started") };
    if now.restarts != before.restarts {
        return Some("synod.actor.restarted");
    }
    (now.state != before.state).then_some(match now.state {
        ActorState::Starting => "synod.actor.starting",
        ActorState::Running => "synod.actor.running",
        ActorState::Paused => "synod.actor.paused",
        ActorState::Stopping => "synod.actor.stopping",
        ActorState::Restarting => "synod.actor.restarting",
        ActorState::Stopped => "synod.actor.stopped",
        ActorState::Failed => "synod.actor.failed",
    })
}

fn actor_event(kind: &'static str, actor: &ActorSnapshot, at: Timestamp) -> Event {
    Event {
        kind,
        subject: Subject::Actor(actor.path.clone()),
        at: Some(at),
        content: Content::Actor {
            state: Some(actor.state),
            restarts: actor.restarts,
            reason: actor.last_error.as_ref().map(ToString::to_string),
        },
    }
}

fn ended(path: &ActorPath, restarts: u32, at: Timestamp) -> Event {
    Event {
        kind: "synod.actor.ended",
        subject: Subject::Actor(path.clone()),
        at: Some(at),
        content: Content::Actor { state: None, restarts, reason: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(path: &str, state: ActorState, restarts: u32) -> ActorSnapshot {
        ActorSnapshot {
            path: path.into(),
            kind: "test".into(),
            state,
            restarts,
            lanes: [0; 5],
            processed: 0,
            busy_ratio: 0.0,
            last_error: None,
            uptime_ms: 0,
            detail: None,
            child_count: 0,
            children: Vec::new(),
        }
    }

    fn told(known: &mut KnownActors, children: Vec<ActorSnapshot>, lives: bool) -> Vec<String> {
        let tree = ActorSnapshot { children, ..actor("/", ActorState::Running, 0) };
        let mut told = Vec::new();
        known.look(
            &tree,
            Timestamp::UNIX_EPOCH,
            |_| lives,
            |event| {
                told.push(format!("{} {}", event.kind, event.subject));
            },
        );
        told
    }

    #[test]
    fn only_differences_are_told() {
        let mut known = KnownActors::default();
        let running = || actor("/a", ActorState::Running, 0);
        let first = told(&mut known, vec![running()], false);
        assert_eq!(first, ["synod.actor.started actors/", "synod.actor.started actors/a"]);
        assert!(told(&mut known, vec![running()], false).is_empty());
        let paused = told(&mut known, vec![actor("/a", ActorState::Paused, 0)], false);
        assert_eq!(paused, ["synod.actor.paused actors/a"]);
    }

    #[test]
    fn a_restart_between_two_looks_is_told() {
        let mut known = KnownActors::default();
        told(&mut known, vec![actor("/a", ActorState::Running, 0)], false);
        let again = told(&mut known, vec![actor("/a", ActorState::Running, 2)], false);
        assert_eq!(again, ["synod.actor.restarted actors/a"]);
    }

    #[test]
    fn an_actor_beyond_the_cut_of_the_tree_has_not_ended() {
        let mut known = KnownActors::default();
        told(&mut known, vec![actor("/a", ActorState::Running, 0)], false);
        assert!(told(&mut known, vec![], true).is_empty());
        assert_eq!(told(&mut known, vec![], false), ["synod.actor.ended actors/a"]);
    }
}
