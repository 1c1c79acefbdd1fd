//! The listener's loop: each caller has its own handshake, so that a silent one holds up nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::links::handshake::take_call;
use crate::links::refusals::By;
use crate::links::shared::Shared;
use crate::links::transport::{Acceptor, Caller};

/// Failures to accept in a row after which the listener is made anew.
const PATIENCE: u32 = 100;
/// The wait after one, such as for want of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts until the listener fails for good; tells why.
pub(super) async fn accept(mut acceptor: Box<dyn Acceptor>, shared: Arc<Shared>) -> String {
    let mut handshakes = Handshakes::default();
    let mut failures = 0;
    loop {
        match acceptor.accept().await {
            Ok(caller) => {
                failures = 0;
                handshakes.begin(caller, &shared);
            }
            Err(error) if failures < PATIENCE => {
                failures += 1;
                tracing::debug!(%error, "a caller was not accepted");
                sleep(BREATH).await;
            }
            Err(error) => return error.to_string(),
        }
    }
}

/// The handshakes under way, oldest first; they end with it.
#[derive(Default)]
struct Handshakes {
    tasks: tokio::task::JoinSet<()>,
    running: VecDeque<tokio::task::AbortHandle>,
}

impl Handshakes {
    fn begin(&mut self, caller: Caller, shared: &Arc<Shared>) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|handle| !handle.is_finished());
        if self.running.len() >= shared.config.max_handshakes as usize {
            // The one that has been silent for longest.
            if let Some(oldest) = self.running.pop_front() {
                oldest.abort();
                metrics::counter!("synod_link_handshakes_cut_total").increment(1);
            }
        }
        self.running.push_back(self.tasks.spawn(become_acquainted(caller, Arc::clone(shared))));
    }
}

async fn become_acquainted(caller: Caller, shared: Arc<Shared>) {
    let Caller { from, secure } = caller;
    let handshake = async {
        let stream = match secure.await {
            Ok(stream) => stream,
            Err(error) => {
                shared.note_failed_call(By::Us, &from, &error);
                return;
            }
        };
        match take_call(&shared, stream, &from).await {
            Ok(acquaintance) => {
                if let Err(error) = shared.hand_over(acquaintance).await {
                    tracing::debug!(%error, from, "a connection came while the links were busy");
                }
            }
            Err(failure) => tracing::debug!(%failure, from, "a handshake failed"),
        }
    };
    if timeout(shared.config.handshake(), handshake).await.is_err() {
        metrics::counter!("synod_link_handshakes_late_total").increment(1);
        tracing::debug!(from, "a caller did not finish its handshake in time");
    }
}
