//! What the engine knows of all runs: changed by stored records alone, live and in recovery.
//!
//! ```text
//!  record ─▶ Index ─┬─ runs: an entry each, with the trail of its records
//!                   ├─ keys, definitions, results, counters (the ledger)
//!                   └─ by handle: approvals, topics
//! ```
//!
//! Invariant: `accepted = open + completed + failed + cancelled` after every record.

mod counters;
mod definitions;
mod entry;
mod keys;
mod list;
mod packs;
mod results;
#[cfg(test)]
mod tests;

pub(crate) use counters::Counters;
pub(crate) use definitions::{Definitions, Named};
pub(crate) use entry::Entry;
pub(crate) use keys::{Half, KeyUse, Keys, half};
pub(crate) use list::{summary, time};
pub(crate) use packs::{Moved, Pack};
pub(crate) use results::{MOST_KEPT, Results};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::history::{EngineEvent, Handle, OpeningNote, Piece, RunRecord, Trail};
use crate::messages::{RunId, RunState};
use crate::run::{ApprovalId, Event, Opening};

/// Runs inside one another at most: a workflow that starts itself would else never stop.
pub(crate) const MOST_NESTED: usize = 16;

/// All runs that are kept, and what belongs to them.
#[derive(Debug, Default, Clone)]
pub(crate) struct Index {
    /// Of the last run accepted.
    pub sequence: u64,
    pub counters: Counters,
    pub definitions: Definitions,
    pub keys: Keys,
    pub results: Results,
    runs: HashMap<RunId, Arc<Entry>>,
    by_sequence: BTreeMap<u64, RunId>,
    ended: BTreeSet<(i64, RunId)>,
    approvals: BTreeMap<ApprovalId, RunId>,
    /// Approvals that are no longer open.
    decided: BTreeMap<ApprovalId, RunId>,
    topics: HashMap<Arc<str>, BTreeMap<RunId, u32>>,
    by_state: BTreeMap<RunState, u64>,
    packs: BTreeMap<u32, Pack>,
    next_pack: u32,
    /// Bytes of records in memory.
    held: u64,
    /// How many runs were ever opened under a run that no step started, for it and its children.
    descendants: HashMap<RunId, u64>,
}

/// A record that does not fit what is known: the log is not what this program wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfitting {
    /// Of a run that was not opened, or is forgotten.
    #[error("a record of run {0}, which was not opened")]
    UnknownRun(RunId),
    /// It opens a run that is there.
    #[error("run {0} is opened twice")]
    OpenedTwice(RunId),
    /// It opens a run of a definition that was not stored before it.
    #[error("run {0} is pinned to a definition that was not stored")]
    UnknownDefinition(RunId),
    /// It goes on with a run that has ended.
    #[error("a record of run {0}, which has ended")]
    Ended(RunId),
}

impl Index {
    /// Takes over what a stored record tells.
    pub(crate) fn apply(&mut self, record: &RunRecord, piece: Piece) -> Result<(), Unfitting> {
        let run = record.run;
        if let Some(Event::Opened(opening)) = record.events.first() {
            let note = record.note.unwrap_or(OpeningNote { trace: None, body: None });
            self.open(opening, note, record)?;
        }
        let entry = self.runs.get_mut(&run).ok_or(Unfitting::UnknownRun(run))?;
        if !entry.is_open() && entry.events > 0 {
            return Err(Unfitting::Ended(run));
        }
        self.counters.count(record);
        self.held += piece.bytes.len() as u64;
        let entry = Arc::make_mut(entry);
        entry.trail.recent.push(piece);
        entry.events += record.events.len() as u64;
        entry.blobs.extend_from_slice(&record.blobs);
        let begins = |event: &Event| matches!(event, Event::Began { .. });
        if entry.started_at.is_none() && record.events.iter().any(begins) {
            entry.started_at = Some(record.at);
        }
        let before = std::mem::replace(&mut entry.standing, record.standing);
        if let Some(amended) = record.events.iter().rev().find_map(amended) {
            let former = std::mem::replace(&mut entry.definition, amended);
            entry.former.push(former);
            if !self.definitions.pin(&amended) {
                return Err(Unfitting::UnknownDefinition(run));
            }
        }
        self.moved(run, before.state, record);
        self.handles(run, record);
        Ok(())
    }

    fn open(
        &mut self,
        opening: &Opening,
        note: OpeningNote,
        record: &RunRecord,
    ) -> Result<(), Unfitting> {
        let run = opening.run;
        if self.runs.contains_key(&run) {
            return Err(Unfitting::OpenedTwice(run));
        }
        let known = self.definitions.get(&opening.definition).cloned();
        let known = known.ok_or(Unfitting::UnknownDefinition(run))?;
        self.definitions.pin(&opening.definition);
        if let Some(parent) = opening.parent {
            *self.descendants.entry(self.root(parent.run)).or_default() += 1;
        }
        self.sequence += 1;
        let scope = |key: &Arc<str>| (Arc::clone(key), Keys::scope(&known.name, key));
        let key = opening.idempotency_key.as_ref().map(scope);
        if let (Some((_, scope)), Some(body)) = (&key, note.body) {
            self.keys.insert(*scope, KeyUse { run, body, used_at: record.at });
        }
        let entry = Entry {
            sequence: self.sequence,
            definition: opening.definition,
            former: Vec::new(),
            name: Arc::clone(&known.name),
            version: Arc::clone(&known.version),
            priority: opening.priority,
            labels: opening.labels.clone(),
            principal: opening.principal.clone(),
            trace: note.trace,
            key,
            parent: opening.parent,
            origin: opening.origin.clone(),
            accepted_at: record.at,
            started_at: None,
            ended_at: None,
            standing: record.standing,
            handles: Vec::new(),
            decided: Vec::new(),
            trail: Trail::default(),
            events: 0,
            blobs: Vec::new(),
        };
        self.by_sequence.insert(self.sequence, run);
        self.runs.insert(run, Arc::new(entry));
        *self.by_state.entry(record.standing.state).or_default() += 1;
        Ok(())
    }

    /// A run has gone from one state to another.
    fn moved(&mut self, run: RunId, from: RunState, record: &RunRecord) {
        let to = record.standing.state;
        if from != to {
            self.uncount(from);
            *self.by_state.entry(to).or_default() += 1;
        }
        if !to.has_ended() {
            return;
        }
        self.uncount(to);
        self.counters.ended(to);
        self.ended.insert((record.at, run));
        if let Some(entry) = self.runs.get_mut(&run) {
            Arc::make_mut(entry).ended_at = Some(record.at);
        }
    }

    fn uncount(&mut self, state: RunState) {
        if let Some(count) = self.by_state.get_mut(&state) {
            *count = count.saturating_sub(1);
        }
    }

    /// By what the outside finds the run.
    fn handles(&mut self, run: RunId, record: &RunRecord) {
        if record.opened.is_empty() && record.closed.is_empty() {
            return;
        }
        let Some(entry) = self.runs.get_mut(&run) else { return };
        let entry = Arc::make_mut(entry);
        for handle in &record.closed {
            if let Some(at) = entry.handles.iter().position(|known| known == handle) {
                entry.handles.swap_remove(at);
            }
            if let Handle::Approval { id, .. } = handle {
                entry.decided.push(*id);
            }
        }
        entry.handles.extend_from_slice(&record.opened);
        record.closed.iter().for_each(|handle| self.close(run, handle));
        record.opened.iter().for_each(|handle| self.reach(run, handle));
    }

    fn reach(&mut self, run: RunId, handle: &Handle) {
        match handle {
            Handle::Approval { id, .. } => _ = self.approvals.insert(*id, run),
            Handle::Topic(topic) => {
                let runs = self.topics.entry(Arc::clone(topic)).or_default();
                *runs.entry(run).or_default() += 1;
            }
            Handle::Child(_) => {}
        }
    }

    fn close(&mut self, run: RunId, handle: &Handle) {
        match handle {
            Handle::Approval { id, .. } => {
                self.approvals.remove(id);
                self.decided.insert(*id, run);
            }
            Handle::Topic(topic) => {
                let Some(runs) = self.topics.get_mut(topic) else { return };
                let Some(count) = runs.get_mut(&run) else { return };
                *count -= 1;
                if *count == 0 {
                    runs.remove(&run);
                }
                if runs.is_empty() {
                    self.topics.remove(topic);
                }
            }
            Handle::Child(_) => {}
        }
    }

    /// Takes over what happened to the engine.
    pub(crate) fn apply_engine(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Opened { .. }
            | EngineEvent::Began { .. }
            | EngineEvent::Stopped { .. } => {}
            EngineEvent::Forgot { through, keys_before, definitions } => {
                self.forget(*through, *keys_before);
                definitions.iter().for_each(|hash| self.definitions.remove(hash));
            }
            EngineEvent::Defined(known) => self.definitions.insert(Arc::new((**known).clone())),
            EngineEvent::Named { name, version, hash, at, by } => {
                let named = Named { hash: *hash, at: *at, by: by.clone() };
                self.definitions.name(Arc::clone(name), version.clone(), named);
            }
            EngineEvent::Unnamed { name, version, .. } => self.definitions.unname(name, version),
            EngineEvent::Kept(result) => self.results.keep((**result).clone()),
        }
    }

    fn forget(&mut self, through: (i64, RunId), keys_before: i64) {
        let mut later = self.ended.split_off(&through);
        later.remove(&through);
        let mut gone = std::mem::replace(&mut self.ended, later);
        gone.insert(through);
        for (_, run) in gone {
            self.forget_run(run);
        }
        let runs = &self.runs;
        self.keys.expire(keys_before, |run| runs.contains_key(&run));
    }

    fn forget_run(&mut self, run: RunId) {
        let Some(entry) = self.runs.remove(&run) else { return };
        self.by_sequence.remove(&entry.sequence);
        self.descendants.remove(&run);
        self.definitions.unpin(&entry.definition);
        entry.former.iter().for_each(|hash| self.definitions.unpin(hash));
        self.held -= entry.trail.held();
        entry.decided.iter().for_each(|id| _ = self.decided.remove(id));
        for chunk in &entry.trail.packed {
            self.release(chunk.pack, chunk.length);
        }
    }

    pub(crate) fn run(&self, run: RunId) -> Option<&Arc<Entry>> {
        self.runs.get(&run)
    }

    /// The run above this one that no step started, or the last of those above it that is kept.
    pub(crate) fn root(&self, run: RunId) -> RunId {
        self.line(run).last().unwrap_or(run)
    }

    /// This run, and those that it is inside of.
    pub(crate) fn line(&self, run: RunId) -> impl Iterator<Item = RunId> {
        let parent = |run: &RunId| {
            let parent = self.runs.get(run)?.parent?.run;
            self.runs.contains_key(&parent).then_some(parent)
        };
        std::iter::successors(Some(run), parent).take(MOST_NESTED)
    }

    /// How many runs were ever opened under this one.
    pub(crate) fn descendants(&self, root: RunId) -> u64 {
        self.descendants.get(&root).copied().unwrap_or(0)
    }

    /// The same of all runs that have some.
    pub(crate) fn all_descendants(&self) -> impl Iterator<Item = (RunId, u64)> {
        self.descendants.iter().map(|(root, count)| (*root, *count))
    }

    /// Puts back what a snapshot says of them.
    pub(crate) fn restore_descendants(&mut self, all: impl Iterator<Item = (RunId, u64)>) {
        self.descendants = all.collect();
    }

    /// The run that asks, or asked, for this approval, and whether it is open.
    pub(crate) fn asker(&self, approval: ApprovalId) -> Option<(RunId, bool)> {
        let open = self.approvals.get(&approval).map(|run| (*run, true));
        open.or_else(|| self.decided.get(&approval).map(|run| (*run, false)))
    }

    /// The runs that await this topic.
    pub(crate) fn awaiting(&self, topic: &str) -> Vec<RunId> {
        self.topics.get(topic).map(|runs| runs.keys().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn open_approvals(&self) -> usize {
        self.approvals.len()
    }

    /// Runs that have not ended, in order of acceptance.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = (RunId, &Arc<Entry>)> {
        let all = self.by_sequence.values();
        all.filter_map(|run| Some((*run, self.runs.get(run)?))).filter(|(_, entry)| entry.is_open())
    }

    /// Open runs by state.
    pub(crate) fn by_state(&self) -> impl Iterator<Item = (RunState, u64)> {
        self.by_state.iter().map(|(state, count)| (*state, *count))
    }

    /// How many open runs are in this state.
    pub(crate) fn count(&self, state: RunState) -> u64 {
        self.by_state.get(&state).copied().unwrap_or(0)
    }

    /// When each kept run that has ended did so, the first one first.
    pub(crate) fn ended(&self) -> &BTreeSet<(i64, RunId)> {
        &self.ended
    }

    /// Bytes of records in memory.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// All runs, in order of acceptance.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (RunId, &Arc<Entry>)> {
        self.by_sequence.values().filter_map(|run| Some((*run, self.runs.get(run)?)))
    }

    /// How many runs are kept.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Puts back a run of a snapshot.
    pub(crate) fn restore(&mut self, run: RunId, entry: Entry) {
        let state = entry.standing.state;
        if state.has_ended() {
            self.ended.insert((entry.ended_at.unwrap_or(entry.accepted_at), run));
        } else {
            *self.by_state.entry(state).or_default() += 1;
        }
        self.definitions.pin(&entry.definition);
        entry.former.iter().for_each(|hash| _ = self.definitions.pin(hash));
        self.held += entry.trail.held();
        self.by_sequence.insert(entry.sequence, run);
        entry.handles.iter().for_each(|handle| self.reach(run, handle));
        self.decided.extend(entry.decided.iter().map(|id| (*id, run)));
        self.runs.insert(run, Arc::new(entry));
    }
}

/// The definition that a run goes on with.
fn amended(event: &Event) -> Option<crate::definition::DefinitionHash> {
    match event {
        Event::Amended(amended) => Some(amended.definition),
        _ => None,
    }
}
