//! The real disk: a folder of the machine's file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::statvfs;

use super::{Disk, DiskFile, FOLDERS, FileEntry, LockFault, is_full};

/// The file that is locked while the folder is in use; it holds the process id.
const LOCK: &str = "LOCK";

/// A folder of the machine's file system.
#[derive(Clone, Debug)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// Takes the folder as it is, or makes it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        for folder in FOLDERS {
            create_durably(&root.join(folder))?;
        }
        Ok(Self { root })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Disk for LocalDisk {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, LockFault> {
        let path = self.root.join(LOCK);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder's id is a courtesy; it may be unreadable for another user.
                let _ = file.read_to_string(&mut text);
                return Err(LockFault::Held { pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        match file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
            // Who holds it is a courtesy; what is stored must be readable without room for that.
            Err(error) if !is_full(&error) => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        // The lock ends with the file; the file itself stays, as removing it would race.
        Ok(Box::new(file))
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        create_durably(&self.path(folder))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if metadata.is_file() {
                let modified_us = unix_us(metadata.modified()?);
                entries.push(FileEntry { name, bytes: metadata.len(), modified_us });
            }
        }
        Ok(entries)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(LocalFile(options.open(self.path(path))?)))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(path))?;
        Ok(Box::new(LocalFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn touch(&self, path: &str) -> io::Result<()> {
        File::open(self.path(path))?.set_modified(SystemTime::now())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let storage = statvfs(&self.root)?;
        Ok(storage.f_bavail.saturating_mul(storage.f_frsize))
    }

    fn display(&self, path: &str) -> String {
        Path::display(&self.path(path)).to_string()
    }
}

/// A file of the machine's file system.
struct LocalFile(File);

impl DiskFile for LocalFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        reserve(&self.0, bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn content_end(&self) -> io::Result<u64> {
        content_end(&self.0)
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system has it. A sparse file is correct; only it is full later.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => lengthen(file, bytes),
        done => done.map_err(io::Error::from),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    lengthen(file, bytes)
}

/// Room that was only reserved counts as a hole, so a young log needn't be read to its end.
#[cfg(target_os = "linux")]
fn content_end(file: &File) -> io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    let mut end = 0;
    loop {
        let extent = seek(file, SeekFrom::Data(end)).and_then(|at| seek(file, SeekFrom::Hole(at)));
        match extent {
            Ok(hole) => end = hole,
            Err(Errno::NXIO) => return Ok(end),
            // Not every file system knows.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(file.metadata()?.len()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn content_end(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

fn lengthen(file: &File, bytes: u64) -> io::Result<()> {
    if file.metadata()?.len() < bytes { file.set_len(bytes) } else { Ok(()) }
}

/// Makes a folder and those above it; each name is durable when this returns.
fn create_durably(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    create_durably(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => created?,
    }
    File::open(above)?.sync_all()
}

fn unix_us(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let disk = LocalDisk::new(folder.path())?;
        let held = disk.lock()?;
        let second = LocalDisk::new(folder.path())?.lock().err();
        let own = std::process::id();
        assert!(matches!(second, Some(LockFault::Held { pid: Some(pid) }) if pid == own));
        drop(held);
        disk.lock()?;
        Ok(())
    }

    #[test]
    fn preallocated_room_reads_as_zeros() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let disk = LocalDisk::new(folder.path())?;
        let file = disk.create("log/a")?;
        file.preallocate(10_000)?;
        assert_eq!(file.length()?, 10_000);
        let mut bytes = [1; 16];
        assert_eq!(file.read_at(&mut bytes, 9_000)?, 16);
        assert_eq!(bytes, [0; 16]);
        Ok(())
    }

    #[test]
    fn content_ends_behind_what_was_written_last() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let disk = LocalDisk::new(folder.path())?;
        let file = disk.create("log/a")?;
        file.preallocate(1 << 20)?;
        file.write_at(b"early", 0)?;
        // Not synced, behind a hole.
        file.write_at(b"content", 500_000)?;
        let end = file.content_end()?;
        assert!((500_007..=1 << 20).contains(&end), "{end}");
        Ok(())
    }
}
