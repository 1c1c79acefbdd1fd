//! Runs hooks of an actor and catches what they throw.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use crate::exit::{ActorError, ExitReason, panic_text};

/// Polls `hook` to its end; an error or a panic comes back as the reason of the incarnation's
/// end. Its owner pins it, so that it is not moved on the way here; dropping it is how a kill
/// ends it.
pub(super) async fn guarded<F>(mut hook: Pin<&mut F>) -> Result<(), ExitReason>
where
    F: Future<Output = Result<(), ActorError>>,
{
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| hook.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
        Ok(Poll::Ready(Err(error))) => Poll::Ready(Err(ExitReason::Error(error.to_string()))),
        Err(panic) => Poll::Ready(Err(ExitReason::Panic(panic_text(&*panic)))),
    })
    .await
}
