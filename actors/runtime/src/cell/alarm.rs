//! One alarm per incarnation, for all its timers and the deadlines of its supervision: a task
//! exists only while a deadline is open, and only for the earliest.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::port::{Port, Signal};

/// Allocates nothing until it is armed.
#[derive(Default)]
pub(crate) struct Alarm {
    armed: Option<Box<(Instant, AbortHandle)>>,
}

impl Alarm {
    /// Wakes the incarnation at `at` or before; an earlier alarm that is no longer needed may
    /// still ring, which costs one empty turn.
    pub(crate) fn arm(&mut self, port: &Arc<Port>, at: Option<Instant>) {
        let Some(at) = at else { return };
        if self.armed.as_ref().is_some_and(|armed| armed.0 <= at) {
            return;
        }
        self.silence();
        let port = Arc::clone(port);
        let ring = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            port.push(Signal::Alarm);
        });
        self.armed = Some(Box::new((at, ring.abort_handle())));
    }

    /// It has rung, or shall not ring any more.
    pub(crate) fn silence(&mut self) {
        if let Some(armed) = self.armed.take() {
            armed.1.abort();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.silence();
    }
}
