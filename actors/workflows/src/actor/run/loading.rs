//! From the stored records of a run to the run: packs, blobs and plans are read as needed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use synod_journal::{BlobError, BlobId, GetBlob};
use synod_runtime::AskError;

use super::Surroundings;
use crate::definition::{Definition, DefinitionHash};
use crate::history::{BadChunk, Piece, RunRecord, Trail, read_chunk};
use crate::json::Json;
use crate::plan::Plan;
use crate::records::{self, Blobs, RecordError};
use crate::run::{Misfit, Run};

/// Plans that are kept compiled.
const PLANS: usize = 1_024;

/// Packs that are kept in memory, so that runs which wake together read theirs once.
const PACKS: usize = 16;

/// Events above which a replay has a thread of its own.
const LONG: usize = 2_000;

/// The plans of all definitions that are kept, compiled when they are first needed.
#[derive(Debug, Default)]
pub(in crate::actor) struct Library {
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    texts: HashMap<DefinitionHash, Bytes>,
    plans: HashMap<DefinitionHash, Arc<Plan>>,
    /// In order of compilation.
    order: VecDeque<DefinitionHash>,
}

impl Library {
    /// Takes in a definition's text; its plan, too, where it is compiled already.
    pub(in crate::actor) fn add(&self, hash: DefinitionHash, text: Bytes, plan: Option<Arc<Plan>>) {
        let mut shelves = self.shelves.lock();
        shelves.texts.insert(hash, text);
        if let Some(plan) = plan {
            shelves.shelve(hash, plan);
        }
    }

    pub(in crate::actor) fn remove(&self, hash: &DefinitionHash) {
        let mut shelves = self.shelves.lock();
        shelves.texts.remove(hash);
        shelves.plans.remove(hash);
    }

    /// The plan of a definition that is kept.
    pub(in crate::actor) fn plan(&self, hash: &DefinitionHash) -> Option<Arc<Plan>> {
        let text = {
            let shelves = self.shelves.lock();
            if let Some(plan) = shelves.plans.get(hash) {
                return Some(Arc::clone(plan));
            }
            shelves.texts.get(hash)?.clone()
        };
        let definition: Definition = serde_json::from_slice(&text).ok()?;
        let plan = Arc::new(Plan::compile(&definition).ok()?);
        self.shelves.lock().shelve(*hash, Arc::clone(&plan));
        Some(plan)
    }
}

impl Shelves {
    fn shelve(&mut self, hash: DefinitionHash, plan: Arc<Plan>) {
        if self.plans.insert(hash, plan).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > PLANS {
            if let Some(oldest) = self.order.pop_front() {
                self.plans.remove(&oldest);
            }
        }
    }
}

/// The packs that were read last.
#[derive(Debug, Default)]
pub(in crate::actor) struct Packs {
    kept: Mutex<VecDeque<(BlobId, Bytes)>>,
}

impl Packs {
    fn get(&self, id: BlobId) -> Option<Bytes> {
        let kept = self.kept.lock();
        kept.iter().find(|(known, _)| *known == id).map(|(_, bytes)| bytes.clone())
    }

    fn keep(&self, id: BlobId, bytes: Bytes) {
        let mut kept = self.kept.lock();
        if kept.len() >= PACKS {
            kept.pop_front();
        }
        kept.push_back((id, bytes));
    }
}

/// Why the history of a run can't be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::actor) enum LoadError {
    #[error("the journal gave no answer: {0}")]
    Unanswered(#[from] AskError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("blob {0} is not there")]
    NoBlob(BlobId),
    #[error("a chunk is in a pack that is not known")]
    NoPack,
    #[error(transparent)]
    Chunk(#[from] BadChunk),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("a value in a blob is no JSON: {0}")]
    Value(#[from] serde_json::Error),
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("the replay did not end: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// A run and its stored records.
pub(in crate::actor) struct Loaded {
    pub run: Run,
    pub records: Vec<RunRecord>,
}

/// Reads a run's records and replays them.
pub(in crate::actor) async fn load(
    around: &Surroundings,
    trail: &Trail,
    packs: &[(u32, BlobId)],
) -> Result<Loaded, LoadError> {
    let records = load_records(around, trail, packs).await?;
    let events: usize = records.iter().map(|record| record.events.len()).sum();
    let library = Arc::clone(&around.library);
    let replay = move || {
        let times = records.iter().flat_map(|r| r.events.iter().map(|event| (r.at, event)));
        let run = Run::replay(|hash| library.plan(hash), times)?;
        Ok(Loaded { run, records })
    };
    if events > LONG { synod_runtime::beside(replay).await? } else { replay() }
}

/// Reads a run's records, with the values that are in blobs.
pub(in crate::actor) async fn load_records(
    around: &Surroundings,
    trail: &Trail,
    packs: &[(u32, BlobId)],
) -> Result<Vec<RunRecord>, LoadError> {
    let mut pieces = Vec::new();
    for chunk in &trail.packed {
        let pack = packs.iter().find(|(number, _)| *number == chunk.pack);
        let (_, id) = pack.ok_or(LoadError::NoPack)?;
        pieces.extend(read_chunk(&pack_of(around, *id).await?, *chunk)?);
    }
    pieces.extend(trail.recent.iter().cloned());
    let mut records = decode(&pieces, &Blobs::default())?;
    let named: Vec<BlobId> = records.iter().flat_map(|record| record.blobs.clone()).collect();
    if !named.is_empty() {
        let mut blobs = Blobs::default();
        for id in named.into_iter().collect::<HashSet<_>>() {
            blobs.insert(id, Json::stored(blob(around, id).await?)?);
        }
        records = decode(&pieces, &blobs)?;
    }
    Ok(records)
}

fn decode(pieces: &[Piece], blobs: &Blobs) -> Result<Vec<RunRecord>, RecordError> {
    pieces.iter().map(|piece| records::decode_run(piece, blobs)).collect()
}

async fn pack_of(around: &Surroundings, id: BlobId) -> Result<Bytes, LoadError> {
    if let Some(bytes) = around.packs.get(id) {
        return Ok(bytes);
    }
    let bytes = blob(around, id).await?;
    around.packs.keep(id, bytes.clone());
    Ok(bytes)
}

pub(in crate::actor) async fn blob(around: &Surroundings, id: BlobId) -> Result<Bytes, LoadError> {
    let get = GetBlob { owner: records::STREAM, id };
    let found = around.journal.ask(get, around.journal_timeout).await??;
    found.ok_or(LoadError::NoBlob(id))
}
