//! Who is told of changes. A listener without room misses changes and is told everything anew
//! instead, so nothing is queued for it here.

use std::fmt;

use synod_runtime::{Address, Priority, SendOptions, TrySendError};

/// Most listeners of one feed; they are parts of the node, not users.
const MAX_LISTENERS: usize = 256;

/// What became of a change that was given to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// It has it.
    Taken,
    /// It had no room, and needs to be told everything anew.
    Full,
    /// It has ended for good.
    Gone,
}

/// Where changes go: a mailbox, seen through a function that never waits.
pub struct Listener<C>(Box<dyn Fn(C) -> Reception + Send>);

impl<C: 'static> Listener<C> {
    /// A listener of one's own making; `deliver` must not block.
    pub fn new(deliver: impl Fn(C) -> Reception + Send + 'static) -> Self {
        Self(Box::new(deliver))
    }

    /// Sends every change to `address`, as `map` makes it a message of that actor. All with one
    /// priority, so that no change overtakes the one before it.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(C) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        let options = SendOptions::new().priority(Priority::High);
        Self::new(move |change| match address.try_send_with(map(change), options.clone()) {
            Ok(()) => Reception::Taken,
            Err(TrySendError::Full(_) | TrySendError::Refused(..)) => Reception::Full,
            Err(TrySendError::Closed(_)) => Reception::Gone,
        })
    }
}

impl<C> Listener<C> {
    /// Tells a change.
    pub(crate) fn tell(&self, change: C) -> Reception {
        (self.0)(change)
    }
}

impl<C> fmt::Debug for Listener<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// All listeners of one feed.
#[derive(Debug)]
pub(crate) struct Listeners<C> {
    all: Vec<Told<C>>,
}

#[derive(Debug)]
struct Told<C> {
    listener: Listener<C>,
    /// It misses something and is to be told everything.
    behind: bool,
}

impl<C> Default for Listeners<C> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<C: Clone> Listeners<C> {
    /// Takes in a listener; it is told all there is when it next catches up.
    pub(crate) fn add(&mut self, listener: Listener<C>) {
        if self.all.len() >= MAX_LISTENERS {
            return tracing::warn!(MAX_LISTENERS, "one more listener of the cluster is not told");
        }
        self.all.push(Told { listener, behind: true });
    }

    /// Everyone is to be told everything: what changed was not seen here.
    pub(crate) fn lost_touch(&mut self) {
        self.all.iter_mut().for_each(|told| told.behind = true);
    }

    /// Tells those that know all that came before.
    pub(crate) fn publish(&mut self, change: &C) {
        self.all.retain_mut(|told| {
            if told.behind {
                return true;
            }
            let reception = (told.listener.0)(change.clone());
            told.behind = reception == Reception::Full;
            reception != Reception::Gone
        });
    }

    /// Tells everything, which `snapshot` makes, to those that miss something. True when someone
    /// still had no room: try again later.
    pub(crate) fn catch_up(&mut self, snapshot: impl FnOnce() -> C) -> bool {
        if self.all.iter().all(|told| !told.behind) {
            return false;
        }
        let snapshot = snapshot();
        self.all.retain_mut(|told| {
            if !told.behind {
                return true;
            }
            let reception = (told.listener.0)(snapshot.clone());
            told.behind = reception == Reception::Full;
            reception != Reception::Gone
        });
        self.all.iter().any(|told| told.behind)
    }
}

#[cfg(test)]
mod tests {
    use synod_runtime::MailboxConfig;
    use synod_testkit::Probe;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_without_room_is_told_everything_later() {
        let probe = Probe::with_mailbox(MailboxConfig::bounded(2));
        let mut listeners = Listeners::default();
        listeners.add(Listener::to(&probe.address(), |number: u32| number));
        assert!(!listeners.catch_up(|| 100));
        for number in 1..=5 {
            listeners.publish(&number);
        }
        assert!(listeners.catch_up(|| 101), "still no room");
        assert_eq!(probe.expect().await, 100);
        while probe.next(std::time::Duration::from_millis(1)).await.is_some() {}
        assert!(!listeners.catch_up(|| 102));
        assert_eq!(probe.expect().await, 102);
        drop(probe);
        listeners.publish(&6);
        assert!(listeners.all.is_empty(), "who has ended is told no more");
    }
}
