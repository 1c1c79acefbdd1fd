//! Runs a hook of an actor within its scope, catches what it throws, and notices whether it
//! really suspended.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt;

use crate::exit::{ActorError, ExitReason, panic_text};
use crate::scope::{Scope, Scoped};

/// How a hook ended.
pub(super) struct Outcome {
    /// An error or a panic as the reason of the incarnation's end.
    pub(super) result: Result<(), ExitReason>,
    /// Whether it ever waited.
    pub(super) suspended: bool,
}

/// Polls `hook` to its end. Dropping the returned future drops the hook: that is how a kill
/// ends it.
pub(super) async fn guarded<F>(scope: Scope, hook: F) -> Outcome
where
    F: Future<Output = Result<(), ActorError>>,
{
    let hook = pin!(hook);
    let mut caught = pin!(AssertUnwindSafe(Scoped::new(scope, hook)).catch_unwind());
    let mut polls = 0_u32;
    let ended = poll_fn(|cx| {
        polls = polls.saturating_add(1);
        caught.as_mut().poll(cx)
    })
    .await;
    let result = match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ExitReason::Error(error.to_string())),
        Err(panic) => Err(ExitReason::Panic(panic_text(&*panic))),
    };
    Outcome { result, suspended: polls > 1 }
}
