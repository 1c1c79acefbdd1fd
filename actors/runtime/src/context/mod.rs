//! What an actor can do while it handles something: know where it is, set timers, let tasks
//! work for it, have children, ask for its own end.

mod tasks;
mod timers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::{Actor, ChildEvent};
use crate::address::Address;
use crate::cell::{Alarm, ChildNews, Port, Presence};
use crate::clock::after;
use crate::dead_letters::DeadReason;
use crate::directory::NameTaken;
use crate::error::SendError;
use crate::exit::ExitReason;
use crate::lifecycle::LifecycleChange;
use crate::mailbox::{Batch, Inbox};
use crate::metadata::Metadata;
use crate::observation::{ActorState, Node, ProgressSlot};
use crate::path::ActorPath;
use crate::scope::Scope;
use crate::spec::{AnySpec, Birth, Role, Spec};
use crate::supervisor::{ChildKey, ChildStatus, Children, Input, SpawnError, Supervision};
use crate::system::System;

use tasks::Tasks;
pub use tasks::{TaskFailure, TaskKey};
pub use timers::TimerKey;
use timers::Timers;

/// Where an incarnation stands. The presence is the last field: let go of last.
pub(crate) struct Site {
    pub(crate) system: System,
    pub(crate) node: Arc<Node>,
    pub(crate) port: Arc<Port>,
    pub(crate) presence: Arc<Presence>,
}

impl Site {
    pub(crate) fn new(birth: Birth) -> Self {
        Self {
            system: birth.system,
            node: birth.node,
            port: Arc::new(Port::default()),
            presence: Presence::new(birth.watcher, birth.above),
        }
    }
}

/// An incarnation's view of its node, and what it owns beside its own value. All of it dies with
/// the incarnation: timers, tasks, children.
pub struct Context<A: Actor> {
    pub(crate) inbox: Arc<Inbox<A::Message>>,
    /// Of the message in hand; of the last one between messages.
    metadata: Metadata,
    in_hand: bool,
    wants_end: bool,
    is_ending: bool,
    pub(crate) alarm: Alarm,
    timers: Timers<A::Message>,
    tasks: Tasks,
    children: Option<Box<Children>>,
    supervision: Supervision,
    pub(crate) progress: ProgressSlot,
    pub(crate) site: Site,
}

impl<A: Actor> Context<A> {
    /// The actor's own address.
    #[must_use]
    pub fn address(&self) -> Address<A::Message> {
        Address::of_inbox(Arc::clone(&self.inbox))
    }

    /// The actor's place in the tree.
    #[must_use]
    pub fn path(&self) -> &ActorPath {
        self.site.node.path()
    }

    /// The node it runs on.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.site.system
    }

    /// The node's monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.site.system.clock().now()
    }

    /// What travelled beside the message in hand; outside of [`Actor::handle`] of the last one.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Ends the actor, for the reason `Normal`, after the message in hand.
    pub fn stop(&mut self) {
        self.wants_end = true;
    }

    /// Sets the line that observers see beside the actor.
    pub fn describe(&self, detail: impl Into<String>) {
        self.site.node.describe(detail.into());
    }

    /// Counts a restart of what it keeps outside of the tree (a program) as its own.
    pub fn report_restart(&self, reason: impl Into<String>) {
        self.site.node.restarted_outside(ExitReason::Error(reason.into()));
    }

    /// Says inside of a long handler that the actor is alive, so that it isn't taken for stalled.
    pub fn beat(&self) {
        self.progress.busy();
    }

    /// Puts the actor's address into the node's directory under `name`, until its final end.
    pub fn register(&self, name: impl Into<Arc<str>>) -> Result<(), NameTaken> {
        self.site.node.mark_named();
        self.site.system.directory().register(name, &self.address())
    }

    /// Handles `message` once after `delay`, unless the incarnation ends before. The timer's
    /// message does not go through the mailbox: it is handled at the beginning of the next turn.
    pub fn send_after(&mut self, delay: Duration, message: A::Message) -> TimerKey {
        self.timers.once(after(self.now(), delay), message)
    }

    /// Handles a message of `make` every `period`, the first after one period. Periods that pass
    /// while the actor is busy or paused are skipped, not made up for.
    pub fn send_every(
        &mut self,
        period: Duration,
        make: impl FnMut() -> A::Message + Send + 'static,
    ) -> TimerKey {
        let now = self.now();
        self.timers.every(now, period, Box::new(make))
    }

    /// Cancels a timer; false when it had fired for the last time or was cancelled before.
    pub fn cancel_timer(&mut self, timer: TimerKey) -> bool {
        self.timers.cancel(timer)
    }

    /// Lets `work` run beside the actor, as a task that it owns. Its end (value, panic, abort)
    /// arrives as the message that `map` makes, through a slot reserved now.
    ///
    /// The task ends with the incarnation, silently, at its next await. Its messages inherit
    /// from the one in hand. Fails when all of the mailbox's `max_reserved` slots are taken.
    pub fn attach<T, F>(
        &mut self,
        work: F,
        map: impl FnOnce(Result<T, TaskFailure>) -> A::Message + Send + 'static,
    ) -> Result<TaskKey, SendError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let permit = self.address().reserve()?;
        Ok(self.tasks.attach(work, move |result| permit.send(map(result))))
    }

    /// Aborts an attached task at its next await; its end arrives as [`TaskFailure::Aborted`].
    /// False when it had ended.
    pub fn abort(&mut self, task: TaskKey) -> bool {
        self.tasks.abort(task)
    }

    /// Starts a child under this actor's supervision. It ends with this incarnation.
    pub fn spawn_child<B: Actor>(
        &mut self,
        spec: Spec<B>,
    ) -> Result<Address<B::Message>, SpawnError> {
        let address = spec.address();
        self.spawn_any(spec.into())?;
        Ok(address)
    }

    /// Like [`Context::spawn_child`], for a child whose type is not known here.
    pub fn spawn_any(&mut self, spec: AnySpec) -> Result<(), SpawnError> {
        self.spawn_role(spec.0, false)
    }

    /// `kept`: the role outlives this incarnation, so its mailbox stays open at its end.
    pub(crate) fn spawn_role(&mut self, role: Arc<dyn Role>, kept: bool) -> Result<(), SpawnError> {
        if self.is_ending || self.escalation().is_some() {
            return Err(SpawnError::Stopping);
        }
        let node = self.site.system.settle_role(&self.site.node, &*role)?;
        self.adopt(role, node, kept);
        Ok(())
    }

    /// Takes a child whose node is in the tree already.
    pub(crate) fn adopt(&mut self, role: Arc<dyn Role>, node: Arc<Node>, kept: bool) {
        let (site, supervision) = (&self.site, self.supervision);
        let children = self.children.get_or_insert_with(|| {
            Box::new(Children::new(supervision, site.system.entropy().next_u64()))
        });
        children.adopt(site, role, node, kept);
    }

    /// Ends a child for good: it gets its shutdown time, its mailbox closes. False when there is
    /// none of that name.
    pub fn stop_child(&mut self, name: &str) -> bool {
        self.tell_child(name, Input::Remove)
    }

    /// Restarts a child as its strategy says, without counting it as a failure and without
    /// back-off. False when there is none of that name.
    pub fn restart_child(&mut self, name: &str) -> bool {
        self.tell_child(name, Input::Restart)
    }

    fn tell_child(&mut self, name: &str, input: impl FnOnce(ChildKey) -> Input) -> bool {
        let Some(child) = self.site.node.child(name) else { return false };
        self.tell_children(input(child.key()));
        true
    }

    /// Whether there is a child of that name, running or about to.
    #[must_use]
    pub fn has_child(&self, name: &str) -> bool {
        self.site.node.child(name).is_some()
    }

    /// Its children in the order in which they were added.
    #[must_use]
    pub fn children(&self) -> Vec<ChildStatus> {
        self.children.as_ref().map(|children| children.status()).unwrap_or_default()
    }
}

/// What the cell does with the context.
impl<A: Actor> Context<A> {
    pub(crate) fn new(inbox: Arc<Inbox<A::Message>>, site: Site, supervision: Supervision) -> Self {
        let progress = site.system.progress().take_slot(site.node.path().clone());
        Self {
            inbox,
            metadata: Metadata::new(std::any::type_name::<A::Message>),
            in_hand: false,
            wants_end: false,
            is_ending: false,
            alarm: Alarm::default(),
            timers: Timers::default(),
            tasks: Tasks::default(),
            children: None,
            supervision,
            progress,
            site,
        }
    }

    /// Lets messages in.
    pub(crate) fn open(&self) {
        let port = Arc::clone(&self.site.port);
        self.inbox.attach(move || port.wake());
    }

    /// Whether a timer is due and may fire.
    pub(crate) fn has_due_timer(&self, now: Instant) -> bool {
        self.timers.next().is_some_and(|at| at <= now) && !self.site.node.is_paused()
    }

    /// Takes the next message in hand, of a timer if it `may_fire` and one is due. Its metadata
    /// is parked: what is sent from now on inherits from it, and so does a crash's dead letter.
    #[inline]
    pub(crate) fn next_message(
        &mut self,
        batch: &mut Batch<'_, A::Message>,
        now: Instant,
        may_fire: bool,
    ) -> Option<A::Message> {
        let timer = if may_fire && self.has_due_timer(now) { self.timers.pop(now) } else { None };
        let message = match timer {
            Some(message) => {
                self.metadata = Metadata::new(std::any::type_name::<A::Message>);
                message
            }
            None => batch.pop_into(&mut self.metadata, now)?,
        };
        self.in_hand = true;
        Scope::turn_to(&self.metadata);
        Some(message)
    }

    pub(crate) fn put_down(&mut self) {
        self.in_hand = false;
    }

    /// The handler of the message in hand did not come to its end.
    pub(crate) fn bury_in_hand(&mut self) {
        if std::mem::take(&mut self.in_hand) {
            let services = self.site.system.services();
            let at = services.clock.utc();
            services.dead_letters.record(self.path(), &self.metadata, DeadReason::Crash, at);
        }
    }

    /// Whether the current batch should end: the actor wants to, or has been replaced.
    pub(crate) fn is_leaving(&self) -> bool {
        self.wants_end || self.site.port.is_closed()
    }

    /// Whether neither the actor nor anybody else wants something other than messages handled.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.is_leaving() && !self.site.port.is_pending()
    }

    /// Whether what began at `since` has taken as long as it may before others have their turn.
    pub(crate) fn is_over_budget(&self, since: Instant) -> bool {
        self.now().duration_since(since) >= self.inbox.config().budget()
    }

    pub(crate) fn wants_end(&self) -> bool {
        self.wants_end
    }

    pub(crate) fn tell_children(&mut self, input: Input) {
        if let Some(children) = &mut self.children {
            children.input(&self.site, input);
        }
    }

    pub(crate) fn hear_of_child(&mut self, key: ChildKey, incarnation: u32, news: ChildNews) {
        if let Some(children) = &mut self.children {
            children.hear(&self.site, key, incarnation, news);
        }
    }

    pub(crate) fn next_news(&mut self) -> Option<ChildEvent> {
        self.children.as_mut()?.next_news()
    }

    pub(crate) fn count_news(&self) -> usize {
        self.children.as_ref().map_or(0, |children| children.count_news())
    }

    /// Why the children's supervision has given up, if it has.
    pub(crate) fn escalation(&self) -> Option<ExitReason> {
        self.children.as_ref()?.ending().cloned()
    }

    /// Whether all children have ended after they were told to.
    pub(crate) fn has_no_children(&self) -> bool {
        self.children.as_ref().is_none_or(|children| children.is_done())
    }

    /// Whether the first starts of all children are over.
    pub(crate) fn is_settled(&self) -> bool {
        self.children.as_ref().is_none_or(|children| children.is_settled())
    }

    /// Whether it waits for nothing but messages.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.children.is_none() && self.timers.next().is_none() && !self.is_leaving()
    }

    /// No more messages, timers or results of tasks reach the actor.
    pub(crate) fn quiesce(&mut self) {
        self.site.node.set_state(ActorState::Stopping);
        self.is_ending = true;
        self.progress.idle();
        self.timers.clear();
        self.tasks.abort_all();
        self.inbox.detach();
    }

    /// When it needs a turn without being told, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let timer = self.timers.next().filter(|_| !self.site.node.is_paused());
        let child = self.children.as_ref().and_then(|children| children.next_deadline());
        timer.into_iter().chain(child).min()
    }
}

impl<A: Actor> Drop for Context<A> {
    /// The end of the incarnation, however it came; after a kill nothing else has run.
    fn drop(&mut self) {
        self.bury_in_hand();
        let Site { system, node, port, .. } = &self.site;
        let mut orphans = Vec::new();
        port.close(|| {
            self.inbox.detach();
            orphans = node.release_all();
        });
        orphans.iter().for_each(|orphan| system.tell(orphan, || LifecycleChange::Ended));
    }
}

impl<A: Actor> std::fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("path", self.path()).finish_non_exhaustive()
    }
}
