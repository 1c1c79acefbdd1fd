//! What ties everything a client holds open to the server: when it stops, streams end with a reason
//! and are waited for; when it crashes, they end all the same.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One incarnation of the server, as its connections and streams see it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifeline {
    /// Fires when the server stops.
    pub stopping: CancellationToken,
    /// What is open.
    pub open: TaskTracker,
}

impl<S: Send + Sync> FromRequestParts<S> for Lifeline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
