//! Files that hold secrets: readable by their owner alone, replaced in one step.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::error::FileError;

/// How long another process may hold a lock; it does for one write.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
/// Time between tries.
const LOCK_AGAIN: Duration = Duration::from_millis(10);

/// Makes the folder, which only its owner may enter.
pub(crate) fn make_folder(folder: &Path) -> Result<(), FileError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).map_err(FileError::io(folder))
}

/// Replaces `path` by `text`: a reader sees the old file or the new one, also after a power cut.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> Result<(), FileError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let written = || -> io::Result<()> {
        // A draft that a crash left may be another's: it is made again, with its own mode.
        remove_if_there(draft)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(draft, path)?;
        sync_folder(path)
    };
    written().map_err(FileError::io(path))
}

/// Writes `path`, which must not be there yet.
pub(crate) fn create(path: &Path, text: &[u8], mode: u32) -> Result<(), FileError> {
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text)?;
        file.sync_all()?;
        sync_folder(path)
    };
    written().map_err(FileError::io(path))
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(FileError::io(path))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// A lock between processes, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held, not used")] File);

impl FolderLock {
    /// Waits for the lock at `path`, for a bounded time. It blocks.
    pub(crate) fn take(path: &Path) -> Result<Self, FileError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(FileError::io(path))?;
        let until = Instant::now() + LOCK_WITHIN;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                    thread::sleep(LOCK_AGAIN);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let within_s = LOCK_WITHIN.as_secs();
                    return Err(FileError::Busy { path: path.to_owned(), within_s });
                }
                Err(error) => return Err(FileError::io(path)(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_readable_by_its_owner_alone_and_never_overwritten_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner").join("key");
        make_folder(path.parent().unwrap()).unwrap();
        create(&path, b"one", 0o600).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(create(&path, b"two", 0o600).is_err());
        assert_eq!(read(&path).unwrap(), "one");
        std::fs::write(folder.path().join("inner").join("key.new"), "left by a crash").unwrap();
        replace(&path, b"three", 0o600).unwrap();
        assert_eq!(read(&path).unwrap(), "three");
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_can_not_be_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("nothing")).unwrap_err().is_missing());
        assert!(!read(folder.path()).unwrap_err().is_missing());
    }
}
