//! A file of the simulated disk: what reads back, what is durable, and what lies between.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Chance, World, power_cut};
use crate::disk::DiskFile;

/// Bytes that reach the disk together or not at all.
const SECTOR: u64 = 512;

#[derive(Clone, Default)]
pub(super) struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    pub(super) modified_us: i64,
}

#[derive(Clone)]
enum Change {
    Grow(usize),
    Write(u64, Vec<u8>),
}

impl Inode {
    pub(super) fn empty(modified_us: i64) -> Self {
        Self { modified_us, ..Self::default() }
    }

    pub(super) fn durable(contents: &[u8]) -> Self {
        Self { now: contents.to_vec(), durable: contents.to_vec(), ..Self::default() }
    }

    pub(super) fn contents(&self) -> &[u8] {
        &self.now
    }

    /// Keeps of what isn't synced whatever chance says.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        self.settle(|change| lose_sectors(change, chance));
        self.now = self.durable.clone();
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }

    /// Makes durable what `survives` of the changes.
    fn settle(&mut self, mut survives: impl FnMut(Change) -> Vec<Change>) {
        for change in self.unsynced.drain(..) {
            survives(change).iter().for_each(|change| change.apply(&mut self.durable));
        }
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Grow(length) => contents.resize((*length).max(contents.len()), 0),
            Self::Write(offset, bytes) => {
                let start = *offset as usize;
                contents.resize((start + bytes.len()).max(contents.len()), 0);
                contents[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

/// What a power cut leaves of a change: all, nothing, the beginning, or any of its sectors.
fn lose_sectors(change: Change, chance: &mut Chance) -> Vec<Change> {
    let way = chance.below(4);
    let (offset, bytes) = match change {
        Change::Write(offset, bytes) if way > 1 => (offset, bytes),
        whole => return if way == 0 { Vec::new() } else { vec![whole] },
    };
    let sectors = sectors(offset, &bytes);
    let begun = chance.below(sectors.len() as u64 + 1) as usize;
    let kept = sectors.into_iter().enumerate();
    kept.filter(|(index, _)| if way == 2 { *index < begun } else { chance.below(2) == 0 })
        .map(|(_, sector)| sector)
        .collect()
}

fn sectors(offset: u64, bytes: &[u8]) -> Vec<Change> {
    let (mut sectors, mut start) = (Vec::new(), 0);
    while start < bytes.len() {
        let at = offset + start as u64;
        let room = (SECTOR - at % SECTOR) as usize;
        let end = (start + room).min(bytes.len());
        sectors.push(Change::Write(at, bytes[start..end].to_vec()));
        start = end;
    }
    sectors
}

impl fmt::Debug for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inode({} bytes, {} unsynced changes)", self.now.len(), self.unsynced.len())
    }
}

/// An open file. It dies with the power.
pub(super) struct SimulatedFile {
    world: Arc<Mutex<World>>,
    id: u64,
    opened_at: u64,
}

impl SimulatedFile {
    pub(super) fn new(world: Arc<Mutex<World>>, id: u64, opened_at: u64) -> Self {
        Self { world, id, opened_at }
    }

    fn with<R>(&self, act: impl FnOnce(&mut World, &mut Inode) -> io::Result<R>) -> io::Result<R> {
        let world = &mut *self.world.lock();
        if world.power_cuts != self.opened_at {
            return Err(power_cut());
        }
        let mut inode = world.inodes.remove(&self.id).ok_or(io::ErrorKind::NotFound)?;
        let done = act(world, &mut inode);
        world.inodes.insert(self.id, inode);
        done
    }

    /// As `with`, for what changes the file.
    fn change<R>(
        &self,
        act: impl FnOnce(&mut World, &mut Inode) -> io::Result<R>,
    ) -> io::Result<R> {
        self.world.lock().spend()?;
        self.with(act)
    }
}

impl World {
    /// How many of so many bytes the next write may have.
    fn writable(&mut self, bytes: usize) -> io::Result<usize> {
        match &mut self.failing_write {
            None => Ok(bytes),
            // What was cut short goes on as a second write, which fails.
            Some(0) => {
                self.failing_write = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(nth) => {
                *nth -= 1;
                Ok(if *nth == 0 { bytes.div_ceil(2) } else { bytes })
            }
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|_, inode| {
            let rest = inode.now.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.change(|world, inode| {
            let count = world.writable(bytes.len())?;
            let growth = (offset + count as u64).saturating_sub(inode.now.len() as u64);
            let missing = growth.saturating_sub(world.free).min(count as u64);
            let bytes = &bytes[..count - missing as usize];
            if bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            world.free -= growth - missing;
            inode.modified_us = world.now_us;
            inode.change(Change::Write(offset, bytes.to_vec()));
            Ok(bytes.len())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.change(|world, inode| {
            world.syncs += 1;
            world.failing_sync = world.failing_sync.map(|nth| nth - 1);
            if world.failing_sync == Some(0) {
                world.failing_sync = None;
                inode.settle(|change| lose_sectors(change, &mut world.chance));
                return Err(io::Error::other("the disk reports an error"));
            }
            if !world.lies {
                inode.settle(|change| vec![change]);
            }
            Ok(())
        })
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.change(|world, inode| {
            let growth = bytes.saturating_sub(inode.now.len() as u64);
            world.free = world.free.checked_sub(growth).ok_or(io::ErrorKind::StorageFull)?;
            inode.change(Change::Grow(bytes as usize));
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|_, inode| Ok(inode.now.len() as u64))
    }

    fn content_end(&self) -> io::Result<u64> {
        self.length()
    }
}
