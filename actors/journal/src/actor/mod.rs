//! The journal's actor: requests become inputs of the group commit machine, its commands become
//! writes and answers.
//!
//! ```text
//!  Append ─▶ JournalActor ─▶ GroupCommit ─ Write ─▶ writer thread: write, sync, mark
//!               │   ▲                                   │
//!   reads,      │   └──────── Event::Written ───────────┘  through a reserved slot
//!   snapshots,  ▼
//!   blobs ─▶ jobs on tokio's blocking threads, so many at once, so many waiting
//! ```

mod desk;
mod event;
mod faults;
mod jobs;
mod opening;
mod running;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Actor, ActorError, Context, ExitReason, MailboxConfig, Shutdown, Spec};

use crate::config::JournalConfig;
use crate::messages::JournalMessage;
use crate::simulated::SimulatedDisk;
pub use event::Event;
use faults::Attempts;
pub use faults::OpenFaults;
use opening::{Opening, Storage};
use running::Running;

/// Messages that may wait for the journal.
const MAILBOX: usize = 4_096;
/// Slots beside those for jobs: the group under way, a look at a full disk, and some to spare.
const SPARE_SLOTS: usize = 64;
/// How long the last group and the mark may take at the end.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// The one writer of a folder.
pub struct JournalActor {
    config: JournalConfig,
    storage: Storage,
    incarnation: u64,
    running: Option<Box<Running>>,
    attempts: Arc<Attempts>,
}

impl JournalActor {
    /// A journal in a folder, which is made when it isn't there. Its name is `journal`.
    ///
    /// The start reads and checks the whole log; it fails with
    /// [`OpenError`](crate::OpenError) when the folder is in use or damaged.
    #[must_use]
    pub fn spec(config: JournalConfig, folder: impl Into<PathBuf>) -> Spec<Self> {
        Self::watched(config, folder).0
    }

    /// Like [`JournalActor::spec`], and tells why the journal could not be opened, if it could not.
    #[must_use]
    pub fn watched(config: JournalConfig, folder: impl Into<PathBuf>) -> (Spec<Self>, OpenFaults) {
        Self::spec_on(config, Storage::Folder(Arc::new(folder.into())))
    }

    /// A journal on a simulated disk. It works in its own turn alone, on no other thread, so that
    /// a run under virtual time repeats.
    #[must_use]
    pub fn simulated(config: JournalConfig, disk: SimulatedDisk) -> Spec<Self> {
        Self::simulated_watched(config, disk).0
    }

    /// Like [`JournalActor::simulated`], and tells why the journal could not be opened, if it
    /// could not.
    #[must_use]
    pub fn simulated_watched(
        config: JournalConfig,
        disk: SimulatedDisk,
    ) -> (Spec<Self>, OpenFaults) {
        Self::spec_on(config, Storage::Simulated(disk))
    }

    fn spec_on(config: JournalConfig, storage: Storage) -> (Spec<Self>, OpenFaults) {
        let (attempts, faults) = OpenFaults::new();
        let attempts = Arc::new(attempts);
        let start_timeout = Duration::from_secs(config.open_timeout_s);
        let max_reserved = config.max_waiting_jobs as usize + SPARE_SLOTS;
        let mailbox = MailboxConfig { max_reserved, ..MailboxConfig::bounded(MAILBOX) };
        let mut incarnations = 0;
        let factory = move || {
            incarnations += 1;
            let (config, storage) = (config.clone(), storage.clone());
            let attempts = Arc::clone(&attempts);
            Self { config, storage, incarnation: incarnations, running: None, attempts }
        };
        let spec = Spec::new("journal", factory)
            .mailbox(mailbox)
            .start_timeout(start_timeout)
            .shutdown(Shutdown::Within(SHUTDOWN));
        (spec, faults)
    }
}

impl Actor for JournalActor {
    type Message = JournalMessage;

    const KIND: &'static str = "journal";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mut log_id = [0; 16];
        ctx.system().entropy().fill(&mut log_id);
        let opening = Opening {
            config: self.config.clone(),
            storage: self.storage.clone(),
            incarnation: self.incarnation,
            log_id,
            now_us: ctx.system().clock().utc().as_microsecond(),
        };
        let opened = match self.storage {
            Storage::Simulated(_) => opening.open(),
            Storage::Folder(_) => tokio::task::spawn_blocking(move || opening.open()).await?,
        };
        let opened = opened.map_err(Arc::new);
        self.attempts.send_replace(opened.as_ref().err().map(Arc::clone));
        let mut running = opened?;
        running.begin(ctx);
        self.running = Some(Box::new(running));
        Ok(())
    }

    async fn handle(
        &mut self,
        message: JournalMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let Some(running) = &mut self.running {
            running.handle(message, ctx);
        }
        Ok(())
    }

    /// Hands the appends of a batch to the disk together.
    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if let Some(running) = &mut self.running {
            running.flush(ctx);
        }
        Ok(())
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        if let Some(running) = self.running.take() {
            running.close().await;
        }
    }
}
