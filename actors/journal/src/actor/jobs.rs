//! Reads, snapshots and blobs: blocking work that runs beside the log.

use std::sync::Arc;

use synod_runtime::{Context, Reply};
use tokio::sync::Semaphore;

use super::JournalActor;
use super::event::{Event, News};
use crate::config::JournalConfig;
use crate::messages::JournalMessage;
use crate::store::Store;

/// The jobs of one incarnation.
pub(super) struct Jobs {
    store: Arc<Store>,
    incarnation: u64,
    most: u32,
    under_way: u32,
    /// None when jobs run in the actor's turn.
    turns: Option<Arc<Semaphore>>,
}

impl Jobs {
    pub(super) fn new(
        store: Arc<Store>,
        config: &JournalConfig,
        incarnation: u64,
        inline: bool,
    ) -> Self {
        let turns = (!inline).then(|| Arc::new(Semaphore::new(config.concurrent_jobs as usize)));
        Self { store, incarnation, most: config.max_waiting_jobs, under_way: 0, turns }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// A job has ended.
    pub(super) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Whether as many jobs are under way as may be.
    pub(super) fn is_full(&self) -> bool {
        self.under_way >= self.most
    }

    /// Runs a job and answers with its result, or at once with `refusal` when too many wait.
    pub(super) fn run<R: Send + 'static>(
        &mut self,
        ctx: &mut Context<JournalActor>,
        reply: Reply<R>,
        refusal: R,
        work: impl FnOnce(&Store) -> R + Send + 'static,
    ) {
        let Some(turns) = self.turns.clone() else {
            return reply.send(work(&self.store));
        };
        if self.is_full() {
            return reply.send(refusal);
        }
        let store = Arc::clone(&self.store);
        let job = async move {
            let _turn = turns.acquire_owned().await;
            // A panic drops the reply, which tells the asker.
            let _ = tokio::task::spawn_blocking(move || reply.send(work(&store))).await;
        };
        let incarnation = self.incarnation;
        let end = move |_| JournalMessage::Event(Event { incarnation, news: News::JobEnded });
        match ctx.attach(job, end) {
            Ok(_) => self.under_way += 1,
            // The job, and with it the reply, was dropped: the asker knows.
            Err(error) => tracing::warn!(%error, "a job could not be begun"),
        }
    }
}
