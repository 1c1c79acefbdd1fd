//! The inbox: where an actor's messages are, whether an incarnation of it runs or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::batch::Batch;
use super::config::MailboxConfig;
use super::envelope::Header;
use super::state::{Aftermath, State, Taken, Tally};
use super::waiting::Admitted;
use crate::dead_letters::DeadReason;
use crate::error::SendError;
use crate::metadata::Metadata;
use crate::path::ActorPath;
use crate::priority::Priority;
use crate::services::Services;

/// Tells the inboxes of this process apart; never used twice, never the same in another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId(u64);

impl InboxId {
    /// An id that nobody has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The mailbox of one actor, shared by its address, its permits and its incarnations.
pub struct Inbox<M> {
    id: InboxId,
    /// None for the defaults: most actors have them, and there may be many actors.
    config: Option<Box<MailboxConfig>>,
    pub(super) binding: OnceLock<Binding>,
    state: Mutex<State<M>>,
}

/// Where the inbox hangs in its node; set once, when its actor is spawned for the first time.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) path: ActorPath,
    pub(super) services: Arc<Services>,
}

impl<M> Inbox<M> {
    /// An empty inbox that accepts messages at once and keeps them until an actor attaches.
    ///
    /// A configuration that does not validate is brought to the nearest values that do.
    #[must_use]
    pub fn new(config: MailboxConfig) -> Arc<Self> {
        let config = config.clamped();
        Arc::new(Self {
            id: InboxId::next(),
            state: Mutex::new(State::new(&config)),
            config: (config != MailboxConfig::DEFAULT).then(|| Box::new(config)),
            binding: OnceLock::new(),
        })
    }

    /// Gives the inbox its place in a node. Only the first call counts; false for any other.
    pub fn bind(&self, path: ActorPath, services: Arc<Services>) -> bool {
        self.binding.set(Binding { path, services }).is_ok()
    }

    /// Tells the inboxes of this process apart.
    #[must_use]
    pub fn id(&self) -> InboxId {
        self.id
    }

    /// Its limits.
    #[must_use]
    #[inline]
    pub fn config(&self) -> &MailboxConfig {
        const DEFAULT: &MailboxConfig = &MailboxConfig::DEFAULT;
        self.config.as_deref().unwrap_or(DEFAULT)
    }

    /// Whose inbox it is; `(unbound)` before its actor has been spawned.
    #[must_use]
    pub fn path(&self) -> ActorPath {
        let bound = self.binding.get().map(|binding| binding.path.clone());
        bound.unwrap_or_else(|| ActorPath::new("(unbound)"))
    }

    /// The services of its node, once bound.
    #[must_use]
    pub fn services(&self) -> Option<&Arc<Services>> {
        self.binding.get().map(|binding| &binding.services)
    }

    /// An incarnation is ready: `waker` is called once per batch, at once when messages wait.
    pub fn attach(&self, waker: impl Fn() + Send + Sync + 'static) {
        let wake = self.lock().attach(Arc::new(waker));
        if let Some(wake) = wake {
            wake();
        }
    }

    /// The incarnation is gone; what is queued waits for the next one.
    pub fn detach(&self) {
        let (waker, admitted) = self.lock().detach();
        // The waker may own the last reference to its cell: dropped after the lock.
        drop(waker);
        welcome(admitted);
    }

    /// The actor has ended for good: what is queued becomes dead letters, senders that wait are
    /// let go, and nothing is accepted any more.
    pub fn close(&self) {
        let closing = self.lock().close();
        for envelope in closing.queued {
            self.bury(envelope.message, &envelope.header, DeadReason::Closed);
        }
        for (envelope, admitted) in closing.waiting {
            drop(envelope);
            // The sender may have given up meanwhile; then nobody needs to know.
            let _ = admitted.send(Err(SendError::Closed));
        }
        drop(closing.waker);
    }

    /// The role is taken up again after it was closed: messages are accepted as before.
    pub fn reopen(&self) {
        self.lock().closed = false;
    }

    /// Whether the actor has ended for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Hands out no messages until [`Inbox::resume`]; a batch in hand is not affected.
    pub fn pause(&self) {
        let admitted = self.lock().pause();
        welcome(admitted);
    }

    /// Hands out messages again.
    pub fn resume(&self) {
        let wake = self.lock().resume();
        if let Some(wake) = wake {
            wake();
        }
    }

    /// Takes the next messages; an empty batch when paused, detached, or while another batch of
    /// the same inbox is in hand.
    #[must_use]
    pub fn take_batch(&self) -> Batch<'_, M> {
        let taken = self.lock().take(self.config());
        Batch::new(self, taken)
    }

    /// Messages in each lane, the most urgent first; those of a batch in hand are among them
    /// until it ends.
    #[must_use]
    pub fn lane_depths(&self) -> [usize; Priority::COUNT] {
        self.lock().queued()
    }

    /// Messages that count against the limits: queued or in hand, within the bound or in slots,
    /// and slots reserved but not yet used.
    #[must_use]
    pub fn depth(&self) -> usize {
        let state = self.lock();
        state.room.held() + state.room.slots()
    }

    /// Messages handed to the actor since the inbox was made, up to the end of its last batch.
    #[must_use]
    pub fn processed(&self) -> u64 {
        self.lock().processed
    }

    /// Senders that wait for room.
    #[must_use]
    pub fn waiting_senders(&self) -> usize {
        self.lock().waiting_senders()
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock()
    }

    /// The node's time.
    pub(crate) fn now(&self) -> Instant {
        self.services().map_or_else(Instant::now, |services| services.clock.now())
    }

    /// Tells of a message that is not handled, and drops it.
    #[cold]
    pub(crate) fn bury(&self, message: M, header: &Header, reason: DeadReason) {
        self.tell_dead(&header.metadata(), reason);
        drop(message);
    }

    pub(super) fn tell_dead(&self, metadata: &Metadata, reason: DeadReason) {
        if let Some(Binding { path, services }) = self.binding.get() {
            services.dead_letters.record(path, metadata, reason, services.clock.utc());
        }
    }

    pub(super) fn give_back(&self, taken: Taken<M>, tally: &Tally) {
        let aftermath = self.lock().give_back(taken, tally);
        self.settle(aftermath);
    }

    /// Takes a batch back and hands out the next one.
    pub(super) fn exchange(&self, taken: Taken<M>, tally: &Tally) -> Option<Taken<M>> {
        let (aftermath, next) = self.lock().exchange(taken, tally, self.config());
        self.settle(aftermath);
        next
    }

    fn settle(&self, aftermath: Aftermath<M>) {
        if let Some(wake) = aftermath.wake {
            wake();
        }
        welcome(aftermath.admitted);
        for envelope in aftermath.undeliverable {
            self.bury(envelope.message, &envelope.header, DeadReason::Closed);
        }
    }
}

/// Tells senders that wait that their messages are in.
fn welcome(admitted: Vec<Admitted>) {
    for sender in admitted {
        // It may have gone after its message was admitted; the message stays.
        let _ = sender.send(Ok(()));
    }
}

impl<M> std::fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("id", &self.id).field("path", &self.path()).finish()
    }
}
