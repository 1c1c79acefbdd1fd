//! Opening a folder: lock, check, set up.

use std::path::PathBuf;
use std::sync::Arc;

use super::desk::{Desk, WriterThread};
use super::jobs::Jobs;
use super::running::Running;
use crate::blob::Blobs;
use crate::commit::GroupCommit;
use crate::config::JournalConfig;
use crate::disk::{BLOBS, Disk, LOG, LocalDisk, LockFault, SNAPSHOTS};
use crate::error::OpenError;
use crate::frame::LogKey;
use crate::recovery::{Birth, OpenLog, io_error, open_log};
use crate::segment::LogId;
use crate::simulated::SimulatedDisk;
use crate::snapshots::Snapshots;
use crate::store::Store;
use crate::writer::{Writer, WriterLimits};

/// Where a journal lives.
#[derive(Clone)]
pub(super) enum Storage {
    Folder(Arc<PathBuf>),
    Simulated(SimulatedDisk),
}

/// All that it takes to open a journal.
pub(super) struct Opening {
    pub(super) config: JournalConfig,
    pub(super) storage: Storage,
    pub(super) incarnation: u64,
    /// The id of the log if it is new.
    pub(super) log_id: LogId,
    pub(super) now_us: i64,
}

impl Opening {
    /// Opens the journal; blocks until the whole log has been read and checked.
    ///
    /// # Errors
    /// [`OpenError`]; the folder was left as it is.
    pub(super) fn open(self) -> Result<Running, OpenError> {
        let disk = self.disk()?;
        let lock = disk.lock().map_err(|fault| locked(&*disk, fault))?;
        let segment_bytes = self.config.segment_bytes;
        let birth = Birth { log_id: self.log_id, segment_bytes, now_us: self.now_us };
        let log = open_log(&*disk, &birth)?;
        let limit = self.config.max_snapshot_bytes;
        let last = log.end.next.previous();
        let snapshots = Snapshots::open(Arc::clone(&disk), log.log_id, limit, last)
            .map_err(io_error(&*disk, "list", SNAPSHOTS))?;
        let blobs = Blobs::open(Arc::clone(&disk), self.config.max_blob_bytes)
            .map_err(io_error(&*disk, "move former blobs in", BLOBS))?;
        let key = LogKey::new(&log.log_id);
        let store = Store { disk, key, snapshots, blobs, _lock: lock };
        self.set_up(log, Arc::new(store))
    }

    fn disk(&self) -> Result<Arc<dyn Disk>, OpenError> {
        match &self.storage {
            Storage::Simulated(disk) => Ok(Arc::new(disk.clone())),
            Storage::Folder(folder) => match LocalDisk::new(folder.as_path()) {
                Ok(disk) => Ok(Arc::new(disk)),
                Err(cause) => {
                    let file = folder.display().to_string();
                    Err(OpenError::Io { action: "create", file, cause })
                }
            },
        }
    }

    fn set_up(self, log: OpenLog, store: Arc<Store>) -> Result<Running, OpenError> {
        let inline = matches!(self.storage, Storage::Simulated(_));
        let limits = WriterLimits {
            segment_bytes: self.config.segment_bytes,
            reserve_bytes: self.config.reserve_bytes,
            ahead: !inline,
        };
        let disk = Arc::clone(&store.disk);
        let writer = Writer::new(Arc::clone(&disk), limits, (store.key, log.file, log.mark));
        let desk = if inline {
            Desk::Inline(Box::new(writer))
        } else {
            let started = WriterThread::start(writer);
            Desk::Thread(started.map_err(io_error(&*disk, "start the writer of", LOG))?)
        };
        let jobs = Jobs::new(store, &self.config, self.incarnation, inline);
        let machine = GroupCommit::new(self.config.clone(), log.log_id, log.heads, log.end);
        let parts = (machine, log.catalog, desk, jobs);
        let shortage = shortage(&*disk, self.config.max_group_bytes);
        Ok(Running::new(self.config, self.incarnation, parts, (log.cut_bytes, shortage)))
    }
}

/// Why nothing can be taken from the start: no room for so much as one group, let alone for the
/// blobs and snapshots beside the log.
fn shortage(disk: &dyn Disk, group_bytes: u64) -> Option<String> {
    let free = disk.free_bytes().ok()?;
    let short = free < group_bytes;
    short.then(|| format!("{free} bytes are free, {group_bytes} are needed to begin"))
}

fn locked(disk: &dyn Disk, fault: LockFault) -> OpenError {
    match fault {
        LockFault::Held { pid } => OpenError::InUse { folder: disk.display(""), pid },
        LockFault::Io(cause) => OpenError::Io { action: "lock", file: disk.display("LOCK"), cause },
    }
}
