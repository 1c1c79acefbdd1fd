//! What the engine is asked from outside, apart from starts, definitions and reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use synod_runtime::{Context, Principal, Reply, Request};
use synod_tasks::{EnginePhase, LedgerStats};
use uuid::Uuid;

use super::WorkflowEngine;
use super::compiling::{Compiled, Then};
use super::forking::changed;
use super::run::{Answer, Order};
use super::seating::Unsent;
use super::stored::Release;
use crate::error::{ControlError, DecideError};
use crate::index::time;
use crate::json::Json;
use crate::messages::{
    AmendRun, CancelRun, CheckpointRun, Decide, DefinitionFault, ListRuns, PauseRun, Reconfigure,
    ResumeRun, RollbackRun, RunId, RunListener, RunState, RunStatusResponse, Verdict,
    WorkflowHealth, WorkflowHealthResponse, WorkflowStats, WorkflowStatsResponse, WorkflowsMessage,
};
use crate::run::{Amendment, Decision, Input, Refused};

type ControlReply = Reply<Result<RunStatusResponse, ControlError>>;

/// An amendment whose definition is being compiled.
#[derive(Debug)]
pub(super) struct ToAmend {
    run: RunId,
    variables: BTreeMap<String, Value>,
    why: Arc<str>,
    by: Principal,
    reply: ControlReply,
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> Self {
        let invalid = |field: &str, expected: String, got: String| Self::Invalid {
            field: field.to_owned(),
            expected,
            got,
        };
        match refused {
            Refused::Ended(state) => Self::AlreadyEnded { state },
            Refused::NotNow { state, why } => Self::NotNow { state, reason: why.to_owned() },
            Refused::NoSuchCheckpoint(name) => {
                invalid("to", "the name of a checkpoint".to_owned(), name.to_string())
            }
            Refused::CheckpointExists(name) => {
                invalid("name", "a name that is not used".to_owned(), name.to_string())
            }
            Refused::TooManyCheckpoints(most) => {
                invalid("name", format!("at most {most} checkpoints"), "one more".to_owned())
            }
            Refused::TooLong { field, got, most } => {
                invalid(field, format!("at most {most} bytes"), format!("{got} bytes"))
            }
            other => invalid("run", "a change that is possible".to_owned(), other.to_string()),
        }
    }
}

impl From<Refused> for DecideError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ended(state) => Self::AlreadyDecided { state: format!("the run is {state}") },
            Refused::NoSuchApproval(_) => {
                Self::AlreadyDecided { state: "it waits for no decision".to_owned() }
            }
            Refused::TooLate => Self::Expired,
            Refused::DecidedBefore(who) => Self::Twice { who: who.to_string() },
            Refused::MayNotDecide { who, expected } => {
                let deciders = expected.split(", ").map(str::to_owned).collect();
                Self::NotAllowed { who: who.to_string(), deciders }
            }
            Refused::NotEditable => Self::InvalidPayload {
                expected: "none, as it can't be edited".to_owned(),
                got: "one".to_owned(),
            },
            Refused::TooLong { field, got, most } => Self::InvalidPayload {
                expected: format!("a {field} of at most {most} bytes"),
                got: format!("{got} bytes"),
            },
            other => Self::Unavailable { reason: other.to_string() },
        }
    }
}

impl WorkflowEngine {
    pub(super) fn on_request(&mut self, message: WorkflowsMessage, ctx: &mut Context<Self>) {
        match message {
            WorkflowsMessage::Start(request) => self.on_start(request, ctx),
            WorkflowsMessage::Check(request) => self.on_check(request, ctx),
            WorkflowsMessage::Define(request) => self.on_define(request, ctx),
            WorkflowsMessage::Forget(request) => self.on_forget(request, ctx),
            WorkflowsMessage::Definitions(request) => self.on_definitions(request),
            WorkflowsMessage::Definition(request) => self.on_definition(request),
            WorkflowsMessage::Get(request) => self.on_get(request, ctx),
            WorkflowsMessage::Wait(request) => self.on_wait(request, ctx),
            WorkflowsMessage::List(request) => self.on_list(request),
            WorkflowsMessage::History(request) => self.on_history(request, ctx),
            WorkflowsMessage::Diff(request) => self.on_diff(request, ctx),
            WorkflowsMessage::Retry(request) => self.on_retry(request, ctx),
            WorkflowsMessage::Fork(request) => self.on_fork(request, ctx),
            WorkflowsMessage::Send(request) => self.on_send(request, ctx),
            WorkflowsMessage::Approvals(request) => self.on_approvals(request, ctx),
            WorkflowsMessage::Approval(request) => self.on_approval(request, ctx),
            WorkflowsMessage::Decide(request) => self.on_decide(request, ctx),
            WorkflowsMessage::Stats(request) => self.on_stats(request, ctx),
            WorkflowsMessage::Health(request) => self.on_health(request),
            WorkflowsMessage::Drain(request) => self.on_drain(request, ctx),
            WorkflowsMessage::Reconfigure(request) => self.on_reconfigure(request),
            WorkflowsMessage::Subscribe(listener) => self.on_subscribe(listener),
            message => self.on_control(message, ctx),
        }
    }

    /// What is done to one run.
    fn on_control(&mut self, message: WorkflowsMessage, ctx: &mut Context<Self>) {
        match message {
            WorkflowsMessage::Cancel(request) => self.on_cancel(request, ctx),
            WorkflowsMessage::Pause(request) => {
                let (PauseRun { id, principal }, reply) = request.into_parts();
                self.control(id, Input::Pause { by: principal }, reply, ctx);
            }
            WorkflowsMessage::Resume(request) => {
                let (ResumeRun { id, principal }, reply) = request.into_parts();
                self.control(id, Input::Resume { by: principal }, reply, ctx);
            }
            WorkflowsMessage::Checkpoint(request) => {
                let (CheckpointRun { id, name, principal }, reply) = request.into_parts();
                let input = Input::Checkpoint { name: Arc::from(name), by: principal };
                self.control(id, input, reply, ctx);
            }
            WorkflowsMessage::Rollback(request) => self.on_rollback(request, ctx),
            WorkflowsMessage::Amend(request) => self.on_amend(request, ctx),
            _ => {}
        }
    }

    fn on_cancel(&mut self, request: Request<CancelRun>, ctx: &mut Context<Self>) {
        let (CancelRun { id, compensate, reason, principal }, reply) = request.into_parts();
        let why = Arc::from(reason.unwrap_or_default());
        self.control(id, Input::Cancel { by: principal, why, compensate }, reply, ctx);
    }

    fn on_rollback(&mut self, request: Request<RollbackRun>, ctx: &mut Context<Self>) {
        let (RollbackRun { id, to, compensate, reason, principal }, reply) = request.into_parts();
        let (to, why) = (Arc::from(to), Arc::from(reason.unwrap_or_default()));
        let input = Input::Rollback { to, by: principal, why, compensate };
        self.control(id, input, reply, ctx);
    }

    fn control(&mut self, run: RunId, input: Input, reply: ControlReply, ctx: &mut Context<Self>) {
        let answer = Answer::Control(reply);
        self.send_control(run, Order { input: Some(input), defined: None, answer }, ctx);
    }

    fn send_control(&mut self, run: RunId, order: Order, ctx: &mut Context<Self>) {
        if let Err(Unsent { answer: Answer::Control(reply), error }) = self.order(run, order, ctx) {
            reply.send(Err(*error));
        }
    }

    fn on_amend(&mut self, request: Request<AmendRun>, ctx: &mut Context<Self>) {
        let (AmendRun { id, text, variables, reason, principal }, reply) = request.into_parts();
        let why = Arc::from(reason.unwrap_or_default());
        let amend = ToAmend { run: id, variables, why, by: principal, reply };
        match text {
            Some(text) => self.with_compiled(text, Then::Amend(Box::new(amend)), ctx),
            None => self.amend_with(amend, None, ctx),
        }
    }

    pub(super) fn amend_with(
        &mut self,
        amend: ToAmend,
        compiled: Option<Result<Arc<Compiled>, Vec<DefinitionFault>>>,
        ctx: &mut Context<Self>,
    ) {
        let ToAmend { run, variables, why, by, reply } = amend;
        let hash = self.index.run(run).map(|entry| entry.definition);
        let Some(old) = hash.and_then(|hash| self.compiled_of(&hash)) else {
            return reply.send(Err(ControlError::NotFound));
        };
        let compiled = match compiled {
            Some(Ok(compiled)) => compiled,
            Some(Err(faults)) => return reply.send(Err(ControlError::Faulty { faults })),
            None => Arc::clone(&old),
        };
        if let Some((what, limit)) = self.definitions_full(&compiled) {
            let reason = format!("{what}: there are as many as allowed, {limit}");
            return reply.send(Err(ControlError::Unavailable { reason }));
        }
        let defined = self.to_define(&compiled, true);
        let variable = |(name, value): (String, Value)| (Arc::from(name), Json::from(value));
        let amendment = Amendment {
            definition: compiled.hash(),
            plan: Arc::clone(&compiled.plan),
            changed: changed(&old.definition, &compiled.definition),
            variables: variables.into_iter().map(variable).collect(),
            by,
            why,
        };
        let input = Some(Input::Amend(Box::new(amendment)));
        self.send_control(run, Order { input, defined, answer: Answer::Control(reply) }, ctx);
    }

    fn on_decide(&mut self, request: Request<Decide>, ctx: &mut Context<Self>) {
        let (Decide { id, verdict, payload, reason, role, principal }, reply) =
            request.into_parts();
        let known = Uuid::try_parse(&id).ok();
        let Some((approval, (run, open))) = known.and_then(|id| Some((id, self.index.asker(id)?)))
        else {
            return reply.send(Err(DecideError::NotFound));
        };
        if !open {
            return self.read_approval(approval, run, ctx, move |found| {
                let state = found.map_or("gone".to_owned(), |found| found.state.to_string());
                reply.send(Err(DecideError::AlreadyDecided { state }));
            });
        }
        let decision = Decision {
            approval,
            by: principal,
            roles: role.into_iter().map(Arc::from).collect(),
            approved: verdict == Verdict::Approve,
            reason: reason.map(Arc::from),
            payload: payload.map(Json::from),
        };
        let input = Some(Input::Decide(Box::new(decision)));
        let answer = Answer::Decided(approval, reply);
        let order = Order { input, defined: None, answer };
        if let Err(Unsent { answer: Answer::Decided(_, reply), error }) =
            self.order(run, order, ctx)
        {
            reply.send(Err(match *error {
                ControlError::NotFound => DecideError::NotFound,
                ControlError::AlreadyEnded { state } => {
                    DecideError::AlreadyDecided { state: format!("the run is {state}") }
                }
                error => DecideError::Unavailable { reason: error.to_string() },
            }));
        }
    }

    fn on_list(&mut self, request: Request<ListRuns>) {
        let (ListRuns { filter, cursor, limit }, reply) = request.into_parts();
        let mut page = self.index.list(&filter, cursor.as_deref(), limit);
        if let Ok(page) = &mut page {
            self.tell_stuck(page);
        }
        self.gathering.releases.push(Release::Page(reply, page));
    }

    fn on_stats(&mut self, request: Request<WorkflowStats>, ctx: &Context<Self>) {
        let (_, reply) = request.into_parts();
        let stats = Box::new(self.stats(ctx));
        self.gathering.releases.push(Release::Stats(reply, stats));
    }

    fn stats(&mut self, ctx: &Context<Self>) -> WorkflowStatsResponse {
        let now = self.mono(ctx);
        let counters = self.index.counters;
        let open: u64 = self.index.by_state().map(|(_, count)| count).sum();
        let ended = counters.completed + counters.failed + counters.cancelled;
        let mut by_state: BTreeMap<String, u64> =
            self.index.by_state().map(|(state, count)| (state.to_string(), count)).collect();
        for (state, count) in [
            (RunState::Completed, counters.completed),
            (RunState::Failed, counters.failed),
            (RunState::Cancelled, counters.cancelled),
        ] {
            by_state.insert(state.to_string(), count);
        }
        let active = self.seats.len() as u64;
        let waited = now.saturating_mul(1_000);
        let since = ctx.system().clock().utc().as_nanosecond() - i128::from(waited);
        WorkflowStatsResponse {
            phase: self.phase,
            ledger: LedgerStats {
                accepted: counters.accepted,
                open,
                completed: counters.completed,
                failed: counters.failed,
                cancelled: counters.cancelled,
                balanced: counters.accepted == open + ended,
            },
            by_state,
            steps: counters.steps,
            active,
            parked: open.saturating_sub(active),
            open_approvals: self.index.open_approvals() as u64,
            throughput: self.statistics.throughput(now),
            latency: self.statistics.latency(),
            kept: self.index.ended().len() as u64,
            definitions: self.index.definitions.count_names() as u64,
            history_bytes: self.index.held(),
            since: time((since / 1_000) as i64),
        }
    }

    fn on_health(&self, request: Request<WorkflowHealth>) {
        request.answer(WorkflowHealthResponse {
            phase: self.phase,
            accepting: self.phase == EnginePhase::Running,
            reason: self.reason.clone(),
        });
    }

    fn on_reconfigure(&mut self, request: Request<Reconfigure>) {
        let (Reconfigure { config }, reply) = request.into_parts();
        let before = std::mem::replace(&mut self.config, config);
        if before.label_limits != self.config.label_limits {
            self.bind_anew();
        }
        // Runs that begin from now on see it.
        self.around = None;
        reply.send(());
    }

    fn on_subscribe(&mut self, listener: RunListener) {
        if self.listeners.len() >= self.config.max_listeners as usize {
            tracing::warn!("a listener to runs is dropped: there are as many as allowed");
            return;
        }
        self.listeners.push(listener);
        self.listened.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Why nothing that would have to be stored is taken now.
    pub(super) fn refusal(&self) -> Option<String> {
        match self.phase {
            EnginePhase::Running | EnginePhase::Draining | EnginePhase::Drained => None,
            EnginePhase::Recovering | EnginePhase::Refusing => {
                Some(self.reason.clone().unwrap_or_else(|| "the engine is recovering".to_owned()))
            }
        }
    }
}
