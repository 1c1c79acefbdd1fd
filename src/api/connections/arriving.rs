//! The body of a request while it arrives: one that comes slower than a least rate may lose its
//! connection's slot to a newcomer, and its handler is told so.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::seats::Visit;

/// Time for which a body may come slower than [`LEAST_RATE`], at its begin and whenever it came
/// faster before.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Bytes a second of waiting below which a body is slow.
pub(super) const LEAST_RATE: u32 = 4_096;

/// A body was slow while others waited for its connection's slot.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("fewer than {LEAST_RATE} bytes of the body came in a second while others waited")]
pub(in crate::api) struct MadeRoom;

impl MadeRoom {
    /// Whether this is why a body broke off.
    pub(in crate::api) fn caused(error: &(dyn Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::caused)
    }
}

/// A body and the time that it has earned: a leaky bucket that each byte fills and waiting for the
/// client empties. Time in which nobody reads the body is nobody's fault.
pub(super) struct Arriving<B> {
    body: B,
    visit: Arc<Visit>,
    credit: Duration,
    waits: bool,
}

impl<B> Arriving<B> {
    pub(super) fn new(body: B, visit: Arc<Visit>) -> Self {
        Self { body, visit, credit: GRACE, waits: false }
    }

    /// Takes up the clock; false when the slot was given to another.
    fn heard(&mut self) -> bool {
        if std::mem::take(&mut self.waits) {
            let Some(left) = self.visit.more_came() else { return false };
            self.credit = left;
        }
        true
    }

    fn earn(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(bytes.into()) / LEAST_RATE;
        self.credit = GRACE.min(self.credit + earned);
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            if !std::mem::replace(&mut self.waits, true) {
                self.visit.await_more(self.credit);
            }
            // The task that polls this is the one that is told to leave, and polls it again then.
            let over = self.visit.is_over();
            return if over { Poll::Ready(Some(Err(MadeRoom.into()))) } else { Poll::Pending };
        };
        if !self.heard() {
            return Poll::Ready(Some(Err(MadeRoom.into())));
        }
        if let Some(Ok(frame)) = &frame {
            self.earn(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    /// Nobody waits for the rest any more.
    fn drop(&mut self) {
        self.heard();
    }
}
