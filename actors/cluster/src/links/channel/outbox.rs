//! What is under the lock of a channel: lanes, answers, signals, pending calls. No I/O in it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::departing::{Departing, Reply};
use super::ids::IdHash;
use super::lane::{Lane, Outgoing};
use super::line::Line;
use super::{Caller, Limits, LinkError};
use crate::links::view::LinkState;
use crate::wire::{Kind, Service};

/// Frames that one drain takes.
const BATCH_FRAMES: usize = 512;
/// Bytes after which a drain takes no more.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes of one service after which the next one has its turn.
const TURN_BYTES: usize = 32 << 10;
/// Frames of one.
const TURN_FRAMES: usize = 128;

#[derive(Default)]
pub(super) enum Phase {
    /// No connection, and nobody needs one.
    #[default]
    Closed,
    /// Somebody needs one.
    Wanted,
    /// None could be made; the next attempt waits.
    Failed(String),
    /// One stands.
    Open(Stage, Arc<Line>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Flowing,
    /// This side has asked whether it may be closed.
    Resting,
    /// Both sides have agreed to close it.
    Parting,
}

/// What becomes of messages that were not written when a connection ends.
pub(crate) enum Unsent<'a> {
    /// They wait for the next one.
    Keep,
    /// They have failed.
    Fail(&'a str),
}

#[derive(Default)]
pub(super) struct Outbox {
    phase: Phase,
    lanes: [Lane; Service::COUNT],
    replies: VecDeque<Reply>,
    /// At most one of each waits: a later one takes the place of the former.
    signals: Signals,
    pending: HashMap<u64, (Service, Caller), IdHash>,
    last_id: u64,
    last_beat: u64,
    beat_sent: Option<(u64, Instant)>,
    turn: usize,
    sleeper: Option<Waker>,
    pub(super) rtt_us: Option<u64>,
}

#[derive(Default)]
struct Signals {
    beat: Option<u64>,
    beat_answer: Option<u64>,
    rest: Option<Kind>,
}

impl Outbox {
    /// Why a message can't be queued, if it can't.
    pub(super) fn objection(
        &self,
        service: Service,
        bytes: usize,
        limits: Limits,
    ) -> Option<LinkError> {
        match &self.phase {
            Phase::Failed(reason) => return Some(LinkError::Unreachable(reason.clone())),
            Phase::Open(_, line) if bytes > line.window().max_body as usize => {
                return Some(LinkError::TooLarge);
            }
            _ => {}
        }
        let lane = &self.lanes[service.index()];
        (!lane.has_room(bytes, limits.frames, limits.bytes)).then_some(LinkError::Full)
    }

    pub(super) fn push(&mut self, service: Service, body: Bytes, call: Option<(Caller, Instant)>) {
        self.lanes[service.index()].push(Outgoing { body, call });
    }

    /// Notes that a connection is needed; true when nobody had noted it before.
    pub(super) fn want(&mut self) -> bool {
        let is_closed = matches!(self.phase, Phase::Closed);
        if is_closed {
            self.phase = Phase::Wanted;
        }
        is_closed
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.phase, Phase::Wanted)
    }

    /// Who sleeps until there is something to write.
    pub(super) fn wake(&mut self) -> Option<Waker> {
        self.sleeper.take()
    }

    pub(super) fn waits(&mut self, service: Service, more: bool) {
        let waiting = &mut self.lanes[service.index()].waiting;
        *waiting = if more { *waiting + 1 } else { waiting.saturating_sub(1) };
    }

    pub(super) fn open(&mut self, line: Arc<Line>) {
        self.lanes.iter_mut().for_each(|lane| lane.begin(line.window()));
        self.phase = Phase::Open(Stage::Flowing, line);
        self.replies.clear();
        self.signals = Signals::default();
        (self.last_id, self.last_beat, self.beat_sent, self.rtt_us) = (0, 0, None, None);
    }

    /// Of the connection, while one stands.
    pub(super) fn epoch(&self) -> Option<u64> {
        match &self.phase {
            Phase::Open(_, line) => Some(line.epoch()),
            _ => None,
        }
    }

    pub(super) fn is_open_in(&self, epoch: u64) -> bool {
        self.epoch() == Some(epoch)
    }

    /// The callers whose calls were on their way, and how many casts were lost.
    pub(super) fn close(&mut self, unsent: Unsent<'_>) -> (Vec<Caller>, u64) {
        self.phase = Phase::Closed;
        self.replies.clear();
        self.sleeper = None;
        self.rtt_us = None;
        let pending = self.pending.len() as u64;
        let broken = self.pending.drain().map(|(_, (_, caller))| caller).collect();
        let sent: u64 = self.lanes.iter_mut().map(Lane::end).sum();
        match unsent {
            Unsent::Keep => {
                if !self.is_drained() {
                    self.phase = Phase::Wanted;
                }
                (broken, 0)
            }
            Unsent::Fail(reason) => {
                (broken, sent.saturating_sub(pending) + self.drop_unsent(reason))
            }
        }
    }

    pub(super) fn fail(&mut self, reason: &str) -> u64 {
        if matches!(self.phase, Phase::Open(..)) {
            return 0;
        }
        self.phase = Phase::Failed(reason.to_owned());
        self.drop_unsent(reason)
    }

    pub(super) fn relent(&mut self) {
        if matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Closed;
        }
    }

    fn drop_unsent(&mut self, reason: &str) -> u64 {
        let mut casts = 0;
        for outgoing in self.lanes.iter_mut().flat_map(Lane::take) {
            match outgoing.call {
                Some((caller, _)) => {
                    // The caller may have gone.
                    drop(caller.send(Err(LinkError::Unreachable(reason.to_owned()))));
                }
                None => casts += 1,
            }
        }
        casts
    }

    fn is_drained(&self) -> bool {
        self.lanes.iter().all(Lane::is_empty)
    }

    /// Whether anything is on its way in either direction.
    pub(super) fn is_busy(&self) -> bool {
        let holds = matches!(&self.phase, Phase::Open(_, line) if line.holds());
        holds || !self.pending.is_empty() || !self.replies.is_empty() || !self.is_drained()
    }

    /// Forgets calls whose callers have gone. Tells for each service how many senders may find
    /// room now.
    pub(super) fn forget_expired(&mut self) -> [usize; Service::COUNT] {
        self.pending.retain(|_, (_, caller)| !caller.is_closed());
        self.lanes.each_mut().map(|lane| lane.forget_expired().min(lane.waiting))
    }

    pub(super) fn state(&self) -> LinkState {
        match self.phase {
            Phase::Closed => LinkState::Idle,
            Phase::Wanted => LinkState::Connecting,
            Phase::Failed(_) => LinkState::Waiting,
            Phase::Open(..) => LinkState::Up,
        }
    }

    pub(super) fn depth(&self) -> (u64, u64, u64) {
        let frames: usize = self.lanes.iter().map(Lane::len).sum();
        let bytes: usize = self.lanes.iter().map(Lane::bytes).sum();
        (frames as u64, bytes as u64, self.pending.len() as u64)
    }
}

/// What a connection does with it.
impl Outbox {
    pub(super) fn reply(&mut self, epoch: u64, reply: Reply) {
        if self.is_open_in(epoch) {
            self.replies.push_back(reply);
        }
    }

    /// Takes what may be written now into `batch`, answers first, then each service in turn.
    /// When there is nothing, `waker` is woken once there is. Tells for each service how many
    /// senders may find room now.
    pub(super) fn drain(
        &mut self,
        batch: &mut Vec<Departing>,
        now: Instant,
        waker: &Waker,
    ) -> [usize; Service::COUNT] {
        let mut rooms = [0; Service::COUNT];
        self.drain_signals(batch);
        let mut bytes = self.drain_replies(batch);
        if let Phase::Open(Stage::Flowing, _) = self.phase {
            for step in 0..Service::COUNT {
                let at = (self.turn + step) % Service::COUNT;
                if bytes >= BATCH_BYTES || batch.len() >= BATCH_FRAMES {
                    self.turn = at;
                    break;
                }
                rooms[at] = self.drain_lane(at, batch, &mut bytes, now);
            }
        }
        if batch.is_empty() {
            self.sleeper = Some(waker.clone());
        }
        rooms
    }

    fn drain_signals(&mut self, batch: &mut Vec<Departing>) {
        let Signals { beat, beat_answer, rest } = std::mem::take(&mut self.signals);
        batch.extend(beat.map(|id| Departing::Signal(Kind::Beat, id)));
        batch.extend(beat_answer.map(|id| Departing::Signal(Kind::BeatAnswer, id)));
        batch.extend(rest.map(|kind| Departing::Signal(kind, 0)));
    }

    fn drain_replies(&mut self, batch: &mut Vec<Departing>) -> usize {
        let mut bytes = 0;
        while bytes < BATCH_BYTES / 2 && batch.len() < BATCH_FRAMES / 2 {
            let Some(reply) = self.replies.pop_front() else { break };
            bytes += reply.answer.as_ref().map_or(0, Bytes::len);
            batch.push(Departing::Reply(reply));
        }
        bytes
    }

    fn drain_lane(
        &mut self,
        at: usize,
        batch: &mut Vec<Departing>,
        bytes: &mut usize,
        now: Instant,
    ) -> usize {
        let (lane, service) = (&mut self.lanes[at], Service::ALL[at]);
        let (mut taken, mut taken_bytes) = (0, 0);
        while taken < TURN_FRAMES && taken_bytes < TURN_BYTES {
            let Some(Outgoing { body, call }) = lane.pop(now) else { break };
            taken += 1;
            taken_bytes += body.len();
            self.last_id += 1;
            let id = self.last_id;
            batch.push(match call {
                None => Departing::Cast(service, id, body),
                Some((caller, deadline)) => {
                    self.pending.insert(id, (service, caller));
                    Departing::Call(service, id, body, millis(deadline - now))
                }
            });
        }
        *bytes += taken_bytes;
        lane.waiting.min(taken.max(usize::from(lane.is_empty())))
    }

    /// Who waits for the answer to call `id`; an error when there was no such call.
    pub(super) fn answered(&mut self, id: u64) -> Result<Option<Caller>, ()> {
        if id == 0 || id > self.last_id {
            return Err(());
        }
        Ok(self.pending.remove(&id).map(|(_, caller)| caller))
    }

    /// False when the other side grants more than it ever took.
    pub(super) fn grant(&mut self, service: Service, frames: u32, bytes: u32) -> bool {
        self.lanes[service.index()].grant(frames, bytes)
    }

    pub(super) fn beat(&mut self, now: Instant) {
        if let Phase::Open(..) = self.phase {
            self.last_beat += 1;
            self.signals.beat = Some(self.last_beat);
            self.beat_sent = Some((self.last_beat, now));
        }
    }

    pub(super) fn answer_beat(&mut self, id: u64) {
        self.signals.beat_answer = Some(id);
    }

    /// When the beat `id` was sent, unless another has been sent since.
    pub(super) fn beat_answered(&mut self, id: u64, now: Instant) -> Option<std::time::Duration> {
        let (_, sent) = self.beat_sent.take_if(|(sent, _)| *sent == id)?;
        let round_trip = now.saturating_duration_since(sent);
        self.rtt_us = Some(u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX));
        Some(round_trip)
    }

    /// Asks to close an unused connection.
    pub(super) fn rest(&mut self) -> bool {
        let may = !self.is_busy();
        match &mut self.phase {
            Phase::Open(stage @ Stage::Flowing, _) if may => {
                *stage = Stage::Resting;
                self.signals.rest = Some(Kind::Rest);
                true
            }
            _ => false,
        }
    }

    /// The other side asks to close it.
    pub(super) fn asked_to_rest(&mut self) -> bool {
        let may = !self.is_busy();
        let Phase::Open(stage, _) = &mut self.phase else { return false };
        if may {
            *stage = Stage::Parting;
        }
        self.signals.rest = Some(if may { Kind::RestOk } else { Kind::RestNo });
        may
    }

    /// The other side has agreed to close it, or not. False when it wasn't asked.
    pub(super) fn rest_decided(&mut self, agreed: bool) -> bool {
        match &mut self.phase {
            Phase::Open(stage @ Stage::Resting, _) => {
                *stage = if agreed { Stage::Parting } else { Stage::Flowing };
                true
            }
            // Both have asked, and both agree.
            Phase::Open(Stage::Parting, _) => agreed,
            _ => false,
        }
    }

    pub(super) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Open(Stage::Parting, _))
    }
}

fn millis(left: std::time::Duration) -> u32 {
    u32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}
