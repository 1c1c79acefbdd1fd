//! A worker: owns one instance of an agent and does one assignment at a time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Context, Correlation, ExitReason, Permit, Reply, Request, after,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::desk::Slot;
use super::report::{Report, Reported};
use super::shell::Hosting;
use crate::agent::{AgentSource, DynAgent};
use crate::blocking::AbandonedThreads;
use crate::card::AgentCard;
use crate::context::AgentContext;
use crate::error::AgentError;
use crate::messages::{AgentMessage, Perform};
use crate::payload::Payload;
use crate::progress::Progress;
use crate::work::{Assignment, Performed, WorkId};

type Outcome = Result<Performed, AgentError>;

/// What the workers of one agent have in common.
pub(super) struct Workplace {
    pub(super) hosting: Arc<Hosting>,
    pub(super) source: AgentSource,
    pub(super) abandoned: Arc<AbandonedThreads>,
}

/// Time a worker has for its `stop`, beyond the grace of its work.
pub(super) const WORKER_STOP: Duration = Duration::from_secs(1);

impl Workplace {
    /// The instance that is there, or else one made and started.
    pub(super) async fn ready(
        &self,
        kept: Option<Box<dyn DynAgent>>,
    ) -> Result<Box<dyn DynAgent>, AgentError> {
        if let Some(instance) = kept {
            return Ok(instance);
        }
        let mut instance = (self.source)();
        let limit = Duration::from_millis(self.hosting.config.start_timeout_ms);
        match timeout(limit, instance.start_boxed()).await {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(error)) => {
                Err(AgentError::unavailable(format!("the agent did not start: {error}")))
            }
            Err(_) => Err(AgentError::unavailable("the agent did not start in time")),
        }
    }
}

/// One assignment on its way to a worker.
pub(super) struct Job {
    pub(super) request: Request<Perform>,
    pub(super) stop: CancellationToken,
    pub(super) progress: Progress,
    /// The slot reserved for the report of its end.
    pub(super) report: Permit<AgentMessage>,
}

/// The actor that performs. It crashes with its agent; the supervisor restarts it.
pub(super) struct Worker {
    slot: Slot,
    workplace: Arc<Workplace>,
    /// Made by the first assignment; replaced when its work had to be dropped.
    instance: Option<Box<dyn DynAgent>>,
}

impl Worker {
    pub(super) fn new(slot: Slot, workplace: Arc<Workplace>) -> Self {
        Self { slot, workplace, instance: None }
    }

    /// Does the work. The asker is answered as soon as the outcome is known, which is before the
    /// end of the work when its deadline passes.
    ///
    /// # Errors
    /// The instance could not be started; the asker has been told, and the worker is to crash.
    async fn perform(
        &mut self,
        work: Assignment,
        stop: CancellationToken,
        progress: Progress,
        answer: &mut Answer,
    ) -> Result<(), AgentError> {
        let workplace = Arc::clone(&self.workplace);
        let capability = capability_of(&workplace.hosting.card, &work).map(str::to_owned);
        if let Err(error) = check_input(&workplace.hosting, capability.as_deref(), &work) {
            answer.give(Err(error));
            return Ok(());
        }
        let mut instance = match workplace.ready(self.instance.take()).await {
            Ok(instance) => instance,
            Err(error) => {
                answer.give(Err(error.clone()));
                return Err(error);
            }
        };
        let limit = after(Instant::now(), workplace.hosting.card.limits.perform_timeout());
        let deadline = work.deadline.min(limit);
        let threads = Arc::clone(&workplace.abandoned);
        let surroundings = (threads, workplace.hosting.outbox.clone());
        let agent = workplace.hosting.card.id.clone();
        let mut ctx =
            AgentContext::new(agent, &work, deadline, stop.clone(), progress, surroundings);
        let _at_work = work.watch.begin();
        let performing = instance.perform_boxed(work, &mut ctx);
        let end = run(performing, &stop, deadline, workplace.hosting.grace(), answer).await;
        // An instance whose work was dropped midway is dropped too: nobody knows its state.
        if let End::Returned(_) = &end {
            self.instance = Some(instance);
        }
        let outcome = end.outcome().and_then(|payload| {
            if let Some(name) = &capability {
                workplace.hosting.schemas.check_output(name, &payload)?;
            }
            Ok(Performed { payload, state: ctx.state.take_saved() })
        });
        answer.give(outcome);
        Ok(())
    }
}

impl Actor for Worker {
    type Message = Box<Job>;
    const KIND: &'static str = "worker";

    async fn handle(&mut self, job: Box<Job>, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let Job { request, stop, progress, report } = *job;
        let (Perform { mut assignment }, reply) = request.into_parts();
        let work = assignment.work;
        let parent = assignment.correlation;
        // Whatever the agent calls has this attempt for its parent.
        assignment.correlation = parent.map(|parent| parent.child(ctx.system().entropy()));
        let span = attempt_span(&self.workplace.hosting.card, &assignment, parent);
        let mut answer = Answer { reply: Some(reply), error: None };
        let performing = self.perform(assignment, stop, progress, &mut answer);
        performing.instrument(span.clone()).await?;
        let error = answer.error;
        let told = error.as_ref().map(ToString::to_string);
        span.in_scope(|| tracing::debug!(error = told, "attempt ended"));
        let ended = Reported::Ended { slot: self.slot, work, error };
        report.send(AgentMessage::Own(Report(ended)));
        Ok(())
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        if let Some(mut instance) = self.instance.take() {
            instance.stop_boxed().await;
        }
    }
}

/// The span around an attempt: what the agent logs within it carries its trace.
fn attempt_span(card: &AgentCard, assignment: &Assignment, parent: Option<Correlation>) -> Span {
    let WorkId { task, part, attempt, .. } = assignment.work;
    let own = assignment.correlation;
    tracing::info_span!(
        "task.attempt",
        task_id = %task,
        part,
        attempt,
        agent = %card.key(),
        capability = capability_of(card, assignment),
        trace_id = own.map(|own| tracing::field::display(own.trace_shown())),
        span_id = own.map(|own| tracing::field::display(own.span_shown())),
        parent_span_id = parent.map(|parent| tracing::field::display(parent.span_shown())),
    )
}

/// The reply of one assignment, given once; what comes later is dropped.
struct Answer {
    reply: Option<Reply<Outcome>>,
    error: Option<AgentError>,
}

impl Answer {
    fn give(&mut self, outcome: Outcome) {
        let Some(reply) = self.reply.take() else { return };
        self.error = outcome.as_ref().err().cloned();
        let result = self.error.as_ref().map_or("completed", |error| error.kind.as_str());
        metrics::counter!("synod_agent_performs_total", "result" => result).increment(1);
        reply.send(outcome);
    }
}

/// How the execution of an assignment ended.
enum End {
    /// `perform` returned.
    Returned(Result<Payload, AgentError>),
    /// It was told to stop, did not, and was dropped.
    Dropped(AgentError),
}

impl End {
    fn outcome(self) -> Result<Payload, AgentError> {
        match self {
            Self::Returned(result) => result,
            Self::Dropped(error) => Err(error),
        }
    }
}

/// Polls the work until it returns, or has been told to stop and has used up its grace.
async fn run(
    performing: impl Future<Output = Result<Payload, AgentError>>,
    stop: &CancellationToken,
    deadline: Instant,
    grace: Duration,
    answer: &mut Answer,
) -> End {
    let mut performing = pin!(performing);
    let cancelled = || AgentError::cancelled("the work was cancelled");
    let told = tokio::select! {
        biased;
        result = &mut performing => {
            // Whatever error told work ends with, it ends because it was told to.
            let told = stop.is_cancelled();
            return End::Returned(if told { result.map_err(|_| cancelled()) } else { result });
        }
        () = stop.cancelled() => cancelled(),
        () = sleep_until(deadline) => {
            let error = AgentError::timeout("the deadline of the work passed");
            answer.give(Err(error.clone()));
            stop.cancel();
            error
        }
    };
    tokio::select! {
        biased;
        result = &mut performing => End::Returned(result.map_err(|_| told)),
        () = sleep(grace) => End::Dropped(told),
    }
}

/// The capability whose schemas hold for this work: the one it was matched by, or the only one.
fn capability_of<'a>(card: &'a AgentCard, work: &'a Assignment) -> Option<&'a str> {
    match (work.capability.as_deref(), card.capabilities.as_slice()) {
        (Some(name), _) => Some(name),
        (None, [only]) => Some(&only.name),
        (None, _) => None,
    }
}

fn check_input(
    hosting: &Hosting,
    capability: Option<&str>,
    work: &Assignment,
) -> Result<(), AgentError> {
    let Some(name) = capability else { return Ok(()) };
    if hosting.card.find(name).is_none() {
        let id = &hosting.card.id;
        return Err(AgentError::refused(format!("agent {id} has no capability {name}")));
    }
    hosting.schemas.check_input(name, &work.payload)
}
