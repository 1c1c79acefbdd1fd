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
use super::events::{Command, Counters, Input, Phase};
use super::joining::Joining;
use super::messages::{Expulsion, MemberChange, MemberState, MemberView, Standing};
use super::packet::{Door, SeatCodec, SharedDoor};
use super::roster::{self, Doubt, Letter};
use super::seat::Seat;
use super::table::Table;
use super::timers::{Due, LocalHealth, Timers};
use crate::node::{NodeId, NodeRecord};

/// When in its time a suspect is told of it.
const DOUBT_TOLD: [f64; 4] = [0.05, 0.3, 0.55, 0.8];

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

    // ---- coming and going ----

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
