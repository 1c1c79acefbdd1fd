//! Blocking work on threads of its own, counted, and abandoned when it won't stop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::error::AgentError;

/// How many threads of one agent nobody waits for any more and still run.
#[derive(Debug, Default)]
pub(crate) struct AbandonedThreads(AtomicU32);

impl AbandonedThreads {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `work` on a new thread and waits for it.
///
/// When the returned future is dropped, the thread is told to stop through the token; as long as
/// it still runs it is counted as abandoned, and its result goes nowhere.
///
/// # Errors
/// `Unavailable` when the operating system gives no thread. A panic of `work` goes on here.
pub(crate) async fn run_on_thread<T, W>(
    abandoned: Arc<AbandonedThreads>,
    stop: CancellationToken,
    work: W,
) -> Result<T, AgentError>
where
    T: Send + 'static,
    W: FnOnce(CancellationToken) -> T + Send + 'static,
{
    let (sender, receiver) = oneshot::channel::<Result<T, Box<dyn Any + Send>>>();
    let watch = Arc::new(AtomicU32::new(RUNNING));
    let end = ThreadEnd { watch: Arc::clone(&watch), abandoned: Arc::clone(&abandoned) };
    let token = stop.clone();
    // What it logs there belongs to the same attempt.
    let span = Span::current();
    thread::Builder::new()
        .name("synod-blocking".into())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| work(token))));
            drop(end);
            // The receiver is gone when the work was abandoned: the result is fenced here.
            let _ = sender.send(result);
        })
        .map_err(|error| AgentError::unavailable(format!("no thread: {error}")))?;
    let waiting = Waiting { watch, abandoned, stop };
    let result = receiver.await;
    drop(waiting);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(AgentError::lost("the thread ended without a result")),
    }
}

const RUNNING: u32 = 0;
const ENDED: u32 = 1;
const ABANDONED: u32 = 2;

/// The waiting side; dropped early when the work is dropped.
struct Waiting {
    watch: Arc<AtomicU32>,
    abandoned: Arc<AbandonedThreads>,
    stop: CancellationToken,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        if self.watch.compare_exchange(RUNNING, ABANDONED, success, failure).is_ok() {
            self.abandoned.0.fetch_add(1, Ordering::Relaxed);
            self.stop.cancel();
        }
    }
}

/// The thread's side; dropped when its work has ended.
struct ThreadEnd {
    watch: Arc<AtomicU32>,
    abandoned: Arc<AbandonedThreads>,
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        if self.watch.swap(ENDED, Ordering::AcqRel) == ABANDONED {
            self.abandoned.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
