//! Admission: which runs may run now, and which wait durably for room.
//!
//! A run is under the bound of the node, of its definition (`max_concurrent_runs`) and of its
//! labels (`label_limits`). What counts is what is under way: a run that waits for a timer, for
//! somebody or for runs of its own holds no place, so that a tree of runs can't wait for itself.

use std::sync::Arc;

use synod_runtime::Context;
use synod_tasks::EnginePhase;

use super::WorkflowEngine;
use super::queue::{Bound, Bounds};
use super::run::Source;
use super::starting::{StartReply, ToOpen};
use crate::history::Handle;
use crate::index::Entry;
use crate::messages::{RunId, RunState};
use crate::run::{Event, Input};

/// Whether a run counts among those that run. One that undoes what was done counts, too, but while
/// it waits for a run that it started for it.
pub(super) fn counts(entry: &Entry) -> bool {
    match entry.standing.state {
        RunState::Running => true,
        RunState::Compensating => !entry.handles.iter().any(Handle::is_child),
        _ => false,
    }
}

impl WorkflowEngine {
    /// Opens a run: admitted at once if there is room, else stored to wait for it.
    pub(super) fn open_run(
        &mut self,
        to_open: ToOpen,
        reply: Option<StartReply>,
        ctx: &mut Context<Self>,
    ) {
        let ToOpen { events, note, key, compiled } = to_open;
        let Some(Event::Opened(opening)) = events.first() else { return };
        let (run, hash) = (opening.run, compiled.hash());
        let root = opening.parent.map(|parent| self.index.root(parent.run));
        self.starting.expect(run, hash, root, key.zip(note.body), reply);
        let labels = opening.labels.iter();
        let most = compiled.plan.max_concurrent_runs;
        let bounds = self.bounds_under(&compiled.plan.name, most, labels);
        let defined = self.to_define(&compiled, false);
        self.look_at_freed();
        let admitted = self.queue.lets_pass() && self.has_room(&bounds);
        let source = Source::New { events, note, defined };
        self.seat(run, source, admitted, bounds, ctx);
    }

    /// Whether another run may run that is under these bounds.
    fn has_room(&self, bounds: &Bounds) -> bool {
        self.seats.active() < self.config.max_concurrent_runs
            && bounds.iter().all(|bound| self.seats.active_under(&bound.of) < bound.most)
    }

    /// What bounds a run of a definition with these labels, beside the node.
    fn bounds_under<'a>(
        &self,
        name: &Arc<str>,
        most: Option<u32>,
        labels: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Bounds {
        let own = most.map(|most| Bound { of: Arc::clone(name), most });
        let limited = labels.filter_map(|(key, value)| self.config.label_limit(key, value));
        let limited = limited.map(|(label, most)| Bound { of: Arc::from(label), most });
        own.into_iter().chain(limited).collect()
    }

    /// What bounds a stored run.
    pub(super) fn bounds(&self, entry: &Entry) -> Bounds {
        let plan = self.library.plan(&entry.definition);
        let most = plan.and_then(|plan| plan.max_concurrent_runs);
        self.bounds_under(&entry.name, most, entry.labels.iter())
    }

    /// Puts a stored run that is pending among those that wait for room.
    pub(super) fn enqueue(&mut self, run: RunId) {
        let Some(entry) = self.index.run(run).map(Arc::clone) else { return };
        let bounds = self.bounds(&entry);
        self.queue.add(run, entry.priority, entry.sequence, bounds);
    }

    /// Admits runs while there is room.
    pub(super) fn admit(&mut self, ctx: &mut Context<Self>) {
        self.look_at_freed();
        while self.phase == EnginePhase::Running
            && self.seats.active() < self.config.max_concurrent_runs
        {
            let seats = &self.seats;
            let is_full = |bound: &Bound| seats.active_under(&bound.of) >= bound.most;
            let Some(run) = self.queue.next(is_full) else { return };
            let pending = self.index.run(run).map(|e| e.standing.state) == Some(RunState::Pending);
            if pending {
                self.begin(run, ctx);
            }
        }
    }

    /// Lets those on that were held back by what is free now.
    fn look_at_freed(&mut self) {
        for of in self.seats.take_freed() {
            self.queue.freed(&of);
        }
    }

    fn begin(&mut self, run: RunId, ctx: &mut Context<Self>) {
        if self.seats.has(run) {
            self.seats.set_active(run, true);
            self.give(run, Input::Begin, ctx);
        } else {
            self.seat_stored(run, true, ctx);
        }
    }

    /// The limits have changed: who is under which bound is found anew.
    pub(super) fn bind_anew(&mut self) {
        for run in self.seats.runs() {
            if let Some(entry) = self.index.run(run).map(Arc::clone) {
                let bounds = self.bounds(&entry);
                self.seats.bind(run, bounds);
            }
        }
        for run in std::mem::take(&mut self.queue).into_runs() {
            self.enqueue(run);
        }
    }
}
