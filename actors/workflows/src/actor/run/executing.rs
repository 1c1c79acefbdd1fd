//! Executions: from a step's action to the task engine, and back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use synod_agents::{Payload, Sign, Usage, Watch};
use synod_journal::BlobId;
use synod_runtime::{Address, AskError, Context, SendOptions};
use synod_tasks::{
    CancelExecution, ExecutionError, ExecutionSpec, FailureKind, TaskMode, TaskOutput, TasksMessage,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Performed, RunActor, RunMessage, instant, utc};
use crate::definition::ErrorKind;
use crate::history::{EngineEvent, KeptResult};
use crate::index::{Half, MOST_KEPT, half};
use crate::json::Json;
use crate::messages::RunId;
use crate::plan::{Action, Doing, StepWork};
use crate::run::{Execute, Fault, Input, Part, Run, Ticket};

/// How long after its deadline an execution is still heard.
const OVERTIME: Duration = Duration::from_secs(15);

/// The wait before an execution is offered again that the task engine did not take on.
const OFFER_AGAIN: Duration = Duration::from_millis(200);

/// An execution that is to be asked for once what it follows from is stored.
#[derive(Debug)]
pub(in crate::actor) struct Launch {
    execute: Box<Execute>,
    batch: u64,
    asked: synod_tasks::Execute,
    options: SendOptions,
}

impl Launch {
    /// Asks for it; the run's actor is told the outcome.
    pub(in crate::actor) fn send(
        self,
        tasks: &Address<TasksMessage>,
        now: Instant,
        run: &Address<RunMessage>,
    ) {
        let Self { execute, batch, asked, options } = self;
        let within = asked.spec.deadline.saturating_duration_since(now).saturating_add(OVERTIME);
        let watch = asked.spec.watch.clone();
        let ended = move |outcome| RunMessage::Executed { execute, batch, watch, outcome };
        tasks.ask_into_with(asked, within, options, run, ended);
    }
}

/// The name of an execution, the same over all attempts.
fn execution_id(run: RunId, ticket: &Ticket) -> Uuid {
    let Ticket { revision, level, spot, visit, .. } = ticket;
    let text = format!("{revision}.{level}.{}.{:?}.{visit}", spot.step.0, spot.part);
    let mut hash = Sha256::new();
    hash.update(run.as_bytes());
    hash.update(text.as_bytes());
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    uuid::Builder::from_custom_bytes(half).into_uuid()
}

impl RunActor {
    /// Lets the task engine do it, unless nobody waits for it any longer.
    pub(super) fn execute(&mut self, execute: Box<Execute>, ctx: &mut Context<Self>) {
        if self.hands_back.is_some() {
            return;
        }
        let Some(run) = &self.run else { return };
        if run.plan_step(&execute.ticket).is_none() {
            return;
        }
        let known = self.scope(&execute).and_then(|key| self.around.cache.get(&key, utc(ctx)));
        if let Some(output) = known {
            ctx.send_after(Duration::ZERO, RunMessage::Known { execute, output });
            return;
        }
        if let Some(launch) = self.launch(execute, 0, ctx) {
            self.outstanding += 1;
            launch.send(&self.around.tasks, ctx.now(), &ctx.address());
        }
    }

    /// What to ask the task engine for, because of this batch.
    pub(super) fn launch(
        &mut self,
        execute: Box<Execute>,
        batch: u64,
        ctx: &Context<Self>,
    ) -> Option<Launch> {
        let run = self.run.as_ref()?;
        let (_, action) = run.plan_step(&execute.ticket)?;
        let mut spec = spec(run, action, &execute)?;
        spec.watch = Watch::new();
        let watched = action.timeout.heartbeat_s.map(|_| spec.watch.clone());
        spec.deadline = instant(execute.deadline, ctx);
        spec.wait_for_agent = self.resumed;
        let options = self.options(spec.priority);
        let asked = synod_tasks::Execute {
            id: execution_id(self.id, &execute.ticket),
            attempt: execute.ticket.attempt,
            spec,
            principal: run.opening().principal.clone(),
        };
        self.watched.extend(watched.map(|watch| (execute.ticket, watch)));
        Some(Launch { execute, batch, asked, options })
    }

    fn options(&self, priority: synod_runtime::Priority) -> SendOptions {
        let options = SendOptions::new().priority(priority);
        match self.trace {
            Some(trace) => options.correlation(trace),
            None => options,
        }
    }

    pub(super) fn cancel_execution(&self, ticket: Ticket, ctx: &Context<Self>) {
        let Some(run) = &self.run else { return };
        let cancel = CancelExecution {
            id: execution_id(self.id, &ticket),
            attempt: ticket.attempt,
            principal: run.opening().principal.clone(),
        };
        let within = self.around.journal_timeout;
        let options = self.options(run.opening().priority);
        let noted = |_| RunMessage::Noted;
        self.around.tasks.ask_into_with(cancel, within, options, &ctx.address(), noted);
    }

    /// An execution has ended. One that was given back undone is offered again.
    pub(super) fn executed(
        &mut self,
        execute: Box<Execute>,
        watch: &Watch,
        outcome: Result<Performed, AskError>,
        ctx: &mut Context<Self>,
    ) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.watched.remove(&execute.ticket);
        let (result, agent, ran_us, cost) = match outcome {
            Ok(Ok(done)) => {
                let agent = done.agents.first().cloned();
                (json(done.output), agent, done.ran_us, done.cost)
            }
            Ok(Err(error)) if error.handed_back => return self.offer_again(execute, ctx),
            Err(AskError::Full) => return self.offer_again(execute, ctx),
            Ok(Err(error)) => {
                let (agent, cost) = (error.agent.clone(), error.cost);
                (Err(fault(error)), agent, 0, cost)
            }
            Err(error) => (Err(unanswered(error)), None, 0, 0.0),
        };
        let now = utc(ctx);
        let kept = result.as_ref().ok().and_then(|output| self.to_keep(&execute, output, now));
        let ticket = execute.ticket;
        // Cards count where money does; else most executions would have an event more.
        let counts = self.run.as_ref().is_some_and(|run| run.money_left(&execute.ticket).is_some());
        let usage = usage(watch, if counts { cost } else { 0.0 });
        let input = Input::Executed { ticket, outcome: result, agent, ran_us, usage };
        if self.decide(input, now) == Ok(true) {
            self.defined.extend(kept);
        }
    }

    /// Tells the machine of the last signs of life of what must give some. What no agent has yet is
    /// in the task engine's care, which is as good as a sign.
    pub(super) fn feel_pulses(&mut self, now: i64, ctx: &Context<Self>) {
        let pulses = self.watched.iter().map(|(ticket, watch)| match watch.sign() {
            Sign::Idle => (*ticket, now),
            Sign::Life(last) => {
                let silent = ctx.now().saturating_duration_since(last).as_micros();
                (*ticket, now.saturating_sub(i64::try_from(silent).unwrap_or(i64::MAX)))
            }
        });
        let pulses: Vec<_> = pulses.collect();
        for (ticket, at) in pulses {
            _ = self.decide(Input::Heartbeat { ticket, at }, now);
        }
    }

    /// The result of an execution was kept before.
    pub(super) fn known(&mut self, execute: &Execute, output: Json, ctx: &Context<Self>) {
        let (ticket, outcome) = (execute.ticket, Ok(output));
        let usage = Usage::default();
        let input = Input::Executed { ticket, outcome, agent: None, ran_us: 0, usage };
        _ = self.decide(input, utc(ctx));
    }

    /// What the result of an execution is kept by, if it is to be: a result is for the same step
    /// of the same definition, in whatever run. The racers of a race are different work.
    fn scope(&self, execute: &Execute) -> Option<Half> {
        let key = execute.cache_key.as_ref().filter(|_| self.around.keep_results_us > 0)?;
        let run = self.run.as_ref()?;
        let (step, action) = run.plan_step(&execute.ticket)?;
        let Doing::Execute { kind, .. } = &action.doing else { return None };
        let part = match (&step.work, execute.ticket.spot.part) {
            (StepWork::Race(_), part) => format!("{part:?}"),
            (_, Part::Whole | Part::Item(_)) => String::new(),
            (_, part) => format!("{part:?}"),
        };
        let level = [execute.ticket.level];
        let parts: [&[u8]; 7] = [
            b"result",
            &run.definition().0,
            &level,
            step.id.as_bytes(),
            part.as_bytes(),
            kind.as_bytes(),
            key.as_bytes(),
        ];
        Some(half(&parts))
    }

    /// The result of an execution as it is to be kept.
    fn to_keep(&self, execute: &Execute, output: &Json, now: i64) -> Option<EngineEvent> {
        let scope = self.scope(execute).filter(|_| output.size() <= MOST_KEPT)?;
        let large = output.size() > self.around.inline;
        let kept = KeptResult {
            scope,
            at: now,
            until: now.saturating_add(self.around.keep_results_us),
            output: output.compact(),
            size: output.size() as u64,
            blob: large.then(|| BlobId::of(output.bytes())),
        };
        Some(EngineEvent::Kept(Box::new(kept)))
    }

    fn offer_again(&mut self, execute: Box<Execute>, ctx: &mut Context<Self>) {
        if self.hands_back.is_none() {
            ctx.send_after(OFFER_AGAIN, RunMessage::Again(execute));
        }
    }
}

/// What the task engine is to do; `None` for an action that no agent does.
fn spec(run: &Run, action: &Action, execute: &Execute) -> Option<ExecutionSpec> {
    let Doing::Execute { kind, agents, capabilities, collaboration, .. } = &action.doing else {
        return None;
    };
    let mode = collaboration.mode;
    let millis =
        |seconds: crate::definition::model::Seconds| Duration::from_millis(seconds.as_millis());
    let input = Payload::new("application/json", execute.input.bytes().clone());
    // The deadline is set by who knows the clock.
    let unset = tokio::time::Instant::now();
    Some(ExecutionSpec {
        capabilities: capabilities.clone(),
        agents: agents.clone(),
        mode,
        allocation: collaboration.allocation,
        consensus: (mode == TaskMode::Consensus).then_some(collaboration.consensus),
        competitive: (mode == TaskMode::Competitive).then_some(collaboration.competitive),
        allow_partial: collaboration.allow_partial,
        priority: action.priority.unwrap_or(run.opening().priority),
        start_within: action.timeout.start_s.map(millis),
        idempotency_key: execute.idempotency_key.clone(),
        tenant: run.opening().tenant.clone(),
        budget: run.money_left(&execute.ticket),
        labels: action.labels.clone(),
        max_lost: 0,
        ..ExecutionSpec::new(kind.to_string(), input, unset)
    })
}

/// What an execution used up: the money that the agents report, or else what their cards say.
fn usage(watch: &Watch, cost: f64) -> Usage {
    let used = watch.used();
    let by_cards = (cost * 1e6).round() as u64;
    let money_micros = if used.money_micros > 0 { used.money_micros } else { by_cards };
    Usage { money_micros, ..used }
}

/// What an agent gave, as a JSON value: JSON as it is, text as a string, anything else as a
/// document that carries its type.
fn json(payload: Payload) -> Result<Json, Fault> {
    let wrong = |error: serde_json::Error| {
        Fault::new(ErrorKind::ValidationError, format!("the output is no JSON: {error}"))
    };
    if payload.is_json() {
        return Json::parse(payload.bytes).map_err(wrong);
    }
    if payload.bytes.is_empty() {
        return Ok(Json::null());
    }
    let value: Value = serde_json::to_value(TaskOutput(payload)).map_err(wrong)?;
    Ok(Json::from(value))
}

fn fault(error: ExecutionError) -> Fault {
    let kind = match error.kind {
        FailureKind::InvalidInput => ErrorKind::ValidationError,
        FailureKind::Unavailable => ErrorKind::Unavailable,
        FailureKind::RateLimited => ErrorKind::RateLimited,
        FailureKind::Timeout | FailureKind::StartTimeout | FailureKind::DeadlinePassed => {
            ErrorKind::Timeout
        }
        FailureKind::Cancelled => ErrorKind::Cancelled,
        FailureKind::Refused => ErrorKind::Refused,
        FailureKind::Failed | FailureKind::NoQuorum | FailureKind::NoMajority => ErrorKind::Failed,
        FailureKind::Lost => ErrorKind::Lost,
        FailureKind::OverBudget => ErrorKind::BudgetExceeded,
        FailureKind::TooLarge => ErrorKind::Oversize,
        FailureKind::NoCapableAgent => ErrorKind::NoCapableAgent,
        FailureKind::Critical => ErrorKind::CriticalError,
    };
    let message: Arc<str> = Arc::from(error.message);
    Fault { kind, message, retry_after_ms: error.retry_after_ms }
}

/// What it means that the task engine gave no answer.
fn unanswered(error: AskError) -> Fault {
    match error {
        AskError::Deadline => Fault::new(ErrorKind::Timeout, "it did not end in time"),
        AskError::Refused => Fault::new(ErrorKind::Refused, "a policy does not let it through"),
        error => Fault::new(ErrorKind::Lost, format!("the execution was lost: {error}")),
    }
}
