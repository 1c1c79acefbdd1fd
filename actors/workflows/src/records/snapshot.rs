//! The engine's index as a snapshot, and back. Histories are in packs by then; only what came
//! after them is in the snapshot itself.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use synod_journal::{BlobId, Codec, CodecError};
use uuid::Uuid;

use super::codes::{priority, priority_code};
use super::engine::version;
use super::v1::{ChunkV1, CountersV1, EntryV1, KeyUseV1, NamedV1, PackV1, PieceV1, SnapshotV1};
use super::v2::{DescendantsV2, PackSizeV2, SnapshotV2};
use super::{RecordError, unknown};
use crate::definition::DefinitionHash;
use crate::history::{Chunk, DefinedAs, Piece, Trail};
use crate::index::{Counters, Entry, Index, KeyUse, Keys, Named, Pack};
use crate::messages::{RunId, StepStats};

/// The version of the newest shape of a snapshot.
pub(crate) const SNAPSHOT_VERSION: u16 = 2;

/// Bytes that a pack is taken to have where that was not stored: those of a full one.
const FULL_PACK: u64 = 1 << 20;

/// The codec of snapshots: up to 4 GiB.
type SnapshotCodec = Codec<{ 4 << 30 }>;

/// The index as it is to be stored.
pub(crate) fn encode_snapshot(index: &Index) -> Result<Bytes, CodecError> {
    let sizes = index.packs().map(|(number, pack)| PackSizeV2 { number, size: pack.size });
    let descendants = index.all_descendants();
    let descendants =
        descendants.map(|(root, count)| DescendantsV2 { root: root.into_bytes(), count });
    SnapshotCodec::encode(&SnapshotV2 {
        first: first(index),
        packs: sizes.collect(),
        descendants: descendants.collect(),
        results: index.results.in_order().map(Into::into).collect(),
    })
}

/// What version 1 of a snapshot has.
fn first(index: &Index) -> SnapshotV1 {
    SnapshotV1 {
        sequence: index.sequence,
        counters: index.counters.into(),
        definitions: index.definitions.all().map(|known| (&*known.known).into()).collect(),
        names: index
            .definitions
            .names()
            .map(|(name, version, named)| NamedV1 {
                name: Arc::clone(name),
                version: version.to_string(),
                hash: named.hash.0,
                at: named.at,
                by: (&named.by).into(),
            })
            .collect(),
        keys: index.keys.in_order().map(Into::into).collect(),
        packs: index
            .packs()
            .map(|(number, pack)| PackV1 { number, blob: pack.blob.0, live: pack.live })
            .collect(),
        next_pack: index.next_pack(),
        runs: index.in_order().map(|(run, entry)| entry_v1(run, entry)).collect(),
    }
}

/// The index that a snapshot of this version holds.
pub(crate) fn decode_snapshot(shape: u16, bytes: &[u8]) -> Result<Index, RecordError> {
    let stored: SnapshotV2 = match shape {
        1 => SnapshotCodec::decode::<SnapshotV1>(bytes)?.into(),
        SNAPSHOT_VERSION => SnapshotCodec::decode(bytes)?,
        newer => return Err(unknown("version of a snapshot", newer)),
    };
    let SnapshotV2 { first: stored, packs: sizes, descendants, results } = stored;
    let sizes: HashMap<u32, u64> = sizes.iter().map(|pack| (pack.number, pack.size)).collect();
    let mut index = Index::default();
    for known in stored.definitions {
        index.definitions.insert(Arc::new(DefinedAs::from(known)));
    }
    for NamedV1 { name, version: text, hash, at, by } in stored.names {
        let named = Named { hash: DefinitionHash(hash), at, by: by.into() };
        index.definitions.name(name, version(&text)?, named);
    }
    for KeyUseV1 { scope, run, body, used_at } in stored.keys {
        index.keys.insert(scope, KeyUse { run: Uuid::from_bytes(run), body, used_at });
    }
    let packs = stored.packs.into_iter();
    let packs = packs.map(|PackV1 { number, blob, live }| {
        let size = sizes.get(&number).copied().unwrap_or(FULL_PACK.max(live));
        (number, Pack { blob: BlobId(blob), live, size })
    });
    index.restore_packs(packs, stored.next_pack);
    for stored in stored.runs {
        let run = Uuid::from_bytes(stored.run);
        let known = index.definitions.get(&DefinitionHash(stored.definition)).cloned();
        let known = known.ok_or_else(|| unknown("definition of run", run))?;
        index.restore(run, entry(stored, &known)?);
    }
    for result in results {
        index.results.keep(result.try_into()?);
    }
    let descendants = descendants.into_iter();
    index.restore_descendants(descendants.map(|under| (Uuid::from_bytes(under.root), under.count)));
    index.sequence = stored.sequence;
    index.counters = stored.counters.into();
    Ok(index)
}

fn entry_v1(run: RunId, entry: &Entry) -> EntryV1 {
    EntryV1 {
        run: run.into_bytes(),
        sequence: entry.sequence,
        definition: entry.definition.0,
        former: entry.former.iter().map(|hash| hash.0).collect(),
        priority: priority_code(entry.priority),
        labels: entry.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        principal: (&entry.principal).into(),
        trace: entry.trace.map(Into::into),
        key: entry.key.as_ref().map(|(key, _)| Arc::clone(key)),
        parent: entry.parent.map(Into::into),
        origin: entry.origin.as_ref().map(Into::into),
        accepted_at: entry.accepted_at,
        started_at: entry.started_at,
        ended_at: entry.ended_at,
        standing: entry.standing.into(),
        handles: entry.handles.iter().map(Into::into).collect(),
        decided: entry.decided.iter().map(|id| id.into_bytes()).collect(),
        packed: entry
            .trail
            .packed
            .iter()
            .map(|chunk| ChunkV1 { pack: chunk.pack, offset: chunk.offset, length: chunk.length })
            .collect(),
        recent: entry
            .trail
            .recent
            .iter()
            .map(|piece| PieceV1 { version: piece.version, bytes: piece.bytes.clone() })
            .collect(),
        events: entry.events,
        blobs: entry.blobs.iter().map(|blob| blob.0).collect(),
    }
}

fn entry(stored: EntryV1, known: &DefinedAs) -> Result<Entry, RecordError> {
    let chunk = |chunk: ChunkV1| {
        let ChunkV1 { pack, offset, length } = chunk;
        Chunk { pack, offset, length }
    };
    let piece = |piece: PieceV1| Piece { version: piece.version, bytes: piece.bytes };
    let scope = |key: Arc<str>| {
        let scope = Keys::scope(&known.name, &key);
        (key, scope)
    };
    Ok(Entry {
        sequence: stored.sequence,
        definition: DefinitionHash(stored.definition),
        former: stored.former.into_iter().map(DefinitionHash).collect(),
        name: Arc::clone(&known.name),
        version: Arc::clone(&known.version),
        priority: priority(stored.priority)?,
        labels: stored.labels.into_iter().collect(),
        principal: stored.principal.into(),
        trace: stored.trace.map(TryInto::try_into).transpose()?,
        key: stored.key.map(scope),
        parent: stored.parent.map(Into::into),
        origin: stored.origin.map(TryInto::try_into).transpose()?,
        accepted_at: stored.accepted_at,
        started_at: stored.started_at,
        ended_at: stored.ended_at,
        standing: stored.standing.try_into()?,
        handles: stored.handles.into_iter().map(Into::into).collect(),
        decided: stored.decided.into_iter().map(Uuid::from_bytes).collect(),
        trail: Trail {
            packed: stored.packed.into_iter().map(chunk).collect(),
            recent: stored.recent.into_iter().map(piece).collect(),
        },
        events: stored.events,
        blobs: stored.blobs.into_iter().map(BlobId).collect(),
    })
}

impl From<SnapshotV1> for SnapshotV2 {
    fn from(first: SnapshotV1) -> Self {
        let (packs, descendants, results) = (Vec::new(), Vec::new(), Vec::new());
        Self { first, packs, descendants, results }
    }
}

impl From<(crate::index::Half, KeyUse)> for KeyUseV1 {
    fn from((scope, known): (crate::index::Half, KeyUse)) -> Self {
        let KeyUse { run, body, used_at } = known;
        Self { scope, run: run.into_bytes(), body, used_at }
    }
}

impl From<Counters> for CountersV1 {
    fn from(counters: Counters) -> Self {
        let Counters { accepted, completed, failed, cancelled, steps } = counters;
        Self {
            accepted,
            completed,
            failed,
            cancelled,
            executions: steps.executions,
            steps_completed: steps.completed,
            steps_failed: steps.failed,
            steps_retried: steps.retried,
        }
    }
}

impl From<CountersV1> for Counters {
    fn from(counters: CountersV1) -> Self {
        let CountersV1 { accepted, completed, failed, cancelled, .. } = counters;
        let steps = StepStats {
            executions: counters.executions,
            completed: counters.steps_completed,
            failed: counters.steps_failed,
            retried: counters.steps_retried,
        };
        Self { accepted, completed, failed, cancelled, steps }
    }
}
