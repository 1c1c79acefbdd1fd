//! The system: one node's kernel. Two systems in one process share nothing.
//!
//! ```text
//!  /            guardian (dynamic): one for each system
//!  ├─ root      what System::start was given: a supervisor; its end is the caller's affair
//!  └─ probe     what System::spawn was given, supervised as its spec says
//! ```

mod config;
mod guardian;
mod root;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::actor::Actor;
use crate::address::Address;
use crate::cell::{Port, Signal, Watcher};
use crate::clock::{Clock, SystemClock};
use crate::dead_letters::DeadLetters;
use crate::directory::Directory;
use crate::entropy::{Entropy, OsEntropy};
use crate::exit::ExitReason;
use crate::interceptor::Interceptor;
use crate::lifecycle::Lines;
use crate::observation::{ActorSnapshot, Node, Progress};
use crate::path::ActorPath;
use crate::services::Services;
use crate::spec::{AnySpec, Birth, Role, Spec};
use crate::supervisor::{ChildKey, KILL_WAIT, SpawnError};

pub use config::SystemConfig;
use guardian::{Guardian, Roots};
pub use root::{RootHandle, StartError};

/// The system did not stop in order within the time it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// What was left has been killed, and has ended.
    #[error("killed what did not stop in time")]
    Killed,
    /// Something blocks its thread and still runs; the process has to end it.
    #[error("an actor did not even end when it was killed")]
    Abandoned,
}

/// One node's kernel; cheap to clone. It runs until [`System::stop`], not until it is dropped.
#[derive(Clone)]
pub struct System {
    shared: Arc<Shared>,
}

struct Shared {
    services: Arc<Services>,
    entropy: Arc<dyn Entropy>,
    directory: Directory,
    progress: Arc<Progress>,
    lines: Arc<Lines>,
    root: Arc<Node>,
    roots: Roots,
    guardian: OnceLock<Arc<Port>>,
    /// Why the guardian has ended, once it has.
    ended: watch::Receiver<Option<ExitReason>>,
    keys: AtomicU64,
    abandoned: AtomicU64,
}

/// Builds a [`System`].
#[derive(Default)]
#[must_use = "nothing runs until it is built"]
pub struct SystemBuilder {
    config: SystemConfig,
    clock: Option<Arc<dyn Clock>>,
    entropy: Option<Arc<dyn Entropy>>,
    interceptors: Vec<Arc<dyn Interceptor>>,
}

impl SystemBuilder {
    /// Its limits.
    pub fn config(mut self, config: SystemConfig) -> Self {
        self.config = config;
        self
    }

    /// Where time comes from. Default [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Where randomness comes from. Default [`OsEntropy`].
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Some(Arc::new(entropy));
        self
    }

    /// Adds an interceptor behind those already there.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Starts the system. Needs a tokio runtime around it.
    pub fn build(self) -> System {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let dead_letters = Arc::new(DeadLetters::new(self.config.dead_letters));
        let services = Arc::new(Services::new(clock, dead_letters));
        for interceptor in self.interceptors {
            services.interceptors.add(interceptor);
        }
        let entropy = self.entropy.unwrap_or_else(|| Arc::new(OsEntropy));
        System::launch(services, entropy)
    }
}

impl System {
    /// A system with the machine's clock and entropy. Needs a tokio runtime around it.
    #[must_use]
    pub fn new(config: SystemConfig) -> Self {
        Self::builder().config(config).build()
    }

    /// A system piece by piece.
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    fn launch(services: Arc<Services>, entropy: Arc<dyn Entropy>) -> Self {
        let roots = Roots::default();
        let guardian = Guardian::spec(Arc::clone(&roots)).into_role();
        let path = ActorPath::new("/");
        guardian.bind(path.clone(), Arc::clone(&services));
        let (kind, mailbox) = (guardian.kind(), guardian.mailbox());
        let root = Node::new(path, kind, ChildKey(0), Weak::new(), mailbox);
        let (end, ended) = watch::channel(None);
        let shared = Arc::new(Shared {
            services,
            entropy,
            directory: Directory::default(),
            progress: Arc::default(),
            lines: Arc::default(),
            root: Arc::clone(&root),
            roots,
            guardian: OnceLock::new(),
            ended,
            keys: AtomicU64::new(1),
            abandoned: AtomicU64::new(0),
        });
        let system = Self { shared };
        let birth = Birth {
            system: system.clone(),
            node: Arc::clone(&root),
            watcher: Watcher::System(end),
            above: None,
        };
        // The guardian's factory does not panic; without a guardian every spawn is refused.
        if let Ok(launched) = guardian.launch(birth) {
            root.launched(Arc::clone(&launched.port), system.clock().now());
            let _ = system.shared.guardian.set(launched.port);
        }
        system
    }

    /// Where the node's time comes from.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.shared.services.clock
    }

    /// Where the node's randomness comes from.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.shared.entropy
    }

    /// Names for addresses.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.shared.directory
    }

    /// What was not delivered or not handled.
    #[must_use]
    pub fn dead_letters(&self) -> &Arc<DeadLetters> {
        &self.shared.services.dead_letters
    }

    /// What the inboxes of the node share.
    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        &self.shared.services
    }

    /// The signs of life of all actors.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.shared.progress
    }

    /// How many actors did not end when they were killed, so far.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.shared.abandoned.load(Ordering::Relaxed)
    }

    /// The whole tree.
    #[must_use]
    pub fn observe(&self) -> ActorSnapshot {
        self.root().observe(self.clock().now(), usize::MAX, &mut usize::MAX.clone())
    }

    /// The actor at `path` with at most `limit` descendants, at most `depth` levels deep; none
    /// when there is no such actor.
    #[must_use]
    pub fn observe_under(
        &self,
        path: &ActorPath,
        depth: usize,
        limit: usize,
    ) -> Option<ActorSnapshot> {
        let node = Node::find(self.root(), path)?;
        Some(node.observe(self.clock().now(), depth, &mut limit.clone()))
    }

    /// Starts an actor of its own beside the root, supervised as its spec says: for tests, tools
    /// and what has no other home. Returns before its `start` has run.
    pub fn spawn<A: Actor>(&self, spec: Spec<A>) -> Result<Address<A::Message>, SpawnError> {
        let address = spec.address();
        self.spawn_any(spec.into())?;
        Ok(address)
    }

    /// Like [`System::spawn`], for an actor whose type is not known here.
    pub fn spawn_any(&self, spec: AnySpec) -> Result<(), SpawnError> {
        let role = spec.0;
        let node = self.settle_role(self.root(), &*role)?;
        let adopt = Signal::Adopt(role, Arc::clone(&node));
        if self.shared.guardian.get().is_some_and(|guardian| guardian.push(adopt)) {
            return Ok(());
        }
        self.root().release(&node);
        Err(SpawnError::Stopping)
    }

    /// Stops all actors in order: top-level ones at the same time, the children of each as its
    /// strategy says. What is left after `within` is killed.
    pub async fn stop(&self, within: Duration) -> Result<(), StopError> {
        let Some(guardian) = self.shared.guardian.get() else { return Ok(()) };
        let mut ended = self.shared.ended.clone();
        guardian.push(Signal::Stop);
        if timeout(within, ended.wait_for(Option::is_some)).await.is_ok() {
            return Ok(());
        }
        guardian.kill();
        match timeout(KILL_WAIT, ended.wait_for(Option::is_some)).await {
            Ok(_) => Err(StopError::Killed),
            Err(_) => Err(StopError::Abandoned),
        }
    }

    /// Waits until the system has ended, and says why.
    pub async fn ended(&self) -> ExitReason {
        let mut ended = self.shared.ended.clone();
        let reason = ended.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or(ExitReason::Killed)
    }

    pub(crate) fn lines(&self) -> &Arc<Lines> {
        &self.shared.lines
    }

    pub(crate) fn root(&self) -> &Arc<Node> {
        &self.shared.root
    }

    pub(crate) fn count_abandoned(&self) {
        self.shared.abandoned.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("synod_actors_abandoned_total").increment(1);
    }

    /// Gives a role its place in the tree below `parent`.
    pub(crate) fn settle_role(
        &self,
        parent: &Arc<Node>,
        role: &dyn Role,
    ) -> Result<Arc<Node>, SpawnError> {
        let name = role.name();
        if name.is_empty() || name.contains('/') {
            return Err(SpawnError::InvalidName(Arc::clone(name)));
        }
        let path = parent.path().child(name);
        let key = ChildKey(self.shared.keys.fetch_add(1, Ordering::Relaxed));
        let above = Arc::downgrade(parent);
        let node = Node::new(path.clone(), role.kind(), key, above, role.mailbox());
        if !parent.adopt(&node) {
            return Err(SpawnError::NameTaken(path));
        }
        role.bind(path, Arc::clone(self.services()));
        Ok(node)
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("abandoned", &self.abandoned()).finish_non_exhaustive()
    }
}
