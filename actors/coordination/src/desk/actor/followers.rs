//! Who waits for the next note of a conversation.

use std::collections::BTreeMap;

use synod_runtime::Reply;

use crate::desk::conversation::Conversation;
use crate::desk::error::DeskError;
use crate::desk::messages::HistoryPage;
use crate::protocol::{ConversationId, Protocol};

type Page = Result<HistoryPage, DeskError>;

struct Follower {
    ticket: u64,
    after: u64,
    reply: Reply<Page>,
}

/// Replies that are owed when something happens in a conversation.
#[derive(Default)]
pub(super) struct Followers {
    by_conversation: BTreeMap<ConversationId, Vec<Follower>>,
    count: usize,
    next: u64,
}

impl Followers {
    /// Lets one wait; gives its ticket, or the reply back when there are `most` already.
    pub(super) fn add(
        &mut self,
        id: ConversationId,
        after: u64,
        reply: Reply<Page>,
        most: usize,
    ) -> Result<u64, Reply<Page>> {
        if self.count >= most {
            self.prune();
        }
        if self.count >= most {
            return Err(reply);
        }
        self.count += 1;
        self.next += 1;
        let ticket = self.next;
        self.by_conversation.entry(id).or_default().push(Follower { ticket, after, reply });
        Ok(ticket)
    }

    /// The notes up to `last` are stored, or the conversation has ended: who waits for that learns
    /// so.
    pub(super) fn tell<P: Protocol>(
        &mut self,
        id: ConversationId,
        last: u64,
        ended: bool,
        conversation: Option<&Conversation<P>>,
    ) {
        self.answer(id, |follower| {
            if follower.after >= last && !ended {
                return None;
            }
            let page = conversation.map(|known| known.page(follower.after, last, usize::MAX));
            Some(page.map(|page| HistoryPage { ended, ..page }).ok_or(DeskError::Unknown))
        });
    }

    /// Answers those that wait for a conversation, as far as there is an answer.
    fn answer(&mut self, id: ConversationId, answer: impl Fn(&Follower) -> Option<Page>) {
        let Some(waiting) = self.by_conversation.remove(&id) else { return };
        let before = waiting.len();
        let mut rest = Vec::new();
        for follower in waiting {
            match answer(&follower) {
                Some(page) => follower.reply.send(page),
                None => rest.push(follower),
            }
        }
        self.count -= before - rest.len();
        if !rest.is_empty() {
            self.by_conversation.insert(id, rest);
        }
    }

    /// The time of one is over.
    pub(super) fn give_up(&mut self, id: ConversationId, ticket: u64) {
        self.answer(id, |follower| {
            let page = HistoryPage { last: follower.after, ..HistoryPage::default() };
            (follower.ticket == ticket).then_some(Ok(page))
        });
    }

    /// Tells those whose conversation is not there after all.
    pub(super) fn forsake(&mut self, is_known: impl Fn(ConversationId) -> bool) {
        let gone: Vec<_> =
            self.by_conversation.keys().copied().filter(|id| !is_known(*id)).collect();
        for id in gone {
            self.answer(id, |_| Some(Err(DeskError::Unknown)));
        }
    }

    /// Forgets those that have given up.
    fn prune(&mut self) {
        self.by_conversation.retain(|_, waiting| {
            waiting.retain(|follower| !follower.reply.is_closed());
            !waiting.is_empty()
        });
        self.count = self.by_conversation.values().map(Vec::len).sum();
    }
}
