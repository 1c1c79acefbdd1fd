//! Definitions: compiled beside the engine's own work, kept by hash, found by name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use semver::Version;
use serde_json::Value;
use sha2::{Digest, Sha256};
use synod_journal::{BlobError, BlobId, PutBlob};
use synod_runtime::{Context, Principal, Request};

use super::WorkflowEngine;
use super::step::{Asked, DefineReply, Own, Step};
use super::stored::Release;
use super::utc;
use crate::definition::{self, Definition, DefinitionHash, Fault};
use crate::error::{DefineError, StartError};
use crate::history::{DefinedAs, EngineEvent};
use crate::index::time;
use crate::messages::{
    CheckDefinition, DefineWorkflow, DefinitionFault, DefinitionReport, DefinitionResponse,
    DefinitionSummary, ForgetDefinition, ListDefinitions, RunSource, ShowDefinition, WorkflowRef,
    WorkflowsMessage,
};
use crate::plan::Plan;
use crate::records;

/// Texts that are known to be a definition without being read again.
const TEXTS: usize = 4_096;

/// A definition that can be run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub known: DefinedAs,
    pub definition: Definition,
    pub plan: Arc<Plan>,
}

impl Compiled {
    pub(super) fn hash(&self) -> DefinitionHash {
        self.known.hash
    }

    /// Whether it has what the definition asks for.
    pub(super) fn check_input(&self, input: &Value) -> Result<(), StartError> {
        let Some(schema) = &self.plan.inputs else { return Ok(()) };
        let told = |fault: Fault| format!("input{}: {}", fault.path, fault.message);
        schema.check(input).map_err(|faults| StartError::InvalidInput {
            reasons: faults.into_iter().map(told).collect(),
        })
    }
}

/// The definitions that were compiled last, by hash and by the hash of the text they came as.
#[derive(Default)]
pub(super) struct Known {
    by_hash: HashMap<DefinitionHash, Arc<Compiled>>,
    by_text: HashMap<[u8; 32], DefinitionHash>,
    order: VecDeque<(DefinitionHash, Option<[u8; 32]>)>,
}

impl Known {
    fn of_text(&self, text: &[u8; 32]) -> Option<&Arc<Compiled>> {
        self.by_hash.get(self.by_text.get(text)?)
    }

    fn keep(&mut self, text: Option<[u8; 32]>, compiled: &Arc<Compiled>) {
        let hash = compiled.hash();
        self.by_hash.insert(hash, Arc::clone(compiled));
        if let Some(text) = text {
            self.by_text.insert(text, hash);
        }
        self.order.push_back((hash, text));
        while self.order.len() > TEXTS {
            let Some((hash, text)) = self.order.pop_front() else { break };
            if !self.order.iter().any(|(known, _)| *known == hash) {
                self.by_hash.remove(&hash);
            }
            text.map(|text| self.by_text.remove(&text));
        }
    }
}

/// What is to be done with a definition once it is compiled.
#[derive(Debug)]
pub(super) enum Then {
    Start(Box<super::starting::ToStart>),
    Define(Principal, DefineReply),
    Amend(Box<super::requests::ToAmend>),
    Fork(Box<super::starting::ToFork>),
}

/// A text that was compiled, or can't be.
#[derive(Debug)]
pub(in crate::actor) struct CompiledText {
    pub text: [u8; 32],
    pub outcome: Result<Arc<Compiled>, Vec<DefinitionFault>>,
    pub then: Then,
}

/// A definition whose text is being stored, and the name it is to have.
#[derive(Debug)]
pub(in crate::actor) struct ToDefine {
    compiled: Arc<Compiled>,
    version: Version,
    by: Principal,
    reply: DefineReply,
}

/// Compiles a text.
fn compile(text: &str) -> Result<Compiled, Vec<DefinitionFault>> {
    let checked = definition::check(text, &definition::Known::default());
    let errors: Vec<_> = checked.errors().map(Into::into).collect();
    match (checked.definition, checked.plan) {
        (Some(definition), Some(plan)) if errors.is_empty() => Ok(compiled(definition, plan)),
        _ => Err(errors),
    }
}

fn compiled(definition: Definition, plan: Plan) -> Compiled {
    let text = Bytes::from(definition.canonical());
    let known = DefinedAs {
        hash: DefinitionHash(Sha256::digest(&text).into()),
        name: Arc::clone(&plan.name),
        version: Arc::clone(&plan.version),
        description: Arc::from(definition.description.as_str()),
        steps: u32::try_from(plan.len()).unwrap_or(u32::MAX),
        blob: records::text_blob(&text).map(|(id, _)| id),
        text,
    };
    Compiled { known, definition, plan: Arc::new(plan) }
}

impl From<&Fault> for DefinitionFault {
    fn from(fault: &Fault) -> Self {
        Self {
            path: fault.path.clone(),
            line: fault.line,
            column: fault.column,
            message: fault.message.clone(),
            suggestion: fault.suggestion.clone(),
        }
    }
}

fn reference(known: &DefinedAs) -> WorkflowRef {
    WorkflowRef {
        name: known.name.to_string(),
        version: known.version.to_string(),
        hash: known.hash.to_string(),
    }
}

fn report(text: &str, known: &definition::Known) -> DefinitionReport {
    let checked = definition::check(text, known);
    let workflow = checked.definition.as_ref().filter(|_| checked.plan.is_some());
    DefinitionReport {
        workflow: workflow.map(|definition| WorkflowRef {
            name: definition.name.clone(),
            version: definition.version.clone(),
            hash: definition.hash().to_string(),
        }),
        steps: checked.plan.as_ref().map_or(0, |plan| plan.len() as u64),
        faults: checked.errors().map(Into::into).collect(),
        warnings: checked.warnings().map(Into::into).collect(),
    }
}

impl WorkflowEngine {
    /// Compiles a text, unless that was done before, and goes on with it.
    pub(super) fn with_compiled(&mut self, text: String, then: Then, ctx: &mut Context<Self>) {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(compiled) = self.known.of_text(&hash) {
            let outcome = Ok(Arc::clone(compiled));
            return self.compiled(CompiledText { text: hash, outcome, then }, ctx);
        }
        let most = self.config.max_definition_bytes;
        if text.len() as u64 > most {
            let faults = vec![too_long(text.len(), most)];
            let text = CompiledText { text: hash, outcome: Err(faults), then };
            return self.compiled(text, ctx);
        }
        let work = async move {
            let outcome = tokio::task::spawn_blocking(move || compile(&text)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(vec![unread()]));
            Box::new(CompiledText { text: hash, outcome: outcome.map(Arc::new), then })
        };
        let ended = |outcome: Result<Box<CompiledText>, _>| {
            let own = outcome.map_or(Own::Answered, Own::Compiled);
            WorkflowsMessage::Own(Step(own))
        };
        if let Err(error) = ctx.attach(work, ended) {
            tracing::warn!(%error, "a definition is not compiled");
        }
    }

    /// Goes on with a compiled definition, or says what is wrong with it.
    pub(super) fn compiled(&mut self, done: CompiledText, ctx: &mut Context<Self>) {
        let CompiledText { text, outcome, then } = done;
        if let Ok(compiled) = &outcome
            && self.known.of_text(&text).is_none()
        {
            self.known.keep(Some(text), compiled);
        }
        match then {
            Then::Start(start) => self.start_with(*start, outcome, ctx),
            Then::Define(by, reply) => self.define(outcome, by, reply, ctx),
            Then::Amend(amend) => self.amend_with(*amend, Some(outcome), ctx),
            Then::Fork(fork) => self.fork_with(*fork, Some(outcome), ctx),
        }
    }

    /// The definition that a name means.
    pub(super) fn compiled_named(
        &mut self,
        source: &RunSource,
    ) -> Result<Arc<Compiled>, StartError> {
        let RunSource::Named { name, version } = source else { return Err(StartError::UnknownRun) };
        let unknown = || StartError::UnknownDefinition {
            name: name.clone(),
            version: version.as_ref().map(ToString::to_string),
        };
        let found = self.index.definitions.find(name, version.as_ref());
        let hash = found.map(|(_, named)| named.hash).ok_or_else(unknown)?;
        self.compiled_of(&hash).ok_or_else(unknown)
    }

    /// The definition of this hash, if it is kept.
    pub(super) fn compiled_of(&mut self, hash: &DefinitionHash) -> Option<Arc<Compiled>> {
        if let Some(compiled) = self.known.by_hash.get(hash) {
            return Some(Arc::clone(compiled));
        }
        let text = self.index.definitions.get(hash)?.text.clone();
        let definition: Definition = serde_json::from_slice(&text).ok()?;
        let plan = Plan::compile(&definition).ok()?;
        let compiled = Arc::new(compiled(definition, plan));
        self.known.keep(None, &compiled);
        Some(compiled)
    }

    /// What is to be stored before a record that names this definition, unless it is kept, or in
    /// any case.
    pub(super) fn to_define(&self, compiled: &Compiled, anew: bool) -> Option<Box<EngineEvent>> {
        let hash = compiled.hash();
        let plan = Some(Arc::clone(&compiled.plan));
        self.library.add(hash, compiled.known.text.clone(), plan);
        let is_kept = self.index.definitions.get(&hash).is_some() && !self.doomed.contains(&hash);
        (anew || !is_kept).then(|| Box::new(EngineEvent::Defined(Box::new(compiled.known.clone()))))
    }

    /// Why no further definition can be kept.
    pub(super) fn definitions_full(&self, compiled: &Compiled) -> Option<(String, u64)> {
        let (kept, config) = (&self.index.definitions, &self.config);
        if kept.get(&compiled.hash()).is_some() {
            return None;
        }
        if kept.len() as u64 >= u64::from(config.max_definitions) {
            return Some(("definitions".to_owned(), config.max_definitions.into()));
        }
        let bytes = kept.bytes() + compiled.known.text.len() as u64;
        let full = bytes > config.definitions_bytes;
        full.then(|| ("bytes of definitions".to_owned(), config.definitions_bytes))
    }

    pub(super) fn on_check(&self, request: Request<CheckDefinition>, ctx: &mut Context<Self>) {
        let (CheckDefinition { text }, reply) = request.into_parts();
        let names = self.index.definitions.names();
        let workflows = names.map(|(name, ..)| name.to_string()).collect();
        let known = definition::Known { workflows: Some(workflows), ..Default::default() };
        let most = self.config.max_definition_bytes;
        let work = async move {
            if text.len() as u64 > most {
                let faults = vec![too_long(text.len(), most)];
                let (workflow, warnings) = (None, Vec::new());
                return reply.send(DefinitionReport { workflow, steps: 0, faults, warnings });
            }
            match tokio::task::spawn_blocking(move || report(&text, &known)).await {
                Ok(report) => reply.send(report),
                Err(error) => tracing::error!(%error, "a definition was not checked"),
            }
        };
        self.beside(work, ctx);
    }

    pub(super) fn on_define(&mut self, request: Request<DefineWorkflow>, ctx: &mut Context<Self>) {
        let (DefineWorkflow { text, principal }, reply) = request.into_parts();
        match self.refusal() {
            Some(reason) => reply.send(Err(DefineError::Unavailable { reason })),
            None => self.with_compiled(text, Then::Define(principal, reply), ctx),
        }
    }

    fn define(
        &mut self,
        outcome: Result<Arc<Compiled>, Vec<DefinitionFault>>,
        by: Principal,
        reply: DefineReply,
        ctx: &Context<Self>,
    ) {
        let compiled = match outcome {
            Ok(compiled) => compiled,
            Err(faults) => return reply.send(Err(DefineError::Faulty { faults })),
        };
        let known = &compiled.known;
        // The check has read it.
        let Ok(version) = Version::parse(&known.version) else {
            return reply.send(Err(DefineError::Faulty { faults: vec![unread()] }));
        };
        if let Some(named) = self.index.definitions.exactly(&known.name, &version) {
            let answer = if named.hash == known.hash {
                Ok(summary(known, named.at, &named.by))
            } else {
                let (name, version) = (known.name.to_string(), version.to_string());
                Err(DefineError::VersionTaken { name, version })
            };
            return reply.send(answer);
        }
        if let Some((what, limit)) = self.definitions_full(&compiled) {
            return reply.send(Err(DefineError::Full { what, limit }));
        }
        let define = ToDefine { compiled, version, by, reply };
        match records::text_blob(&define.compiled.known.text) {
            Some((id, bytes)) => {
                let put = PutBlob { owner: records::STREAM, bytes, expected: Some(id) };
                let define = Box::new(define);
                let stored = move |outcome| {
                    WorkflowsMessage::Own(Step(Own::DefinitionStored { define, outcome }))
                };
                self.journal.ask_into(put, self.journal_timeout(), &ctx.address(), stored);
            }
            None => self.name_definition(define, utc(ctx)),
        }
    }

    pub(super) fn definition_stored(
        &mut self,
        define: ToDefine,
        outcome: Asked<Result<BlobId, BlobError>>,
        ctx: &Context<Self>,
    ) {
        let failed = match outcome {
            Ok(Ok(_)) => return self.name_definition(define, utc(ctx)),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        define.reply.send(Err(DefineError::Unavailable { reason: failed }));
    }

    fn name_definition(&mut self, define: ToDefine, at: i64) {
        let ToDefine { compiled, version, by, reply } = define;
        if let Some(defined) = self.to_define(&compiled, true) {
            self.gather_engine(*defined);
        }
        let summary = summary(&compiled.known, at, &by);
        let (name, hash) = (Arc::clone(&compiled.known.name), compiled.hash());
        self.gather_engine(EngineEvent::Named { name, version, hash, at, by });
        self.gathering.releases.push(Release::Defined(reply, Box::new(summary)));
    }

    pub(super) fn on_forget(&mut self, request: Request<ForgetDefinition>, ctx: &Context<Self>) {
        let (ForgetDefinition { name, version, principal }, reply) = request.into_parts();
        if let Some(reason) = self.refusal() {
            return reply.send(Err(DefineError::Unavailable { reason }));
        }
        if self.index.definitions.exactly(&name, &version).is_none() {
            let version = version.to_string();
            return reply.send(Err(DefineError::NotFound { name, version }));
        }
        let (name, at) = (Arc::from(name), utc(ctx));
        self.gather_engine(EngineEvent::Unnamed { name, version, at, by: principal });
        self.gathering.releases.push(Release::Forgotten(reply));
    }

    pub(super) fn on_definitions(&self, request: Request<ListDefinitions>) {
        let names = self.index.definitions.names();
        let all = names.filter_map(|(_, _, named)| {
            let known = self.index.definitions.get(&named.hash)?;
            Some(summary(known, named.at, &named.by))
        });
        request.answer(all.collect());
    }

    pub(super) fn on_definition(&self, request: Request<ShowDefinition>) {
        let (ShowDefinition { name, version }, reply) = request.into_parts();
        let found = self.index.definitions.find(&name, version.as_ref());
        reply.send(found.and_then(|(_, named)| {
            let known = self.index.definitions.get(&named.hash)?;
            let definition = serde_json::from_slice(&known.text).ok()?;
            Some(DefinitionResponse { summary: summary(known, named.at, &named.by), definition })
        }));
    }
}

fn summary(known: &DefinedAs, at: i64, by: &Principal) -> DefinitionSummary {
    DefinitionSummary {
        workflow: reference(known),
        description: known.description.to_string(),
        steps: known.steps.into(),
        defined_at: time(at),
        defined_by: by.to_string(),
    }
}

fn too_long(bytes: usize, most: u64) -> DefinitionFault {
    DefinitionFault {
        path: String::new(),
        line: 0,
        column: 0,
        message: format!("the text has {bytes} bytes, expected at most {most}"),
        suggestion: None,
    }
}

fn unread() -> DefinitionFault {
    DefinitionFault {
        path: String::new(),
        line: 0,
        column: 0,
        message: "the definition could not be read".to_owned(),
        suggestion: None,
    }
}
