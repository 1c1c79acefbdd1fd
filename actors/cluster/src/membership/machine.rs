//! Membership as a pure machine: SWIM (Das, Gupta, Motivala, 2002) by foca, with seats, doors,
//! exchanges of everything, and a clock that knows when it was asleep.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foca::{AccumulatingRuntime, Foca, Member, NoCustomBroadcast, OwnedNotification, State, Timer};
use parking_lot::Mutex;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::config::MembershipConfig;
use super::joining::Joining;
use super::messages::{Expulsion, MemberChange, MemberState, MemberView, Standing};
use super::packet::{Door, SeatCodec, SharedDoor, get_header};
use super::roster::{self, Doubt, Letter};
use super::seat::Seat;
use super::table::Table;
use super::timers::{Due, LocalHealth, Timers};
use crate::node::{NodeId, NodeRecord};

/// When in its time a suspect is told of it.
const DOUBT_TOLD: [f64; 4] = [0.05, 0.3, 0.55, 0.8];

/// What happens to a member.
#[derive(Debug)]
pub(super) enum Input {
    /// A one-way message has come.
    Heard { from: NodeId, body: Bytes },
    /// Another node tells its members and asks for ours; the ticket names the question.
    Asked { ticket: u64, from: NodeId, body: Bytes },
    /// Our question was answered, or not.
    Answered { by: NodeId, answer: Result<Bytes, String> },
    /// Who lives at an address, or why that isn't known.
    Met { answer: Result<NodeRecord, String> },
    /// Become a member by one of these addresses.
    Join(Vec<String>),
    /// Leave on purpose.
    Leave,
    /// Put a node out.
    Remove(NodeId),
    /// A node can be talked to.
    LinkUp(NodeId),
    /// A timer may be due.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) enum Command {
    /// Note where a node is found.
    Learn(NodeRecord),
    /// Close all connections to it.
    Forget(NodeId),
    /// Tell who listens.
    Publish(MemberChange),
    /// Send this one way.
    Cast { to: NodeId, body: Bytes },
    /// Tell it our members and ask for its own.
    Exchange { with: NodeId, body: Bytes },
    /// Answer a question.
    Answer { ticket: u64, answer: Result<Bytes, String> },
    /// Find out who lives there.
    Meet(String),
    /// This node has become a member.
    Joined,
}

/// What a machine has counted since it began.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) malformed: u64,
    pub(super) faults: u64,
}

/// How a machine stands, apart from who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    In,
    Left,
    Superseded,
    Removed,
}

type Protocol = Foca<Seat, SeatCodec, ChaCha12Rng, NoCustomBroadcast>;

/// One node's membership.
pub(super) struct Machine {
    pub(super) config: MembershipConfig,
    pub(super) foca: Protocol,
    pub(super) runtime: AccumulatingRuntime<Seat>,
    pub(super) door: SharedDoor,
    pub(super) table: Table,
    pub(super) timers: Timers,
    pub(super) health: LocalHealth,
    pub(super) joining: Joining,
    pub(super) phase: Phase,
    pub(super) rng: ChaCha12Rng,
    pub(super) counters: Counters,
    /// Members and weakness that the protocol's settings were made for.
    tuned_for: (usize, u32),
}

impl Machine {
    /// A node alone. `renewal` is above that of any former machine of this start of the node.
    pub(super) fn new(
        record: NodeRecord,
        renewal: u32,
        config: MembershipConfig,
        mut rng: ChaCha12Rng,
        now: Duration,
    ) -> Self {
        let seat = Seat::new(Arc::new(record), renewal);
        let door = Arc::new(Mutex::new(Door::new(seat.clone(), config.max_members)));
        let codec = SeatCodec { door: Arc::clone(&door) };
        let own_rng = fork(&mut rng);
        let mut timers = Timers::default();
        timers.set(now, config.gossip(), Due::Look);
        timers.set(now, config.exchange().mul_f64(rng.random_range(0.5..1.0)), Due::Exchange);
        timers.set(now, config.heal().mul_f64(rng.random_range(0.5..1.0)), Due::Heal);
        timers.set(now, config.seed().mul_f64(rng.random_range(0.5..1.0)), Due::Seed);
        Self {
            config,
            foca: Foca::new(seat, config.foca(1, 0), own_rng, codec),
            runtime: AccumulatingRuntime::new(),
            door,
            table: Table::default(),
            timers,
            health: LocalHealth::default(),
            joining: Joining::default(),
            phase: Phase::In,
            rng,
            counters: Counters::default(),
            tuned_for: (1, 0),
        }
    }

    /// Handles what is due, then the input; says what is to be done. `now` is monotonic, from
    /// any origin.
    pub(super) fn step(&mut self, now: Duration, input: Input) -> Vec<Command> {
        let mut commands = Vec::new();
        if let Some(late) = self.timers.oversleep(now, self.config.lag()) {
            tracing::debug!(?late, "this node was not running; its clock stood still");
            self.health.overslept(now, late);
        }
        while let Some(due) = self.timers.pop(now) {
            self.due(now, due, &mut commands);
        }
        if self.phase == Phase::In || matches!(input, Input::Join(_)) {
            self.input(now, input, &mut commands);
        } else {
            refuse(input, &mut commands);
        }
        self.settle(now, &mut commands);
        commands
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.next()
    }

    fn input(&mut self, now: Duration, input: Input, commands: &mut Vec<Command>) {
        match input {
            Input::Heard { from, body } => self.heard(from, body),
            Input::Asked { ticket, from, body } => self.asked(now, ticket, from, &body, commands),
            Input::Answered { by, answer } => self.answered(now, by, answer, commands),
            Input::Met { answer } => self.met(now, answer, commands),
            Input::Join(seeds) => self.join(now, seeds, commands),
            Input::Leave => self.leave(),
            Input::Remove(node) => self.remove(node, commands),
            Input::LinkUp(node) => self.link_up(node, commands),
            Input::Tick => {}
        }
    }

    fn due(&mut self, now: Duration, due: Due, commands: &mut Vec<Command>) {
        match due {
            Due::Protocol(timer) => {
                let result = self.foca.handle_timer(timer, &mut self.runtime);
                self.note(result);
                self.schedule(now);
            }
            Due::Doubt(doubt) => self.doubt(doubt, commands),
            Due::Look => {
                self.timers.set(now, self.config.gossip(), Due::Look);
                self.health.is_calm(now);
                self.refresh(now, commands);
            }
            Due::Exchange => self.exchange_due(now, commands),
            Due::Heal => self.heal_due(now, commands),
            Due::Seed => self.seed_due(now, commands),
            Due::Settle => self.settle_due(commands),
        }
    }

    // ---- messages ----

    fn heard(&mut self, from: NodeId, body: Bytes) {
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

    /// Takes the next seat: the current one is held for dead somewhere.
    pub(super) fn renew(&mut self) {
        let seen = self.door.lock().renewal_seen;
        let renewed = self.foca.identity().renewed(seen.saturating_add(1));
        self.sit(renewed);
    }

    fn sit(&mut self, seat: Seat) {
        let result = self.foca.change_identity(seat, &mut self.runtime);
        self.note(result);
        self.door.lock().own = self.foca.identity().clone();
    }

    /// Gossip may not reach a suspect, or its refutation not reach this node; so who has to
    /// judge it asks it in person (the buddy system of Lifeguard).
    fn doubt(&mut self, doubt: Doubt, commands: &mut Vec<Command>) {
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

    // ---- coming and going ----

    fn join(&mut self, now: Duration, seeds: Vec<String>, commands: &mut Vec<Command>) {
        match self.phase {
            Phase::Superseded | Phase::Removed => return,
            Phase::Left => {
                self.phase = Phase::In;
                self.renew();
            }
            Phase::In => {}
        }
        let own = self.foca.identity().record.clone();
        let own = own.map_or(String::new(), |record| record.address.clone());
        self.joining.begin(seeds, &own);
        self.try_seeds(now, commands);
    }

    fn leave(&mut self) {
        let left = self.foca.identity().left();
        self.sit(left);
        let result = self.foca.leave_cluster(&mut self.runtime);
        self.note(result);
        self.phase = Phase::Left;
        self.joining = Joining::default();
    }

    fn remove(&mut self, node: NodeId, commands: &mut Vec<Command>) {
        let Some(row) = self.table.get(node) else { return };
        let seat = row.seat.removed();
        let rank = seat.rank;
        let member = std::iter::once(Member::new(seat, 0, State::Down));
        let result = self.foca.apply_many(member, true, &mut self.runtime);
        self.note(result);
        self.send(node, &Letter::Removed(rank), commands);
    }

    /// Whether there is such a member that has not been removed.
    pub(super) fn can_remove(&self, node: NodeId) -> bool {
        self.phase == Phase::In && self.table.get(node).is_some()
    }

    // ---- what follows from a step ----

    /// Turns what the protocol wants into commands: first who is there, then what is sent.
    fn settle(&mut self, now: Duration, commands: &mut Vec<Command>) {
        self.judge_self(commands);
        let mut news = false;
        while let Some(notification) = self.runtime.to_notify() {
            news = true;
            if let OwnedNotification::Rejoin(seat) = notification {
                self.door.lock().own = seat;
                self.joining.rejoined();
            }
        }
        if news {
            self.refresh(now, commands);
        }
        self.schedule(now);
        self.after_rejoin(commands);
        while let Some((to, packet)) = self.runtime.to_send() {
            if to.id != self.foca.identity().id {
                self.send(to.id, &Letter::Packet(packet), commands);
            }
        }
    }

    fn schedule(&mut self, now: Duration) {
        while let Some((after, timer)) = self.runtime.to_schedule() {
            if let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = &timer {
                let (node, rank) = (member_id.id, member_id.rank);
                let doubt = Doubt { node, rank, incarnation: *incarnation };
                for part in DOUBT_TOLD {
                    self.timers.set(now, after.mul_f64(part), Due::Doubt(doubt));
                }
            }
            self.timers.set(now, after, Due::Protocol(timer));
        }
    }

    pub(super) fn send(&mut self, to: NodeId, letter: &Letter, commands: &mut Vec<Command>) {
        // Whoever was put out says nothing any more; who leaves says that.
        let silent = matches!(self.phase, Phase::Superseded | Phase::Removed);
        if !silent && let Some(body) = letter.encode() {
            self.counters.sent += 1;
            commands.push(Command::Cast { to, body });
        }
    }

    /// Whether this node may still be a member, by what others have said of it.
    fn judge_self(&mut self, commands: &mut Vec<Command>) {
        if self.phase != Phase::In {
            return;
        }
        let (rival, removed, seen) = {
            let mut door = self.door.lock();
            (door.rival.take(), door.removed, door.renewal_seen)
        };
        if let Some(record) = rival.and_then(|seat| seat.record) {
            self.phase = Phase::Superseded;
            let expulsion = Expulsion::Superseded(Box::new((*record).clone()));
            commands.push(Command::Publish(MemberChange::Expelled(expulsion)));
        } else if removed {
            self.phase = Phase::Removed;
            commands.push(Command::Publish(MemberChange::Expelled(Expulsion::Removed)));
        } else if seen > self.foca.identity().rank.renewal {
            // A former machine of this start of the node was further.
            self.renew();
        }
    }

    pub(super) fn refresh(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let own = self.foca.identity().id;
        let changes = self.table.refresh(own, now, self.foca.iter_membership_state());
        for change in changes {
            match &change {
                MemberChange::Up(record) => commands.push(Command::Learn(record.clone())),
                MemberChange::Forgotten(node) => commands.push(Command::Forget(*node)),
                _ => {}
            }
            commands.push(Command::Publish(change));
        }
        let known = self.table.rows().map(|row| row.seat.id).collect();
        self.door.lock().known = known;
        self.tune();
    }

    fn tune(&mut self) {
        let wanted = (self.foca.num_members() + 1, self.health.weakness());
        if wanted != self.tuned_for {
            self.tuned_for = wanted;
            let result = self.foca.set_config(self.config.foca(wanted.0, wanted.1));
            self.note(result);
        }
    }

    // ---- views ----

    pub(super) fn standing(&self) -> Standing {
        match self.phase {
            Phase::Left => Standing::Left,
            Phase::Superseded => Standing::Superseded,
            Phase::Removed => Standing::Removed,
            Phase::In if self.table.up().next().is_some() => Standing::Member,
            Phase::In if self.joining.is_looking() => Standing::Joining,
            Phase::In => Standing::Alone,
        }
    }

    pub(super) fn views(&self, now: Duration) -> Vec<MemberView> {
        self.table.views(now)
    }

    /// How long a suspect has by now.
    pub(super) fn suspicion(&self) -> Duration {
        self.config.suspicion(self.tuned_for.0, self.tuned_for.1)
    }

    /// All members, this node first, as others are told.
    pub(super) fn roster(&self) -> Option<Bytes> {
        let own = Member::alive(self.foca.identity().clone());
        let others = self.foca.iter_membership_state();
        let others = others.filter(|member| member.id().id != own.id().id);
        roster::encode(std::iter::once(&own).chain(others))
    }

    /// So many members that are up, at random.
    pub(super) fn some_up(&mut self, count: usize, without: NodeId) -> Vec<NodeId> {
        let up = self.table.up().map(|row| row.seat.id).filter(|node| *node != without);
        let mut left: Vec<_> = up.collect();
        let mut chosen = Vec::new();
        while chosen.len() < count && !left.is_empty() {
            chosen.push(left.swap_remove(self.rng.random_range(0..left.len())));
        }
        chosen
    }

    /// One member that is down, at random.
    pub(super) fn some_down(&mut self) -> Option<NodeId> {
        let down: Vec<_> = self.table.down().map(|row| row.seat.id).collect();
        let chosen = (!down.is_empty()).then(|| self.rng.random_range(0..down.len()))?;
        down.get(chosen).copied()
    }

    pub(super) fn is_down(&self, node: NodeId) -> bool {
        self.table.get(node).is_some_and(|row| row.state == MemberState::Down)
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = &self.foca.identity();
        f.debug_struct("Machine")
            .field("own", own)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// A node that is out answers questions with that.
fn refuse(input: Input, commands: &mut Vec<Command>) {
    if let Input::Asked { ticket, .. } = input {
        let answer = Err("this node is no longer a member".to_owned());
        commands.push(Command::Answer { ticket, answer });
    }
}

fn fork(rng: &mut ChaCha12Rng) -> ChaCha12Rng {
    use rand::SeedableRng;
    ChaCha12Rng::from_seed(rng.random())
}
