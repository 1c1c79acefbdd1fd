//! The spec of an actor: how to make it, and how it is to be supervised. It owns the role: the
//! mailbox lives as long as the spec, through every incarnation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::actor::Actor;
use crate::address::Address;
use crate::cell::{Launched, Presence, Watcher, launch};
use crate::context::{Context, Site};
use crate::exit::panic_text;
use crate::mailbox::{Inbox, MailboxConfig};
use crate::observation::{Mailbox, Node};
use crate::path::ActorPath;
use crate::services::Services;
use crate::supervisor::{Backoff, ChildPolicy, Restart, Shutdown, Supervision, Terms};
use crate::system::System;

/// Default of [`Spec::start_timeout`].
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How to make an actor and how to supervise it. One spec is one role: one name, one mailbox,
/// one address, however often it is restarted.
pub struct Spec<A: Actor> {
    name: Arc<str>,
    factory: Box<dyn FnMut() -> A + Send>,
    inbox: Arc<Inbox<A::Message>>,
    policy: ChildPolicy,
    supervision: Supervision,
}

impl<A: Actor> Spec<A> {
    /// A permanent actor with the default limits. `factory` makes each incarnation; it runs on
    /// the supervisor's turn, so what takes time belongs into [`Actor::start`].
    ///
    /// The name is unique among its siblings, not empty and without `/`; spawning checks it.
    pub fn new(name: impl Into<Arc<str>>, factory: impl FnMut() -> A + Send + 'static) -> Self {
        Self {
            name: name.into(),
            factory: Box::new(factory),
            inbox: Inbox::new(MailboxConfig::default()),
            policy: ChildPolicy {
                restart: Restart::default(),
                shutdown: Shutdown::default(),
                start_timeout: START_TIMEOUT,
                backoff: Backoff::default(),
            },
            supervision: Supervision::default(),
        }
    }

    /// Another mailbox. To be called before [`Spec::address`]: addresses of the former mailbox
    /// are closed.
    #[must_use]
    pub fn mailbox(mut self, config: MailboxConfig) -> Self {
        let former = std::mem::replace(&mut self.inbox, Inbox::new(config));
        former.close();
        self
    }

    /// When it is started again. Default [`Restart::Permanent`].
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.policy.restart = restart;
        self
    }

    /// How it is asked to end. Default within five seconds.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.policy.shutdown = shutdown;
        self
    }

    /// How long its `start`, and the starts of the children it spawns there, may take before it
    /// is killed and counted as failed. Default ten seconds.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.policy.start_timeout = timeout;
        self
    }

    /// The waits between its restarts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// How it supervises its own children.
    #[must_use]
    pub fn supervision(mut self, supervision: Supervision) -> Self {
        self.supervision = supervision;
        self
    }

    /// Its name among its siblings.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its address, valid from now on: what is sent before the start waits in the mailbox.
    #[must_use]
    pub fn address(&self) -> Address<A::Message> {
        Address::of_inbox(Arc::clone(&self.inbox))
    }

    pub(crate) fn into_role(self) -> Arc<dyn Role> {
        Arc::new(RoleOf::<A> {
            name: self.name,
            factory: Mutex::new(self.factory),
            inbox: self.inbox,
            terms: Terms::new(self.policy, self.supervision),
        })
    }
}

impl<A: Actor> std::fmt::Debug for Spec<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("kind", &A::KIND)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A spec of any actor, for supervisors whose children differ.
pub struct AnySpec(pub(crate) Arc<dyn Role>);

impl AnySpec {
    /// Its name among its siblings.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        self.0.name()
    }
}

impl<A: Actor> From<Spec<A>> for AnySpec {
    fn from(spec: Spec<A>) -> Self {
        Self(spec.into_role())
    }
}

impl std::fmt::Debug for AnySpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AnySpec").field(self.name()).finish()
    }
}

/// What a supervisor needs of a child's spec.
pub(crate) trait Role: Send + Sync {
    fn kind(&self) -> &'static str;
    fn name(&self) -> &Arc<str>;
    fn terms(&self) -> &Terms;
    fn mailbox(&self) -> Arc<dyn Mailbox>;
    /// Gives the mailbox its place in the node; only the first place counts.
    fn bind(&self, path: ActorPath, services: Arc<Services>);
    /// Lets the mailbox accept messages, also after it was closed.
    fn open(&self);
    /// Ends the mailbox: its queue becomes dead letters.
    fn close(&self);
    /// Starts an incarnation; the error is the panic of the factory.
    fn launch(&self, birth: Birth) -> Result<Launched, String>;
}

/// What an incarnation is born into.
pub(crate) struct Birth {
    pub(crate) system: System,
    pub(crate) node: Arc<Node>,
    pub(crate) watcher: Watcher,
    /// The parent's presence; none for the root.
    pub(crate) above: Option<Arc<Presence>>,
}

struct RoleOf<A: Actor> {
    name: Arc<str>,
    factory: Mutex<Box<dyn FnMut() -> A + Send>>,
    inbox: Arc<Inbox<A::Message>>,
    terms: Terms,
}

impl<A: Actor> Role for RoleOf<A> {
    fn kind(&self) -> &'static str {
        A::KIND
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn mailbox(&self) -> Arc<dyn Mailbox> {
        Arc::clone(&self.inbox) as Arc<dyn Mailbox>
    }

    fn bind(&self, path: ActorPath, services: Arc<Services>) {
        // Bound before when a supervisor that keeps its children's specs was restarted.
        let _ = self.inbox.bind(path, services);
    }

    fn open(&self) {
        self.inbox.reopen();
    }

    fn close(&self) {
        self.inbox.close();
    }

    fn launch(&self, birth: Birth) -> Result<Launched, String> {
        let made = {
            let mut factory = self.factory.lock();
            catch_unwind(AssertUnwindSafe(&mut *factory))
        };
        let actor = made.map_err(|panic| panic_text(&*panic))?;
        let site = Site::new(birth);
        let context = Context::new(Arc::clone(&self.inbox), site, self.terms.supervision());
        Ok(launch(actor, context))
    }
}

impl<A: Actor> Drop for RoleOf<A> {
    /// Nobody can start the role again.
    fn drop(&mut self) {
        self.inbox.close();
    }
}
