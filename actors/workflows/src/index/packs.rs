//! The packs that hold histories, and how much of each is still needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_journal::BlobId;

use super::Index;
use crate::history::Chunk;
use crate::messages::RunId;

/// A pack that holds chunks of runs that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pack {
    pub blob: BlobId,
    /// Bytes of chunks that runs still have in it.
    pub live: u64,
    /// All its bytes.
    pub size: u64,
}

impl Pack {
    /// Whether less than half of it is still needed.
    pub(crate) fn is_sparse(&self) -> bool {
        self.live < self.size / 2
    }
}

/// A chunk that was copied to another pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub run: RunId,
    pub from: Chunk,
    pub to: Chunk,
}

impl Index {
    pub(super) fn release(&mut self, pack: u32, length: u32) {
        if let Some(known) = self.packs.get_mut(&pack) {
            known.live = known.live.saturating_sub(u64::from(length));
            if known.live == 0 {
                self.packs.remove(&pack);
            }
        }
    }

    pub(crate) fn pack(&self, pack: u32) -> Option<&Pack> {
        self.packs.get(&pack)
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = (u32, Pack)> {
        self.packs.iter().map(|(number, pack)| (*number, *pack))
    }

    /// The number of the next pack.
    pub(crate) fn next_pack(&self) -> u32 {
        self.next_pack
    }

    /// The packs of which little is needed, those of which least is first, and the chunks of runs
    /// in them: up to so many bytes.
    pub(crate) fn sparse(&self, bytes: u64) -> BTreeMap<u32, (Pack, Vec<(RunId, Chunk)>)> {
        let mut sparse: Vec<_> = self.packs().filter(|(_, pack)| pack.is_sparse()).collect();
        sparse.sort_by_key(|(_, pack)| pack.live);
        let mut left = bytes;
        let some = sparse.into_iter().take_while(|(_, pack)| {
            let fits = left >= pack.live;
            left = left.saturating_sub(pack.live);
            fits
        });
        let mut found: BTreeMap<_, _> =
            some.map(|(number, pack)| (number, (pack, Vec::new()))).collect();
        if found.is_empty() {
            return found;
        }
        for (run, entry) in self.in_order() {
            for chunk in &entry.trail.packed {
                if let Some((_, chunks)) = found.get_mut(&chunk.pack) {
                    chunks.push((run, *chunk));
                }
            }
        }
        found
    }

    /// Notes that chunks are in another pack now. What was forgotten meanwhile stays so.
    pub(crate) fn moved_to(&mut self, pack: Pack, moved: &[Moved]) {
        let Some(number) = moved.first().map(|moved| moved.to.pack) else { return };
        let mut kept = 0;
        for Moved { run, from, to } in moved {
            let Some(entry) = self.runs.get_mut(run) else { continue };
            let Some(at) = entry.trail.packed.iter().position(|chunk| chunk == from) else {
                continue;
            };
            Arc::make_mut(entry).trail.packed[at] = *to;
            kept += u64::from(to.length);
            self.release(from.pack, from.length);
        }
        self.next_pack = self.next_pack.max(number + 1);
        if kept > 0 {
            self.packs.insert(number, Pack { live: kept, ..pack });
        }
    }

    /// Notes that the first `packed[run]` records in memory of each run are in a pack now.
    pub(crate) fn packed(&mut self, pack: Pack, chunks: &[(RunId, Chunk, usize)]) {
        let mut kept = 0;
        for (run, chunk, count) in chunks {
            let Some(entry) = self.runs.get_mut(run).map(Arc::make_mut) else { continue };
            let count = (*count).min(entry.trail.recent.len());
            let gone = entry.trail.recent.drain(..count);
            self.held -= gone.map(|piece| piece.bytes.len() as u64).sum::<u64>();
            entry.trail.recent.shrink_to_fit();
            entry.trail.packed.push(*chunk);
            kept += u64::from(chunk.length);
        }
        let number = chunks.first().map_or(self.next_pack, |(_, chunk, _)| chunk.pack);
        self.next_pack = self.next_pack.max(number + 1);
        if kept > 0 {
            self.packs.insert(number, Pack { live: kept, ..pack });
        }
    }

    /// Puts back the packs of a snapshot.
    pub(crate) fn restore_packs(&mut self, packs: impl Iterator<Item = (u32, Pack)>, next: u32) {
        self.packs = packs.collect();
        self.next_pack = next;
    }
}
