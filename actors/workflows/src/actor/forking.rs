//! New runs made of older ones: retries of what failed, forks from any point.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use synod_runtime::{Context, Correlation, Principal, Request};

use super::WorkflowEngine;
use super::compiling::{Compiled, Then};
use super::reading;
use super::starting::{StartReply, ToOpen};
use super::step::{Own, Step};
use crate::definition::{Definition, DefinitionHash, MAX_LABELS};
use crate::error::StartError;
use crate::history::{OpeningNote, RunRecord};
use crate::json::Json;
use crate::messages::{
    DefinitionFault, ForkRun, RetryRun, RunId, RunOptions, RunSource, RunState, WorkflowsMessage,
};
use crate::plan::Plan;
use crate::run::{Derivation, Derived, Opening, Origin, Run, derive};

/// A fork whose definition is being compiled.
#[derive(Debug)]
pub(super) struct ToFork {
    of: RunId,
    at: Option<u64>,
    how: Derivation,
    input: Option<Value>,
    options: RunOptions,
    principal: Principal,
    trace: Option<Correlation>,
    reply: StartReply,
}

/// A new run that was made of an old one, or can't be.
#[derive(Debug)]
pub(in crate::actor) struct DerivedRun {
    outcome: Result<Box<ToOpen>, StartError>,
    reply: StartReply,
}

impl WorkflowEngine {
    pub(super) fn on_retry(&mut self, request: Request<RetryRun>, ctx: &mut Context<Self>) {
        let (RetryRun { id, principal }, reply) = request.into_parts();
        let state = self.index.run(id).map(|entry| entry.standing.state);
        match state {
            Some(RunState::Failed | RunState::Cancelled) => {}
            Some(state) => return reply.send(Err(StartError::NotRetryable { state })),
            None => return reply.send(Err(StartError::UnknownRun)),
        }
        let trace = ctx.metadata().correlation();
        let fork = ToFork {
            of: id,
            at: None,
            how: Derivation::Retry,
            input: None,
            options: RunOptions::default(),
            principal,
            trace,
            reply,
        };
        self.fork_with(fork, None, ctx);
    }

    pub(super) fn on_fork(&mut self, request: Request<ForkRun>, ctx: &mut Context<Self>) {
        let (ForkRun { id, at, input, source, options, principal }, reply) = request.into_parts();
        let trace = ctx.metadata().correlation();
        let how = Derivation::Fork;
        let fork = ToFork { of: id, at, how, input, options, principal, trace, reply };
        match source {
            None => self.fork_with(fork, None, ctx),
            Some(RunSource::Text(text)) => {
                self.with_compiled(text, Then::Fork(Box::new(fork)), ctx);
            }
            Some(named) => match self.compiled_named(&named) {
                Ok(compiled) => self.fork_with(fork, Some(Ok(compiled)), ctx),
                Err(error) => fork.reply.send(Err(error)),
            },
        }
    }

    /// Makes a new run of an old one, beside the engine's own work.
    pub(super) fn fork_with(
        &mut self,
        fork: ToFork,
        compiled: Option<Result<Arc<Compiled>, Vec<DefinitionFault>>>,
        ctx: &mut Context<Self>,
    ) {
        let (new, old) = match self.check_fork(&fork, compiled, ctx) {
            Ok(both) => both,
            Err(error) => return fork.reply.send(Err(error)),
        };
        let Some(entry) = self.index.run(fork.of).map(Arc::clone) else {
            return fork.reply.send(Err(StartError::UnknownRun));
        };
        let opening = self.opening(self.new_id(ctx), &new, Json::null(), ctx);
        let (around, trail) = (self.surround(ctx), self.trail(&entry));
        let library = Arc::clone(&self.library);
        let work = async move {
            let _permit = around.readers.acquire().await;
            let records = reading::records(&around, trail).await;
            let plan = |hash: &DefinitionHash| library.plan(hash);
            let outcome = match &records {
                Ok(records) => derive_run(&fork, &new, &old, opening, records, plan),
                Err(error) => Err(StartError::Unavailable { reason: error.to_string() }),
            };
            Box::new(DerivedRun { outcome: outcome.map(Box::new), reply: fork.reply })
        };
        let ended = |outcome: Result<Box<DerivedRun>, _>| {
            WorkflowsMessage::Own(Step(outcome.map_or(Own::Answered, Own::Derived)))
        };
        if let Err(error) = ctx.attach(work, ended) {
            tracing::warn!(%error, "a run is not made of an older one");
        }
    }

    /// The new definition and the old one.
    fn check_fork(
        &mut self,
        fork: &ToFork,
        compiled: Option<Result<Arc<Compiled>, Vec<DefinitionFault>>>,
        ctx: &Context<Self>,
    ) -> Result<(Arc<Compiled>, Arc<Compiled>), StartError> {
        self.takes_runs(ctx)?;
        self.check_fork_options(fork)?;
        let hash = self.index.run(fork.of).map(|entry| entry.definition);
        let hash = hash.ok_or(StartError::UnknownRun)?;
        let old = self.compiled_of(&hash).ok_or(StartError::UnknownRun)?;
        let new = match compiled {
            Some(Ok(new)) => new,
            Some(Err(faults)) => return Err(StartError::Faulty { faults }),
            None => Arc::clone(&old),
        };
        self.check_options(&new, &fork.options)?;
        if let Some(input) = &fork.input {
            new.check_size(&Json::from(input.clone()))?;
            new.check_input(input)?;
        }
        Ok((new, old))
    }

    /// What a start may have and a fork may not: a key, which would be of the first run, and labels
    /// without end, as those of the old run are kept.
    fn check_fork_options(&self, fork: &ToFork) -> Result<(), StartError> {
        let invalid = |field: &str, expected: String, got: String| {
            Err(StartError::Invalid { field: field.to_owned(), expected, got })
        };
        if fork.options.idempotency_key.is_some() {
            let expected = "nothing: a fork is a new run each time".to_owned();
            return invalid("options.idempotency_key", expected, "a key".to_owned());
        }
        let former = self.index.run(fork.of).map(|entry| &entry.labels);
        let former = former.into_iter().flat_map(|labels| labels.keys());
        let labels: BTreeSet<_> = former.chain(fork.options.labels.keys()).collect();
        // The definition may have as many as the one who starts the run.
        let most = 2 * usize::from(self.config.max_labels).max(MAX_LABELS);
        if labels.len() > most && !fork.options.labels.is_empty() {
            let expected = format!("at most {most} labels with those of the old run");
            return invalid("options.labels", expected, labels.len().to_string());
        }
        Ok(())
    }

    pub(super) fn derived(&mut self, derived: DerivedRun, ctx: &mut Context<Self>) {
        let DerivedRun { outcome, reply } = derived;
        match outcome.and_then(|to_open| self.takes_runs(ctx).map(|()| to_open)) {
            Ok(to_open) => self.open_run(*to_open, Some(reply), ctx),
            Err(error) => reply.send(Err(error)),
        }
    }
}

/// Ids of the steps that both definitions have and that differ.
pub(super) fn changed(old: &Definition, new: &Definition) -> BTreeSet<Arc<str>> {
    let of_old: HashMap<&str, _> = old.steps.iter().map(|step| (step.id.as_str(), step)).collect();
    let changed = new
        .steps
        .iter()
        .filter(|step| of_old.get(step.id.as_str()).is_some_and(|known| known != step));
    changed.map(|step| Arc::from(step.id.as_str())).collect()
}

fn derive_run(
    fork: &ToFork,
    new: &Arc<Compiled>,
    old: &Compiled,
    mut opening: Opening,
    records: &[RunRecord],
    plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
) -> Result<ToOpen, StartError> {
    let all = records.iter().flat_map(|record| record.events.iter().map(|e| (record.at, e)));
    let most = fork.at.map_or(usize::MAX, |at| usize::try_from(at).unwrap_or(usize::MAX));
    let events: Vec<_> = all.take(most.max(1)).collect();
    let taken = events.len() as u64;
    let before = Run::replay(plan, events)
        .map_err(|error| StartError::Unavailable { reason: error.to_string() })?;
    let former = before.opening();
    opening.inputs = match &fork.input {
        Some(input) => Json::from(input.clone()),
        None => former.inputs.clone(),
    };
    opening.variables = former.variables.clone();
    opening.labels.extend(former.labels.clone());
    opening.priority = former.priority;
    opening.principal = fork.principal.clone();
    opening.tenant = former.tenant.clone();
    opening.origin =
        Some(Origin { run: fork.of, events: taken, how: fork.how, by: fork.principal.clone() });
    let RunOptions { priority, labels, timeout_s, variables, .. } = fork.options.clone();
    opening.priority = priority.unwrap_or(opening.priority);
    opening.labels.extend(labels);
    opening.timeout_us = timeout_s.map(|seconds| seconds.saturating_mul(1_000_000));
    for (name, value) in variables {
        opening.variables.retain(|(known, _)| **known != *name);
        opening.variables.push((Arc::from(name), Json::from(value)));
    }
    let changed = changed(&old.definition, &new.definition);
    let derived = Derived { opening, plan: Arc::clone(&new.plan), changed };
    let events = derive(&before, None, derived).map_err(|_| StartError::UnknownRun)?;
    let note = OpeningNote { trace: fork.trace, body: None };
    Ok(ToOpen { events, note, key: None, compiled: Arc::clone(new) })
}
