//! The cell: one incarnation of an actor inside one ractor actor. The only place, with
//! [`port`], that names ractor.
//!
//! ```text
//!  Inbox ── wake ──┐                      ┌ signals: stop, alarm, news of children, controls
//!  Port ── wake ───┴▶ Tick ─▶ turn ───────┤ batch: due timers, then up to 64 messages, settle
//!                                         └ conclude: children gone? stop hook, end, announce
//!  kill ─▶ ractor drops the turn ─▶ Context dropped ─▶ Presence dropped ─▶ parent is told
//! ```
//!
//! ractor gives the loop, the ticks and the kill that acts while a handler waits. Its links and
//! supervision events are not used: a supervisor is told before the state of a killed actor is
//! dropped, a stopping parent kills its children, and every link takes a process-wide lock. The
//! [`presence`] tells the parent instead, after the last trace of the subtree is gone.

mod alarm;
mod guard;
mod incarnation;
mod meter;
mod port;
mod presence;

use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use ractor::{ActorProcessingErr, ActorRef};

use crate::actor::Actor;
use crate::context::Context;
use crate::exit::ExitReason;
use crate::scope::{Scope, Scoped};

pub(crate) use alarm::Alarm;
use incarnation::{Incarnation, Turn};
pub(crate) use port::{ChildNews, Port, Signal};
pub(crate) use presence::{Presence, Watcher};

/// The only message that goes through ractor: have a turn. It has no size, so none is allocated.
pub(crate) struct Tick;

/// The ractor actor around the incarnations of actors of type `A`.
struct Cell<A>(PhantomData<fn() -> A>);

/// What a parent holds of an incarnation of a child.
pub(crate) struct Launched {
    pub(crate) port: Arc<Port>,
    presence: Weak<Presence>,
}

impl Launched {
    /// Waits for the incarnation no longer, and takes its role away from it.
    pub(crate) fn abandon(&self, farewell: impl FnOnce()) {
        self.port.close(farewell);
        if let Some(presence) = self.presence.upgrade() {
            presence.sever();
        }
    }
}

/// Starts an incarnation. Its parent is told of the start and of the end by its presence, also
/// when it could not be started.
pub(crate) fn launch<A: Actor>(actor: A, context: Context<A>) -> Launched {
    let (port, presence) = (context.site.port.clone(), context.site.presence.clone());
    let incarnation = Box::new(Incarnation::new(actor, context));
    let spawned = ractor::Actor::spawn(None, Cell::<A>(PhantomData), incarnation);
    // `pre_start` does not wait, so the spawn is over with its first poll.
    match spawned.now_or_never() {
        Some(Ok(_)) => {}
        Some(Err(error)) => presence.explain(ExitReason::StartFailed(error.to_string())),
        None => presence.explain(ExitReason::StartFailed("the spawn has to wait".into())),
    }
    Launched { port, presence: Arc::downgrade(&presence) }
}

impl<A: Actor> Cell<A> {
    /// Runs one turn. The incarnation moves into the turn's future, so that a kill drops it at
    /// once, and that future is boxed: an idle actor does not carry the size of its handler's.
    async fn run(
        myself: ActorRef<Tick>,
        state: &mut Option<Box<Incarnation<A>>>,
        first: bool,
    ) -> Result<(), ActorProcessingErr> {
        let Some(mut incarnation) = state.take() else { return Ok(()) };
        let scope = Scope::of_actor(incarnation.inbox());
        let turn = if first {
            Scoped::new(scope, Box::pin(incarnation.begin())).await
        } else {
            Scoped::new(scope, Box::pin(incarnation.turn())).await
        };
        match turn {
            Turn::Next => *state = Some(incarnation),
            Turn::Over => {
                drop(incarnation);
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl<A: Actor> ractor::Actor for Cell<A> {
    type Msg = Tick;
    type State = Option<Box<Incarnation<A>>>;
    type Arguments = Box<Incarnation<A>>;

    async fn pre_start(
        &self,
        myself: ActorRef<Tick>,
        incarnation: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        incarnation.bind(myself);
        Ok(Some(incarnation))
    }

    async fn post_start(
        &self,
        myself: ActorRef<Tick>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        Self::run(myself, state, true).await
    }

    async fn handle(
        &self,
        myself: ActorRef<Tick>,
        Tick: Tick,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        Self::run(myself, state, false).await
    }
}
