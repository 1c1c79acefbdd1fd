//! From a text to a definition that can be run, beside the engine's own work; what was compiled
//! last is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use synod_runtime::{Context, Principal};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::WorkflowEngine;
use super::definitions::{too_long, unread};
use super::forking::ToFork;
use super::requests::ToAmend;
use super::starting::ToStart;
use super::step::{DefineReply, Own, Step};
use crate::definition::{self, Definition, DefinitionHash, Fault};
use crate::error::StartError;
use crate::history::DefinedAs;
use crate::json::Json;
use crate::messages::{DefinitionFault, RunSource, WorkflowsMessage};
use crate::plan::Plan;
use crate::records;

/// Texts that are known to be a definition without being read again.
const TEXTS: usize = 4_096;

/// Bytes of their texts; compiled they take a multiple of it.
const TEXT_BYTES: usize = 32 << 20;

/// Texts that are compiled or checked at a time: each may take many times its length meanwhile.
const AT_ONCE: usize = 4;

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

    /// Whether it is no larger than a value of the definition may be.
    pub(super) fn check_size(&self, input: &Json) -> Result<(), StartError> {
        let (got, most) = (input.size() as u64, self.plan.limits.payload_bytes);
        if got <= most {
            return Ok(());
        }
        let reason = format!("it has {got} bytes, expected at most {most} (limits.payload_bytes)");
        Err(StartError::InvalidInput { reasons: vec![reason] })
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
    bytes: usize,
    room: Room,
}

/// Room for compiling beside the engine's own work.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Room {
    /// Does `work` on a thread of its own, once there is room.
    pub(super) async fn beside<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, JoinError> {
        let _permit = self.0.acquire().await;
        synod_runtime::beside(work).await
    }
}

impl Known {
    pub(super) fn room(&self) -> Room {
        self.room.clone()
    }

    pub(super) fn of_text(&self, text: &[u8; 32]) -> Option<&Arc<Compiled>> {
        self.by_hash.get(self.by_text.get(text)?)
    }

    pub(super) fn keep(&mut self, text: Option<[u8; 32]>, compiled: &Arc<Compiled>) {
        let hash = compiled.hash();
        if self.by_hash.insert(hash, Arc::clone(compiled)).is_none() {
            self.bytes += compiled.known.text.len();
        }
        if let Some(text) = text {
            self.by_text.insert(text, hash);
        }
        self.order.push_back((hash, text));
        while self.order.len() > TEXTS || (self.bytes > TEXT_BYTES && self.order.len() > 1) {
            let Some((hash, text)) = self.order.pop_front() else { break };
            if !self.order.iter().any(|(known, _)| *known == hash)
                && let Some(gone) = self.by_hash.remove(&hash)
            {
                self.bytes -= gone.known.text.len();
            }
            text.map(|text| self.by_text.remove(&text));
        }
    }
}

/// What is to be done with a definition once it is compiled.
#[derive(Debug)]
pub(super) enum Then {
    Start(Box<ToStart>),
    Define(Principal, DefineReply),
    Amend(Box<ToAmend>),
    Fork(Box<ToFork>),
}

/// A text that was compiled, or can't be.
#[derive(Debug)]
pub(in crate::actor) struct CompiledText {
    pub text: [u8; 32],
    pub outcome: Result<Arc<Compiled>, Vec<DefinitionFault>>,
    pub then: Then,
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

/// What is wrong with a definition, or with a fallback of it, that lets values be larger than the
/// node does.
fn payload_fault(plan: &Plan, most: u64) -> Option<DefinitionFault> {
    fn fallback<'p>(plan: &&'p Plan) -> Option<&'p Plan> {
        plan.fallback.as_deref()
    }
    let plans = std::iter::successors(Some(plan), fallback).enumerate();
    let mut large = plans.filter(|(_, plan)| plan.limits.payload_bytes > most);
    let (depth, plan) = large.next()?;
    let got = plan.limits.payload_bytes;
    Some(DefinitionFault {
        path: format!("{}/limits/payload_bytes", "/fallback".repeat(depth)),
        line: 0,
        column: 0,
        message: format!(
            "{got} bytes are more than this node lets a value have, expected at most {most} \
             (workflows.max_payload_bytes)"
        ),
        suggestion: None,
    })
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
        let room = self.known.room();
        let work = async move {
            let outcome = room.beside(move || compile(&text)).await;
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
        let most = self.config.max_payload_bytes;
        let outcome = outcome.and_then(|compiled| match payload_fault(&compiled.plan, most) {
            None => Ok(compiled),
            Some(fault) => Err(vec![fault]),
        });
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
}
