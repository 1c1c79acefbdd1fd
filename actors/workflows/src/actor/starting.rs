//! Starting runs: admitted at once, or stored to wait for room.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use synod_runtime::{Context, Correlation, ExitReason, Principal, Reply, Request};
use synod_tasks::EnginePhase;

use super::WorkflowEngine;
use super::compiling::{Compiled, Then};
use super::options::{apply_options, body, key_of};
use super::stored::Release;
use super::utc;
use crate::definition::DefinitionHash;
use crate::error::StartError;
use crate::history::OpeningNote;
use crate::index::{Half, Keys};
use crate::json::Json;
use crate::messages::{
    DefinitionFault, RunAccepted, RunId, RunOptions, RunSource, RunState, StartRun,
};
use crate::run::{Event, Opening, mint_in};

/// Who waits for a run to be accepted.
pub(super) type StartReply = Reply<Result<RunAccepted, StartError>>;

/// A start whose definition is being compiled.
#[derive(Debug)]
pub(super) struct ToStart {
    input: Value,
    options: RunOptions,
    principal: Principal,
    trace: Option<Correlation>,
    reply: StartReply,
}

/// A run that is to be opened: its first events, and what they need.
#[derive(Debug)]
pub(super) struct ToOpen {
    pub events: Vec<Event>,
    pub note: OpeningNote,
    pub key: Option<Half>,
    pub compiled: Arc<Compiled>,
}

impl ToOpen {
    pub(super) fn new(
        opening: Opening,
        trace: Option<Correlation>,
        key: Option<(Half, Half)>,
        compiled: Arc<Compiled>,
    ) -> Self {
        let note = OpeningNote { trace, body: key.map(|(_, body)| body) };
        let key = key.map(|(scope, _)| scope);
        Self { events: vec![Event::Opened(Box::new(opening))], note, key, compiled }
    }
}

/// Runs that are on their way to be stored for the first time.
#[derive(Default)]
pub(super) struct Starting {
    /// Who waits for it; true: by the same idempotency key as another.
    replies: HashMap<RunId, Vec<(StartReply, bool)>>,
    /// The keys of those that have one, with what was asked for.
    keys: HashMap<Half, (RunId, Half)>,
    keys_of: HashMap<RunId, Half>,
    /// The definitions that they are pinned to.
    definitions: HashMap<RunId, DefinitionHash>,
    /// The runs at the top of those that steps of others start, and how many are under each.
    roots: HashMap<RunId, RunId>,
    under: HashMap<RunId, u64>,
}

impl Starting {
    /// A run is on its way: what it is pinned to, what it is under, its key with what was asked
    /// for, and who waits.
    pub(super) fn expect(
        &mut self,
        run: RunId,
        definition: DefinitionHash,
        root: Option<RunId>,
        key: Option<(Half, Half)>,
        reply: Option<StartReply>,
    ) {
        if let Some((scope, body)) = key {
            self.keys.insert(scope, (run, body));
            self.keys_of.insert(run, scope);
        }
        if let Some(reply) = reply {
            self.replies.entry(run).or_default().push((reply, false));
        }
        if let Some(root) = root {
            self.roots.insert(run, root);
            *self.under.entry(root).or_default() += 1;
        }
        self.definitions.insert(run, definition);
    }

    /// How many runs are on their way.
    pub(super) fn len(&self) -> u64 {
        self.definitions.len() as u64
    }

    /// How many of them are under this run.
    pub(super) fn under(&self, root: RunId) -> u64 {
        self.under.get(&root).copied().unwrap_or(0)
    }

    /// A run is no longer on its way.
    fn settle(&mut self, run: RunId) {
        self.definitions.remove(&run);
        self.keys_of.remove(&run).map(|key| self.keys.remove(&key));
        let Some(root) = self.roots.remove(&run) else { return };
        let Some(count) = self.under.get_mut(&root) else { return };
        *count -= 1;
        if *count == 0 {
            self.under.remove(&root);
        }
    }

    /// Whether a run on its way is pinned to this definition.
    pub(super) fn needs(&self, hash: &DefinitionHash) -> bool {
        self.definitions.values().any(|needed| needed == hash)
    }

    /// The run is stored.
    pub(super) fn answer(&mut self, run: RunId, state: Option<RunState>) {
        self.settle(run);
        let Some(state) = state else { return };
        for (reply, duplicate) in self.replies.remove(&run).unwrap_or_default() {
            reply.send(Ok(RunAccepted { run_id: run, state, duplicate }));
        }
    }

    /// It will not be.
    pub(super) fn abandon(&mut self, run: RunId, reason: &ExitReason) {
        self.settle(run);
        for (reply, _) in self.replies.remove(&run).unwrap_or_default() {
            let reason = format!("the run could not be stored: {reason}");
            reply.send(Err(StartError::Unavailable { reason }));
        }
    }

    /// None of them will be.
    pub(super) fn refuse(&mut self, reason: &str) {
        let replies = std::mem::take(self).replies;
        for (reply, _) in replies.into_values().flatten() {
            reply.send(Err(StartError::Unavailable { reason: reason.to_owned() }));
        }
    }
}

impl WorkflowEngine {
    pub(super) fn on_start(&mut self, request: Request<StartRun>, ctx: &mut Context<Self>) {
        let (StartRun { source, input, options, principal }, reply) = request.into_parts();
        if let Err(error) = self.takes_runs(ctx) {
            return reply.send(Err(error));
        }
        let trace = ctx.metadata().correlation();
        let start = ToStart { input, options, principal, trace, reply };
        match source {
            RunSource::Text(text) => self.with_compiled(text, Then::Start(Box::new(start)), ctx),
            named => match self.compiled_named(&named) {
                Ok(compiled) => self.start_with(start, Ok(compiled), ctx),
                Err(error) => start.reply.send(Err(error)),
            },
        }
    }

    /// Whether a run can be accepted now.
    pub(super) fn takes_runs(&mut self, ctx: &Context<Self>) -> Result<(), StartError> {
        if matches!(self.phase, EnginePhase::Draining | EnginePhase::Drained) {
            return Err(StartError::Draining);
        }
        if let Some(reason) = self.refusal() {
            return Err(StartError::Unavailable { reason });
        }
        if self.is_full() {
            let now = self.mono(ctx);
            let rate = self.statistics.ends_per_second(now).max(0.1);
            let retry_after_s = (1.0 / rate).ceil().clamp(1.0, 60.0) as u64;
            return Err(StartError::TooManyRuns { retry_after_s });
        }
        Ok(())
    }

    /// Whether as many runs are open as may be, those on their way included.
    pub(super) fn is_full(&self) -> bool {
        self.index.counters.open() + self.starting.len() >= self.config.max_open_runs
    }

    pub(super) fn start_with(
        &mut self,
        start: ToStart,
        compiled: Result<Arc<Compiled>, Vec<DefinitionFault>>,
        ctx: &mut Context<Self>,
    ) {
        let ToStart { input, mut options, principal, trace, reply } = start;
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(faults) => return reply.send(Err(StartError::Faulty { faults })),
        };
        let input = Json::from(input);
        let key = key_of(&compiled, &input);
        let checked = key.and_then(|key| {
            options.idempotency_key = options.idempotency_key.take().or(key);
            self.check_start(&compiled, &input, &options)
        });
        if let Err(error) = checked.and_then(|()| self.takes_runs(ctx)) {
            return reply.send(Err(error));
        }
        let key = options.idempotency_key.as_deref();
        let key = key.map(|key| {
            let scope = Keys::scope(&compiled.plan.name, key);
            (scope, body(&compiled, &input, &options))
        });
        let reply = match key {
            Some(key) => match self.is_duplicate(key, reply) {
                Some(reply) => reply,
                None => return,
            },
            None => reply,
        };
        let mut opening = self.opening(self.new_id(ctx), &compiled, input, ctx);
        opening.principal = principal;
        apply_options(&mut opening, options, &compiled);
        self.open_run(ToOpen::new(opening, trace, key, compiled), Some(reply), ctx);
    }

    /// An id that no run has.
    pub(super) fn new_id(&self, ctx: &Context<Self>) -> RunId {
        loop {
            let mut bytes = [0; 16];
            ctx.system().entropy().fill(&mut bytes);
            let id = mint_in(self.share, utc(ctx), u128::from_be_bytes(bytes));
            if !self.knows(id) {
                return id;
            }
        }
    }

    /// A run of a definition, everything else at its default.
    pub(super) fn opening(
        &self,
        run: RunId,
        compiled: &Compiled,
        inputs: Json,
        ctx: &Context<Self>,
    ) -> Opening {
        Opening {
            run,
            definition: compiled.hash(),
            name: Arc::clone(&compiled.plan.name),
            version: Arc::clone(&compiled.plan.version),
            inputs,
            variables: Vec::new(),
            timeout_us: None,
            seed: ctx.system().entropy().next_u64(),
            principal: Principal::default(),
            priority: compiled.plan.priority.unwrap_or_default(),
            tenant: None,
            labels: compiled.plan.labels.clone(),
            idempotency_key: None,
            parent: None,
            origin: None,
        }
    }

    /// Answers a start that was there before; gives back the reply of one that was not.
    fn is_duplicate(
        &mut self,
        (scope, body): (Half, Half),
        reply: StartReply,
    ) -> Option<StartReply> {
        let conflict = |existing| Err(StartError::IdempotencyConflict { existing });
        if let Some((run, known)) = self.starting.keys.get(&scope).copied() {
            if known == body {
                self.starting.replies.entry(run).or_default().push((reply, true));
            } else {
                reply.send(conflict(run));
            }
            return None;
        }
        let known = self.index.keys.get(&scope).copied();
        let Some(known) = known else {
            if self.index.keys.len() as u64 >= self.config.max_keys {
                reply.send(Err(StartError::TooManyRuns { retry_after_s: 60 }));
                return None;
            }
            return Some(reply);
        };
        let state = self.index.run(known.run).map(|entry| entry.standing.state);
        let answer = if known.body == body {
            // A key outlives its run.
            let state = state.unwrap_or(RunState::Completed);
            Ok(RunAccepted { run_id: known.run, state, duplicate: true })
        } else {
            conflict(known.run)
        };
        self.gathering.releases.push(Release::Started(reply, answer));
        None
    }

    fn check_start(
        &self,
        compiled: &Compiled,
        input: &Json,
        options: &RunOptions,
    ) -> Result<(), StartError> {
        self.check_options(compiled, options)?;
        compiled.check_size(input)?;
        compiled.check_input(input.value())?;
        match self.definitions_full(compiled) {
            Some((what, limit)) => {
                let reason = format!("{what}: there are as many as allowed, {limit}");
                Err(StartError::Unavailable { reason })
            }
            None => Ok(()),
        }
    }
}
