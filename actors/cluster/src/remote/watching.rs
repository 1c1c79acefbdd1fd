//! Who watches whom: what becomes of an actor is told to other nodes. Pure but for listeners.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use synod_runtime::{ActorPath, ExitReason, LifecycleChange};

use super::desk::{RemoteName, Shared};
use super::offers::Receiver;
use crate::feed::{Listener, Reception};
use crate::node::NodeId;

/// News that wait for a listener without room; the oldest give way.
const WAITING: usize = 16;

/// What became of an actor that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MonitorNews {
    /// Its incarnation failed; its supervisor decides what follows.
    Crashed(ExitReason),
    /// It runs again.
    Restarted,
    /// It is gone for good; none when the reason was not seen. The watch is over.
    Ended(Option<ExitReason>),
    /// Its node can't be reached, or is down: nobody knows what became of it. The watch is over.
    NodeDown(String),
}

impl MonitorNews {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::NodeDown(_))
    }
}

/// A watch; it ends when it is dropped.
#[must_use = "dropped, it ends the watch"]
pub struct Watch {
    pub(super) desk: Arc<Shared>,
    pub(super) node: NodeId,
    pub(super) id: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.desk.unwatch(self.node, self.id);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("node", &self.node).field("id", &self.id).finish()
    }
}

/// Actors of other nodes that this one watches.
#[derive(Default)]
pub(super) struct Watching {
    last: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    name: RemoteName,
    listener: Listener<MonitorNews>,
    waiting: VecDeque<MonitorNews>,
}

impl Watching {
    /// Begins a watch; none when there are too many.
    pub(super) fn begin(
        &mut self,
        name: &RemoteName,
        listener: Listener<MonitorNews>,
        most: usize,
    ) -> Option<u64> {
        if self.open.len() >= most {
            return None;
        }
        self.last += 1;
        let open = Open { name: name.clone(), listener, waiting: VecDeque::new() };
        self.open.insert(self.last, open);
        Some(self.last)
    }

    /// Ends one.
    pub(super) fn end(&mut self, id: u64) -> bool {
        self.open.remove(&id).is_some()
    }

    /// The watches of actors of a node.
    pub(super) fn of(&self, node: NodeId) -> Vec<(u64, String)> {
        let of = self.open.iter().filter(|(_, open)| open.name.node == node);
        of.map(|(id, open)| (*id, open.name.name.clone())).collect()
    }

    /// Passes news on, of the node that has the actor alone.
    pub(super) fn tell(&mut self, from: NodeId, id: u64, news: MonitorNews) {
        let Some(open) = self.open.get_mut(&id).filter(|open| open.name.node == from) else {
            return;
        };
        if open.waiting.len() >= WAITING {
            open.waiting.pop_front();
        }
        open.waiting.push_back(news);
        self.deliver();
    }

    /// Gives listeners what waits for them. True when some still have no room.
    pub(super) fn deliver(&mut self) -> bool {
        let mut late = false;
        self.open.retain(|_, open| {
            while let Some(news) = open.waiting.front() {
                match open.listener.tell(news.clone()) {
                    Reception::Taken => {}
                    Reception::Gone => return false,
                    Reception::Full => {
                        late = true;
                        return true;
                    }
                }
                let told = open.waiting.pop_front();
                if told.is_some_and(|news| news.is_last()) {
                    return false;
                }
            }
            true
        });
        late
    }
}

/// Who watches an actor of this node: the node, and its number of the watch.
type Watcher = (NodeId, u64);

/// Actors of this node that others watch.
#[derive(Default)]
pub(super) struct Watched {
    actors: BTreeMap<ActorPath, Subject>,
    count: usize,
}

struct Subject {
    receiver: Arc<dyn Receiver>,
    watchers: BTreeSet<Watcher>,
    /// Why its last incarnation ended.
    reason: Option<ExitReason>,
}

/// News for a watcher.
pub(super) type ToTell = (Watcher, MonitorNews);

impl Watched {
    /// Notes a watcher; false when there are too many.
    pub(super) fn add(
        &mut self,
        receiver: Arc<dyn Receiver>,
        watcher: Watcher,
        most: usize,
    ) -> bool {
        if self.count >= most {
            return false;
        }
        let subject = self.actors.entry(receiver.path()).or_insert_with(|| Subject {
            receiver: Arc::clone(&receiver),
            watchers: BTreeSet::new(),
            reason: None,
        });
        self.count += usize::from(subject.watchers.insert(watcher));
        true
    }

    /// A watch is over.
    pub(super) fn remove(&mut self, watcher: Watcher) {
        self.keep(|one| *one != watcher);
    }

    /// A node can't be told anything any more.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.keep(|(watcher, _)| *watcher != node);
    }

    fn keep(&mut self, keep: impl Fn(&Watcher) -> bool) {
        self.actors.retain(|_, subject| {
            subject.watchers.retain(&keep);
            !subject.watchers.is_empty()
        });
        self.count = self.actors.values().map(|subject| subject.watchers.len()).sum();
    }

    /// Something happened to an actor: who is to be told what.
    pub(super) fn changed(&mut self, path: &ActorPath, change: LifecycleChange) -> Vec<ToTell> {
        let Some(subject) = self.actors.get_mut(path) else { return Vec::new() };
        let news = match change {
            LifecycleChange::Failed { reason } => {
                subject.reason = Some(reason.clone());
                MonitorNews::Crashed(reason)
            }
            LifecycleChange::Stopped { reason } | LifecycleChange::GaveUp { reason } => {
                subject.reason = Some(reason);
                return Vec::new();
            }
            LifecycleChange::Restarted { .. } => MonitorNews::Restarted,
            LifecycleChange::Ended => MonitorNews::Ended(subject.reason.take()),
            LifecycleChange::Started | LifecycleChange::Paused | LifecycleChange::Resumed => {
                return Vec::new();
            }
        };
        let told = subject.told(&news);
        if news.is_last() {
            self.drop_subject(path);
        }
        told
    }

    /// Changes were missed: tells of those that have ended meanwhile.
    pub(super) fn sweep(&mut self) -> Vec<ToTell> {
        let ended: Vec<_> =
            self.actors.iter().filter(|(_, one)| one.receiver.is_closed()).collect();
        let paths: Vec<_> = ended.iter().map(|(path, _)| (*path).clone()).collect();
        let told = ended
            .iter()
            .flat_map(|(_, subject)| subject.told(&MonitorNews::Ended(subject.reason.clone())))
            .collect();
        paths.iter().for_each(|path| self.drop_subject(path));
        told
    }

    fn drop_subject(&mut self, path: &ActorPath) {
        if let Some(subject) = self.actors.remove(path) {
            self.count -= subject.watchers.len();
        }
    }
}

impl Subject {
    fn told(&self, news: &MonitorNews) -> Vec<ToTell> {
        self.watchers.iter().map(|watcher| (*watcher, news.clone())).collect()
    }
}
