//! A result put together from the outputs of all parts:
//! `{"results": [{"part": 0, "agent": "a@1.0.0", "capabilities": ["x"], "output": …}, …]}`, with
//! `error` in place of `output` where a part failed.

use serde::Serialize;
use synod_agents::Payload;

use super::{Next, requirement};
use crate::messages::{TaskError, TaskOutput};
use crate::task::{Body, Failure, FailureKind, Part, Phase, Task, Verdict};

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<PartResult<'a>>,
}

#[derive(Serialize)]
struct PartResult<'a> {
    part: u16,
    agent: Option<&'a str>,
    capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a TaskOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TaskError>,
}

/// The first failure ends it; it completes when all parts are done.
pub(super) fn all_or_nothing(task: &Task, limit: usize) -> Next {
    let failed = (0..).zip(&task.parts).find_map(|(at, part)| Some((at, part.failure()?)));
    if let Some((at, failure)) = failed {
        return Next::End(Verdict::Failed(failure.clone(), Some(at)));
    }
    whatever_succeeds(task, limit)
}

/// It ends when all parts have ended, and fails only when all have failed.
pub(super) fn whatever_succeeds(task: &Task, limit: usize) -> Next {
    if !task.parts.iter().all(Part::has_ended) {
        return Next::Wait;
    }
    let failures = (0..).zip(&task.parts).filter_map(|(at, part)| Some((at, part.failure()?)));
    let last = failures.last();
    match last {
        Some((at, failure)) if task.parts.iter().all(|part| part.output().is_none()) => {
            Next::End(Verdict::Failed(failure.clone(), Some(at)))
        }
        _ => Next::End(verdict(task, limit)),
    }
}

/// Completed with what the parts gave; failed when that is more than a result may be.
pub(super) fn verdict(task: &Task, limit: usize) -> Verdict {
    let outputs: Vec<_> = task.parts.iter().map(|part| output_of(part).map(TaskOutput)).collect();
    let results = (0..).zip(&task.parts).zip(&outputs).map(|((at, part), output)| PartResult {
        part: at,
        agent: part.agent.as_deref(),
        capabilities: names(task, part),
        output: output.as_ref(),
        error: output.is_none().then(|| error_of(at, part)),
    });
    sized(&Results { results: results.collect() }, limit)
}

/// Completed with `result` as JSON; failed when it is over the limit.
pub(super) fn sized<T: Serialize>(result: &T, limit: usize) -> Verdict {
    match Payload::json(result) {
        Ok(payload) if payload.bytes.len() <= limit => Verdict::Completed(payload.into()),
        Ok(payload) => {
            let bytes = payload.bytes.len();
            let message = format!("the collected result of {bytes} bytes is over {limit}");
            Verdict::Failed(Failure::new(FailureKind::TooLarge, message), None)
        }
        Err(error) => Verdict::Failed(Failure::new(FailureKind::Failed, error.to_string()), None),
    }
}

/// The output of a part of a task that combines them; those are never in blobs.
pub(super) fn output_of(part: &Part) -> Option<Payload> {
    part.output().and_then(Body::payload)
}

fn names(task: &Task, part: &Part) -> Vec<String> {
    let required = requirement(&task.spec, &part.needs);
    required.capabilities.iter().map(ToString::to_string).collect()
}

fn error_of(at: u16, part: &Part) -> TaskError {
    let unfinished = || Failure::new(FailureKind::DeadlinePassed, "it was not done in time");
    let failure = match &part.phase {
        Phase::Failed(failure) => failure.clone(),
        _ => unfinished(),
    };
    TaskError::new(&failure, Some(at), part.agent.as_deref())
}
