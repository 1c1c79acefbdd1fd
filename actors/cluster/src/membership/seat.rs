//! A seat: a node's membership from one (re)joining to the next, and how it is written.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};
use synod_journal::Codec;

use crate::node::{Incarnation, NodeId, NodeRecord};

/// Longest seat in bytes: a record with its labels.
pub(super) const SEAT_LIMIT: usize = 4096;

/// Whether a seat is taken, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Mark {
    /// Its node is a member.
    Present,
    /// Its node has left on purpose.
    Left,
    /// An operator has removed its node; no renewal brings this start of it back.
    Removed,
}

/// Where a seat stands among all seats of its node: the greater one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Rank {
    pub(super) incarnation: Incarnation,
    is_removed: bool,
    pub(super) renewal: u32,
    is_left: bool,
}

/// A node's membership. A node that was taken for dead comes back in a new seat of the same
/// start; a node that was restarted, in the first seat of a greater incarnation.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) id: NodeId,
    pub(super) rank: Rank,
    /// None where a message only names the seat.
    pub(super) record: Option<Arc<NodeRecord>>,
}

impl PartialEq for Seat {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.rank) == (other.id, other.rank)
    }
}

impl Eq for Seat {}

impl Seat {
    pub(super) fn new(record: Arc<NodeRecord>, renewal: u32) -> Self {
        let incarnation = record.incarnation;
        let rank = Rank { incarnation, is_removed: false, renewal, is_left: false };
        Self { id: record.id, rank, record: Some(record) }
    }

    pub(super) fn mark(&self) -> Mark {
        match self.rank {
            Rank { is_removed: true, .. } => Mark::Removed,
            Rank { is_left: true, .. } => Mark::Left,
            Rank { .. } => Mark::Present,
        }
    }

    /// The next seat of this start of the node.
    pub(super) fn renewed(&self, at_least: u32) -> Self {
        let renewal = self.rank.renewal.saturating_add(1).max(at_least);
        let rank = Rank { renewal, is_left: false, ..self.rank };
        Self { rank, ..self.clone() }
    }

    /// The seat that says that its node has left.
    pub(super) fn left(&self) -> Self {
        let renewed = self.renewed(0);
        Self { rank: Rank { is_left: true, ..renewed.rank }, ..renewed }
    }

    /// The seat that says that its node was removed.
    pub(super) fn removed(&self) -> Self {
        Self { rank: Rank { is_removed: true, ..self.rank }, ..self.clone() }
    }
}

impl foca::Identity for Seat {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        (self.mark() == Mark::Present).then(|| self.renewed(0))
    }

    fn addr(&self) -> NodeId {
        self.id
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.rank.cmp(&adversary.rank) == Ordering::Greater
    }
}

/// A seat on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WrittenSeat {
    pub(super) id: NodeId,
    pub(super) rank: Rank,
    pub(super) record: Option<NodeRecord>,
}

/// The bytes are no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SeatError {
    #[error("the bytes end early")]
    Short,
    #[error("not a message of membership")]
    Malformed,
    #[error("no room for it")]
    NoRoom,
    #[error("there are as many members as there may be")]
    TooMany,
}

impl From<&Seat> for WrittenSeat {
    fn from(seat: &Seat) -> Self {
        let record = seat.record.as_deref().cloned();
        Self { id: seat.id, rank: seat.rank, record }
    }
}

impl TryFrom<WrittenSeat> for Seat {
    type Error = SeatError;

    fn try_from(written: WrittenSeat) -> Result<Self, SeatError> {
        let WrittenSeat { id, rank, record } = written;
        let fits = record
            .as_ref()
            .is_none_or(|record| record.id == id && record.incarnation == rank.incarnation);
        if !fits {
            return Err(SeatError::Malformed);
        }
        Ok(Self { id, rank, record: record.map(Arc::new) })
    }
}

/// Writes a whole seat, its length first.
pub(super) fn put_seat(seat: &Seat, buf: &mut impl BufMut) -> Result<(), SeatError> {
    put(&WrittenSeat::from(seat), buf)
}

/// Writes only which seat is meant.
pub(super) fn put_name(seat: &Seat, buf: &mut impl BufMut) -> Result<(), SeatError> {
    put(&WrittenSeat { id: seat.id, rank: seat.rank, record: None }, buf)
}

fn put(written: &WrittenSeat, buf: &mut impl BufMut) -> Result<(), SeatError> {
    let bytes: Bytes = Codec::<SEAT_LIMIT>::encode(written).map_err(|_| SeatError::Malformed)?;
    if buf.remaining_mut() < bytes.len() + 2 {
        return Err(SeatError::NoRoom);
    }
    // SEAT_LIMIT fits into 16 bits.
    buf.put_u16(bytes.len() as u16);
    buf.put_slice(&bytes);
    Ok(())
}

/// Reads what [`put_seat`] or [`put_name`] wrote.
pub(super) fn get_seat(buf: &mut impl Buf) -> Result<Seat, SeatError> {
    let length = usize::from(buf.try_get_u16().map_err(|_| SeatError::Short)?);
    if length > SEAT_LIMIT {
        return Err(SeatError::Malformed);
    }
    if buf.remaining() < length {
        return Err(SeatError::Short);
    }
    let bytes = buf.copy_to_bytes(length);
    let written: WrittenSeat =
        Codec::<SEAT_LIMIT>::decode(&bytes).map_err(|_| SeatError::Malformed)?;
    written.try_into()
}

/// Whether a record can be written at all.
pub(super) fn is_writable(record: &NodeRecord) -> bool {
    let written = WrittenSeat::from(&Seat::new(Arc::new(record.clone()), u32::MAX));
    Codec::<SEAT_LIMIT>::encode(&written).is_ok()
}
