//! A client of the task engine that rides out what passes: a full queue, a restart, a lost answer.

use std::time::Duration;

use serde::de::DeserializeOwned;
use synod_runtime::{Address, AskError, Principal};
use synod_tasks::{
    SubmitError, SubmitTask, TaskId, TaskState, TaskStatusResponse, TaskSubmissionRequest,
    TasksMessage, WaitTask,
};

use super::Intake;
use crate::error::TriageError;

/// Time for the engine to take a task.
const ANSWER: Duration = Duration::from_secs(10);
/// Time beyond a task's own deadline in which its end must be told.
const GRACE: Duration = Duration::from_secs(10);
/// Attempts at reaching the engine, with a growing wait between them.
const ATTEMPTS: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Submits the tasks of one intake and waits for their end.
#[derive(Clone)]
pub(super) struct Client {
    tasks: Address<TasksMessage>,
    principal: Principal,
    run: String,
    timeout_s: u64,
}

impl Client {
    pub(super) fn new(tasks: Address<TasksMessage>, intake: &Intake) -> Self {
        Self {
            tasks,
            principal: intake.principal.clone(),
            run: intake.key.clone(),
            timeout_s: intake.config.task_timeout_s,
        }
    }

    /// Submits a task and waits for its end. `key` names it within the run: submitted again after
    /// a lost answer, it is the same task.
    pub(super) async fn perform(
        &self,
        step: &'static str,
        key: &str,
        request: TaskSubmissionRequest,
    ) -> Result<TaskStatusResponse, TriageError> {
        let request =
            request.idempotency_key(format!("{}/{key}", self.run)).timeout_s(self.timeout_s);
        let id = self.submit(request).await?;
        let status = self.wait(id).await?;
        if status.state == TaskState::Completed {
            return Ok(status);
        }
        let why = status.error.map_or_else(|| status.state.to_string(), |error| error.message);
        Err(TriageError::Task { step, reason: why })
    }

    async fn submit(&self, request: TaskSubmissionRequest) -> Result<TaskId, TriageError> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let question =
                SubmitTask { request: request.clone(), principal: self.principal.clone() };
            match self.tasks.ask(question, ANSWER).await {
                Ok(Ok(accepted)) => return Ok(accepted.task_id),
                Ok(Err(SubmitError::InFlight { existing })) => return Ok(existing),
                Ok(Err(
                    passing @ (SubmitError::QueueFull { .. } | SubmitError::Unavailable { .. }),
                )) => last = passing.to_string(),
                Ok(Err(error)) => return Err(TriageError::Engine(error.to_string())),
                Err(error) => last = passing_or_final(error)?,
            }
        }
        Err(TriageError::Engine(last))
    }

    async fn wait(&self, id: TaskId) -> Result<TaskStatusResponse, TriageError> {
        let mut last = String::new();
        let within = Duration::from_secs(self.timeout_s) + GRACE;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.tasks.ask(WaitTask { id }, within).await {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => return Err(TriageError::Engine(format!("task {id} is unknown"))),
                Err(error) => last = passing_or_final(error)?,
            }
        }
        Err(TriageError::Engine(last))
    }
}

/// What may pass with another attempt; the engine keeps its tasks over a restart.
fn passing_or_final(error: AskError) -> Result<String, TriageError> {
    match error {
        AskError::Full | AskError::Deadline | AskError::Unanswered => Ok(error.to_string()),
        AskError::Closed | AskError::Refused | AskError::SelfAsk => {
            Err(TriageError::Engine(error.to_string()))
        }
    }
}

async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(FIRST_WAIT * 2_u32.pow(attempt - 1)).await;
    }
}

/// Reads the result of a task.
pub(super) fn output<T: DeserializeOwned>(
    step: &'static str,
    status: &TaskStatusResponse,
) -> Result<T, TriageError> {
    let failed = |reason: String| TriageError::Task { step, reason };
    let result = status.result.as_ref().ok_or_else(|| failed("it gave no result".into()))?;
    result.0.to_json().map_err(|error| failed(error.to_string()))
}

/// A request in `mode` for these capabilities.
pub(super) fn request<T: serde::Serialize>(
    step: &'static str,
    mode: synod_tasks::TaskMode,
    capabilities: &[&str],
    input: &T,
) -> Result<TaskSubmissionRequest, TriageError> {
    let failed = |reason: String| TriageError::Task { step, reason };
    let mut request = TaskSubmissionRequest::new(step)
        .mode(mode)
        .payload(input)
        .map_err(|error| failed(error.to_string()))?;
    for name in capabilities {
        let capability = synod_tasks::CapabilityRequirement::any(name);
        request = request.capability(capability.map_err(|error| failed(error.to_string()))?);
    }
    Ok(request)
}
