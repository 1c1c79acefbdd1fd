//! The stream as server-sent events (WHATWG HTML, section 9.2): `id` is the cursor, so that a
//! browser or any client that sends `Last-Event-ID` resumes by itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, unfold};
use tokio::sync::OwnedSemaphorePermit;

use super::super::lifeline::Lifeline;
use super::hub::{Next, Numbered, Subscription};

struct Reader {
    subscription: Subscription,
    waiting: VecDeque<Arc<Numbered>>,
    ended: bool,
    lifeline: Lifeline,
    // Held as long as the stream is open.
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event to write; `None` ends the stream. A reader that falls behind gets the reset
    /// as its last event.
    async fn next(&mut self) -> Option<Arc<Numbered>> {
        while self.waiting.is_empty() && !self.ended {
            tokio::select! {
                biased;
                () = self.lifeline.stopping.cancelled() => {
                    self.ended = true;
                    let notice = self.subscription.closing(self.lifeline.reason());
                    self.waiting.push_back(notice);
                }
                next = self.subscription.next() => match next {
                    Next::Events(events) => self.waiting.extend(events),
                    Next::Reset(notice) => {
                        self.ended = true;
                        self.waiting.push_back(notice);
                    }
                },
            }
        }
        self.waiting.pop_front()
    }
}

/// Answers with the stream, beginning with the notice that it is open.
pub(super) fn respond(
    subscription: Subscription,
    heartbeat: Duration,
    lifeline: Lifeline,
    permit: OwnedSemaphorePermit,
) -> Response {
    let waiting = VecDeque::from([subscription.opening()]);
    let reader = Reader { subscription, waiting, ended: false, lifeline, _permit: permit };
    Sse::new(written(reader)).keep_alive(KeepAlive::new().interval(heartbeat)).into_response()
}

fn written(reader: Reader) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    unfold(reader, async |mut reader| {
        let one = reader.next().await?;
        let event =
            SseEvent::default().id(one.id()).event(&one.event.kind).data(one.json().as_str());
        Some((Ok(event), reader))
    })
}
