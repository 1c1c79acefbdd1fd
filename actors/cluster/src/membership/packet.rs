//! How the messages of the membership protocol are written, and what is kept out of it on the
//! way in.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};
use parking_lot::Mutex;

use super::seat::{Mark, Seat, SeatError, get_seat, put_name, put_seat};
use crate::node::NodeId;

/// What this node's doorkeeper has seen and whom it lets in.
#[derive(Debug)]
pub(super) struct Door {
    /// This node's own seat, as of now.
    pub(super) own: Seat,
    /// Who is in already.
    pub(super) known: BTreeSet<NodeId>,
    pub(super) limit: usize,
    /// A newer start of this same node is alive elsewhere.
    pub(super) rival: Option<Seat>,
    /// An operator has removed this node.
    pub(super) removed: bool,
    /// Greatest renewal of this start that others know of.
    pub(super) renewal_seen: u32,
    /// Members that were turned away because there are too many.
    pub(super) turned_away: u64,
}

pub(super) type SharedDoor = Arc<Mutex<Door>>;

impl Door {
    pub(super) fn new(own: Seat, limit: usize) -> Self {
        Self {
            own,
            known: BTreeSet::new(),
            limit,
            rival: None,
            removed: false,
            renewal_seen: 0,
            turned_away: 0,
        }
    }

    /// The member as the protocol is to hear of it. What it must not hear becomes a member that
    /// means nothing: this node, alive.
    pub(super) fn pass(&mut self, member: Member<Seat>) -> Member<Seat> {
        let seat = member.id();
        if seat.id == self.own.id {
            self.notice_self(seat.clone());
            let is_current = seat.rank == self.own.rank;
            return if is_current { member } else { self.nothing() };
        }
        if !self.lets_in(seat.id) {
            return self.nothing();
        }
        member
    }

    fn nothing(&self) -> Member<Seat> {
        Member::new(self.own.clone(), 0, State::Alive)
    }

    /// Whether there is room for `node`, or it is in.
    pub(super) fn lets_in(&mut self, node: NodeId) -> bool {
        if self.known.contains(&node) {
            return true;
        }
        if self.known.len() >= self.limit {
            self.turned_away += 1;
            return false;
        }
        self.known.insert(node)
    }

    /// Others speak of this node: what they know decides whether it may stay.
    pub(super) fn notice_self(&mut self, seat: Seat) {
        let own = self.own.rank;
        let is_other = |seat: &Seat| match (&seat.record, &self.own.record) {
            // Started in the same microsecond from a copied folder: the greater address stays.
            (Some(theirs), Some(ours)) => theirs.address > ours.address,
            _ => false,
        };
        if seat.rank.incarnation > own.incarnation
            || seat.rank.incarnation == own.incarnation && is_other(&seat)
        {
            self.rival = Some(seat);
        } else if seat.rank.incarnation == own.incarnation {
            self.removed |= seat.mark() == Mark::Removed;
            self.renewal_seen = self.renewal_seen.max(seat.rank.renewal);
        }
    }
}

/// The codec of the protocol, which also is its door.
#[derive(Debug)]
pub(super) struct SeatCodec {
    pub(super) door: SharedDoor,
}

impl foca::Codec<Seat> for SeatCodec {
    type Error = SeatError;

    fn encode_header(
        &mut self,
        header: &Header<Seat>,
        mut buf: impl BufMut,
    ) -> Result<(), SeatError> {
        put_seat(&header.src, &mut buf)?;
        put_name(&header.dst, &mut buf)?;
        if buf.remaining_mut() < 4 {
            return Err(SeatError::NoRoom);
        }
        buf.put_u16(header.src_incarnation);
        put_message(&header.message, &mut buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Seat>, SeatError> {
        let header = get_header(&mut buf)?;
        let mut door = self.door.lock();
        if header.src.id == door.own.id {
            door.notice_self(header.src.clone());
        } else if !door.lets_in(header.src.id) {
            return Err(SeatError::TooMany);
        }
        Ok(header)
    }

    fn encode_member(
        &mut self,
        member: &Member<Seat>,
        mut buf: impl BufMut,
    ) -> Result<(), SeatError> {
        let mut bytes = Vec::new();
        put_seat(member.id(), &mut bytes)?;
        bytes.put_u16(member.incarnation());
        bytes.put_u8(state_number(member.state()));
        if buf.remaining_mut() < bytes.len() {
            return Err(SeatError::NoRoom);
        }
        buf.put_slice(&bytes);
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Seat>, SeatError> {
        let seat = get_whole_seat(&mut buf)?;
        let incarnation = buf.try_get_u16().map_err(|_| SeatError::Short)?;
        let state = state_of(buf.try_get_u8().map_err(|_| SeatError::Short)?)?;
        Ok(self.door.lock().pass(Member::new(seat, incarnation, state)))
    }
}

/// Reads a header, with the sender's whole seat.
pub(super) fn get_header(buf: &mut impl Buf) -> Result<Header<Seat>, SeatError> {
    let src = get_whole_seat(buf)?;
    let dst = get_seat(buf)?;
    let src_incarnation = buf.try_get_u16().map_err(|_| SeatError::Short)?;
    let message = get_message(buf)?;
    Ok(Header { src, src_incarnation, dst, message })
}

fn get_whole_seat(buf: &mut impl Buf) -> Result<Seat, SeatError> {
    let seat = get_seat(buf)?;
    if seat.record.is_none() { Err(SeatError::Malformed) } else { Ok(seat) }
}

pub(super) fn state_number(state: State) -> u8 {
    match state {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    }
}

pub(super) fn state_of(number: u8) -> Result<State, SeatError> {
    match number {
        0 => Ok(State::Alive),
        1 => Ok(State::Suspect),
        2 => Ok(State::Down),
        _ => Err(SeatError::Malformed),
    }
}

fn put_message(message: &Message<Seat>, buf: &mut impl BufMut) -> Result<(), SeatError> {
    let (kind, number, third) = match message {
        Message::Ping(number) => (0, *number, None),
        Message::Ack(number) => (1, *number, None),
        Message::PingReq { target, probe_number } => (2, *probe_number, Some(target)),
        Message::IndirectPing { origin, probe_number } => (3, *probe_number, Some(origin)),
        Message::IndirectAck { target, probe_number } => (4, *probe_number, Some(target)),
        Message::ForwardedAck { origin, probe_number } => (5, *probe_number, Some(origin)),
        Message::Announce => (6, 0, None),
        Message::Feed => (7, 0, None),
        Message::Gossip => (8, 0, None),
        Message::Broadcast => (9, 0, None),
        Message::TurnUndead => (10, 0, None),
    };
    buf.put_u8(kind);
    buf.put_u8(number);
    third.map_or(Ok(()), |seat| put_name(seat, buf))
}

fn get_message(buf: &mut impl Buf) -> Result<Message<Seat>, SeatError> {
    let kind = buf.try_get_u8().map_err(|_| SeatError::Short)?;
    let probe_number = buf.try_get_u8().map_err(|_| SeatError::Short)?;
    Ok(match kind {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq { target: get_seat(buf)?, probe_number },
        3 => Message::IndirectPing { origin: get_seat(buf)?, probe_number },
        4 => Message::IndirectAck { target: get_seat(buf)?, probe_number },
        5 => Message::ForwardedAck { origin: get_seat(buf)?, probe_number },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return Err(SeatError::Malformed),
    })
}
