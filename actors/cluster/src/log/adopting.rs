//! How what a node had alone becomes the first state of a group: nothing is moved by hand.
//!
//! The streams of the node's own journal, with their newest snapshots, the records after them and
//! their blobs, go piece by piece into the group's log, and one last command makes them its
//! state. An attempt that is cut short leaves pieces that nobody names; the next begins anew.
//! Afterwards the node's own streams are closed by snapshots that say so, which lets the journal
//! drop their records, and keeps an engine from going on where they ended.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod_journal::{
    BlobError, Contents, GetBlob, Health, ListBlobs, LoadSnapshot, Position, ReadStream,
    SaveSnapshot, SnapshotError, StoredRecord, Stream, Survey, SweepBlobs,
};

use super::actor::limits;
use super::command::{AdoptCommand, Command};
use super::storing::Storing;
use super::streams::{Blob, Kept, KeptSnapshot, StreamLimits, StreamState, Streams};
use crate::consensus::{GroupError, GroupId, Groups};

/// How long the journal may take for one answer.
const WITHIN: Duration = Duration::from_secs(60);

/// Records and bytes of a page.
const PAGE: (u32, u64) = (4_096, 4 << 20);

/// The version of a snapshot that closes a stream.
const RETIRED: u16 = u16::MAX;

/// The streams of groups, which stay the node's own.
const OWN: &str = "raft";

/// The streams that this node's journal holds beside those of groups, and how many records each
/// ever had.
///
/// # Errors
/// [`GroupError::Storage`]
pub(crate) async fn local_streams(groups: &Groups) -> Result<Vec<(Stream, u64)>, GroupError> {
    let group = GroupId::CONTROL;
    let mut streams = Vec::new();
    for (stream, version) in survey(groups, group).await?.streams {
        let loaded = groups.journal().ask(LoadSnapshot { stream }, WITHIN).await;
        let loaded = loaded.map_err(|error| failed(group, error))?;
        // One that can't be read is still the node's own.
        if !matches!(loaded, Ok(Some(snapshot)) if snapshot.version == RETIRED) {
            streams.push((stream, version));
        }
    }
    Ok(streams)
}

/// Makes what this node's journal holds in these streams the state of a group that it leads and to
/// which nothing was ever said. False when the group has a state. The engines of those streams must
/// not be running.
///
/// # Errors
/// [`GroupError::NotLeader`], [`GroupError::Storage`]; the group is as it was.
pub(crate) async fn adopt(
    groups: &Groups,
    group: GroupId,
    streams: &[Stream],
) -> Result<bool, GroupError> {
    let replica = groups.running(group)?;
    if !replica.accepts() {
        return Err(GroupError::NotLeader { group, leader: replica.view().leader });
    }
    let mut contents = survey(groups, group).await?;
    contents.streams.retain(|(stream, _)| streams.contains(stream));
    if contents.streams.is_empty() {
        return Ok(false);
    }
    let storing = Storing {
        group,
        replica: Arc::clone(&replica),
        journal: groups.journal().clone(),
        now_us: groups.site.now_us(),
        grace_us: 0,
        piece_bytes: piece_bytes(groups, group).await?,
    };
    let adopting = Adopting { groups, group, storing };
    let known = replica.applied()?.read().streams().map(Streams::contents);
    if known.as_ref().is_some_and(|known| known.last > Position::START) {
        // An earlier attempt may have got as far as that, and no further.
        if known.is_some_and(|known| contains(&known, &contents)) {
            adopting.retire(&contents).await?;
        }
        return Ok(false);
    }
    let state = adopting.gather(contents.clone()).await?;
    let bytes = state.encode().map_err(|error| adopting.failed(error))?;
    let pieces = adopting.storing.store(bytes).await.map_err(|error| adopting.failed(error))?;
    let adopt = Command::Adopt(AdoptCommand { pieces });
    adopting.storing.propose(&adopt).await.map_err(|error| adopting.failed(error))?;
    let (streams, last) = (state.count(), state.last());
    tracing::info!(%group, streams, %last, "a group took over what the node had alone");
    adopting.retire(&contents).await?;
    Ok(true)
}

async fn survey(groups: &Groups, group: GroupId) -> Result<Contents, GroupError> {
    let contents = groups.journal().ask(Survey {}, WITHIN).await;
    let mut contents = contents.map_err(|error| failed(group, error))?;
    contents.streams.retain(|(stream, _)| {
        let rest = stream.as_str().strip_prefix(OWN);
        !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    Ok(contents)
}

fn failed(group: GroupId, error: impl ToString) -> GroupError {
    GroupError::Storage { group, reason: error.to_string().into() }
}

async fn piece_bytes(groups: &Groups, group: GroupId) -> Result<u64, GroupError> {
    let health = groups.journal().ask(Health {}, WITHIN).await;
    let own = health.map_err(|error| failed(group, error))?.limits;
    Ok(limits(own, groups.config().max_payload_bytes).record_bytes)
}

/// Whether a group has all that a journal's streams ever had.
fn contains(group: &Contents, local: &Contents) -> bool {
    let has = |(stream, version): &(Stream, u64)| {
        group.streams.iter().any(|(name, known)| name == stream && known >= version)
    };
    local.streams.iter().all(has)
}

struct Adopting<'a> {
    groups: &'a Groups,
    group: GroupId,
    storing: Storing,
}

impl Adopting<'_> {
    fn failed(&self, error: impl ToString) -> GroupError {
        failed(self.group, error)
    }

    async fn gather(&self, contents: Contents) -> Result<Streams, GroupError> {
        let config = self.groups.config();
        let limits =
            StreamLimits { streams: config.max_streams, tail_bytes: config.max_tail_bytes };
        let mut state = Streams::new(limits);
        state.epochs = contents.epochs;
        let mut last = Position::START;
        for (stream, version) in contents.streams {
            let snapshots = self.snapshot(stream).await?;
            let after = snapshots.first().map_or(Position::START, |snapshot| snapshot.at);
            let records = self.records(stream, after).await?;
            last = last.max(after).max(records.back().map_or(after, |record| record.position));
            state.tail_bytes += records.iter().map(Kept::weight).sum::<u64>();
            state.streams.insert(stream, StreamState { version, records, snapshots });
            self.blobs(stream, &mut state).await?;
        }
        state.next = last.next();
        Ok(state)
    }

    /// Closes the node's own streams: two snapshots that contain all their records, so that these
    /// may go, of a version that no engine reads.
    async fn retire(&self, contents: &Contents) -> Result<(), GroupError> {
        let journal = self.groups.journal();
        let health = journal.ask(Health {}, WITHIN).await;
        let last = health.map_err(|error| self.failed(error))?.last;
        for (stream, _) in &contents.streams {
            for at in [contents.last.min(last), last] {
                let bytes = format!("this stream went on in group {}", self.group).into();
                let save = SaveSnapshot { stream: *stream, at, version: RETIRED, bytes };
                match journal.ask(save, WITHIN).await.map_err(|error| self.failed(error))? {
                    Ok(()) | Err(SnapshotError::Outdated { .. }) => {}
                    Err(error) => return Err(self.failed(error)),
                }
            }
            let sweep = SweepBlobs { owner: *stream, live: HashSet::new() };
            let swept = journal.ask(sweep, WITHIN).await.map_err(|error| self.failed(error))?;
            swept.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    async fn snapshot(&self, stream: Stream) -> Result<Vec<KeptSnapshot>, GroupError> {
        let load = self.groups.journal().ask(LoadSnapshot { stream }, WITHIN).await;
        let loaded = load.map_err(|error| self.failed(error))?;
        let Some(snapshot) = loaded.map_err(|error| self.failed(error))? else {
            return Ok(Vec::new());
        };
        let bytes = snapshot.bytes.len() as u64;
        let pieces = self.storing.store(snapshot.bytes).await;
        let pieces = pieces.map_err(|error| self.failed(error))?;
        let (at, version) = (snapshot.at, snapshot.version);
        Ok(vec![KeptSnapshot { at, version, pieces, bytes }])
    }

    async fn records(
        &self,
        stream: Stream,
        mut after: Position,
    ) -> Result<VecDeque<Kept>, GroupError> {
        let (max_records, max_bytes) = PAGE;
        let mut records = VecDeque::new();
        loop {
            let read = ReadStream { stream, after, max_records, max_bytes };
            let page = self.groups.journal().ask(read, WITHIN).await;
            let page = page.map_err(|error| self.failed(error))?;
            let page = page.map_err(|error| self.failed(error))?;
            records.extend(page.records.into_iter().map(kept));
            match page.next {
                Some(next) => after = next,
                None => return Ok(records),
            }
        }
    }

    async fn blobs(&self, owner: Stream, state: &mut Streams) -> Result<(), GroupError> {
        let journal = self.groups.journal();
        let listed = journal.ask(ListBlobs { owner }, WITHIN).await;
        let listed = listed.map_err(|error| self.failed(error))?;
        for id in listed.map_err(|error| self.failed(error))? {
            let got = journal.ask(GetBlob { owner, id }, WITHIN).await;
            let bytes = match got.map_err(|error| self.failed(error))? {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(BlobError::Damaged { .. }) => {
                    // As it is read by who names it: there it would be damaged too.
                    tracing::error!(%owner, %id, "a damaged blob was left behind");
                    continue;
                }
                Err(error) => return Err(self.failed(error)),
            };
            let length = bytes.len() as u64;
            let pieces = self.storing.store(bytes).await.map_err(|error| self.failed(error))?;
            let blob = Blob { pieces, bytes: length, put_at_us: self.storing.now_us };
            state.blobs.entry(owner).or_default().insert(id, blob);
        }
        Ok(())
    }
}

fn kept(record: StoredRecord) -> Kept {
    let StoredRecord { position, partition, epoch, kind, version, recorded_at_us, bytes, .. } =
        record;
    Kept { position, partition, epoch, kind: kind.into(), version, recorded_at_us, bytes }
}
