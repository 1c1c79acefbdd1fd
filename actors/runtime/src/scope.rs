//! The scope of a handler: what is sent while a message is handled inherits from that message.
//!
//! The scope is set around each poll of the handler's future and taken away after it, so it
//! follows the future over threads and never leaks into another task.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::mailbox::InboxId;
use crate::metadata::{Metadata, Origin};
use crate::priority::Priority;

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// What is being handled, and by whom.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whose handler it is; none in work that an actor has handed to a task of its own.
    pub(crate) inbox: Option<InboxId>,
    pub(crate) priority: Priority,
    pub(crate) origin: Option<Arc<Origin>>,
}

impl Scope {
    /// The scope in which the actor of `inbox` handles the message of `metadata`.
    #[must_use]
    pub fn of_handler(inbox: InboxId, metadata: &Metadata) -> Self {
        Self { inbox: Some(inbox), priority: metadata.priority, origin: metadata.origin.clone() }
    }

    /// The scope of the actor of `inbox` outside of any message: start, settle, stop.
    #[must_use]
    pub fn of_actor(inbox: InboxId) -> Self {
        Self { inbox: Some(inbox), ..Self::default() }
    }

    /// What is being handled on this thread right now; empty outside of handlers.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with_borrow(|current| current.clone().unwrap_or_default())
    }

    /// The same without its actor: for a task that works on the actor's behalf, and may ask it.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.inbox = None;
        self
    }

    /// Priority and origin that a message sent now inherits.
    pub(crate) fn inherited() -> (Priority, Option<Arc<Origin>>) {
        CURRENT.with_borrow(|current| match current {
            Some(scope) => (scope.priority, scope.origin.clone()),
            None => (Priority::Normal, None),
        })
    }

    /// Whether the actor of `inbox` is handling something on this thread right now.
    pub(crate) fn is_handler_of(inbox: InboxId) -> bool {
        CURRENT.with_borrow(|current| current.as_ref().and_then(|scope| scope.inbox)) == Some(inbox)
    }
}

/// A future whose polls happen within a scope.
#[derive(Debug)]
pub struct Scoped<F> {
    scope: Option<Scope>,
    future: F,
}

impl<F> Scoped<F> {
    /// Polls `future` within `scope`.
    pub fn new(scope: Scope, future: F) -> Self {
        Self { scope: Some(scope), future }
    }
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { scope, future } = &mut *self;
        let _entered = Entered::enter(scope);
        Pin::new(future).poll(cx)
    }
}

/// Swaps the scope in, and out again when dropped, also by a panic of the handler.
struct Entered<'a>(&'a mut Option<Scope>);

impl<'a> Entered<'a> {
    fn enter(scope: &'a mut Option<Scope>) -> Self {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, scope));
        Self(scope)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn urgent() -> Scope {
        Scope { inbox: None, priority: Priority::Critical, origin: None }
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
