//! One actor's place in the tree: its vitals, its children, and the way to control it.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::snapshot::{ActorSnapshot, ActorState};
use crate::cell::Port;
use crate::exit::ExitReason;
use crate::mailbox::Inbox;
use crate::path::ActorPath;
use crate::priority::Priority;
use crate::supervisor::ChildKey;

/// What the tree needs of an inbox, whatever its messages are.
pub(crate) trait Mailbox: Send + Sync {
    fn lanes(&self) -> [usize; Priority::COUNT];
    fn processed(&self) -> u64;
    fn pause(&self);
    fn resume(&self);
}

impl<M: Send + 'static> Mailbox for Inbox<M> {
    fn lanes(&self) -> [usize; Priority::COUNT] {
        self.lane_depths()
    }

    fn processed(&self) -> u64 {
        Inbox::processed(self)
    }

    fn pause(&self) {
        Inbox::pause(self);
    }

    fn resume(&self) {
        Inbox::resume(self);
    }
}

/// The vitals of a role. Written by its cell and its supervisor with plain stores, read by
/// observers without disturbing either.
pub(crate) struct Node {
    path: ActorPath,
    kind: &'static str,
    key: ChildKey,
    parent: Weak<Node>,
    mailbox: Arc<dyn Mailbox>,
    children: RwLock<BTreeSet<ByName>>,
    state: AtomicU8,
    paused: AtomicBool,
    /// It has names in the directory.
    named: AtomicBool,
    restarts: AtomicU32,
    /// Of the current incarnation.
    busy_ns: AtomicU64,
    present: Mutex<Present>,
}

/// What changes seldom.
#[derive(Default)]
struct Present {
    /// Control side of the current incarnation.
    port: Option<Arc<Port>>,
    started: Option<Instant>,
    texts: Option<Box<Texts>>,
}

/// What few actors have.
#[derive(Default)]
struct Texts {
    last_error: Option<ExitReason>,
    detail: Option<String>,
}

/// A child in the set of its siblings: known by the last name of its path.
struct ByName(Arc<Node>);

impl ByName {
    fn name(&self) -> &str {
        self.0.path.name()
    }
}

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Order {
        self.name().cmp(other.name())
    }
}

impl Node {
    /// The node of a role that has not started. `parent` is dangling for the root.
    pub(crate) fn new(
        path: ActorPath,
        kind: &'static str,
        key: ChildKey,
        parent: Weak<Self>,
        mailbox: Arc<dyn Mailbox>,
    ) -> Arc<Self> {
        Arc::new(Self {
            path,
            kind,
            key,
            parent,
            mailbox,
            children: RwLock::default(),
            state: AtomicU8::new(ActorState::Starting as u8),
            paused: AtomicBool::new(false),
            named: AtomicBool::new(false),
            restarts: AtomicU32::new(0),
            busy_ns: AtomicU64::new(0),
            present: Mutex::default(),
        })
    }

    pub(crate) fn path(&self) -> &ActorPath {
        &self.path
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn key(&self) -> ChildKey {
        self.key
    }

    pub(crate) fn parent(&self) -> Option<Arc<Self>> {
        self.parent.upgrade()
    }

    /// Puts a child into the tree; false when its name is taken.
    pub(crate) fn adopt(&self, child: &Arc<Self>) -> bool {
        self.children.write().insert(ByName(Arc::clone(child)))
    }

    /// Takes `child` out of the tree, unless another one has its name by now.
    pub(crate) fn release(&self, child: &Arc<Self>) {
        let mut children = self.children.write();
        let name = child.path.name();
        if children.get(name).is_some_and(|known| Arc::ptr_eq(&known.0, child)) {
            children.remove(name);
        }
    }

    /// Takes all children out of the tree: their parent's incarnation is gone.
    pub(crate) fn release_all(&self) -> Vec<Arc<Self>> {
        let mut children = self.children.write();
        let orphans = children.iter().map(|child| Arc::clone(&child.0)).collect();
        children.clear();
        orphans
    }

    pub(crate) fn child(&self, name: &str) -> Option<Arc<Self>> {
        self.children.read().get(name).map(|child| Arc::clone(&child.0))
    }

    /// The node of a path, seen from the root.
    pub(crate) fn find(root: &Arc<Self>, path: &ActorPath) -> Option<Arc<Self>> {
        let names = path.as_str().split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(Arc::clone(root), |node, name| node.child(name))
    }

    pub(crate) fn port(&self) -> Option<Arc<Port>> {
        self.present.lock().port.clone()
    }

    /// A new incarnation has been launched.
    pub(crate) fn launched(&self, port: Arc<Port>, now: Instant) {
        self.busy_ns.store(0, Ordering::Relaxed);
        let mut present = self.present.lock();
        present.port = Some(port);
        present.started = Some(now);
        if let Some(texts) = &mut present.texts {
            texts.detail = None;
        }
    }

    /// The current incarnation has ended.
    pub(crate) fn ended(&self, reason: &ExitReason) {
        let mut present = self.present.lock();
        present.port = None;
        present.started = None;
        if !reason.is_normal() {
            present.texts.get_or_insert_default().last_error = Some(reason.clone());
        }
    }

    pub(crate) fn set_state(&self, state: ActorState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Something that the actor keeps was started again.
    pub(crate) fn restarted_outside(&self, reason: ExitReason) {
        self.count_restart();
        self.present.lock().texts.get_or_insert_default().last_error = Some(reason);
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn add_busy(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = self.busy_ns.load(Ordering::Relaxed); // its cell is the only writer
        self.busy_ns.store(before.saturating_add(nanos), Ordering::Relaxed);
    }

    pub(crate) fn describe(&self, detail: String) {
        self.present.lock().texts.get_or_insert_default().detail = Some(detail);
    }

    pub(crate) fn mark_named(&self) {
        self.named.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_named(&self) -> bool {
        self.named.load(Ordering::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// False when it was paused before.
    pub(crate) fn pause(&self) -> bool {
        let was_paused = self.paused.swap(true, Ordering::Relaxed);
        self.mailbox.pause();
        !was_paused
    }

    /// False when it was not paused.
    pub(crate) fn resume(&self) -> bool {
        let was_paused = self.paused.swap(false, Ordering::Relaxed);
        self.mailbox.resume();
        was_paused
    }

    /// The state as it is shown.
    pub(crate) fn state(&self) -> ActorState {
        match ActorState::from_u8(self.state.load(Ordering::Relaxed)) {
            ActorState::Running if self.is_paused() => ActorState::Paused,
            state => state,
        }
    }

    /// This actor and at most `limit` descendants, at most `depth` levels deep.
    pub(crate) fn observe(&self, now: Instant, depth: usize, limit: &mut usize) -> ActorSnapshot {
        let (up, last_error, detail) = {
            let present = self.present.lock();
            let since = |at| now.saturating_duration_since(at);
            let up = present.started.map_or(Duration::ZERO, since);
            let texts = present.texts.as_ref();
            let last_error = texts.and_then(|texts| texts.last_error.clone());
            (up, last_error, texts.and_then(|texts| texts.detail.clone()))
        };
        let busy = Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed));
        let ratio = if up.is_zero() { 0.0 } else { busy.as_secs_f64() / up.as_secs_f64() };
        let (child_count, shown) = self.shown_children(if depth == 0 { 0 } else { *limit });
        *limit -= shown.len();
        let children = shown.iter().map(|child| child.observe(now, depth - 1, limit)).collect();
        ActorSnapshot {
            path: self.path.clone(),
            kind: self.kind.to_owned(),
            state: self.state(),
            restarts: self.restarts(),
            lanes: self.mailbox.lanes(),
            processed: self.mailbox.processed(),
            busy_ratio: ratio.min(1.0),
            last_error,
            uptime_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
            detail,
            child_count,
            children,
        }
    }

    /// How many children there are, and the first of them.
    fn shown_children(&self, most: usize) -> (usize, Vec<Arc<Self>>) {
        let children = self.children.read();
        let shown = children.iter().take(most).map(|child| Arc::clone(&child.0));
        (children.len(), shown.collect())
    }
}
