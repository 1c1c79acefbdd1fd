//! What waits for an append, and is done or taken back when that has an outcome.

use std::sync::Arc;

use synod_journal::Position;
use synod_runtime::{Context, Reply};

use super::Desk;
use super::commit::Failed;
use crate::desk::book::Change;
use crate::desk::conversation::Conversation;
use crate::desk::error::DeskError;
use crate::desk::messages::{ConversationPage, HistoryPage, Opened, Shown, Told};
use crate::protocol::{ConversationId, Dispatch, Moment, Protocol};

/// Something that waits for an append.
pub(super) enum Release<P: Protocol> {
    Opened(Reply<Result<Opened<P::View>, DeskError>>, Result<Opened<P::View>, DeskError>),
    Stepped(Reply<Result<P::Answer, DeskError>>, Result<P::Answer, DeskError>),
    Shown(Reply<Option<Shown<P::View>>>, Option<Shown<P::View>>),
    Listed(Reply<ConversationPage>, ConversationPage),
    History(Reply<Result<HistoryPage, DeskError>>, Result<HistoryPage, DeskError>),
    /// Notes for listeners and followers, dispatches for agents.
    Told(ConversationId, Box<Change>),
    /// What the book says once the append is stored: for a snapshot.
    Image(Moment, Vec<Arc<Conversation<P>>>),
}

impl<P: Protocol> Release<P> {
    /// Gives who waits the error instead. What was refused, or only shown, has changed nothing, so
    /// that much is known of it.
    pub(super) fn revoke(self, failed: &Failed) {
        let untouched = || DeskError::NotAccepting(failed.reason.clone());
        match self {
            Self::Opened(reply, Ok(_)) => reply.send(Err(failed.error())),
            Self::Opened(reply, Err(_)) => reply.send(Err(untouched())),
            Self::Stepped(reply, Ok(_)) => reply.send(Err(failed.error())),
            Self::Stepped(reply, Err(_)) => reply.send(Err(untouched())),
            Self::History(reply, _) => reply.send(Err(untouched())),
            // What they would have shown may not be so; the askers learn that they get no answer.
            Self::Shown(..) | Self::Listed(..) | Self::Told(..) | Self::Image(..) => {}
        }
    }
}

impl<P: Protocol> Desk<P> {
    /// Does what waited for an append that ends at `at`; for one that was not needed, `at` is none.
    pub(super) fn release_all(
        &mut self,
        releases: Vec<Release<P>>,
        at: Option<Position>,
        ctx: &mut Context<Self>,
    ) {
        for release in releases {
            match (release, at) {
                (Release::Told(id, change), _) => {
                    let dispatches = self.tell(id, *change);
                    self.dispatch_all(id, dispatches, ctx);
                }
                (Release::Image(last, image), Some(at)) => self.keep(at, last, image, ctx),
                (release, _) => release.answer(),
            }
        }
    }

    /// Tells listeners and followers of what happened, and gives what agents are to be told.
    pub(super) fn tell(&mut self, id: ConversationId, change: Change) -> Vec<Dispatch> {
        let Change { notes, dispatches, ended, last } = change;
        for note in notes {
            let told = Told { kind: P::KIND, conversation: id, note };
            (self.teller)(&told);
            self.listeners.retain_mut(|listener| listener.hear(&told));
        }
        self.followers.tell(id, last, ended, self.book.get(id));
        dispatches
    }
}

impl<P: Protocol> Release<P> {
    /// Answers who waits.
    pub(super) fn answer(self) {
        match self {
            Self::Opened(reply, result) => reply.send(result),
            Self::Stepped(reply, result) => reply.send(result),
            Self::Shown(reply, shown) => reply.send(shown),
            Self::Listed(reply, page) => reply.send(page),
            Self::History(reply, page) => reply.send(page),
            // Nobody waits for these.
            Self::Told(..) | Self::Image(..) => {}
        }
    }
}
