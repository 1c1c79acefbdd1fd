//! Large inputs and outputs: stored as blobs before the record that names them, read when needed.

use bytes::Bytes;
use synod_agents::{AgentError, Payload, Performed, WorkId};
use synod_journal::{BlobError, BlobId, GetBlob, PutBlob};
use synod_runtime::{Context, Reply};

use super::TaskEngine;
use super::release::{Release, answer_all};
use super::step::{Asked, Loaded, Own, Step};
use crate::error::SubmitError;
use crate::machine::{Dispatch, Outcome, set_result};
use crate::matching::AgentSlot;
use crate::messages::{Accepted, ResultError, TaskStatusResponse, TasksMessage};
use crate::records;
use crate::task::{BlobRef, Body, ContentType, Moment, TaskSpec};

/// How long to wait before a submission is tried again that found the blob store busy, in seconds.
const BUSY_RETRY_S: u64 = 1;

/// What to do about a result whose blob is gone or damaged, and about one that may yet be read.
const RESTORE: &str = "restore this file under blobs/ in the data folder from a backup, or submit \
                       the task again";
const ASK_AGAIN: &str = "ask again; look at the disk and at the journal in GET /api/v1/status if \
                         that does not help";

/// A submission whose input is being stored.
#[derive(Debug)]
pub(super) struct StoredInput {
    spec: TaskSpec,
    content_type: ContentType,
    length: u64,
    reply: Reply<Result<Accepted, SubmitError>>,
}

/// An execution whose output is being stored.
#[derive(Debug)]
pub(super) struct StoredOutput {
    work: WorkId,
    agent: AgentSlot,
    ran_us: u64,
    content_type: ContentType,
    length: u64,
    saved: Option<Bytes>,
}

impl TaskEngine {
    /// Whether content is kept out of the records.
    pub(super) fn is_large(&self, payload: &Payload) -> bool {
        payload.bytes.len() as u64 > self.machine.config().inline_bytes
    }

    pub(super) fn store_input(
        &self,
        spec: TaskSpec,
        input: Payload,
        reply: Reply<Result<Accepted, SubmitError>>,
        ctx: &Context<Self>,
    ) {
        let Payload { content_type, bytes } = input;
        let (length, content_type) = (bytes.len() as u64, content_type.as_str().into());
        let input = Box::new(StoredInput { spec, content_type, length, reply });
        let stored = move |outcome| TasksMessage::Own(Step(Own::InputStored { input, outcome }));
        let put = PutBlob { owner: records::STREAM, bytes, expected: None };
        self.journal.ask_into(put, self.journal_timeout(), &ctx.address(), stored);
    }

    pub(super) fn input_stored(
        &mut self,
        now: Moment,
        input: StoredInput,
        outcome: Asked<Result<BlobId, BlobError>>,
    ) {
        let StoredInput { spec, content_type, length, reply } = input;
        let answer = match outcome {
            Ok(Ok(BlobId(hash))) => {
                self.submit(now, spec, Body::Blob(BlobRef { content_type, hash, length }))
            }
            Ok(Err(BlobError::Overloaded)) => {
                Err(SubmitError::QueueFull { retry_after_s: BUSY_RETRY_S })
            }
            Ok(Err(error)) => Err(SubmitError::Unavailable { reason: error.to_string() }),
            Err(error) => Err(SubmitError::Unavailable { reason: error.to_string() }),
        };
        self.release_when_stored(Release::Submitted(reply, answer));
    }

    pub(super) fn store_output(
        &self,
        work: WorkId,
        agent: AgentSlot,
        ran_us: u64,
        performed: Performed,
        ctx: &Context<Self>,
    ) {
        let Performed { payload: Payload { content_type, bytes }, state: saved } = performed;
        let (length, content_type) = (bytes.len() as u64, content_type.as_str().into());
        let output = StoredOutput { work, agent, ran_us, content_type, length, saved };
        let output = Box::new(output);
        let stored = move |outcome| TasksMessage::Own(Step(Own::OutputStored { output, outcome }));
        let put = PutBlob { owner: records::STREAM, bytes, expected: None };
        self.journal.ask_into(put, self.journal_timeout(), &ctx.address(), stored);
    }

    /// An output that could not be stored is as good as lost: the part is done again.
    pub(super) fn output_stored(
        &mut self,
        now: Moment,
        output: StoredOutput,
        outcome: Asked<Result<BlobId, BlobError>>,
    ) {
        let StoredOutput { work, agent, ran_us, content_type, length, saved } = output;
        let outcome = match outcome {
            Ok(Ok(BlobId(hash))) => {
                let output = Body::Blob(BlobRef { content_type, hash, length });
                Outcome::Done { output, saved }
            }
            Ok(Err(error)) => Outcome::Lost(format!("the output could not be stored: {error}")),
            Err(error) => Outcome::Lost(format!("the output could not be stored: {error}")),
        };
        self.end_execution(now, work, agent, outcome, ran_us);
    }

    pub(super) fn load_input(
        &self,
        mut dispatch: Box<Dispatch>,
        blob: BlobRef,
        ctx: &Context<Self>,
    ) {
        let get = GetBlob { owner: records::STREAM, id: BlobId(blob.hash) };
        dispatch.input = Body::Blob(blob);
        let loaded = move |outcome| TasksMessage::Own(Step(Own::InputLoaded { dispatch, outcome }));
        self.journal.ask_into(get, self.journal_timeout(), &ctx.address(), loaded);
    }

    pub(super) fn input_loaded(
        &mut self,
        now: Moment,
        dispatch: Box<Dispatch>,
        outcome: Loaded,
        ctx: &mut Context<Self>,
    ) {
        let content_type = dispatch.input.blob().map(|blob| blob.content_type.clone().into());
        let failure = match outcome {
            Ok(Ok(Some(bytes))) => {
                let content_type = content_type.unwrap_or_default();
                return self.perform(now, dispatch, Payload { content_type, bytes }, ctx);
            }
            Ok(Ok(None)) => "it is not there".to_owned(),
            Ok(Err(BlobError::Overloaded)) => {
                let Dispatch { work, agent, .. } = *dispatch;
                return self.end_execution(now, work, agent, Outcome::Undelivered, 0);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let error = AgentError::failed(format!("the input could not be read: {failure}"));
        self.end_execution(now, dispatch.work, dispatch.agent, Outcome::Error(error), 0);
    }

    /// Reads a large result; a status whose result can't be read says why.
    pub(super) fn load_result(
        &self,
        replies: Vec<Reply<Option<TaskStatusResponse>>>,
        status: Box<TaskStatusResponse>,
        blob: BlobRef,
        ctx: &Context<Self>,
    ) {
        let get = GetBlob { owner: records::STREAM, id: BlobId(blob.hash) };
        let loaded = move |outcome| {
            let own = Own::ResultLoaded { replies, status, blob, outcome };
            TasksMessage::Own(Step(own))
        };
        self.journal.ask_into(get, self.journal_timeout(), &ctx.address(), loaded);
    }
}

/// Answers with the result, or with what keeps it from being read.
pub(super) fn result_loaded(
    replies: Vec<Reply<Option<TaskStatusResponse>>>,
    mut status: TaskStatusResponse,
    blob: BlobRef,
    outcome: Loaded,
) {
    let id = BlobId(blob.hash);
    match outcome {
        Ok(Ok(Some(bytes))) => {
            let content_type = blob.content_type.into();
            set_result(&mut status, Payload { content_type, bytes });
        }
        Ok(Ok(None)) => {
            let reason = format!("blob {id} of `{}` is not there", records::STREAM);
            unreadable(&mut status, id, reason, RESTORE);
        }
        Ok(Err(error @ BlobError::Damaged { .. })) => {
            unreadable(&mut status, id, error.to_string(), RESTORE);
        }
        Ok(Err(error)) => unreadable(&mut status, id, error.to_string(), ASK_AGAIN),
        Err(error) => unreadable(&mut status, id, format!("the journal: {error}"), ASK_AGAIN),
    }
    answer_all(replies, Some(status));
}

fn unreadable(status: &mut TaskStatusResponse, blob: BlobId, reason: String, advice: &'static str) {
    tracing::error!(task_id = %status.task_id, %blob, reason, "a result could not be read");
    let (blob, advice) = (blob.to_string(), advice.to_owned());
    status.result_error = Some(ResultError { blob, reason, advice });
}
