//! What jobs beside the log work on, and the hold on the folder.

use std::io;
use std::sync::Arc;

use crate::blob::Blobs;
use crate::catalog::Plan;
use crate::disk::{Disk, LOG};
use crate::error::{ReadError, TruncateError};
use crate::frame::LogKey;
use crate::messages::{Page, ReadStream};
use crate::names::Position;
use crate::page::read_page;
use crate::segment;
use crate::snapshots::Snapshots;

/// The parts of an open journal that several threads share; all its calls block. The folder
/// stays locked until the last of them lets go.
pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) key: LogKey,
    pub(crate) snapshots: Snapshots,
    pub(crate) blobs: Blobs,
    pub(crate) _lock: Box<dyn Send + Sync>,
}

impl Store {
    /// Reads one page of a stream.
    ///
    /// # Errors
    /// [`ReadError`]
    pub(crate) fn read(&self, request: &ReadStream, plan: &Plan) -> Result<Page, ReadError> {
        read_page(&*self.disk, self.key, request, plan)
    }

    /// Removes segments, the oldest first, so that a crash in between leaves no gap.
    ///
    /// # Errors
    /// [`TruncateError::Io`]
    pub(crate) fn remove(&self, segments: &[Position]) -> Result<(), TruncateError> {
        let removed =
            segments.iter().try_for_each(|first| match self.disk.remove(&segment::path(*first)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            });
        let synced = removed.and_then(|()| self.disk.sync_folder(LOG));
        synced.map_err(|error| TruncateError::Io(error.to_string()))
    }
}
