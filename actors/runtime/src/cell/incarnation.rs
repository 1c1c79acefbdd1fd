//! One incarnation: its start, its turns, its end.

use std::pin::pin;
use std::sync::Arc;

use ractor::ActorRef;
use tokio::time::Instant;

use super::Tick;
use super::guard::guarded;
use super::meter::Meter;
use super::port::Signal;
use crate::actor::Actor;
use crate::context::Context;
use crate::exit::{ActorError, ExitReason};
use crate::mailbox::{Batch, Inbox, InboxId};
use crate::observation::ActorState;
use crate::scope::Scope;
use crate::supervisor::Input;

/// Most batches in one turn.
const MOST_BATCHES: usize = 8;

/// Whether another turn will come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Next,
    Over,
}

/// The end that is under way; the children go first.
struct Ending {
    reason: ExitReason,
    /// Whether the actor is sound, so that its `stop` is called.
    sound: bool,
}

/// The actor's value and its context; dropped in this order.
pub(super) struct Incarnation<A: Actor> {
    actor: A,
    context: Context<A>,
    /// The context's, apart from it: a batch borrows it while the actor has the context.
    inbox: Arc<Inbox<A::Message>>,
    ending: Option<Box<Ending>>,
    /// Its `start` has returned.
    ready: bool,
    /// Its parent knows that it has started.
    announced: bool,
    meter: Meter,
}

impl<A: Actor> Incarnation<A> {
    pub(super) fn new(actor: A, context: Context<A>) -> Self {
        let inbox = Arc::clone(&context.inbox);
        Self {
            actor,
            context,
            inbox,
            ending: None,
            ready: false,
            announced: false,
            meter: Meter::default(),
        }
    }

    /// Whose messages it handles.
    pub(super) fn inbox(&self) -> InboxId {
        self.inbox.id()
    }

    pub(super) fn bind(&self, actor: ActorRef<Tick>) {
        self.context.site.port.bind(actor);
    }

    /// The first turn: `start`.
    pub(super) async fn begin(&mut self) -> Turn {
        let (actor, context) = (&mut self.actor, &mut self.context);
        let started = guarded(pin!(async { actor.start(context).await })).await;
        match started {
            Ok(()) => {
                self.ready = true;
                self.context.open();
            }
            Err(ExitReason::Error(text)) => self.end(ExitReason::StartFailed(text), false),
            Err(other) => self.end(ExitReason::StartFailed(other.to_string()), false),
        }
        self.follow_up().await // never at rest yet; unboxed, so that it leaves no hole behind
    }

    /// Any later turn: signals, then messages, then what follows from both.
    pub(super) async fn turn(&mut self) -> Turn {
        self.obey_signals();
        if self.ending.is_none() && !self.context.is_leaving() {
            let handled = guarded(pin!(self.batches())).await;
            if let Err(reason) = handled {
                self.context.bury_in_hand();
                self.crash(reason);
            }
        }
        self.conclude().await
    }

    fn obey_signals(&mut self) {
        for signal in self.context.site.port.take() {
            match signal {
                Signal::Stop => self.end(ExitReason::Shutdown, true),
                Signal::Alarm => {
                    self.context.alarm.silence();
                    self.context.tell_children(Input::Tick);
                }
                Signal::Adopt(role, node) => self.context.adopt(role, node, false),
                Signal::Child(key, incarnation, news) => {
                    self.context.hear_of_child(key, incarnation, news);
                }
                Signal::Remove(key) => self.context.tell_children(Input::Remove(key)),
                Signal::Restart(key) => self.context.tell_children(Input::Restart(key)),
            }
        }
    }

    /// Batch after batch, until nothing is queued, a handler waits, the budget is used up or
    /// somebody wants something else. Then the others on this thread have their turn: that costs
    /// as much as a whole batch of light messages, so it isn't done after each. An error ends the
    /// incarnation; what was not handled yet has gone back to the inbox by then.
    ///
    /// Panics are caught around all batches: the context knows the message in hand, and a guard
    /// for each message would cost more than the rest of its way.
    async fn batches(&mut self) -> Result<(), ActorError> {
        let since = self.context.now();
        let mut batch = self.inbox.take_batch();
        if batch.is_empty() && !self.context.has_due_timer(since) {
            return Ok(());
        }
        self.context.progress.busy();
        let (mut handled, entered) = (0_usize, Scope::polls());
        for _ in 0..MOST_BATCHES {
            let (actor, context) = (&mut self.actor, &mut self.context);
            handled += handle_batch(actor, context, &mut batch, since).await?;
            if self.context.site.port.is_closed() {
                return Ok(()); // it was killed and given up meanwhile: its successor settles
            }
            Scope::turn_away();
            self.actor.settle(&mut self.context).await?;
            let goes_on = batch.is_full()
                && entered == Scope::polls()
                && self.context.may_go_on()
                && !self.context.is_over_budget(since);
            if !goes_on || !batch.renew() {
                break;
            }
        }
        batch.finish();
        self.context.progress.idle();
        if self.meter.is_due(handled, entered != Scope::polls()) {
            let time = self.context.now().duration_since(since);
            self.context.site.node.add_busy(self.meter.account(time));
        }
        Ok(())
    }

    fn crash(&mut self, reason: ExitReason) {
        let sound = !matches!(reason, ExitReason::Panic(_));
        self.end(reason, sound);
    }

    /// Begins the end. The first reason stays; a crash on the way leaves out `stop`.
    fn end(&mut self, reason: ExitReason, sound: bool) {
        if let Some(ending) = &mut self.ending {
            ending.sound &= sound;
            return;
        }
        self.context.quiesce();
        self.context.tell_children(Input::Stop(reason.clone()));
        self.ending = Some(Box::new(Ending { reason, sound }));
    }

    /// What follows from a turn: news for the actor, its end, its announcement, its next alarm.
    ///
    /// Mostly nothing does. The rest is boxed, so that it does not weigh on every turn.
    async fn conclude(&mut self) -> Turn {
        if self.announced && self.ending.is_none() && self.context.is_at_rest() {
            return Turn::Next;
        }
        Box::pin(self.follow_up()).await
    }

    async fn follow_up(&mut self) -> Turn {
        self.tell_news().await;
        if self.ending.is_none() {
            if let Some(reason) = self.context.escalation() {
                self.end(reason, true);
            } else if self.context.wants_end() {
                self.end(ExitReason::Normal, true);
            }
        }
        let leaves = self.ending.is_some() && self.context.has_no_children();
        if leaves || self.context.site.port.is_closed() {
            self.leave().await;
            return Turn::Over;
        }
        self.announce();
        let next = self.context.next_deadline().filter(|_| self.ready);
        self.context.alarm.arm(&self.context.site.port, next);
        Turn::Next
    }

    /// Tells the actor what has become of its children: only what was new when the turn came
    /// here, since its answer may itself make news.
    async fn tell_news(&mut self) {
        for _ in 0..self.context.count_news() {
            let sound = self.ending.as_ref().is_none_or(|ending| ending.sound);
            let Some(event) = self.context.next_news().filter(|_| sound) else { continue };
            Scope::turn_away();
            let (actor, context) = (&mut self.actor, &mut self.context);
            let told = guarded(pin!(async { actor.child_event(event, context).await })).await;
            if let Err(reason) = told {
                self.crash(reason);
            }
        }
        if self.context.count_news() > 0 {
            self.context.site.port.wake();
        }
    }

    /// The last act: the actor's own `stop`, then the reason for the parent.
    async fn leave(&mut self) {
        let Some(ending) = self.ending.take() else { return };
        let Ending { reason, sound } = *ending;
        if sound && self.ready {
            Scope::turn_away();
            let (actor, context) = (&mut self.actor, &mut self.context);
            let stop = async {
                actor.stop(&reason, context).await;
                Ok(())
            };
            let stopped = guarded(pin!(stop)).await;
            if let Err(failure) = stopped {
                tracing::warn!(path = %self.context.path(), %failure, "an actor's stop failed");
            }
        }
        self.context.site.presence.explain(reason);
    }

    fn announce(&mut self) {
        if self.ready && !self.announced && self.ending.is_none() && self.context.is_settled() {
            self.announced = true;
            self.context.site.node.set_state(ActorState::Running);
            self.context.site.presence.announce();
        }
    }
}

/// Handles due timers and then messages, at most a batch of them; tells how many. Ends early
/// when a handler really waited or the budget is used up.
async fn handle_batch<A: Actor>(
    actor: &mut A,
    context: &mut Context<A>,
    batch: &mut Batch<'_, A::Message>,
    since: Instant,
) -> Result<usize, ActorError> {
    let most = context.inbox.config().batch;
    let mut handled = 0_usize;
    while let Some(message) = context.next_message(batch, since, handled < most) {
        let polls = Scope::polls();
        actor.handle(message, context).await?;
        context.put_down();
        handled += 1;
        // The clock is looked at only after the 1st, 2nd, 4th, 8th … message: that is cheap, and
        // a batch still takes at most twice its budget and the last handler's own time.
        let looks = handled.is_power_of_two() && !batch.is_empty();
        if polls != Scope::polls()
            || context.is_leaving()
            || (looks && context.is_over_budget(since))
        {
            break;
        }
    }
    Ok(handled)
}
