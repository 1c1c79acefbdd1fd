//! The book of a desk: its conversations, and what inputs make of them. Nothing here knows the
//! time, and nothing waits: what is recorded, applied again in its order, makes the same book.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use synod_journal::BlobId;
use synod_runtime::Principal;

use super::config::DeskConfig;
use super::conversation::{Conversation, Identity, NoteBounds};
use super::messages::{ConversationPage, List, NumberedNote, Standing};
use super::records::{self, EntryV1, RecordError};
use crate::protocol::{
    ConversationId, Dispatch, Effects, Heard, Moment, Note, Opening, Protocol, Refusal,
};

/// Most conversations of a page.
const PAGE: usize = 1_000;

/// All conversations of one protocol.
#[derive(Debug, Clone)]
pub(super) struct Book<P> {
    conversations: BTreeMap<ConversationId, Arc<Conversation<P>>>,
    /// Who opened a conversation with which key.
    keys: BTreeMap<(String, String), ConversationId>,
    wakes: BTreeSet<(Moment, ConversationId)>,
    ended: BTreeSet<(Moment, ConversationId)>,
    /// Of the last thing that happened.
    pub last: Moment,
    bounds: NoteBounds,
    /// Inputs that were replayed and of which something else was told when they were recorded.
    pub diverged: u64,
}

/// An opening, checked and with all that the desk adds to it.
pub(super) struct Begin<P: Protocol> {
    pub opening: Opening,
    pub key: Option<String>,
    pub digest: [u8; 32],
    pub setup: P::Setup,
}

/// What came of an input.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    pub notes: Vec<NumberedNote>,
    pub dispatches: Vec<Dispatch>,
    /// Whether the conversation has ended, now or before.
    pub ended: bool,
    /// The number of its last note.
    pub last: u64,
}

/// The hash by which the same setup is known again.
pub(super) fn digest(setup: &[u8]) -> [u8; 32] {
    BlobId::of(setup).0
}

impl<P: Protocol> Book<P> {
    pub(super) fn new(config: &DeskConfig) -> Self {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            conversations: BTreeMap::new(),
            keys: BTreeMap::new(),
            wakes: BTreeSet::new(),
            ended: BTreeSet::new(),
            last: Moment::default(),
            bounds: NoteBounds {
                count: size(config.max_notes),
                bytes: size(config.max_notes_bytes),
            },
            diverged: 0,
        }
    }

    pub(super) fn get(&self, id: ConversationId) -> Option<&Conversation<P>> {
        self.conversations.get(&id).map(|conversation| &**conversation)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Conversation<P>> {
        self.conversations.values().map(|conversation| &**conversation)
    }

    pub(super) fn by_key(&self, by: &Principal, key: &str) -> Option<ConversationId> {
        self.keys.get(&(by.to_string(), key.to_owned())).copied()
    }

    pub(super) fn open_count(&self) -> u64 {
        (self.conversations.len() - self.ended.len()) as u64
    }

    pub(super) fn ended_count(&self) -> u64 {
        self.ended.len() as u64
    }

    /// When the next conversation wants to be woken.
    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// When the conversation that has ended first ended.
    pub(super) fn first_end(&self) -> Option<Moment> {
        self.ended.first().map(|(at, _)| *at)
    }

    /// Those that want to be woken by now, the longest due first.
    pub(super) fn due(&self, now: Moment, most: usize) -> Vec<ConversationId> {
        let due = self.wakes.iter().take_while(|(at, _)| *at <= now);
        due.take(most).map(|(_, id)| *id).collect()
    }

    /// Those that ended at `before` or earlier, and the oldest of those beyond `keep`; none whose
    /// agents have not been told all.
    pub(super) fn forgettable(
        &self,
        before: Moment,
        keep: u64,
        most: usize,
    ) -> Vec<ConversationId> {
        let over = self.ended_count().saturating_sub(keep);
        let numbered = (0_u64..).zip(&self.ended);
        let gone = numbered.take_while(|(number, (at, _))| *number < over || *at <= before);
        let told = |id: &ConversationId| self.get(*id).is_none_or(|it| it.outbox.is_empty());
        gone.map(|(_, (_, id))| *id).filter(told).take(most).collect()
    }

    /// A page, the newest first.
    pub(super) fn list(&self, list: &List) -> ConversationPage {
        let limit = list.limit.clamp(1, PAGE);
        let older = match list.after {
            Some(after) => self.conversations.range(..after),
            None => self.conversations.range(..),
        };
        let wanted = |conversation: &&Arc<Conversation<P>>| match list.state {
            None => true,
            Some(Standing::Open) => conversation.is_open(),
            Some(Standing::Ended) => !conversation.is_open(),
        };
        let mut found = older.rev().map(|(_, conversation)| conversation).filter(wanted);
        let conversations: Vec<_> =
            found.by_ref().take(limit).map(|conversation| conversation.summary()).collect();
        let next = found.next().and(conversations.last()).map(|summary| summary.id);
        ConversationPage { conversations, next }
    }

    /// Begins a conversation whose name is free.
    pub(super) fn open(
        &mut self,
        begin: Begin<P>,
        recorded: Option<Vec<Note>>,
    ) -> Result<Change, Refusal> {
        let Begin { opening, key, digest, setup } = begin;
        let mut out = Effects::default();
        let state = P::open(setup, &opening, &mut out)?;
        let Opening { id, now, by, .. } = opening;
        let identity = Identity { id, by, opened_at: now, key, digest };
        self.put(Conversation::new(identity, state));
        Ok(self.changed(id, now, out, recorded))
    }

    /// Puts a conversation in as it is.
    pub(super) fn put(&mut self, conversation: Conversation<P>) {
        let id = conversation.id;
        if let Some(key) = &conversation.key {
            self.keys.insert((conversation.by.to_string(), key.clone()), id);
        }
        if let Some(at) = conversation.ended_at {
            self.ended.insert((at, id));
        }
        self.conversations.insert(id, Arc::new(conversation));
        self.index_wake(id);
    }

    /// Gives an input to a conversation; none when there is no such conversation.
    pub(super) fn step(
        &mut self,
        id: ConversationId,
        now: Moment,
        by: &Principal,
        input: P::Input,
        recorded: Option<Vec<Note>>,
    ) -> Option<Result<(P::Answer, Change), Refusal>> {
        let mut out = Effects::default();
        let conversation = Arc::make_mut(self.conversations.get_mut(&id)?);
        let answer = match conversation.state.step(now, by, input, &mut out) {
            Ok(answer) => answer,
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(Ok((answer, self.changed(id, now, out, recorded))))
    }

    /// Wakes a conversation that is open.
    pub(super) fn wake(
        &mut self,
        id: ConversationId,
        now: Moment,
        recorded: Option<Vec<Note>>,
    ) -> Option<Change> {
        let mut out = Effects::default();
        self.open_one(id)?.state.wake(now, &mut out);
        Some(self.changed(id, now, out, recorded))
    }

    /// Tells an open conversation what was answered to one of its dispatches.
    pub(super) fn hear(
        &mut self,
        id: ConversationId,
        now: Moment,
        about: u64,
        heard: &Heard,
        recorded: Option<Vec<Note>>,
    ) -> Option<Change> {
        let mut out = Effects::default();
        self.open_one(id)?.state.heard(now, about, heard, &mut out);
        Some(self.changed(id, now, out, recorded))
    }

    /// A notice was taken by its agent, or given up for a reason; none when it was settled before.
    pub(super) fn settle(
        &mut self,
        id: ConversationId,
        now: Moment,
        number: u64,
        lost: Option<&str>,
    ) -> Option<Change> {
        let conversation = Arc::make_mut(self.conversations.get_mut(&id)?);
        let notice = conversation.outbox.remove(&number)?;
        let notes = lost.map(|why| Note {
            kind: "notice.undelivered".to_owned(),
            who: notice.to.to_string(),
            what: format!("{{\"dispatch\":{number}}}"),
            why: why.to_owned(),
        });
        let out = Effects { notes: notes.into_iter().collect(), dispatches: Vec::new() };
        Some(self.changed(id, now, out, None))
    }

    /// Forgets a conversation.
    pub(super) fn forget(&mut self, id: ConversationId, now: Moment) {
        self.last = self.last.max(now);
        let Some(conversation) = self.conversations.remove(&id) else { return };
        if let Some(at) = conversation.ended_at {
            self.ended.remove(&(at, id));
        }
        if let Some(at) = conversation.wake {
            self.wakes.remove(&(at, id));
        }
        if let Some(key) = &conversation.key {
            self.keys.remove(&(conversation.by.to_string(), key.clone()));
        }
    }

    /// What is to be sent again after a start.
    pub(super) fn resume(&self, id: ConversationId) -> Vec<Dispatch> {
        let Some(conversation) = self.get(id) else { return Vec::new() };
        let mut out = Effects::default();
        if conversation.is_open() {
            conversation.state.resume(&mut out);
        }
        let asked = out.dispatches.into_iter().filter(|dispatch| dispatch.reply_within.is_some());
        conversation.outbox.values().cloned().chain(asked).collect()
    }

    fn open_one(&mut self, id: ConversationId) -> Option<&mut Conversation<P>> {
        let conversation = self.conversations.get_mut(&id)?;
        if conversation.is_open() { Some(Arc::make_mut(conversation)) } else { None }
    }

    /// Takes over what an input brought about.
    fn changed(
        &mut self,
        id: ConversationId,
        now: Moment,
        out: Effects,
        recorded: Option<Vec<Note>>,
    ) -> Change {
        self.last = self.last.max(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return Change::default() };
        let conversation = Arc::make_mut(conversation);
        let Effects { notes, dispatches } = out;
        let notes = match recorded {
            // What was told once stays told.
            Some(told) if told != notes => {
                self.diverged += 1;
                told
            }
            _ => notes,
        };
        let first = conversation.last_note + 1;
        let numbered: Vec<_> = (first..)
            .zip(notes)
            .map(|(number, note)| NumberedNote { number, at: now, note })
            .collect();
        for note in &numbered {
            conversation.keep(note.clone(), self.bounds);
        }
        for dispatch in dispatches.iter().filter(|dispatch| dispatch.reply_within.is_none()) {
            conversation.outbox.insert(dispatch.number, dispatch.clone());
        }
        if conversation.is_open() && conversation.state.has_ended() {
            conversation.ended_at = Some(now);
            self.ended.insert((now, id));
        }
        let (ended, last) = (!conversation.is_open(), conversation.last_note);
        self.index_wake(id);
        Change { notes: numbered, dispatches, ended, last }
    }

    fn index_wake(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let wanted = match conversation.ended_at {
            None => conversation.state.next_wake(),
            Some(_) => None,
        };
        if conversation.wake == wanted {
            return;
        }
        let conversation = Arc::make_mut(conversation);
        if let Some(before) = std::mem::replace(&mut conversation.wake, wanted) {
            self.wakes.remove(&(before, id));
        }
        if let Some(at) = wanted {
            self.wakes.insert((at, id));
        }
    }

    /// What is to be kept of it; the conversations are shared, not copied.
    pub(super) fn image(&self) -> (Moment, Vec<Arc<Conversation<P>>>) {
        (self.last, self.conversations.values().map(Arc::clone).collect())
    }

    /// The book that a snapshot holds.
    pub(super) fn restore(
        config: &DeskConfig,
        version: u16,
        bytes: &[u8],
    ) -> Result<Self, RecordError> {
        let mut book = Self::new(config);
        let (last, conversations) = records::decode_snapshot::<P>(version, bytes)?;
        for (mut conversation, notes) in conversations {
            for note in notes {
                conversation.keep(note, book.bounds);
            }
            book.put(conversation);
        }
        book.last = last;
        Ok(book)
    }

    /// Applies what was recorded.
    pub(super) fn replay(&mut self, entry: EntryV1) -> Result<(), RecordError> {
        let refused =
            |id, refusal: Refusal| RecordError::Refused { id, reason: refusal.to_string() };
        let gone = |id| RecordError::Refused { id, reason: "there is no such one".to_owned() };
        match entry {
            EntryV1::Began { at } => self.last = self.last.max(at),
            EntryV1::Opened { id, by, at, seed, key, version, setup, told } => {
                let opening = Opening { id, now: at, seed, by };
                let digest = digest(&setup);
                let setup = records::setup::<P>(version, &setup)?;
                self.open(Begin { opening, key, digest, setup }, told)
                    .map_err(|refusal| refused(id, refusal))?;
            }
            EntryV1::Stepped { id, by, at, version, input, told } => {
                let input = records::input::<P>(version, &input)?;
                self.step(id, at, &by, input, told)
                    .ok_or_else(|| gone(id))?
                    .map_err(|refusal| refused(id, refusal))?;
            }
            EntryV1::Woken { id, at, told } => {
                self.wake(id, at, told).ok_or_else(|| gone(id))?;
            }
            EntryV1::Heard { id, at, about, heard, told } => {
                self.hear(id, at, about, &heard, told).ok_or_else(|| gone(id))?;
            }
            EntryV1::Settled { id, at, number, lost } => {
                self.settle(id, at, number, lost.as_deref()).ok_or_else(|| gone(id))?;
            }
            EntryV1::Forgotten { at, ids } => ids.into_iter().for_each(|id| self.forget(id, at)),
        }
        Ok(())
    }
}
