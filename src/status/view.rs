//! How the node is, as its users see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_journal::JournalHealth;
use synod_runtime::{ActorSnapshot, AskError};
use synod_tasks::{EngineHealthResponse, EnginePhase, EngineStatsResponse, LedgerStats};
use synod_workflows::WorkflowHealthResponse;
use utoipa::ToSchema;

use crate::node::ClusterView;

/// The node without its tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// The version of Synod.
    pub version: String,
    /// Different for each start of the node.
    pub boot_id: String,
    /// When it started (UTC).
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Whether it takes work.
    pub ready: bool,
    /// Why it doesn't; empty when it does.
    pub not_ready: Vec<String>,
    /// Whether it lets what runs end and takes no more.
    pub draining: bool,
    /// What the task engine does; absent when it does not answer.
    pub engine: Option<EnginePhase>,
    /// The ledger of tasks; absent when the engine does not answer.
    pub ledger: Option<LedgerStats>,
    /// Executions that wait for an agent; absent when the engine does not answer.
    pub queue_depth: Option<u64>,
    /// Agents known; absent when the engine does not answer.
    pub agents: Option<u64>,
    /// The journal; absent when it does not answer.
    #[schema(value_type = Option<Object>)]
    pub journal: Option<JournalHealth>,
    /// The cluster that the node belongs to; absent when it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterView>,
    /// Messages that were not handled, by reason, since the node started.
    pub dead_letters: BTreeMap<String, u64>,
    /// Actors that did not even end when they were killed.
    pub abandoned: u64,
}

/// What the parts of the node answered.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) journal: Result<JournalHealth, AskError>,
    /// How the cluster is; none when the node is alone.
    pub(super) cluster: Option<Result<ClusterView, String>>,
    /// Of each set of engines at work here.
    pub(super) engines: Vec<EngineAnswers>,
    /// Answered when all agents are there.
    pub(super) agents: Result<(), AskError>,
}

/// What a set of engines answered.
#[derive(Debug)]
pub(super) struct EngineAnswers {
    pub(super) engine: Result<EngineHealthResponse, AskError>,
    pub(super) stats: Result<EngineStatsResponse, AskError>,
    pub(super) runs: Result<WorkflowHealthResponse, AskError>,
}

impl NodeStatus {
    /// Judges the answers: a part that gave none is a reason not to be ready.
    pub(super) fn judge(mut self, answers: Answers) -> Self {
        // What an engine refuses because the journal takes nothing follows from what is told of it.
        let mut follows = false;
        match answers.journal {
            Err(why) => self.not_ready.push(format!("the journal does not answer: {why}")),
            Ok(health) => {
                if !health.accepting {
                    let reason = health.reason.as_deref().unwrap_or("it gives no reason");
                    self.not_ready.push(format!("the journal does not accept: {reason}"));
                    follows = true;
                }
                self.journal = Some(health);
            }
        }
        match answers.cluster {
            None => {}
            Some(Err(why)) => self.not_ready.push(format!("the cluster can't be seen: {why}")),
            Some(Ok(view)) => {
                if !view.accepts {
                    self.not_ready.push(no_majority(&view));
                }
                self.cluster = Some(view);
            }
        }
        for set in answers.engines {
            self.judge_set(set, follows);
        }
        if let Err(why) = answers.agents {
            self.not_ready.push(format!("not all agents are back: {why}"));
        }
        self.ready = self.not_ready.is_empty();
        self
    }

    fn judge_set(&mut self, answers: EngineAnswers, follows: bool) {
        match answers.engine {
            Err(why) => self.not_ready.push(format!("the task engine does not answer: {why}")),
            Ok(health) => {
                let told = follows && health.phase == EnginePhase::Refusing;
                if !health.accepting && !told {
                    let reason = health.reason.as_deref().unwrap_or(phase_word(health.phase));
                    self.not_ready.push(format!("the task engine does not accept: {reason}"));
                }
                self.draining |=
                    matches!(health.phase, EnginePhase::Draining | EnginePhase::Drained);
                // The first that does not simply work says how the engines are.
                if self.engine.is_none_or(|known| known == EnginePhase::Running) {
                    self.engine = Some(health.phase);
                }
            }
        }
        match answers.runs {
            Err(why) => self.not_ready.push(format!("the workflow engine does not answer: {why}")),
            Ok(health) if follows && health.phase == EnginePhase::Refusing => {}
            Ok(health) if !health.accepting => {
                let reason = health.reason.as_deref().unwrap_or(phase_word(health.phase));
                self.not_ready.push(format!("the workflow engine does not accept: {reason}"));
            }
            Ok(_) => {}
        }
        if let Ok(stats) = answers.stats {
            self.ledger = Some(self.ledger.unwrap_or_default().plus(stats.ledger));
            self.queue_depth = Some(self.queue_depth.unwrap_or_default() + stats.queue_depth);
            self.agents = Some(stats.agents_total.max(self.agents.unwrap_or_default()));
        }
    }
}

/// Why the cluster takes no work.
fn no_majority(view: &ClusterView) -> String {
    if view.cluster.is_none() {
        return "the node is not in its cluster yet".to_owned();
    }
    let stuck = view.groups.iter().filter(|group| !group.quorum);
    let stuck: Vec<_> = stuck.map(|group| group.group.to_string()).collect();
    format!("no majority of the nodes can be reached for group {}", stuck.join(", "))
}

/// What the engine does, for people.
fn phase_word(phase: EnginePhase) -> &'static str {
    match phase {
        EnginePhase::Running => "it gives no reason",
        EnginePhase::Recovering => "it reads its state from the journal",
        EnginePhase::Refusing => "the journal takes nothing",
        EnginePhase::Draining => "the node drains",
        EnginePhase::Drained => "the node is drained",
    }
}

/// The node and its tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusReport {
    /// The node.
    pub node: NodeStatus,
    /// The actor asked for, and those below it.
    #[schema(value_type = ActorDocument)]
    pub tree: ActorSnapshot,
}

/// Actors of the node, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorCounts {
    /// By state.
    pub states: BTreeMap<String, u64>,
    /// Messages that wait, by priority.
    pub lanes: BTreeMap<&'static str, u64>,
    /// Restarts of all actors that are there now.
    pub restarts: u64,
}

/// One actor and its descendants: how [`ActorSnapshot`] looks in JSON, for the API's document.
#[derive(ToSchema)]
#[schema(as = Actor, no_recursion)]
#[expect(dead_code, reason = "it describes the JSON of another crate's type, and is never made")]
pub(super) struct ActorDocument {
    /// Its place in the tree: `/synod/tasks`.
    path: String,
    /// What it is: `agent`, `journal`.
    kind: String,
    /// `starting`, `running`, `paused`, `stopping`, `restarting`, `stopped` or `failed`.
    state: String,
    /// How often it was started again.
    restarts: u32,
    /// Queued messages of each lane, the most urgent first.
    lanes: [u64; 5],
    /// Messages handed to it, over all incarnations.
    processed: u64,
    /// Share of its time spent in batches, 0 to 1.
    busy_ratio: f64,
    /// Why its last incarnation ended, if not in order: `{"panic": "…"}`, `"killed"`.
    #[schema(value_type = Option<Object>)]
    last_error: (),
    /// Milliseconds since its current incarnation started; 0 when there is none.
    uptime_ms: u64,
    /// The line it says of itself.
    detail: Option<String>,
    /// How many children it has, shown or not.
    child_count: u64,
    /// Its children by name, as deep as was asked for.
    children: Vec<ActorDocument>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use synod_runtime::{ActorPath, ActorState};
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_document_of_an_actor_has_the_fields_of_its_snapshot() {
        let snapshot = ActorSnapshot {
            path: ActorPath::new("/"),
            kind: String::new(),
            state: ActorState::Running,
            restarts: 0,
            lanes: [0; 5],
            processed: 0,
            busy_ratio: 0.0,
            last_error: None,
            uptime_ms: 0,
            detail: None,
            child_count: 0,
            children: Vec::new(),
        };
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
        };
        let schema = serde_json::to_value(ActorDocument::schema()).unwrap();
        let real = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(keys(&schema["properties"]), keys(&real));
    }
}
