//! Asking the machine, and having stored what it decides.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use synod_journal::{BlobError, BlobId, PutBlob};
use synod_runtime::{ActorError, AskError, Context};

use super::handles::HandleChanges;
use super::{Answer, Blob, Launch, RunActor, RunMessage, Surroundings, ToStore, Word};
use crate::actor::step::{Own, Step};
use crate::history::{EngineEvent, Piece, RunRecord, Standing, Told};
use crate::index::time;
use crate::messages::{RunChange, RunState, WorkflowsMessage};
use crate::records;
use crate::run::{Effect, Event, Input, Refused, Run};

/// Values above this go to blobs where an event has so many that it would not fit a record.
const TIGHT: usize = 1 << 10;

/// Bytes of the largest insight that is told.
const INSIGHT: usize = 8 << 10;

/// What was decided together, and waits to be stored.
pub(super) struct Batch {
    pub number: u64,
    pub effects: Vec<Effect>,
    pub answers: Vec<(Answer, Result<bool, Refused>)>,
    /// Whether the engine will not say that it is stored.
    quiet: bool,
    /// Blobs that are not stored yet.
    blobs: usize,
    /// What is to be given to the engine once the blobs are stored.
    unsent: Option<ToStore>,
}

impl RunActor {
    /// Gives the machine an input; whether something came of it.
    pub(super) fn decide(&mut self, input: Input, now: i64) -> Result<bool, Refused> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let at = *self.decided_at.get_or_insert(now);
        let before = self.events.len();
        run.decide(at, input, &mut self.events, &mut self.effects)?;
        Ok(self.events.len() > before)
    }

    pub(super) fn resume(&mut self, now: i64) {
        if let Some(run) = &mut self.run {
            self.decided_at = Some(now);
            run.resume(now, &mut self.events, &mut self.effects);
        }
    }

    /// Has stored what was gathered. What follows from nothing new is released behind what is
    /// under way, or at once.
    pub(super) fn flush(&mut self, ctx: &mut Context<Self>) {
        let at = self.decided_at.take();
        if self.events.is_empty() && self.defined.is_empty() {
            let effects = std::mem::take(&mut self.effects);
            let answers = std::mem::take(&mut self.answers);
            return self.follow_on(effects, answers, ctx);
        }
        let events = std::mem::take(&mut self.events);
        let at = at.unwrap_or_default();
        let mut changes = HandleChanges::default();
        let told = self.follow(at, &events, &mut changes);
        if let Some(run) = &self.run {
            self.handles.listen(run.listening(), &mut changes);
        }
        let (records, blobs) = self.encode(at, events, changes);
        self.store(records, told, blobs, ctx);
    }

    /// Releases what follows from nothing new behind what is under way, or at once.
    fn follow_on(
        &mut self,
        effects: Vec<Effect>,
        answers: Vec<(Answer, Result<bool, Refused>)>,
        ctx: &mut Context<Self>,
    ) {
        let Some(last) = self.batches.back_mut() else {
            return self.release(effects, answers, ctx);
        };
        if effects.is_empty() && answers.is_empty() {
            return;
        }
        last.effects.extend(effects);
        last.answers.extend(answers);
        let (batch, quiet) = (last.number, std::mem::take(&mut last.quiet));
        match &mut last.unsent {
            Some(to_store) => to_store.quiet = false,
            None if quiet => self.tell_engine(Word::Awaits { batch, to: ctx.address() }),
            None => {}
        }
    }

    /// Follows events; says what is to be told of them, if anybody listens.
    fn follow(&mut self, at: i64, events: &[Event], changes: &mut HandleChanges) -> Vec<RunChange> {
        let listened = self.around.listened.load(Ordering::Relaxed);
        let mut changes_told = Vec::new();
        for event in events {
            self.handles.follow(event, changes);
            if listened {
                let told = self.teller.tell(event);
                self.change(at, event, told, &mut changes_told);
            }
            self.teller.follow(event, |hash| self.around.library.plan(hash));
        }
        changes_told
    }

    fn change(&self, at: i64, event: &Event, told: Told, out: &mut Vec<RunChange>) {
        let Some(run) = &self.run else { return };
        let Told { name, step, details, .. } = told;
        let beside = beside(event);
        let change = RunChange {
            sequence: 0,
            name: name.to_owned(),
            run_id: self.id,
            workflow: run.opening().name.to_string(),
            step: step.map(|step| step.to_string()),
            at: time(at),
            details,
            trace_id: self.trace.map(|trace| trace.trace_hex()),
            correlation: self.trace,
        };
        let beside = beside.map(|(name, details)| RunChange {
            name: name.to_owned(),
            details,
            ..change.clone()
        });
        out.push(change);
        out.extend(beside);
    }

    /// Makes records of events. All but the last say that the run is at work, so that a crash
    /// between two of them lets it go on.
    fn encode(
        &mut self,
        at: i64,
        events: Vec<Event>,
        changes: HandleChanges,
    ) -> (Vec<(RunRecord, Piece)>, Vec<Blob>) {
        let Some(run) = &self.run else { return Default::default() };
        let standing = standing(run);
        let mut parts = split(events, self.around.record);
        let last = parts.pop().unwrap_or_default();
        let mut note = self.note.take();
        let (mut records, mut blobs) = (Vec::new(), Vec::new());
        let busy = Standing { state: RunState::Running, wake_at: None, ..standing };
        for events in parts {
            let record = record(self.id, at, note.take(), busy, events);
            add(record, &self.around, &mut records, &mut blobs);
        }
        let HandleChanges { opened, closed } = changes;
        let record =
            RunRecord { opened, closed, ..record(self.id, at, note.take(), standing, last) };
        add(record, &self.around, &mut records, &mut blobs);
        (records, blobs)
    }

    /// Stores blobs, then the records that name them.
    fn store(
        &mut self,
        records: Vec<(RunRecord, Piece)>,
        told: Vec<RunChange>,
        mut blobs: Vec<Blob>,
        ctx: &mut Context<Self>,
    ) {
        let defined = std::mem::take(&mut self.defined);
        blobs.extend(defined.iter().filter_map(blob_of));
        self.batch += 1;
        let (run, incarnation, batch) = (self.id, self.incarnation, self.batch);
        let launches = self.launches(ctx);
        let effects = std::mem::take(&mut self.effects);
        let answers = std::mem::take(&mut self.answers);
        let quiet = !launches.is_empty() && effects.is_empty() && answers.is_empty();
        let to_store = ToStore { run, incarnation, defined, records, told, batch, launches, quiet };
        self.batches.push_back(Batch {
            number: batch,
            effects,
            answers,
            quiet,
            blobs: blobs.len(),
            unsent: Some(to_store),
        });
        for (id, bytes) in blobs {
            self.put(id, bytes, ctx);
        }
        self.send_ready();
    }

    /// The executions among the effects, if nothing else is to be released before them: they go
    /// along to the engine. When to wake the actor is its own affair, stored or not.
    fn launches(&mut self, ctx: &mut Context<Self>) -> Vec<Launch> {
        let simple = |effect: &Effect| match effect {
            Effect::Execute(execute) => execute.cache_key.is_none(),
            effect => matches!(effect, Effect::WakeAt(_)),
        };
        let waits = self.batches.iter().any(|batch| !batch.effects.is_empty());
        if waits || self.hands_back.is_some() || !self.effects.iter().all(simple) {
            return Vec::new();
        }
        let mut launches = Vec::new();
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Execute(execute) => launches.extend(self.launch(execute, self.batch, ctx)),
                Effect::WakeAt(at) => self.wake_at(at, ctx),
                effect => self.effects.push(effect),
            }
        }
        self.outstanding += launches.len();
        launches
    }

    fn put(&self, id: BlobId, bytes: bytes::Bytes, ctx: &Context<Self>) {
        let batch = self.batch;
        let put = PutBlob { owner: records::STREAM, bytes, expected: Some(id) };
        let stored = move |outcome| RunMessage::BlobStored { batch, outcome };
        self.around.journal.ask_into(put, self.around.journal_timeout, &ctx.address(), stored);
    }

    /// A blob that can't be stored is as bad as a record that can't be: the run goes on from what
    /// is stored, later.
    pub(super) fn blob_stored(
        &mut self,
        number: u64,
        outcome: Result<Result<BlobId, BlobError>, AskError>,
    ) -> Result<(), ActorError> {
        outcome??;
        if let Some(batch) = self.batches.iter_mut().find(|batch| batch.number == number) {
            batch.blobs -= 1;
        }
        self.send_ready();
        Ok(())
    }

    /// Gives the engine, in order, what has its blobs stored.
    fn send_ready(&mut self) {
        for batch in &mut self.batches {
            if batch.blobs > 0 {
                break;
            }
            if let Some(to_store) = batch.unsent.take() {
                let own = WorkflowsMessage::Own(Step(Own::Store(Box::new(to_store))));
                super::releasing::tell(&self.around.engine, own);
            }
        }
    }
}

/// What an event tells of an agent beside what it tells of its step: an error, or an insight,
/// which is what an agent's output has under that name.
fn beside(event: &Event) -> Option<(&'static str, Value)> {
    match event {
        Event::Retrying { failure, .. } | Event::Failed { failure, .. } => {
            failure.agent.as_ref()?;
            Some(("agent.error", crate::history::error(failure)))
        }
        Event::Succeeded { output, agent: Some(agent), .. } => {
            let insight = output.value().get("insight")?;
            let bounded = (insight.to_string().len() <= INSIGHT).then(|| insight.clone())?;
            Some(("agent.insight", json!({"agent": &**agent, "insight": bounded})))
        }
        _ => None,
    }
}

/// How a run stands, for the engine's index.
pub(super) fn standing(run: &Run) -> Standing {
    let progress = run.progress();
    let bounded = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Standing {
        state: run.run_state(),
        done: bounded(progress.done),
        total: bounded(progress.total),
        wake_at: run.wakes_at(),
    }
}

fn record(
    run: crate::messages::RunId,
    at: i64,
    note: Option<crate::history::OpeningNote>,
    standing: Standing,
    events: Vec<Event>,
) -> RunRecord {
    let (opened, closed, blobs) = (Vec::new(), Vec::new(), Vec::new());
    RunRecord { run, at, note, standing, opened, closed, events, blobs }
}

/// Encodes a record. A value that has no room in it becomes a blob.
fn add(
    mut record: RunRecord,
    around: &Surroundings,
    records: &mut Vec<(RunRecord, Piece)>,
    blobs: &mut Vec<Blob>,
) {
    let weight: usize = record.events.iter().map(Event::weight).sum();
    let inline = if weight > around.record { TIGHT } else { around.inline };
    match records::encode(&record, inline) {
        Ok(encoded) => {
            record.blobs = encoded.blobs.iter().map(|(id, _)| *id).collect();
            blobs.extend(encoded.blobs);
            records.push((record, encoded.piece));
        }
        // Values go to blobs and texts are bounded, so this is a fault of the program.
        Err(error) => tracing::error!(run = %record.run, %error, "a record can't be encoded"),
    }
}

/// Splits events into records of bounded size.
fn split(events: Vec<Event>, most: usize) -> Vec<Vec<Event>> {
    let mut bytes: usize = events.iter().map(Event::weight).sum();
    if bytes <= most {
        return vec![events];
    }
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    bytes = 0;
    for event in events {
        let weight = event.weight();
        if bytes + weight > most && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += weight;
        part.push(event);
    }
    parts.push(part);
    parts
}

/// The blob that a definition's text or a result is stored in, if it is too large for a record.
fn blob_of(event: &EngineEvent) -> Option<Blob> {
    match event {
        EngineEvent::Defined(known) => known.blob.map(|id| (id, known.text.clone())),
        EngineEvent::Kept(kept) => kept.blob.map(|id| (id, kept.output.bytes().clone())),
        _ => None,
    }
}
