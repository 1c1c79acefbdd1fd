//! One conversation: its machine, and what a desk keeps beside it.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use synod_runtime::Principal;

use super::messages::{HistoryPage, NumberedNote, Summary};
use crate::protocol::{ConversationId, Dispatch, Moment, Note, Protocol};

/// Most notes of a page.
const PAGE: usize = 1_000;

/// How many notes a conversation keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoteBounds {
    pub count: usize,
    pub bytes: usize,
}

/// A conversation as it stands.
#[derive(Debug, Clone)]
pub(super) struct Conversation<P> {
    pub id: ConversationId,
    pub by: Principal,
    pub opened_at: Moment,
    pub key: Option<String>,
    /// The hash of the setup, by which the same opening is known again.
    pub digest: [u8; 32],
    pub state: P,
    pub notes: VecDeque<NumberedNote>,
    /// The number of the last note.
    pub last_note: u64,
    pub ended_at: Option<Moment>,
    /// What agents are to be told without an answer, and have not taken yet.
    pub outbox: BTreeMap<u64, Dispatch>,
    /// When it wants to be woken, as the index of its book has it.
    pub wake: Option<Moment>,
    notes_bytes: usize,
}

/// The parts of a conversation that say what it is.
pub(super) struct Identity {
    pub id: ConversationId,
    pub by: Principal,
    pub opened_at: Moment,
    pub key: Option<String>,
    pub digest: [u8; 32],
}

impl<P: Protocol> Conversation<P> {
    pub(super) fn new(identity: Identity, state: P) -> Self {
        let Identity { id, by, opened_at, key, digest } = identity;
        Self {
            id,
            by,
            opened_at,
            key,
            digest,
            state,
            notes: VecDeque::new(),
            last_note: 0,
            ended_at: None,
            outbox: BTreeMap::new(),
            wake: None,
            notes_bytes: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Keeps a note that has its number.
    pub(super) fn keep(&mut self, note: NumberedNote, bounds: NoteBounds) {
        self.last_note = note.number;
        self.notes_bytes += weight(&note.note);
        self.notes.push_back(note);
        while self.notes.len() > 1
            && (self.notes.len() > bounds.count || self.notes_bytes > bounds.bytes)
        {
            let Some(oldest) = self.notes.pop_front() else { break };
            self.notes_bytes -= weight(&oldest.note);
        }
    }

    /// Notes after a number, at most up to another.
    pub(super) fn page(&self, after: u64, upto: u64, limit: usize) -> HistoryPage {
        let from = self.notes.partition_point(|note| note.number <= after);
        let wanted = self.notes.range(from..).take_while(|note| note.number <= upto);
        HistoryPage {
            notes: wanted.take(limit.clamp(1, PAGE)).cloned().collect(),
            last: upto.min(self.last_note),
            ended: !self.is_open(),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            id: self.id,
            key: self.key.clone(),
            by: self.by.to_string(),
            opened_at: timestamp(self.opened_at),
            ended_at: self.ended_at.map(timestamp),
            notes: self.last_note,
        }
    }
}

/// What a note takes in memory, about.
fn weight(note: &Note) -> usize {
    note.kind.len() + note.who.len() + note.what.len() + note.why.len() + 64
}

/// A recorded time; one that no calendar has is the epoch.
fn timestamp(at: Moment) -> Timestamp {
    Timestamp::from_microsecond(at.0).unwrap_or_default()
}
