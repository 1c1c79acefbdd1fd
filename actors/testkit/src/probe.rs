//! A probe: an address whose messages are awaited by the test instead of an actor.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    ActorPath, Address, DeadLetters, Delivery, Inbox, MailboxConfig, Services, SystemClock,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long [`Probe::expect`] waits; a test that needs longer says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes messages for a test. Dropped, its address is that of an actor that has ended.
#[derive(Debug)]
pub struct Probe<M> {
    inbox: Arc<Inbox<M>>,
    bell: Arc<Notify>,
    dead_letters: Arc<DeadLetters>,
}

impl<M: Send + 'static> Probe<M> {
    /// A probe at `/probe` with a roomy mailbox.
    #[must_use]
    pub fn new() -> Self {
        Self::with_mailbox(MailboxConfig::bounded(1 << 16))
    }

    /// A probe with a mailbox of this configuration: for tests of full receivers.
    #[must_use]
    pub fn with_mailbox(config: MailboxConfig) -> Self {
        let dead_letters = Arc::new(DeadLetters::new(64));
        let services = Services::new(Arc::new(SystemClock), Arc::clone(&dead_letters));
        let inbox = Inbox::new(config);
        inbox.bind(ActorPath::new("/probe"), Arc::new(services));
        let bell = Arc::new(Notify::new());
        let ringer = Arc::clone(&bell);
        inbox.attach(move || ringer.notify_one());
        Self { inbox, bell, dead_letters }
    }

    /// Where to send for this probe.
    #[must_use]
    pub fn address(&self) -> Address<M> {
        Address::of_inbox(Arc::clone(&self.inbox))
    }

    /// What was sent here and not delivered.
    #[must_use]
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// The next message, or none when there is none `within` this time.
    pub async fn next(&self, within: Duration) -> Option<M> {
        self.next_delivery(within).await.map(|delivery| delivery.message)
    }

    /// The next message with its metadata, or none when there is none `within` this time.
    pub async fn next_delivery(&self, within: Duration) -> Option<Delivery<M>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(delivery) = self.take() {
                return Some(delivery);
            }
            if timeout_at(deadline, self.bell.notified()).await.is_err() {
                return self.take();
            }
        }
    }

    /// The next message; the test fails where it called this when none comes within 5 seconds.
    #[track_caller]
    pub fn expect(&self) -> impl Future<Output = M> + use<'_, M> {
        let caller = Location::caller();
        async move {
            match self.next(PATIENCE).await {
                Some(message) => message,
                None => panic!("{caller}: no message within {PATIENCE:?}"),
            }
        }
    }

    /// The test fails where it called this when a message comes `within` this time.
    #[track_caller]
    pub fn expect_none(&self, within: Duration) -> impl Future<Output = ()> + use<'_, M>
    where
        M: Debug,
    {
        let caller = Location::caller();
        async move {
            if let Some(message) = self.next(within).await {
                panic!("{caller}: unexpected {message:?}");
            }
        }
    }

    fn take(&self) -> Option<Delivery<M>> {
        self.inbox.take_batch().pop()
    }
}

impl<M: Send + 'static> Default for Probe<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Drop for Probe<M> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

#[cfg(test)]
mod tests {
    use synod_runtime::TrySendError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_awaits_what_is_sent_to_it() {
        let probe = Probe::new();
        let address = probe.address();
        tokio::spawn(async move {
            for number in 0..3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                address.send(number).await.unwrap();
            }
        });
        for number in 0..3 {
            assert_eq!(probe.expect().await, number);
        }
        probe.expect_none(Duration::from_secs(60)).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "unexpected 7")]
    async fn a_message_that_should_not_come_fails_the_test() {
        let probe = Probe::new();
        probe.address().try_send(7).unwrap();
        probe.expect_none(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_probe_is_a_receiver_that_has_ended() {
        let address = Probe::<u32>::new().address();
        assert!(matches!(address.try_send(1), Err(TrySendError::Closed(1))));
    }
}
