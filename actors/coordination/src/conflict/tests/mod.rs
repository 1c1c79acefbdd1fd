//! Tests of conflicts.

mod asking;
mod detection;
mod scenarios;
mod strategies;

use synod_runtime::Principal;
use uuid::Uuid;

use super::{
    Conflict, ConflictAnswer, ConflictInput, ConflictOutcome, ConflictSetup, Fate, Party,
    Resolution, Strategy,
};
use crate::protocol::{Dispatch, Effects, Heard, Moment, Note, Opening, Protocol, Refusal};

/// A conflict and its time in milliseconds.
pub(super) struct World {
    pub(super) conflict: Conflict,
    pub(super) now_ms: i64,
    pub(super) notes: Vec<Note>,
    pub(super) sent: Vec<Dispatch>,
}

impl World {
    pub(super) fn open(setup: ConflictSetup) -> Result<Self, Refusal> {
        let opening =
            Opening { id: Uuid::nil(), now: Moment(0), seed: 0, by: Principal::user("opener") };
        let mut out = Effects::default();
        let conflict = Conflict::open(setup, &opening, &mut out)?;
        Ok(Self { conflict, now_ms: 0, notes: out.notes, sent: out.dispatches })
    }

    /// A conflict of `parties` that is settled by `strategies`.
    pub(super) fn of(parties: Vec<Party>, strategies: Vec<Strategy>) -> Self {
        let subject = "s".to_owned();
        let setup = ConflictSetup { subject, parties, strategies, ..ConflictSetup::default() };
        Self::open(setup).unwrap()
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.now_ms * 1_000)
    }

    pub(super) fn step(
        &mut self,
        by: &Principal,
        input: ConflictInput,
    ) -> Result<ConflictAnswer, Refusal> {
        let before = self.conflict.clone();
        let mut out = Effects::default();
        let answer = self.conflict.step(self.now(), by, input, &mut out);
        if answer.is_err() {
            assert_eq!(self.conflict, before, "a refusal changes nothing");
            assert!(out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.take(out);
        answer
    }

    pub(super) fn tell(&mut self, input: ConflictInput) -> Result<ConflictAnswer, Refusal> {
        self.step(Principal::anonymous(), input)
    }

    pub(super) fn hear(&mut self, about: u64, heard: &Heard) {
        let mut out = Effects::default();
        self.conflict.heard(self.now(), about, heard, &mut out);
        self.take(out);
    }

    pub(super) fn pass(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while let Some(at) = self.conflict.next_wake()
            && at <= Moment(end * 1_000)
        {
            let mut out = Effects::default();
            self.conflict.wake(at, &mut out);
            self.take(out);
            assert!(self.conflict.next_wake().is_none_or(|next| next > at), "it wakes for ever");
        }
        self.now_ms = end;
    }

    fn take(&mut self, out: Effects) {
        self.notes.extend(out.notes);
        self.sent.extend(out.dispatches);
    }

    pub(super) fn outcome(&self) -> Option<ConflictOutcome> {
        self.conflict.view().outcome
    }

    pub(super) fn resolution(&self) -> Resolution {
        match self.outcome() {
            Some(ConflictOutcome::Resolved(resolution)) => resolution,
            other => panic!("expected a resolution, got {other:?}"),
        }
    }

    /// What became of the parties, in the order in which they were named.
    pub(super) fn fates(&self) -> Vec<Fate> {
        self.resolution().fates.iter().map(|it| it.fate).collect()
    }
}

pub(super) fn judge(arbiter: &str, choice: Option<&str>) -> ConflictInput {
    let (arbiter, choice) = (arbiter.to_owned(), choice.map(str::to_owned));
    ConflictInput::Judge { arbiter, choice, reason: String::new() }
}
