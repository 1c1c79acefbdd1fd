//! What the engine is asked from outside.

use std::sync::Arc;

use synod_runtime::{Context, Request};

use super::TaskEngine;
use super::release::Release;
use crate::error::{CancelError, SubmitError};
use crate::machine::{Answer, Input};
use crate::messages::{
    Accepted, CancelTask, EngineHealth, EngineHealthResponse, EnginePhase, EngineStats, GetTask,
    ListTasks, Reconfigure, SubmitTask, TaskListener, WaitTask,
};
use crate::task::{Body, Moment, TaskSpec};
use crate::validation::{Asker, check};

impl TaskEngine {
    pub(super) fn on_submit(
        &mut self,
        now: Moment,
        request: Request<SubmitTask>,
        ctx: &mut Context<Self>,
    ) {
        let (submitted, reply) = request.into_parts();
        if let Some(reason) = self.refusal() {
            return reply.send(Err(SubmitError::Unavailable { reason }));
        }
        let asker =
            Asker { principal: submitted.principal, correlation: ctx.metadata().correlation() };
        match check(submitted.request, asker, self.machine.config(), now) {
            Err(error) => reply.send(Err(error)),
            Ok((spec, input)) if self.is_large(&input) => {
                self.store_input(spec, input, reply, ctx);
            }
            Ok((spec, input)) => {
                let answer = self.submit(now, spec, input.into());
                self.gathering.releases.push(Release::Submitted(reply, answer));
            }
        }
    }

    /// Gives a checked submission to the machine.
    pub(super) fn submit(
        &mut self,
        now: Moment,
        spec: TaskSpec,
        input: Body,
    ) -> Result<Accepted, SubmitError> {
        if let Some(reason) = self.refusal() {
            return Err(SubmitError::Unavailable { reason });
        }
        match self.step(now, Input::Submit { spec: Arc::new(spec), input }) {
            Answer::Submitted(result) => result,
            _ => Err(SubmitError::Unavailable { reason: "the engine gave no answer".to_owned() }),
        }
    }

    pub(super) fn on_cancel(&mut self, now: Moment, request: Request<CancelTask>) {
        let (CancelTask { id, principal }, reply) = request.into_parts();
        if let Some(reason) = self.refusal() {
            return reply.send(Err(CancelError::Unavailable { reason }));
        }
        let result = match self.step(now, Input::Cancel { task: id, by: principal }) {
            Answer::Cancelled(result) => result,
            _ => Err(CancelError::NotFound),
        };
        let status = self.machine.status(id).map(|status| Box::new(status.0));
        let result = result.and_then(|()| status.ok_or(CancelError::NotFound));
        self.gathering.releases.push(Release::Cancelled(reply, result));
    }

    pub(super) fn on_get(&mut self, request: Request<GetTask>, ctx: &mut Context<Self>) {
        let (GetTask { id }, reply) = request.into_parts();
        self.show(vec![reply], id, ctx);
    }

    pub(super) fn on_wait(&mut self, request: Request<WaitTask>, ctx: &mut Context<Self>) {
        let (WaitTask { id }, reply) = request.into_parts();
        if self.machine.book().task(id).is_some_and(|task| task.is_open()) {
            let most = usize::try_from(self.machine.config().max_waiters).unwrap_or(usize::MAX);
            self.waiters.add(id, reply, most);
        } else {
            self.show(vec![reply], id, ctx);
        }
    }

    pub(super) fn on_list(&mut self, request: Request<ListTasks>) {
        let (ListTasks { filter, cursor, limit }, reply) = request.into_parts();
        let page = self.machine.list(&filter, cursor.as_deref(), limit);
        self.release_when_stored(Release::Page(reply, page));
    }

    pub(super) fn on_stats(&mut self, now: Moment, request: Request<EngineStats>) {
        let (_, reply) = request.into_parts();
        let stats = Box::new(self.machine.stats(now, self.phase));
        self.release_when_stored(Release::Stats(reply, stats));
    }

    pub(super) fn on_health(&self, request: Request<EngineHealth>) {
        request.answer(EngineHealthResponse {
            phase: self.phase,
            accepting: self.phase == EnginePhase::Running,
            reason: self.reason.clone(),
        });
    }

    pub(super) fn on_reconfigure(&mut self, request: Request<Reconfigure>) {
        let (Reconfigure { config }, reply) = request.into_parts();
        self.machine.reconfigure(config);
        reply.send(());
    }

    pub(super) fn on_subscribe(&mut self, listener: TaskListener) {
        if self.listeners.len() >= self.machine.config().max_listeners as usize {
            tracing::warn!("a listener to tasks is dropped: there are as many as allowed");
            return;
        }
        self.listeners.push(listener);
        self.machine.has_listeners = true;
    }

    /// Why nothing that would have to be stored is taken now; draining is the machine's to say.
    pub(super) fn refusal(&self) -> Option<String> {
        match self.phase {
            EnginePhase::Running | EnginePhase::Draining | EnginePhase::Drained => None,
            EnginePhase::Recovering | EnginePhase::Refusing => {
                Some(self.reason.clone().unwrap_or_else(|| "the engine is recovering".to_owned()))
            }
        }
    }
}
