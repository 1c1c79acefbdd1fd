//! What a member makes of what others say of it and of each other.

use bytes::Bytes;
use foca::{Member, State};

use super::events::Command;
use super::machine::Machine;
use super::packet::get_header;
use super::roster::{Doubt, Letter};
use super::seat::Seat;
use crate::node::NodeId;

impl Machine {
    pub(super) fn heard(&mut self, from: NodeId, body: Bytes) {
        self.counters.received += 1;
        match Letter::decode(body) {
            Some(Letter::Packet(packet)) => self.packet(from, &packet),
            Some(Letter::Renew(rank)) if rank == self.foca.identity().rank => self.renew(),
            Some(Letter::Renew(_)) => {}
            Some(Letter::Doubt(doubt)) => self.refute(from, doubt),
            Some(Letter::Removed(rank)) => {
                let own = self.foca.identity().clone();
                self.door.lock().notice_self(Seat { rank, ..own });
            }
            None => self.counters.malformed += 1,
        }
    }

    fn packet(&mut self, from: NodeId, packet: &[u8]) {
        // Links know who they talk to; nobody speaks for somebody else.
        let said = get_header(&mut &*packet).map(|header| header.src.id);
        if said != Ok(from) {
            self.counters.malformed += 1;
            return tracing::debug!(node = %from, "not a message of membership, or of another");
        }
        let result = self.foca.handle_data(packet, &mut self.runtime);
        self.note(result);
    }

    /// Gossip may not reach a suspect, or its refutation not reach this node; so who has to
    /// judge it asks it in person (the buddy system of Lifeguard).
    pub(super) fn doubt(&mut self, doubt: Doubt, commands: &mut Vec<Command>) {
        let Doubt { node, rank, incarnation } = doubt;
        let is_suspect = self.foca.iter_membership_state().any(|member| {
            let seat = member.id();
            (seat.id, seat.rank, member.incarnation()) == (node, rank, incarnation)
                && member.state() == State::Suspect
        });
        if is_suspect {
            self.send(node, &Letter::Doubt(doubt), commands);
        }
    }

    fn refute(&mut self, doubter: NodeId, doubt: Doubt) {
        let own = self.foca.identity().clone();
        if own.id != doubt.node {
            return;
        }
        let suspected = Seat { rank: doubt.rank, ..own };
        let suspected = Member::new(suspected, doubt.incarnation, State::Suspect);
        let suspected = self.door.lock().pass(suspected);
        let result = self.foca.apply_many(std::iter::once(suspected), true, &mut self.runtime);
        self.note(result);
        // Also where the doubter has missed a newer seat of this node.
        self.announce(doubter);
    }

    pub(super) fn note(&mut self, result: Result<(), foca::Error>) {
        let Err(error) = result else { return };
        match error {
            foca::Error::DataTooBig
            | foca::Error::MalformedPacket
            | foca::Error::Decode(_)
            | foca::Error::DataFromOurselves
            | foca::Error::IndirectForOurselves => self.counters.malformed += 1,
            _ => self.counters.faults += 1,
        }
        tracing::debug!(%error, "a message of membership had no effect");
    }
}
