//! What ties everything a client holds open to the server: when it stops, streams end with a reason
//! and are waited for; when it crashes, they end all the same. A stream that was opened with a
//! token ends with it, too.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// One incarnation of the server, as its connections and streams see it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifeline {
    /// Fires when the server stops, or what this lifeline is limited by ends.
    pub stopping: CancellationToken,
    /// What is open.
    pub open: TaskTracker,
    limit: Option<Arc<Limit>>,
}

/// A limit of one request, kept as long as anything of it is open.
#[derive(Debug)]
struct Limit {
    reached: Arc<AtomicBool>,
    // Ends the task that watches, when the stream has ended before.
    _watch: DropGuard,
}

impl Lifeline {
    /// The same lifeline, which ends when `over` does as well. It has to be kept while what it is
    /// for is open.
    #[must_use]
    pub(super) fn limited(&self, over: impl Future<Output = ()> + Send + 'static) -> Self {
        let stopping = self.stopping.child_token();
        let reached = Arc::new(AtomicBool::new(false));
        let (told, end) = (Arc::clone(&reached), stopping.clone());
        self.open.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = over => {
                    told.store(true, Ordering::Release);
                    end.cancel();
                }
            }
        });
        let limit = Limit { reached, _watch: stopping.clone().drop_guard() };
        Self { stopping, open: self.open.clone(), limit: Some(Arc::new(limit)) }
    }

    /// Why it ended, once it has.
    #[must_use]
    pub(super) fn reason(&self) -> &'static str {
        let reached = self.limit.as_ref().map(|limit| limit.reached.load(Ordering::Acquire));
        match reached {
            Some(true) => "the token has expired or was revoked",
            _ => "the node is stopping",
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Lifeline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_limited_ends_with_its_limit_and_says_so() {
        let all = Lifeline::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let one = all.limited(async {
            let _ = ended.await;
        });
        assert_eq!(one.reason(), "the node is stopping");
        drop(end);
        one.stopping.cancelled().await;
        assert_eq!(one.reason(), "the token has expired or was revoked");
        assert!(!all.stopping.is_cancelled(), "others go on");
    }

    #[tokio::test]
    async fn nothing_watches_over_what_is_no_longer_open() {
        let all = Lifeline::default();
        let one = all.limited(std::future::pending());
        let two = all.limited(std::future::pending());
        drop(one);
        all.stopping.cancel();
        two.stopping.cancelled().await;
        assert_eq!(two.reason(), "the node is stopping");
        drop(two);
        all.open.close();
        all.open.wait().await;
    }
}
