//! Waiting for a condition that another task makes true.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often the condition is looked at.
const INTERVAL: Duration = Duration::from_millis(1);

/// Waits until `condition` holds; the test fails where it called this when it doesn't `within`
/// that time.
///
/// In a runtime with paused time the wait takes no time of the machine.
#[track_caller]
pub fn eventually(
    mut condition: impl FnMut() -> bool,
    within: Duration,
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + within;
        while !condition() {
            assert!(Instant::now() < deadline, "{caller}: did not hold within {within:?}");
            sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_sees_what_another_task_does() {
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        tokio::spawn(async move {
            sleep(Duration::from_secs(60)).await;
            flag.store(true, Ordering::Relaxed);
        });
        eventually(|| done.load(Ordering::Relaxed), Duration::from_secs(61)).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "eventually.rs")]
    async fn it_names_the_place_of_the_test_that_waited_in_vain() {
        eventually(|| false, Duration::from_secs(1)).await;
    }
}
