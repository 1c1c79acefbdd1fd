//! Packing: records of runs go from memory to packs, which are blobs, before the log lets go of
//! them; and what is still needed of packs that are mostly of forgotten runs goes to new ones, so
//! that the disk holds at most about twice what is kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use synod_journal::{BlobId, PutBlob};
use synod_runtime::{Context, TaskFailure};

use super::WorkflowEngine;
use super::run::{Surroundings, blob};
use super::step::{Own, Step};
use crate::history::{Chunk, Piece, write_piece};
use crate::index::{Moved, Pack};
use crate::messages::{RunId, WorkflowsMessage};
use crate::records;

/// Bytes of a pack, but for one that a single record fills.
const PACK_BYTES: usize = 1 << 20;

/// A pack that is stored, and what is in it.
#[derive(Debug)]
struct StoredPack {
    pack: Pack,
    /// Each run's chunk, and how many records of it that is.
    chunks: Vec<(RunId, Chunk, usize)>,
    moved: Vec<Moved>,
}

/// Packs that are stored, and those that nothing is needed of any more.
#[derive(Debug)]
pub(in crate::actor) struct Packed {
    packs: Vec<StoredPack>,
    retired: Vec<BlobId>,
}

/// Packs of which little is needed, by number, with the chunks that are.
type Sparse = BTreeMap<u32, (Pack, Vec<(RunId, Chunk)>)>;

/// A pack that is being written.
struct Writing {
    number: u32,
    bytes: Vec<u8>,
    chunks: Vec<(RunId, Chunk, usize)>,
    moved: Vec<Moved>,
}

impl Writing {
    fn new(number: u32) -> Self {
        Self { number, bytes: Vec::new(), chunks: Vec::new(), moved: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.moved.is_empty()
    }

    /// Where the bytes from `begin` on are.
    fn chunk(&self, begin: usize) -> Chunk {
        let bounded = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let (offset, length) = (bounded(begin), bounded(self.bytes.len() - begin));
        Chunk { pack: self.number, offset, length }
    }

    /// Writes as many of these records as have room; how many that were.
    fn write(&mut self, run: RunId, pieces: &[Piece]) -> usize {
        let begin = self.bytes.len();
        let mut count = 0;
        for piece in pieces {
            let full = self.bytes.len() + piece.packed_size() > PACK_BYTES;
            if full && !self.bytes.is_empty() {
                break;
            }
            write_piece(&mut self.bytes, piece);
            count += 1;
        }
        if count > 0 {
            self.chunks.push((run, self.chunk(begin), count));
        }
        count
    }

    /// Copies a chunk, if it has room and is there.
    fn copy(&mut self, run: RunId, from: Chunk, pack: &Bytes) {
        let (begin, at) = (self.bytes.len(), from.offset as usize);
        let Some(bytes) = pack.get(at..at.saturating_add(from.length as usize)) else {
            return tracing::error!(run_id = %run, ?from, "a chunk is not in its pack");
        };
        self.bytes.extend_from_slice(bytes);
        self.moved.push(Moved { run, from, to: self.chunk(begin) });
    }

    fn has_room(&self, length: u32) -> bool {
        self.bytes.is_empty() || self.bytes.len() + length as usize <= PACK_BYTES
    }
}

/// Puts the records of runs into packs, those of one run beside each other.
fn write_packs(runs: &[(RunId, Vec<Piece>)], first: u32) -> Vec<Writing> {
    let mut packs = Vec::new();
    let mut pack = Writing::new(first);
    for (run, pieces) in runs {
        let mut left = &pieces[..];
        while !left.is_empty() {
            let written = pack.write(*run, left);
            left = &left[written..];
            if !left.is_empty() {
                let next = Writing::new(pack.number + 1);
                packs.push(std::mem::replace(&mut pack, next));
            }
        }
    }
    packs.push(pack);
    packs.retain(|pack| !pack.is_empty());
    packs
}

/// Puts what is needed of sparse packs into new ones; which of the old ones it was copied of.
async fn rewrite(around: &Surroundings, sparse: Sparse, first: u32) -> (Vec<Writing>, Vec<BlobId>) {
    let (mut packs, mut retired) = (Vec::new(), Vec::new());
    let mut writing = Writing::new(first);
    for (old, chunks) in sparse.into_values() {
        let bytes = match blob(around, old.blob).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(pack = %old.blob, %error, "a pack of histories can't be read");
                continue;
            }
        };
        for (run, chunk) in chunks {
            if !writing.has_room(chunk.length) {
                let next = Writing::new(writing.number + 1);
                packs.push(std::mem::replace(&mut writing, next));
            }
            writing.copy(run, chunk, &bytes);
        }
        retired.push(old.blob);
    }
    packs.push(writing);
    packs.retain(|pack| !pack.is_empty());
    (packs, retired)
}

async fn store_packs(around: &Surroundings, packs: Vec<Writing>) -> Option<Vec<StoredPack>> {
    let mut stored = Vec::with_capacity(packs.len());
    for Writing { bytes, chunks, moved, .. } in packs {
        let (size, bytes) = (bytes.len() as u64, Bytes::from(bytes));
        let put = PutBlob { owner: records::STREAM, bytes, expected: None };
        match around.journal.ask(put, around.journal_timeout).await {
            Ok(Ok(blob)) => {
                let pack = Pack { blob, live: size, size };
                stored.push(StoredPack { pack, chunks, moved });
            }
            outcome => {
                tracing::warn!(?outcome, "a pack of histories was not stored");
                return None;
            }
        }
    }
    Some(stored)
}

impl WorkflowEngine {
    /// Packs what is in memory, and sparse packs anew: of them no more at a time than is stored
    /// between two snapshots.
    pub(super) fn pack(&mut self, ctx: &mut Context<Self>) {
        self.keeping.begin(ctx.now());
        let recent = self.index.in_order().filter(|(_, entry)| !entry.trail.recent.is_empty());
        let runs: Vec<_> = recent.map(|(run, entry)| (run, entry.trail.recent.clone())).collect();
        let sparse = self.index.sparse(self.config.snapshot_bytes);
        let (first, around) = (self.index.next_pack(), self.surround(ctx));
        let work = async move {
            let write = move || write_packs(&runs, first);
            let packs = synod_runtime::beside(write).await;
            let packs = packs.inspect_err(|error| tracing::error!(%error, "no packs were written"));
            let mut packs = packs.ok()?;
            let next = packs.last().map_or(first, |last| last.number + 1);
            let (rewritten, retired) = rewrite(&around, sparse, next).await;
            packs.extend(rewritten);
            let packs = store_packs(&around, packs).await?;
            Some(Packed { packs, retired })
        };
        let packed = |outcome| WorkflowsMessage::Own(Step(Own::Packed(outcome)));
        if ctx.attach(work, packed).is_err() {
            self.keeping.give_up();
        }
    }

    /// Takes the packed records out of memory, and makes a snapshot.
    pub(super) fn packed(
        &mut self,
        outcome: Result<Option<Packed>, TaskFailure>,
        ctx: &mut Context<Self>,
    ) {
        let (Ok(Some(Packed { packs, retired })), true) = (outcome, self.works()) else {
            return self.keeping.give_up();
        };
        for StoredPack { pack, chunks, moved } in packs {
            if moved.is_empty() {
                self.index.packed(pack, &chunks);
            } else {
                self.index.moved_to(pack, &moved);
            }
        }
        self.keeping.retired.extend(retired);
        self.snapshot(ctx);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::history::read_chunk;

    #[test]
    fn records_of_a_run_stay_in_order_over_packs() {
        let piece = |byte: u8| Piece { version: 1, bytes: vec![byte; 400_000].into() };
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let runs = [(one, (0..6).map(piece).collect()), (two, vec![piece(9)])];
        let packs = write_packs(&runs, 3);
        let numbers: Vec<_> = packs.iter().map(|pack| pack.number).collect();
        assert_eq!(numbers, [3, 4, 5, 6]);
        let mut read = Vec::new();
        for Writing { bytes, chunks, .. } in packs {
            let bytes = Bytes::from(bytes);
            for (run, chunk, count) in chunks {
                let pieces = read_chunk(&bytes, chunk).unwrap();
                assert_eq!(pieces.len(), count);
                read.extend(pieces.iter().map(|piece| (run, piece.bytes[0])));
            }
        }
        let expected: Vec<_> = (0..6).map(|n| (one, n)).chain([(two, 9)]).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_copied_chunk_gives_the_same_records() {
        let run = Uuid::from_u128(1);
        let pieces = ["a", "bc"].map(|text| Piece { version: 2, bytes: Bytes::from(text) });
        let mut old = Writing::new(1);
        old.write(Uuid::from_u128(2), &pieces[..1]);
        old.write(run, &pieces);
        let (_, from, _) = old.chunks[1];
        let mut new = Writing::new(7);
        new.write(Uuid::from_u128(3), &pieces);
        new.copy(run, from, &Bytes::from(old.bytes));
        let Moved { to, .. } = new.moved[0];
        assert_eq!((to.pack, read_chunk(&Bytes::from(new.bytes), to).unwrap()), (7, pieces.into()));
    }
}
