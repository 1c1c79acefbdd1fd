//! What arrives from outside: garbage, lies, and what is written and read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foca::{Codec as _, Header, Member, Message, State};
use parking_lot::Mutex;
use proptest::prelude::*;
use synod_testkit::Seed;

use super::world::{World, record};
use crate::membership::events::Input;
use crate::membership::packet::{Door, SeatCodec, get_header};
use crate::membership::roster::{self, Letter};
use crate::membership::seat::{Mark, Seat, get_seat, is_writable, put_name, put_seat};
use crate::node::NodeId;

fn seat(place: usize, start: u64, renewal: u32) -> Seat {
    Seat::new(Arc::new(record(place, start)), renewal)
}

fn codec() -> SeatCodec {
    SeatCodec { door: Arc::new(Mutex::new(Door::new(seat(0, 1, 0), 8))) }
}

#[test]
fn the_greater_seat_holds() {
    use foca::Identity as _;
    let seats = [
        seat(1, 1, 0),
        seat(1, 1, 1),
        seat(1, 1, 1).left(),
        seat(1, 1, 1).left().renewed(0),
        seat(1, 1, 0).removed(),
        seat(1, 2, 0),
    ];
    for (index, lesser) in seats.iter().enumerate() {
        for greater in &seats[index + 1..] {
            assert!(greater.win_addr_conflict(lesser), "{greater:?} over {lesser:?}");
            assert!(!lesser.win_addr_conflict(greater));
        }
    }
    assert!(seats[2].renew().is_none() && seats[4].renew().is_none());
    assert_eq!(seats[0].renew(), Some(seats[1].clone()));
}

#[test]
fn a_seat_reads_what_it_writes() {
    for written in [seat(1, 5, 7), seat(2, 1, 0).left(), seat(3, 1, 2).removed()] {
        let mut bytes = Vec::new();
        put_seat(&written, &mut bytes).unwrap();
        let read = get_seat(&mut &bytes[..]).unwrap();
        assert_eq!((read.record.as_deref(), &read), (written.record.as_deref(), &written));
        bytes.clear();
        put_name(&written, &mut bytes).unwrap();
        let named = get_seat(&mut &bytes[..]).unwrap();
        assert!(named == written && named.record.is_none());
        for short in 0..bytes.len() {
            assert!(get_seat(&mut &bytes[..short]).is_err());
        }
    }
}

#[test]
fn a_record_that_is_too_long_for_others_is_found_at_the_start() {
    let mut long = record(1, 1);
    assert!(is_writable(&long));
    long.labels.insert("x".into(), "y".repeat(5000));
    assert!(!is_writable(&long));
}

#[test]
fn every_kind_of_message_survives_the_wire() {
    let (target, origin) = (seat(3, 1, 0), seat(4, 1, 0));
    let messages = [
        Message::Ping(1),
        Message::Ack(2),
        Message::PingReq { target: target.clone(), probe_number: 3 },
        Message::IndirectPing { origin: origin.clone(), probe_number: 4 },
        Message::IndirectAck { target, probe_number: 5 },
        Message::ForwardedAck { origin, probe_number: 6 },
        Message::Announce,
        Message::Feed,
        Message::Gossip,
        Message::Broadcast,
        Message::TurnUndead,
    ];
    for message in messages {
        let (src, dst) = (seat(1, 1, 0), seat(0, 1, 0));
        let header = Header { src, src_incarnation: 9, dst, message };
        let mut bytes = Vec::new();
        codec().encode_header(&header, &mut bytes).unwrap();
        assert_eq!(codec().decode_header(&bytes[..]).unwrap(), header);
        assert_eq!(get_header(&mut &bytes[..]).unwrap(), header);
    }
}

#[test]
fn a_member_that_does_not_fit_leaves_no_trace() {
    let member = Member::new(seat(1, 1, 0), 3, State::Suspect);
    let mut whole = Vec::new();
    codec().encode_member(&member, &mut whole).unwrap();
    assert_eq!(codec().decode_member(&whole[..]).unwrap(), member);
    let mut short = vec![0; whole.len() - 1];
    let room = short.len();
    let mut buffer = &mut short[..];
    assert!(codec().encode_member(&member, &mut buffer).is_err());
    assert_eq!(buffer.len(), room);
}

#[test]
fn nobody_speaks_for_somebody_else() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 3);
    let header = Header {
        src: seat(1, 1, 0),
        src_incarnation: 0,
        dst: seat(0, 1, 0),
        message: Message::Gossip,
    };
    let mut packet = Vec::new();
    codec().encode_header(&header, &mut packet).unwrap();
    let body = Letter::Packet(packet.into()).encode().unwrap();
    world.input(0, Input::Heard { from: NodeId(3), body: body.clone() });
    assert_eq!(world.nodes[0].machine.counters.malformed, 1);
    world.input(0, Input::Heard { from: NodeId(2), body });
    assert_eq!(world.nodes[0].machine.counters.malformed, 1);
}

#[test]
fn others_words_on_this_node_cannot_make_it_another() {
    let mut door = Door::new(seat(0, 5, 2), 8);
    let old = Member::new(seat(0, 4, 9), 0, State::Alive);
    assert_eq!(*door.pass(old).id(), seat(0, 5, 2), "an older start means nothing");
    let removed = Member::new(seat(0, 5, 1).removed(), 0, State::Down);
    assert_eq!(door.pass(removed).state(), State::Alive);
    assert!(door.removed);
    assert!(door.rival.is_none());
    let newer = Member::new(seat(0, 6, 0), 0, State::Alive);
    door.pass(newer);
    assert_eq!(door.rival.map(|seat| seat.mark()), Some(Mark::Present));
}

#[test]
fn a_roster_reads_what_it_writes_up_to_its_limit() {
    let members: Vec<_> =
        (1..6).map(|place| Member::new(seat(place, 1, 0), 2, State::Down)).collect();
    let bytes = roster::encode(members.iter()).unwrap();
    assert_eq!(roster::decode(&bytes, 5).unwrap(), members);
    assert!(roster::decode(&bytes, 4).is_none());
}

proptest! {
    #[test]
    fn garbage_never_panics_and_is_counted(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
    ) {
        let mut world = World::new(&Seed::fixed(1), Default::default());
        let node = world.start(record(0, 1));
        let count = bodies.len() as u64;
        for (ticket, body) in bodies.into_iter().enumerate() {
            let ticket = ticket as u64;
            let body = Bytes::from(body);
            world.input(node, Input::Heard { from: NodeId(2), body: body.clone() });
            let mut packet = vec![1, 0];
            packet.extend_from_slice(&body);
            world.input(node, Input::Heard { from: NodeId(2), body: packet.into() });
            world.input(node, Input::Asked { ticket, from: NodeId(2), body });
        }
        let machine = &world.nodes[node].machine;
        prop_assert!(machine.counters.malformed >= count);
        prop_assert_eq!(machine.table.rows().count(), 0);
        world.pass(Duration::from_secs(1));
    }
}
