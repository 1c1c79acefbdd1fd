//! Where each stream and each partition stands.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::names::{Epoch, Partition, Stream};

/// The version of every stream and the epoch of every partition at one position of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    versions: HashMap<Stream, u64>,
    epochs: Box<[Epoch]>,
}

impl Default for Heads {
    fn default() -> Self {
        let epochs = vec![Epoch(0); usize::from(Partition::COUNT)];
        Self { versions: HashMap::new(), epochs: epochs.into() }
    }
}

impl Heads {
    /// How many records the stream ever had; `None` for one that had none.
    pub(crate) fn version(&self, stream: &Stream) -> Option<u64> {
        self.versions.get(stream).copied()
    }

    /// How many streams there are.
    pub(crate) fn streams(&self) -> usize {
        self.versions.len()
    }

    /// Each stream with how many records it ever had, by name.
    pub(crate) fn by_name(&self) -> Vec<(Stream, u64)> {
        let mut streams: Vec<_> = self.versions.iter().map(|(one, many)| (*one, *many)).collect();
        streams.sort_unstable();
        streams
    }

    /// The epochs of all partitions, by number.
    pub(crate) fn epochs(&self) -> Vec<Epoch> {
        self.epochs.to_vec()
    }

    /// The epoch that a partition is at.
    pub(crate) fn epoch(&self, partition: Partition) -> Epoch {
        self.epochs[usize::from(partition.get())]
    }

    /// Counts records of a stream, and says how many it has had with them.
    pub(crate) fn advance(&mut self, stream: Stream, records: u64) -> u64 {
        let version = self.versions.entry(stream).or_default();
        *version = version.saturating_add(records);
        *version
    }

    /// Raises a partition's epoch, and says whether it was lower before.
    pub(crate) fn raise(&mut self, partition: Partition, epoch: Epoch) -> bool {
        let current = &mut self.epochs[usize::from(partition.get())];
        let raised = *current < epoch;
        *current = (*current).max(epoch);
        raised
    }

    /// What a segment's header tells of all that came before it.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut streams: Vec<_> =
            self.versions.iter().map(|(stream, version)| (stream.to_string(), *version)).collect();
        streams.sort_unstable();
        let runs = self.epochs.chunk_by(|one, other| one == other);
        let runs = runs.filter_map(|run| Some((u16::try_from(run.len()).ok()?, run.first()?.0)));
        Checkpoint { streams, epochs: runs.collect() }
    }

    /// The heads that a checkpoint tells; `None` when it names what can't be.
    pub(crate) fn from_checkpoint(checkpoint: &Checkpoint) -> Option<Self> {
        let mut versions = HashMap::with_capacity(checkpoint.streams.len());
        for (name, version) in &checkpoint.streams {
            versions.insert(Stream::parse(name).ok()?, *version);
        }
        let runs = checkpoint.epochs.iter();
        let epochs: Vec<_> = runs
            .flat_map(|(length, epoch)| std::iter::repeat_n(Epoch(*epoch), usize::from(*length)))
            .take(usize::from(Partition::COUNT) + 1)
            .collect();
        let whole = epochs.len() == usize::from(Partition::COUNT);
        whole.then(|| Self { versions, epochs: epochs.into() })
    }
}

/// Heads as a segment's header holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Streams by name, with their versions.
    streams: Vec<(String, u64)>,
    /// The epochs of all partitions from 0 on, as runs: how many, which epoch.
    epochs: Vec<(u16, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_survive_a_checkpoint() {
        let mut heads = Heads::default();
        assert_eq!(Heads::from_checkpoint(&heads.checkpoint()), Some(heads.clone()));
        assert_eq!(heads.advance(Stream::new("tasks"), 3), 3);
        assert!(heads.raise(Partition::from_low_bits(4_095), Epoch(9)));
        assert!(!heads.raise(Partition::from_low_bits(4_095), Epoch(8)));
        assert_eq!(Heads::from_checkpoint(&heads.checkpoint()), Some(heads));
    }

    #[test]
    fn a_checkpoint_that_cannot_be_is_refused() {
        let epochs = vec![(4_095, 0)];
        assert_eq!(Heads::from_checkpoint(&Checkpoint { streams: vec![], epochs }), None);
        let streams = vec![("../x".to_owned(), 1)];
        assert_eq!(Heads::from_checkpoint(&Checkpoint { streams, epochs: vec![(4_096, 0)] }), None);
    }
}
