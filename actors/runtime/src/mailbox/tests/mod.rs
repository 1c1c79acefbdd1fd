//! Tests of the mailbox against the inbox itself, with a waker that only counts.

mod bounds;
mod life;
mod order;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Batch, Inbox, MailboxConfig};
use crate::address::{Address, SendOptions};
use crate::clock::SystemClock;
use crate::dead_letters::{DeadLetters, DeadReason};
use crate::priority::Priority;
use crate::services::Services;

/// An inbox with its address, whose wakes and dead letters can be looked at.
struct Rig {
    inbox: Arc<Inbox<u32>>,
    address: Address<u32>,
    wakes: Arc<AtomicUsize>,
    letters: Arc<DeadLetters>,
}

impl Rig {
    /// An inbox that nobody has attached to.
    fn unattached(config: MailboxConfig) -> Self {
        let letters = Arc::new(DeadLetters::new(64));
        let services = Services::new(Arc::new(SystemClock), Arc::clone(&letters));
        let inbox = Inbox::new(config);
        inbox.bind("/rig".into(), Arc::new(services));
        let address = Address::of_inbox(Arc::clone(&inbox));
        Self { inbox, address, wakes: Arc::default(), letters }
    }

    fn attached(config: MailboxConfig) -> Self {
        let rig = Self::unattached(config);
        rig.attach();
        rig
    }

    fn attach(&self) {
        let wakes = Arc::clone(&self.wakes);
        self.inbox.attach(move || {
            wakes.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    fn dead(&self, reason: DeadReason) -> u64 {
        self.letters.count(reason)
    }

    /// Sends at `priority`; false when it was not accepted.
    fn put(&self, priority: Priority, message: u32) -> bool {
        let options = SendOptions::new().priority(priority);
        self.address.try_send_with(message, options).is_ok()
    }

    /// Sends until nothing more is accepted, and says how many were.
    fn fill(&self, priority: Priority) -> usize {
        (0..).take_while(|&message| self.put(priority, message)).count()
    }

    /// Handles everything that is queued, in batches, and says in which order.
    fn drain(&self) -> Vec<u32> {
        let mut handled = Vec::new();
        loop {
            let mut batch = self.inbox.take_batch();
            if batch.is_empty() {
                return handled;
            }
            handled.extend(rest(&mut batch));
            batch.finish();
        }
    }
}

/// Pops what is left of a batch.
fn rest(batch: &mut Batch<u32>) -> Vec<u32> {
    std::iter::from_fn(|| batch.pop().map(|delivery| delivery.message)).collect()
}

fn strict() -> MailboxConfig {
    MailboxConfig { fairness: 0, ..MailboxConfig::default() }
}
