//! A disk in memory that fails when it is told to, for tests of whatever keeps its state in a
//! journal.
//!
//! A crash keeps what was synced and, of what wasn't, whatever the seed says: each sector of 512
//! bytes on its own, lengths and names too. The same seed gives the same disk.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, FileEntry, LockFault};
use file::{Inode, SimulatedFile};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct World {
    chance: Chance,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    /// The names that are durable, and the changes that aren't yet, in order.
    durable_names: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    next_inode: u64,
    /// How often the power was cut: files that were opened before are dead.
    power_cuts: u64,
    locked_since: Option<u64>,
    now_us: i64,
    free: u64,
    power_left: Option<u64>,
    failing_write: Option<u64>,
    failing_sync: Option<u64>,
    lies: bool,
    syncs: u64,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, u64),
    Rename(String, String),
    Unlink(String),
}

impl SimulatedDisk {
    /// An empty disk with a TiB of room.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let world = World {
            chance: Chance(seed),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            next_inode: 0,
            power_cuts: 0,
            locked_since: None,
            now_us: 0,
            free: 1 << 40,
            power_left: None,
            failing_write: None,
            failing_sync: None,
            lies: false,
            syncs: 0,
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Cuts the power: open files die, the lock is free, and of what wasn't synced any part may
    /// be lost.
    pub fn crash(&self) {
        self.world.lock().crash();
    }

    /// Cuts the power instead of doing the `nth` change from now on, counted from 1: a write, a
    /// sync, or a change of a name.
    pub fn crash_at(&self, nth: u64) {
        self.world.lock().power_left = Some(nth);
    }

    /// Sets the room that is left: what makes a file longer than that fails.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.world.lock().free = bytes;
    }

    /// The `nth` write from now on, counted from 1, writes half and then finds the disk full.
    pub fn fail_write(&self, nth: u64) {
        self.world.lock().failing_write = Some(nth);
    }

    /// The `nth` sync from now on, counted from 1, fails. As on Linux what it should have made
    /// durable is still read back, but some of it never reaches the disk, and a later sync of the
    /// file succeeds without changing that.
    pub fn fail_sync(&self, nth: u64) {
        self.world.lock().failing_sync = Some(nth);
    }

    /// From now on a sync of a file says that it is done, and does nothing: as when a program
    /// leaves it out, or a disk lies.
    pub fn skip_syncs(&self) {
        self.world.lock().lies = true;
    }

    /// How many files were synced so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// Sets the time that files are marked with, UTC microseconds.
    pub fn set_now_us(&self, now_us: i64) {
        self.world.lock().now_us = now_us;
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.world.lock().names.keys().cloned().collect()
    }

    /// What reads back from a file; empty when there is none.
    #[must_use]
    pub fn contents(&self, path: &str) -> Vec<u8> {
        let world = self.world.lock();
        world.inode(path).map(|inode| inode.contents().to_vec()).unwrap_or_default()
    }

    /// Puts a file in place, durably.
    pub fn set_contents(&self, path: &str, contents: &[u8]) {
        let world = &mut *self.world.lock();
        let id = world.link(path);
        NameChange::Link(path.to_owned(), id).apply(&mut world.durable_names);
        world.inodes.insert(id, Inode::durable(contents));
    }

    /// Loses a file durably, as when someone removes it by hand.
    pub fn lose(&self, path: &str) {
        let world = &mut *self.world.lock();
        world.names.remove(path);
        world.durable_names.remove(path);
    }

    /// Flips the bits of `mask` in one byte of a file, durably.
    pub fn flip(&self, path: &str, offset: u64, mask: u8) {
        let mut contents = self.contents(path);
        if let Some(byte) = contents.get_mut(offset as usize) {
            *byte ^= mask;
            self.set_contents(path, &contents);
        }
    }
}

impl World {
    fn crash(&mut self) {
        self.power_cuts += 1;
        self.power_left = None;
        self.locked_since = None;
        let kept = self.chance.below(self.name_changes.len() as u64 + 1) as usize;
        for change in self.name_changes.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        let Self { inodes, names, chance, .. } = self;
        inodes.retain(|id, _| names.values().any(|named| named == id));
        inodes.values_mut().for_each(|inode| inode.lose(chance));
    }

    /// Counts a change, before which the power may be cut.
    fn spend(&mut self) -> io::Result<()> {
        let left = self.power_left.map(|left| left.saturating_sub(1));
        self.power_left = left;
        if left == Some(0) {
            self.crash();
            return Err(power_cut());
        }
        Ok(())
    }

    fn inode(&self, path: &str) -> Option<&Inode> {
        self.inodes.get(self.names.get(path)?)
    }

    /// The inode of that name, made when there is none.
    fn link(&mut self, path: &str) -> u64 {
        if let Some(id) = self.names.get(path) {
            return *id;
        }
        self.next_inode += 1;
        self.change_name(NameChange::Link(path.to_owned(), self.next_inode));
        self.inodes.insert(self.next_inode, Inode::default());
        self.next_inode
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn open(&self, disk: &SimulatedDisk, id: u64) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile::new(disk.world.clone(), id, self.power_cuts))
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link(path, id) => drop(names.insert(path.clone(), *id)),
            Self::Unlink(path) => drop(names.remove(path)),
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, LockFault> {
        let world = &mut *self.world.lock();
        if world.locked_since.is_some() {
            return Err(LockFault::Held { pid: Some(std::process::id()) });
        }
        world.locked_since = Some(world.power_cuts);
        Ok(Box::new(SimulatedLock { disk: self.clone(), since: world.power_cuts }))
    }

    /// Nothing: a path needs no folder here.
    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>> {
        let world = self.world.lock();
        let entries = world.names.iter().filter_map(|(path, id)| {
            let name = path.strip_prefix(folder)?.strip_prefix('/')?.to_owned();
            if name.contains('/') {
                return None;
            }
            let inode = world.inodes.get(id)?;
            let bytes = inode.contents().len() as u64;
            Some(FileEntry { name, bytes, modified_us: inode.modified_us })
        });
        Ok(entries.collect())
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let world = &mut *self.world.lock();
        world.spend()?;
        let id = world.link(path);
        if let Some(old) = world.inodes.insert(id, Inode::empty(world.now_us)) {
            world.free += old.contents().len() as u64;
        }
        Ok(world.open(self, id))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let world = self.world.lock();
        let id = world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(world.open(self, *id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let world = &mut *self.world.lock();
        world.spend()?;
        world.inode(from).ok_or(io::ErrorKind::NotFound)?;
        world.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let world = &mut *self.world.lock();
        world.spend()?;
        let room = world.inode(path).map(|inode| inode.contents().len() as u64);
        world.free += room.ok_or(io::ErrorKind::NotFound)?;
        world.change_name(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn touch(&self, path: &str) -> io::Result<()> {
        let world = &mut *self.world.lock();
        let id = world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        if let Some(inode) = world.inodes.get_mut(id) {
            inode.modified_us = world.now_us;
        }
        Ok(())
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        let world = &mut *self.world.lock();
        world.spend()?;
        for change in world.name_changes.drain(..) {
            change.apply(&mut world.durable_names);
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.world.lock().free)
    }

    fn display(&self, path: &str) -> String {
        path.to_owned()
    }
}

fn power_cut() -> io::Error {
    io::Error::other("the power was cut")
}

/// Gives the folder back when it is dropped, unless the power was cut since.
struct SimulatedLock {
    disk: SimulatedDisk,
    since: u64,
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let world = &mut *self.disk.world.lock();
        if world.locked_since == Some(self.since) && world.power_cuts == self.since {
            world.locked_since = None;
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
#[derive(Clone, Debug)]
struct Chance(u64);

impl Chance {
    /// A number below `bound`, which isn't 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
