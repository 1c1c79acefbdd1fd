//! What follows from records that are stored: the index changes, replies and changes go out, runs
//! learn that they may go on.

use std::sync::Arc;

use synod_runtime::{Address, Context, Reply};
use synod_tasks::EnginePhase;

use super::WorkflowEngine;
use super::admission::counts;
use super::run::{RunMessage, ToStore};
use super::seats::tell;
use crate::error::{DefineError, InvalidCursor, StartError};
use crate::history::{EngineEvent, view};
use crate::messages::{
    DefinitionSummary, RunAccepted, RunChange, RunId, RunPage, RunState, WorkflowStatsResponse,
};
use crate::run::{Event, Parent};

/// Something that waits for an append.
pub(super) enum Release {
    /// What happened to the engine.
    Engine(EngineEvent),
    /// What a run decided.
    Run(Box<ToStore>),
    /// A start that was no new one, or that was refused after others before it.
    Started(Reply<Result<RunAccepted, StartError>>, Result<RunAccepted, StartError>),
    Defined(Reply<Result<DefinitionSummary, DefineError>>, Box<DefinitionSummary>),
    Forgotten(Reply<Result<(), DefineError>>),
    /// A run's actor waits for its batches up to this one.
    Awaited(Address<RunMessage>, u64),
    Page(Reply<Result<RunPage, InvalidCursor>>, Result<RunPage, InvalidCursor>),
    Stats(Reply<WorkflowStatsResponse>, Box<WorkflowStatsResponse>),
}

impl WorkflowEngine {
    /// A run has something to store; that of an actor that was given up is not stored.
    pub(super) fn on_store(&mut self, to_store: ToStore) {
        if !self.seats.is_current(to_store.run, to_store.incarnation) || !self.works() {
            return;
        }
        for event in &to_store.defined {
            match crate::records::encode_engine(event) {
                Ok(record) => self.gathering.add(record),
                Err(error) => tracing::error!(%error, "what comes with a run can't be encoded"),
            }
        }
        for (record, piece) in &to_store.records {
            self.gathering.add(crate::records::run_record(record.run, piece));
        }
        self.seats.store(to_store.run);
        self.gathering.releases.push(Release::Run(Box::new(to_store)));
    }

    /// Whether what runs decide can be stored now.
    pub(super) fn works(&self) -> bool {
        matches!(self.phase, EnginePhase::Running | EnginePhase::Draining | EnginePhase::Drained)
    }

    pub(super) fn release_all(&mut self, releases: Vec<Release>, ctx: &mut Context<Self>) {
        for release in releases {
            match release {
                Release::Run(stored) => self.run_stored(*stored, ctx),
                release => self.release_last(release),
            }
        }
    }

    /// Releases what concerns no run's actor, or what does when there is none any more.
    pub(super) fn release_last(&mut self, release: Release) {
        match release {
            Release::Engine(event) => self.engine_stored(&event),
            Release::Run(stored) => {
                let run = stored.run;
                if self.apply(*stored) {
                    self.starting.answer(run, self.index.run(run).map(|e| e.standing.state));
                }
            }
            Release::Started(reply, result) => reply.send(result),
            Release::Defined(reply, summary) => reply.send(Ok(*summary)),
            Release::Forgotten(reply) => reply.send(Ok(())),
            Release::Awaited(run, through) => {
                tell(&run, RunMessage::Stored { through, waiters: Vec::new() });
            }
            Release::Page(reply, page) => reply.send(page),
            Release::Stats(reply, stats) => reply.send(*stats),
        }
    }

    pub(super) fn engine_stored(&mut self, event: &EngineEvent) {
        if let EngineEvent::Forgot { definitions, .. } = event {
            for hash in definitions {
                self.doomed.remove(hash);
                self.library.remove(hash);
            }
        }
        if let EngineEvent::Kept(result) = event {
            self.cache.keep(result);
        }
        self.index.apply_engine(event);
    }

    /// Takes records over; whether the run was opened by them.
    fn apply(&mut self, stored: ToStore) -> bool {
        stored.defined.iter().for_each(|event| self.engine_stored(event));
        let mut opened = false;
        for (record, piece) in stored.records {
            opened |= matches!(record.events.first(), Some(Event::Opened(_)));
            if let Err(error) = self.index.apply(&record, piece) {
                // What was stored fits what was stored before it, or the program has a fault.
                tracing::error!(run_id = %record.run, %error, "a stored record does not fit");
            }
        }
        for change in stored.told {
            self.tell(change);
        }
        opened
    }

    fn run_stored(&mut self, mut stored: ToStore, ctx: &mut Context<Self>) {
        let (run, incarnation) = (stored.run, stored.incarnation);
        let (through, quiet) = (stored.batch, stored.quiet);
        let launches = std::mem::take(&mut stored.launches);
        let ending = view::ending_of(stored.records.last().map(|(record, _)| record));
        let opened = self.apply(stored);
        let Some(entry) = self.index.run(run).map(Arc::clone) else { return };
        let state = entry.standing.state;
        let mono = self.mono(ctx);
        if opened {
            self.statistics.accepted(mono);
            self.starting.answer(run, Some(state));
            if state == RunState::Pending {
                self.enqueue(run);
            }
        }
        self.seats.set_active(run, counts(&entry));
        let mut waiters = Vec::new();
        if state.has_ended() {
            self.statistics.ended(&entry, mono);
            waiters = self.waiters.take(run);
            if let (Some(Parent { run: parent, ticket }), Some(ending)) = (entry.parent, ending) {
                let outcome = view::child_outcome(run, &ending);
                self.child_ended(parent, run, ticket, outcome, ctx);
            }
        }
        match self.seats.stored(run, incarnation) {
            Some(address) => {
                for launch in launches {
                    launch.send(&self.tasks, ctx.now(), &address);
                }
                if !quiet {
                    tell(&address, RunMessage::Stored { through, waiters });
                }
            }
            None => self.show_all(run, waiters, ctx),
        }
        if !state.has_ended() && self.seats.is_to_revive(run) {
            self.seats.remove(run);
            self.revive(run, ctx);
        }
        if state.has_ended() {
            self.sweep(ctx);
        }
    }

    pub(super) fn tell(&mut self, mut change: RunChange) {
        self.changes += 1;
        change.sequence = self.changes;
        self.listeners.retain_mut(|listener| listener.hear(&change));
        let listened = !self.listeners.is_empty();
        self.listened.store(listened, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether a run is known, stored or about to be.
    pub(super) fn knows(&self, run: RunId) -> bool {
        self.index.run(run).is_some() || self.seats.has(run)
    }
}
