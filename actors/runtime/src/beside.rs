//! Work that takes long, beside the actors.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// Computes on a thread of its own, so that no actor waits for a turn. On a runtime of one thread,
/// as under virtual time, it takes its turn there: what depends on no other thread repeats.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => tokio::spawn(async move { work() }),
        _ => tokio::task::spawn_blocking(work),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn on_one_thread_it_takes_its_turn_and_a_panic_stays_its_own() {
        let here = thread::current().id();
        assert_eq!(beside(move || thread::current().id()).await.unwrap(), here);
        let lost = beside(|| std::panic::resume_unwind(Box::new("lost"))).await;
        assert!(lost.unwrap_err().is_panic());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn on_several_threads_it_has_one_of_its_own() {
        let worker = tokio::spawn(async { thread::current().id() }).await.unwrap();
        assert_ne!(beside(move || thread::current().id()).await.unwrap(), worker);
    }
}
