//! Draining and stopping: no conversation is opened any more, and what was taken is stored.

use synod_runtime::{Context, Request};

use super::Desk;
use super::commit::append_options;
use super::queue::Entry;
use super::release::Release;
use crate::desk::messages::{DeskDrained, DrainDesk};
use crate::desk::records::EntryV1;
use crate::protocol::Protocol;

impl<P: Protocol> Desk<P> {
    pub(super) fn on_drain(&mut self, request: Request<DrainDesk>) {
        let (_, reply) = request.into_parts();
        self.drain.get_or_insert_default().push(reply);
    }

    /// Says so once everything is stored. While the journal takes nothing, there is nothing to wait
    /// for.
    pub(super) fn check_drained(&mut self) {
        let idle = self.flight.is_none() && self.queue.is_empty();
        if !idle && self.refusal.is_none() {
            return;
        }
        let drained = DeskDrained { open: self.book.open_count() };
        for reply in self.drain.iter_mut().flat_map(|waiting| waiting.drain(..)) {
            reply.send(drained);
        }
    }

    /// Before the end: waits until all that was taken is stored, and answers who waits for it.
    pub(super) async fn part(&mut self, ctx: &mut Context<Self>) {
        let Some(stream) = self.stream else { return };
        if self.refusal.is_some() || (self.flight.is_none() && self.queue.is_empty()) {
            return;
        }
        // The append under way is answered to nobody any more. One behind it that builds on it is
        // stored only if it is.
        let mut releases = Vec::new();
        if let Some(flight) = self.flight.take() {
            self.head.version += flight.count();
            releases.extend(flight.releases);
        }
        let at = self.now(ctx);
        self.gather_entry(EntryV1::Began { at }, Vec::new());
        while let Some(Entry { records, releases: more }) = self.pack() {
            releases.extend(more);
            let append = self.append_of(stream, records.clone());
            let within = self.journal_timeout();
            match self.journal.ask_with(append, within, append_options()).await {
                Ok(Ok(committed)) => self.stored(&records, committed),
                outcome => {
                    return tracing::warn!(?outcome, "the last inputs of a desk were not stored");
                }
            }
            for release in releases.drain(..) {
                match release {
                    Release::Told(id, change) => drop(self.tell(id, *change)),
                    release => release.answer(),
                }
            }
        }
    }
}
