//! What an actor is: a value that handles one message at a time, and may fail.

use std::future::Future;
use std::sync::Arc;

use crate::context::Context;
use crate::exit::{ActorError, ExitReason};

/// One incarnation of a role. The kernel makes it with the factory of its
/// [`Spec`](crate::Spec), gives it one message at a time, and makes a new one when it fails.
///
/// A hook that returns an error or panics ends the incarnation; the supervisor decides what
/// follows. Each hook is polled on the node's threads, so none may block.
pub trait Actor: Sized + Send + 'static {
    /// What it understands.
    type Message: Send + 'static;

    /// What it is, for people to read in the tree: `agent`, `journal`.
    const KIND: &'static str;

    /// Before the first message. An error counts as a failed start. The actor counts as started
    /// when this has returned and the children it spawned here have started too.
    fn start(
        &mut self,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = ctx;
        std::future::ready(Ok(()))
    }

    /// One message. An error is a crash with a reason: the message becomes a dead letter, the
    /// rest of the queue waits for the next incarnation.
    fn handle(
        &mut self,
        message: Self::Message,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), ActorError>> + Send;

    /// Once after each batch of at most 64 messages, however few: the place to flush what the
    /// messages of a batch have in common.
    fn settle(
        &mut self,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = ctx;
        std::future::ready(Ok(()))
    }

    /// News of a child. What is to be done about it has been decided by the supervision.
    fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = (event, ctx);
        std::future::ready(Ok(()))
    }

    /// The last word, after all children have ended and within the shutdown time. Not called
    /// after a panic, a kill or a failed start.
    fn stop(
        &mut self,
        reason: &ExitReason,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, ctx);
        std::future::ready(())
    }
}

/// News of a child for its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEvent {
    /// Its first start is done.
    Started {
        /// Which child.
        name: Arc<str>,
    },
    /// It runs again.
    Restarted {
        /// Which child.
        name: Arc<str>,
    },
    /// Its incarnation ended; whether another one comes depends on its restart type.
    Exited {
        /// Which child.
        name: Arc<str>,
        /// Why.
        reason: ExitReason,
    },
    /// It failed once more than the intensity allows: the parent itself is about to end.
    GaveUp {
        /// Which child.
        name: Arc<str>,
        /// Why it failed the last time.
        reason: ExitReason,
    },
}
