//! An engine for tests: executes tasks in all modes, at once and without a disk. It answers where
//! the task engine would, so that an intake can't tell them apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use synod_agents::{AgentContext, AgentError, Assignment, Payload, WorkId};
use synod_runtime::{ActorPath, Address, Metadata, Priority, Route, TrySendError};
use synod_tasks::{
    Accepted, FailureKind, PartStatus, TaskError, TaskId, TaskMode, TaskOutput, TaskState,
    TaskStatusResponse, TaskSubmissionRequest, TasksMessage,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agents::{Member, members};
use crate::config::TriageConfig;
use crate::reader::Readable;

/// Executions of a part that may be lost.
const MAX_LOST: u32 = 2;

/// The engine; its address is what an intake gets.
#[derive(Clone)]
pub(super) struct Engine {
    desk: Arc<Desk>,
}

struct Desk {
    members: Vec<Member>,
    ended: watch::Sender<BTreeMap<TaskId, TaskStatusResponse>>,
    accepted: Mutex<u64>,
    /// Requests that were submitted, in their order.
    seen: Mutex<Vec<TaskSubmissionRequest>>,
}

/// What came of a part.
struct Ended {
    agent: String,
    attempts: u32,
    lost: u32,
    result: Result<Payload, AgentError>,
}

impl Engine {
    /// One whose team may read anything.
    pub(super) fn new(config: &TriageConfig) -> Self {
        Self::that_reads(config, &Readable::below(["/".into()]))
    }

    pub(super) fn that_reads(config: &TriageConfig, readable: &Readable) -> Self {
        let desk = Desk {
            members: members(config, readable),
            ended: watch::Sender::default(),
            accepted: Mutex::default(),
            seen: Mutex::default(),
        };
        Self { desk: Arc::new(desk) }
    }

    pub(super) fn address(&self) -> Address<TasksMessage> {
        Address::routed(ActorPath::new("/tasks"), Arc::new(self.clone()))
    }

    /// The requests of a mode that were submitted.
    pub(super) fn seen(&self, mode: TaskMode) -> Vec<TaskSubmissionRequest> {
        let seen = self.desk.seen.lock().unwrap();
        seen.iter().filter(|request| request.mode == mode).cloned().collect()
    }
}

impl Route<TasksMessage> for Engine {
    fn deliver(
        &self,
        message: TasksMessage,
        _: Metadata,
    ) -> Result<(), TrySendError<TasksMessage>> {
        let desk = Arc::clone(&self.desk);
        match message {
            TasksMessage::Submit(request) => {
                let (question, reply) = request.into_parts();
                let task_id = desk.accept(&question.request);
                reply.send(Ok(Accepted { task_id, state: TaskState::Queued, duplicate: false }));
                tokio::spawn(async move { desk.execute(task_id, question.request).await });
            }
            TasksMessage::Wait(request) => {
                let (question, reply) = request.into_parts();
                let mut ended = desk.ended.subscribe();
                tokio::spawn(async move {
                    let all = ended.wait_for(|all| all.contains_key(&question.id)).await.unwrap();
                    reply.send(all.get(&question.id).cloned());
                });
            }
            other => panic!("an intake does not send {other:?}"),
        }
        Ok(())
    }
}

impl Desk {
    fn accept(&self, request: &TaskSubmissionRequest) -> TaskId {
        let mut accepted = self.accepted.lock().unwrap();
        *accepted += 1;
        self.seen.lock().unwrap().push(request.clone());
        TaskId::from_u128(u128::from(*accepted))
    }

    async fn execute(self: Arc<Self>, id: TaskId, request: TaskSubmissionRequest) {
        let input = request.payload.as_ref().map_or("null", |raw| raw.get()).to_owned();
        let input = Payload::new(synod_agents::JSON, input);
        let mut parts = Vec::new();
        let mut next = input.clone();
        for (at, (member, capability)) in self.plan(&request).into_iter().enumerate() {
            let payload = if request.mode == TaskMode::Pipeline { &next } else { &input };
            let ended = perform(member, id, at, capability, payload).await;
            let done = ended.result.is_ok();
            if let Ok(output) = &ended.result {
                next = output.clone();
            }
            parts.push(ended);
            // The first success wins, the first failure ends all others.
            if done == (request.mode == TaskMode::Competitive) {
                break;
            }
        }
        let status = status(id, &request, &parts);
        self.ended.send_modify(|all| {
            all.insert(id, status);
        });
    }

    /// Who does what: an agent for each capability, or all that have the one capability.
    fn plan(&self, request: &TaskSubmissionRequest) -> Vec<(&Member, String)> {
        let able = |name: &str| {
            let name = name.to_owned();
            self.members.iter().filter(move |member| member.card.find(&name).is_some())
        };
        let all = matches!(request.mode, TaskMode::Consensus | TaskMode::Competitive);
        let names = request.capabilities.iter().map(|capability| capability.name.clone());
        names
            .flat_map(|name| {
                let members = able(&name).take(if all { 9 } else { 1 });
                members.map(|member| (member, name.clone())).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// One part, again as long as its execution is lost.
async fn perform(
    member: &Member,
    task: TaskId,
    part: usize,
    capability: String,
    payload: &Payload,
) -> Ended {
    let agent = format!("{}@{}", member.card.id, member.card.version);
    let mut lost = 0;
    loop {
        let attempt = lost + 1;
        let assignment = Assignment {
            work: WorkId { task, part: part as u16, attempt, epoch: 1 },
            kind: "test".into(),
            capability: Some(capability.clone()),
            payload: payload.clone(),
            deadline: Instant::now() + Duration::from_secs(60),
            idempotency_key: String::new(),
            correlation: None,
            labels: BTreeMap::new(),
            state: None,
            watch: Default::default(),
        };
        let mut instance = (member.source)();
        let execution = tokio::spawn(async move {
            let mut context = AgentContext::standalone(&assignment);
            instance.perform_boxed(assignment, &mut context).await
        });
        match execution.await {
            Ok(result) => return Ended { agent, attempts: attempt, lost, result },
            Err(_) if lost < MAX_LOST => lost += 1,
            Err(crash) => {
                let result = Err(AgentError::lost(crash.to_string()));
                return Ended { agent, attempts: attempt, lost: lost + 1, result };
            }
        }
    }
}

fn status(id: TaskId, request: &TaskSubmissionRequest, parts: &[Ended]) -> TaskStatusResponse {
    let error = parts.iter().find_map(|part| part.result.as_ref().err());
    let result = result(request.mode, parts);
    let state = if result.is_some() { TaskState::Completed } else { TaskState::Failed };
    let shown = |(part, ended): (usize, &Ended)| PartStatus {
        part: part as u16,
        state,
        agent: Some(ended.agent.clone()),
        chosen_because: None,
        attempts: ended.attempts,
        errors: u32::from(ended.result.is_err()),
        lost: ended.lost,
        started_at: None,
        ended_at: None,
        waiting_for: None,
        error: None,
    };
    TaskStatusResponse {
        task_id: id,
        kind: request.kind.clone(),
        state,
        priority: Priority::Normal,
        mode: request.mode,
        allocation: request.allocation,
        tenant: "default".into(),
        labels: request.labels.clone(),
        capabilities: request.capabilities.clone(),
        agents: Vec::new(),
        submitted_by: "anonymous".into(),
        trace_id: None,
        idempotency_key: request.idempotency_key.clone(),
        submitted_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        ended_at: None,
        deadline: Timestamp::UNIX_EPOCH,
        attempts: parts.iter().map(|part| part.attempts).sum(),
        lost: parts.iter().map(|part| part.lost).sum(),
        cost: 0.0,
        result: result.map(TaskOutput),
        result_content_type: None,
        result_error: None,
        error: error.map(|error| TaskError {
            kind: FailureKind::Failed,
            message: error.message.clone(),
            part: None,
            agent: None,
        }),
        parts: parts.iter().enumerate().map(shown).collect(),
    }
}

/// The result in the form in which the engine gives it for each mode.
fn result(mode: TaskMode, parts: &[Ended]) -> Option<Payload> {
    let last = parts.last()?.result.as_ref().ok();
    match mode {
        TaskMode::Single | TaskMode::Pipeline | TaskMode::Competitive => last.cloned(),
        TaskMode::Sequential | TaskMode::Parallel => {
            let outputs: Option<Vec<Value>> =
                parts.iter().map(|part| part.result.as_ref().ok()?.to_json().ok()).collect();
            let results: Vec<Value> =
                outputs?.into_iter().map(|output| json!({"output": output})).collect();
            Payload::json(&json!({"results": results})).ok()
        }
        TaskMode::Consensus => {
            let votes: Vec<(&str, Value)> = parts
                .iter()
                .filter_map(|part| Some((&*part.agent, part.result.as_ref().ok()?.to_json().ok()?)))
                .collect();
            let of = |choice: &str| {
                let chose = votes.iter().filter(|(_, vote)| vote["vote"] == choice);
                chose.map(|(voter, _)| *voter).collect::<Vec<_>>()
            };
            let (confirm, reject) = (of("confirm"), of("reject"));
            let decision = if confirm.len() > reject.len() { "confirm" } else { "reject" };
            let reasons: Vec<Value> = votes
                .iter()
                .map(|(voter, vote)| json!({"voter": voter, "reason": vote["reason"]}))
                .collect();
            let tally = json!([
                {"choice": "confirm", "votes": confirm.len(), "voters": confirm},
                {"choice": "reject", "votes": reject.len(), "voters": reject},
            ]);
            Payload::json(&json!({"decision": decision, "tally": tally, "reasons": reasons})).ok()
        }
    }
}
