//! What nodes tell each other beside the packets of the protocol: all members at once, and that a
//! seat is taken for dead.

use bytes::{BufMut, Bytes, BytesMut};
use foca::Member;
use serde::{Deserialize, Serialize};
use synod_journal::Codec;

use super::packet::{state_number, state_of};
use super::seat::{Rank, Seat, WrittenSeat};
use crate::node::NodeId;

/// The layout of what is sent.
const FORMAT: u8 = 1;
/// Longest roster: as many seats as membership allows, each at its longest, are longer than a
/// frame may be; usual ones are far from it.
const ROSTER_LIMIT: usize = 12 << 20;

/// That a seat is suspected, by the incarnation that its refutation has to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doubt {
    pub(super) node: NodeId,
    pub(super) rank: Rank,
    pub(super) incarnation: u16,
}

/// A one-way message.
#[derive(Debug)]
pub(super) enum Letter {
    /// A packet of the protocol.
    Packet(Bytes),
    /// Somebody holds this seat of yours for dead: take another one.
    Renew(Rank),
    /// This start of you was removed.
    Removed(Rank),
    /// Your seat is suspected: refute it now.
    Doubt(Doubt),
}

/// One member in a roster.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    seat: WrittenSeat,
    incarnation: u16,
    state: u8,
}

impl Letter {
    pub(super) fn encode(&self) -> Option<Bytes> {
        let (kind, body) = match self {
            Self::Packet(packet) => (0, packet.clone()),
            Self::Renew(rank) => (1, Codec::<64>::encode(rank).ok()?),
            Self::Removed(rank) => (2, Codec::<64>::encode(rank).ok()?),
            Self::Doubt(doubt) => (3, Codec::<64>::encode(doubt).ok()?),
        };
        let mut bytes = BytesMut::with_capacity(body.len() + 2);
        bytes.put_u8(FORMAT);
        bytes.put_u8(kind);
        bytes.put(body);
        Some(bytes.freeze())
    }

    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < 2 || bytes[0] != FORMAT {
            return None;
        }
        let body = bytes.split_off(2);
        match bytes[1] {
            0 => Some(Self::Packet(body)),
            1 => Codec::<64>::decode(&body).ok().map(Self::Renew),
            2 => Codec::<64>::decode(&body).ok().map(Self::Removed),
            3 => Codec::<64>::decode(&body).ok().map(Self::Doubt),
            _ => None,
        }
    }
}

/// Writes down all members.
pub(super) fn encode<'a>(members: impl Iterator<Item = &'a Member<Seat>>) -> Option<Bytes> {
    let line = |member: &Member<Seat>| Line {
        seat: WrittenSeat::from(member.id()),
        incarnation: member.incarnation(),
        state: state_number(member.state()),
    };
    let lines: Vec<_> = members.filter(|member| member.id().record.is_some()).map(line).collect();
    let encoded = Codec::<ROSTER_LIMIT>::encode(&(FORMAT, lines));
    encoded.inspect_err(|error| tracing::error!(%error, "the members are not told")).ok()
}

/// Reads what [`encode`] wrote; at most `limit` members, each with its record.
pub(super) fn decode(bytes: &[u8], limit: usize) -> Option<Vec<Member<Seat>>> {
    let (format, lines): (u8, Vec<Line>) = Codec::<ROSTER_LIMIT>::decode(bytes).ok()?;
    if format != FORMAT || lines.len() > limit {
        return None;
    }
    let member = |line: Line| {
        let seat = Seat::try_from(line.seat).ok().filter(|seat| seat.record.is_some())?;
        Some(Member::new(seat, line.incarnation, state_of(line.state).ok()?))
    };
    lines.into_iter().map(member).collect()
}
