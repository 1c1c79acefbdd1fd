//! Starting runs: admitted at once, or stored to wait for room.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use synod_runtime::{Context, Correlation, ExitReason, Principal, Reply, Request};
use synod_tasks::EnginePhase;

use super::WorkflowEngine;
use super::compiling::{Compiled, Then};
use super::run::Source;
use super::stored::Release;
use super::utc;
use crate::definition::DefinitionHash;
use crate::error::StartError;
use crate::expression::Root;
use crate::history::OpeningNote;
use crate::index::{Half, Keys, half};
use crate::json::Json;
use crate::messages::{
    DefinitionFault, RunAccepted, RunId, RunOptions, RunSource, RunState, StartRun,
};
use crate::run::{Event, Opening, mint};

/// Bytes of the longest value that a definition may make a key of.
const MAX_KEY: usize = 1_024;

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
}

impl Starting {
    /// Whether a run on its way is pinned to this definition.
    pub(super) fn needs(&self, hash: &DefinitionHash) -> bool {
        self.definitions.values().any(|needed| needed == hash)
    }

    /// The run is stored.
    pub(super) fn answer(&mut self, run: RunId, state: Option<RunState>) {
        self.definitions.remove(&run);
        self.keys_of.remove(&run).map(|key| self.keys.remove(&key));
        let Some(state) = state else { return };
        for (reply, duplicate) in self.replies.remove(&run).unwrap_or_default() {
            reply.send(Ok(RunAccepted { run_id: run, state, duplicate }));
        }
    }

    /// It will not be.
    pub(super) fn abandon(&mut self, run: RunId, reason: &ExitReason) {
        self.definitions.remove(&run);
        self.keys_of.remove(&run).map(|key| self.keys.remove(&key));
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
        if self.index.counters.open() >= self.config.max_open_runs {
            let now = self.mono(ctx);
            let rate = self.statistics.ends_per_second(now).max(0.1);
            let retry_after_s = (1.0 / rate).ceil().clamp(1.0, 60.0) as u64;
            return Err(StartError::TooManyRuns { retry_after_s });
        }
        Ok(())
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
            self.check_start(&compiled, input.value(), &options)
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
            let id = mint(utc(ctx), u128::from_be_bytes(bytes));
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

    /// Opens a run: admitted at once if there is room, else stored to wait for it.
    pub(super) fn open_run(
        &mut self,
        to_open: ToOpen,
        reply: Option<StartReply>,
        ctx: &mut Context<Self>,
    ) {
        let ToOpen { events, note, key, compiled } = to_open;
        let Some(Event::Opened(opening)) = events.first() else { return };
        let run = opening.run;
        if let (Some(scope), Some(body)) = (key, note.body) {
            self.starting.keys.insert(scope, (run, body));
            self.starting.keys_of.insert(run, scope);
        }
        if let Some(reply) = reply {
            self.starting.replies.entry(run).or_default().push((reply, false));
        }
        let defined = self.to_define(&compiled, false);
        self.starting.definitions.insert(run, compiled.hash());
        let bound = compiled.plan.max_concurrent_runs;
        let group = bound.map(|_| Arc::clone(&compiled.plan.name));
        let admitted = self.queue.is_empty() && self.has_room(group.as_deref(), bound);
        let source = Source::New { events, note, defined };
        self.seat(run, source, admitted, group, ctx);
    }

    /// Whether another run may run, of this group.
    fn has_room(&self, group: Option<&str>, bound: Option<u32>) -> bool {
        self.seats.active() < self.config.max_concurrent_runs
            && match (group, bound) {
                (Some(group), Some(bound)) => self.seats.active_in(group) < bound,
                _ => true,
            }
    }

    /// Puts a stored run that is pending among those that wait for room.
    pub(super) fn enqueue(&mut self, run: RunId) {
        let Some(entry) = self.index.run(run).map(Arc::clone) else { return };
        let group = self.group(&entry.definition, &entry.name);
        self.queue.add(run, entry.priority, entry.sequence, group);
    }

    /// Admits runs while there is room.
    pub(super) fn admit(&mut self, ctx: &mut Context<Self>) {
        while self.phase == EnginePhase::Running
            && self.seats.active() < self.config.max_concurrent_runs
        {
            let seats = &self.seats;
            let has_room = |group: &str, bound| seats.active_in(group) < bound;
            let Some(run) = self.queue.next(has_room) else { return };
            let pending = self.index.run(run).map(|e| e.standing.state) == Some(RunState::Pending);
            if pending {
                self.begin(run, ctx);
            }
        }
    }

    fn begin(&mut self, run: RunId, ctx: &mut Context<Self>) {
        if self.seats.has(run) {
            self.seats.set_active(run, true);
            self.give(run, crate::run::Input::Begin, ctx);
        } else {
            self.seat_stored(run, true, ctx);
        }
    }

    fn check_start(
        &self,
        compiled: &Compiled,
        input: &Value,
        options: &RunOptions,
    ) -> Result<(), StartError> {
        self.check_options(compiled, options)?;
        compiled.check_input(input)?;
        match self.definitions_full(compiled) {
            Some((what, limit)) => {
                let reason = format!("{what}: there are as many as allowed, {limit}");
                Err(StartError::Unavailable { reason })
            }
            None => Ok(()),
        }
    }

    pub(super) fn check_options(
        &self,
        compiled: &Compiled,
        options: &RunOptions,
    ) -> Result<(), StartError> {
        let invalid = |field: String, expected: &str, got: String| {
            Err(StartError::Invalid { field, expected: expected.to_owned(), got })
        };
        let labels = options.labels.len();
        if labels > usize::from(self.config.max_labels) {
            let expected = format!("at most {} labels", self.config.max_labels);
            return invalid("labels".to_owned(), &expected, labels.to_string());
        }
        for (key, value) in &options.labels {
            if key.is_empty() || key.len() > 63 || value.len() > 255 {
                let expected = "a key of 1 to 63 bytes and a value of at most 255";
                let got = format!("{} and {} bytes", key.len(), value.len());
                return invalid(format!("labels.{key}"), expected, got);
            }
        }
        if let Some(key) = &options.idempotency_key
            && (key.is_empty() || key.len() > 255 || !key.bytes().all(|b| b.is_ascii_graphic()))
        {
            let expected = "1 to 255 visible ASCII characters";
            return invalid("idempotency_key".to_owned(), expected, format!("{key:?}"));
        }
        if options.timeout_s.is_some_and(|s| !(1..=31_536_000).contains(&s)) {
            let got = options.timeout_s.unwrap_or_default().to_string();
            return invalid("timeout_s".to_owned(), "1 to 31536000", got);
        }
        let known = &compiled.plan.variables;
        let unknown = options
            .variables
            .keys()
            .find(|name| !known.iter().any(|(known, _)| **known == ***name));
        match unknown {
            Some(name) => {
                let names: Vec<_> = known.iter().map(|(name, _)| &**name).collect();
                let expected = format!("one of the definition's: {}", names.join(", "));
                invalid(format!("variables.{name}"), &expected, "an unknown one".to_owned())
            }
            None => Ok(()),
        }
    }
}

/// The idempotency key that the definition makes of an input, if it does.
fn key_of(compiled: &Compiled, input: &Json) -> Result<Option<String>, StartError> {
    let Some(template) = &compiled.plan.idempotency_key else { return Ok(None) };
    let scope = |root: &Root| matches!(root, Root::Inputs).then(|| input.clone());
    let invalid = |got: String| StartError::Invalid {
        field: "idempotency_key".to_owned(),
        expected: "an expression of the definition that yields a text, a number or null".to_owned(),
        got,
    };
    let value = template.evaluate(&scope, MAX_KEY).map_err(|error| invalid(error.message))?;
    match value.value() {
        Value::Null => Ok(None),
        Value::String(key) => Ok(Some(key.clone())),
        Value::Number(key) => Ok(Some(key.to_string())),
        other => Err(invalid(other.to_string())),
    }
}

fn apply_options(opening: &mut Opening, options: RunOptions, compiled: &Compiled) {
    let RunOptions { priority, labels, idempotency_key, timeout_s, variables } = options;
    opening.priority = priority.or(compiled.plan.priority).unwrap_or(opening.priority);
    opening.labels.extend(labels);
    opening.idempotency_key = idempotency_key.map(Arc::from);
    opening.timeout_us = timeout_s.map(|seconds| seconds.saturating_mul(1_000_000));
    let variables = variables.into_iter();
    opening.variables =
        variables.map(|(name, value)| (Arc::from(name), Json::from(value))).collect();
}

/// What was asked for, so that another request with the same key can be told from the same one.
fn body(compiled: &Compiled, input: &Json, options: &RunOptions) -> Half {
    let variables = serde_json::to_vec(&options.variables).unwrap_or_default();
    half(&[&compiled.hash().0, input.bytes(), &variables])
}
