//! Tasks that work for one incarnation and die with it.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use tokio::task::JoinSet;

use crate::exit::panic_text;
use crate::scope::{Scope, Scoped};

/// A task attached to this incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskKey(u64);

/// Why an attached task gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailure {
    /// It panicked; the text is the panic's message.
    #[error("panic: {0}")]
    Panicked(String),
    /// It was aborted ([`Context::abort`](crate::Context::abort)).
    #[error("aborted")]
    Aborted,
}

/// Allocates nothing until the first task is attached.
#[derive(Default)]
pub(super) struct Tasks(Option<Box<Running>>);

#[derive(Default)]
struct Running {
    /// Aborts what is left when dropped.
    set: JoinSet<u64>,
    handles: HashMap<u64, AbortHandle>,
    next: u64,
}

impl Tasks {
    pub(super) fn attach<T, F>(
        &mut self,
        work: F,
        end: impl FnOnce(Result<T, TaskFailure>) + Send + 'static,
    ) -> TaskKey
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let running = self.0.get_or_insert_default();
        running.reap();
        let key = running.next;
        running.next += 1;
        let (handle, registration) = AbortHandle::new_pair();
        running.handles.insert(key, handle);
        let scope = Scope::current().detached();
        running.set.spawn(async move {
            let work = Abortable::new(work, registration);
            let result = {
                let work = pin!(AssertUnwindSafe(work).catch_unwind());
                Scoped::new(scope, work).await
            };
            end(match result {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) => Err(TaskFailure::Aborted),
                Err(panic) => Err(TaskFailure::Panicked(panic_text(&*panic))),
            });
            key
        });
        TaskKey(key)
    }

    pub(super) fn abort(&mut self, TaskKey(key): TaskKey) -> bool {
        let Some(running) = &mut self.0 else { return false };
        running.reap();
        running.handles.remove(&key).inspect(AbortHandle::abort).is_some()
    }

    /// Drops all tasks at their next await, without a message.
    pub(super) fn abort_all(&mut self) {
        self.0 = None;
    }
}

impl Running {
    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.set.try_join_next() {
            if let Ok(key) = ended {
                self.handles.remove(&key);
            }
        }
    }
}
