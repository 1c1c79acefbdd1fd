//! The scope of a handler: what is sent while a message is handled inherits from that message.
//!
//! The scope is set around each poll of the handler's future and taken away after it, so it
//! follows the future over threads and never leaks into another task.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::mailbox::InboxId;
use crate::metadata::{Metadata, Origin};
use crate::priority::Priority;

thread_local! {
    static CURRENT: Current = const {
        Current {
            inbox: Cell::new(None),
            priority: Cell::new(Priority::Normal),
            polls: Cell::new(0),
            origin: ManuallyDrop::new(RefCell::new(None)),
        }
    };
}

/// The scope of this thread, field by field: every send reads it.
struct Current {
    inbox: Cell<Option<InboxId>>,
    priority: Cell<Priority>,
    polls: Cell<u32>,
    /// Never dropped with its thread: outside of scopes it is none, and a thread's last words
    /// would cost every access a question.
    origin: ManuallyDrop<RefCell<Option<Arc<Origin>>>>,
}

impl Current {
    fn swap(&self, scope: &mut Scope) {
        scope.inbox = self.inbox.replace(scope.inbox);
        scope.priority = self.priority.replace(scope.priority);
        scope.polls = self.polls.replace(scope.polls);
        std::mem::swap(&mut *self.origin.borrow_mut(), &mut scope.origin);
    }
}

/// What is being handled, and by whom.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whose handler it is; none in work that an actor has handed to a task of its own.
    pub(crate) inbox: Option<InboxId>,
    pub(crate) priority: Priority,
    pub(crate) origin: Option<Arc<Origin>>,
    /// How often its future has been polled.
    polls: u32,
}

impl Scope {
    /// The scope of the actor of `inbox`, outside of any message.
    #[must_use]
    pub fn of_actor(inbox: InboxId) -> Self {
        Self { inbox: Some(inbox), ..Self::default() }
    }

    /// What is being handled on this thread right now; empty outside of handlers.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with(|current| Self {
            inbox: current.inbox.get(),
            priority: current.priority.get(),
            origin: current.origin.borrow().clone(),
            polls: 0,
        })
    }

    /// The same without its actor: for a task that works on the actor's behalf, and may ask it.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.inbox = None;
        self
    }

    /// The actor on this thread turns to the message of `metadata`: from now on, what it sends
    /// inherits from that.
    #[inline]
    pub(crate) fn turn_to(metadata: &Metadata) {
        CURRENT.with(|current| {
            current.priority.set(metadata.priority);
            let mut origin = current.origin.borrow_mut();
            if origin.is_some() || metadata.origin.is_some() {
                origin.clone_from(&metadata.origin);
            }
        });
    }

    /// The actor on this thread turns away from messages: what it sends inherits nothing.
    pub(crate) fn turn_away() {
        CURRENT.with(|current| {
            current.priority.set(Priority::default());
            *current.origin.borrow_mut() = None;
        });
    }

    /// How often the future of this scope has been polled: it has suspended when this changes.
    #[inline]
    pub(crate) fn polls() -> u32 {
        CURRENT.with(|current| current.polls.get())
    }

    /// The priority that a message sent now inherits.
    #[inline]
    pub(crate) fn priority() -> Priority {
        CURRENT.with(|current| current.priority.get())
    }

    /// The origin that a message sent now inherits.
    #[inline]
    pub(crate) fn origin() -> Option<Arc<Origin>> {
        CURRENT.with(|current| current.origin.borrow().clone())
    }

    /// Whether the actor of `inbox` is handling something on this thread right now.
    pub(crate) fn is_handler_of(inbox: InboxId) -> bool {
        CURRENT.with(|current| current.inbox.get() == Some(inbox))
    }
}

/// A future whose polls happen within a scope.
#[derive(Debug)]
pub struct Scoped<F> {
    scope: Scope,
    future: F,
}

impl<F> Scoped<F> {
    /// Polls `future` within `scope`.
    pub fn new(scope: Scope, future: F) -> Self {
        Self { scope, future }
    }
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { scope, future } = &mut *self;
        scope.polls = scope.polls.wrapping_add(1);
        let _entered = Entered::enter(scope);
        Pin::new(future).poll(cx)
    }
}

/// Swaps the scope in, and out again when dropped, also by a panic of the handler.
struct Entered<'a>(&'a mut Scope);

impl<'a> Entered<'a> {
    fn enter(scope: &'a mut Scope) -> Self {
        CURRENT.with(|current| current.swap(scope));
        Self(scope)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with(|current| current.swap(self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn urgent() -> Scope {
        Scope { inbox: None, priority: Priority::Critical, origin: None, polls: 0 }
    }

    #[tokio::test]
    async fn the_scope_is_there_on_every_poll_and_gone_after_it() {
        let inside = pin!(async {
            let before = Scope::current().priority;
            tokio::task::yield_now().await;
            (before, Scope::current().priority)
        });
        let seen = Scoped::new(urgent(), inside).await;
        assert_eq!(seen, (Priority::Critical, Priority::Critical));
        assert_eq!(Scope::current().priority, Priority::Normal);
    }

    #[tokio::test]
    async fn a_panic_takes_the_scope_away() {
        let failing = tokio::spawn(async {
            let failing = pin!(async {
                if Scope::current().priority == Priority::Critical {
                    panic!("on purpose");
                }
            });
            let caught = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(
                Scoped::new(urgent(), failing),
            ));
            assert!(caught.await.is_err());
            Scope::current().priority
        });
        assert_eq!(failing.await.unwrap(), Priority::Normal);
    }
}
