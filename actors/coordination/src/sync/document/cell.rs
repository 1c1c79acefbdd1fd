//! What a write leaves in a document, and how what is there reads.

use serde::{Deserialize, Serialize};

use crate::sync::clock::Stamp;
use crate::sync::dots::Dot;
use crate::sync::scalar::Scalar;

/// What an entry weighs beside its key and value: its dot, its place, its stamp.
pub(super) const ENTRY_WEIGHT: usize = 48;

/// The type of what is under a key.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// The latest write counts (LWW register).
    Latest,
    /// Concurrent writes stay beside each other (MV register).
    Versions,
    /// A sum (PN-counter).
    Counter,
    /// A set in which adding wins over concurrent taking out (OR-Set).
    Set,
}

impl CellKind {
    /// Its name, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Versions => "versions",
            Self::Counter => "counter",
            Self::Set => "set",
        }
    }
}

/// What is under a key, as it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedValue {
    /// The latest value.
    Latest(Scalar),
    /// All values that were written without knowing of each other, in order.
    Versions(Vec<Scalar>),
    /// The sum.
    Counter(i64),
    /// The members, in order.
    Set(Vec<Scalar>),
}

/// What one write left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::sync) enum Cell {
    /// A value and when it was written.
    Latest(Stamp, Scalar),
    /// One of several values.
    Version(Scalar),
    /// All that the replica of the dot has added and taken away.
    Count { added: u64, taken: u64 },
    /// A member.
    Member(Scalar),
}

impl Cell {
    pub(super) fn kind(&self) -> CellKind {
        match self {
            Self::Latest(..) => CellKind::Latest,
            Self::Version(_) => CellKind::Versions,
            Self::Count { .. } => CellKind::Counter,
            Self::Member(_) => CellKind::Set,
        }
    }

    pub(super) fn slot(&self) -> Slot {
        let member = match self {
            Self::Member(member) => Some(member.clone()),
            _ => None,
        };
        Slot { kind: self.kind(), member }
    }

    pub(super) fn value_len(&self) -> usize {
        match self {
            Self::Latest(_, value) | Self::Version(value) | Self::Member(value) => value.len(),
            Self::Count { .. } => 2 * size_of::<u64>(),
        }
    }
}

/// What replaces what: a write replaces all that it saw in its slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) kind: CellKind,
    /// Of a set, which member: each stands for itself.
    pub(super) member: Option<Scalar>,
}

/// A cell and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::sync) struct Entry {
    pub(in crate::sync) key: String,
    pub(in crate::sync) cell: Cell,
}

impl Entry {
    pub(super) fn weight(&self) -> usize {
        self.key.len() + self.cell.value_len() + ENTRY_WEIGHT
    }
}

/// Reads the cells of one kind under one key.
pub(super) fn read<'a>(
    kind: CellKind,
    cells: impl Iterator<Item = (Dot, &'a Cell)>,
) -> SharedValue {
    match kind {
        CellKind::Latest => {
            let stamped = cells.filter_map(|(dot, cell)| match cell {
                Cell::Latest(stamp, value) => Some((*stamp, dot, value)),
                _ => None,
            });
            let latest = stamped.max().map_or(Scalar::Int(0), |(_, _, value)| value.clone());
            SharedValue::Latest(latest)
        }
        CellKind::Versions => SharedValue::Versions(values(cells)),
        CellKind::Counter => SharedValue::Counter(sum(cells)),
        CellKind::Set => SharedValue::Set(values(cells)),
    }
}

fn values<'a>(cells: impl Iterator<Item = (Dot, &'a Cell)>) -> Vec<Scalar> {
    let mut values: Vec<_> = cells
        .filter_map(|(_, cell)| match cell {
            Cell::Version(value) | Cell::Member(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    values.sort();
    values.dedup();
    values
}

/// The sum over replicas; of each, what its last dot says. An older one beside it is about to go:
/// a delta that comes in parts brings the new dot before it takes the old one.
fn sum<'a>(cells: impl Iterator<Item = (Dot, &'a Cell)>) -> i64 {
    let mut sums = std::collections::BTreeMap::new();
    for (dot, cell) in cells {
        if let Cell::Count { added, taken } = cell {
            // Dots come in order, so that the last of a replica stays.
            sums.insert(dot.replica, i128::from(*added) - i128::from(*taken));
        }
    }
    let sum: i128 = sums.values().sum();
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}

impl SharedValue {
    /// Bytes of the values in it.
    #[must_use]
    pub(in crate::sync) fn len(&self) -> usize {
        match self {
            Self::Latest(value) => value.len(),
            Self::Counter(_) => size_of::<i64>(),
            Self::Versions(values) | Self::Set(values) => values.iter().map(Scalar::len).sum(),
        }
    }
}
