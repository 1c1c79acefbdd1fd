//! Definitions that are kept: by hash as long as something holds on to them, found by name.

use std::sync::Arc;

use semver::Version;
use synod_journal::{BlobError, BlobId, PutBlob};
use synod_runtime::{Context, Principal, Request};

use super::WorkflowEngine;
use super::compiling::{Compiled, Then};
use super::step::{Asked, DefineReply, Own, Step};
use super::stored::Release;
use super::utc;
use crate::definition::{self, Fault};
use crate::error::DefineError;
use crate::history::{DefinedAs, EngineEvent};
use crate::index::time;
use crate::messages::{
    CheckDefinition, DefineWorkflow, DefinitionFault, DefinitionReport, DefinitionResponse,
    DefinitionSummary, ForgetDefinition, ListDefinitions, ShowDefinition, WorkflowRef,
    WorkflowsMessage,
};
use crate::records;

/// A definition whose text is being stored, and the name it is to have.
#[derive(Debug)]
pub(in crate::actor) struct ToDefine {
    compiled: Arc<Compiled>,
    version: Version,
    by: Principal,
    reply: DefineReply,
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
        let room = self.known.room();
        let work = async move {
            if text.len() as u64 > most {
                let faults = vec![too_long(text.len(), most)];
                let (workflow, warnings) = (None, Vec::new());
                return reply.send(DefinitionReport { workflow, steps: 0, faults, warnings });
            }
            match room.beside(move || report(&text, &known)).await {
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

    pub(super) fn define(
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

pub(super) fn too_long(bytes: usize, most: u64) -> DefinitionFault {
    DefinitionFault {
        path: String::new(),
        line: 0,
        column: 0,
        message: format!("the text has {bytes} bytes, expected at most {most}"),
        suggestion: None,
    }
}

pub(super) fn unread() -> DefinitionFault {
    DefinitionFault {
        path: String::new(),
        line: 0,
        column: 0,
        message: "the definition could not be read".to_owned(),
        suggestion: None,
    }
}
