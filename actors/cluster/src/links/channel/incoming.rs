//! What a connection does with a frame that has arrived, and what it lets pass.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, Bytes};
use synod_runtime::after;
use tokio::time::Instant;

use super::line::Line;
use super::task::{CALL_PREFIX, REFUSED, TOO_LARGE};
use crate::links::error::LinkError;
use crate::links::port::{Answer, Credit, Port, Return, Room, Way};
use crate::links::shared::{Shared, not_served};
use crate::node::{ClusterId, NodeId};
use crate::wire::{Frame, Kind, Service};

pub(super) struct Incoming {
    line: Arc<Line>,
    from: NodeId,
    shared: Arc<Shared>,
    /// What the other side may still send of each service: frames and bytes.
    allowed: [(i64, i64); Service::COUNT],
    /// The id of the last cast or call.
    last_id: u64,
    /// The ports as they were when the bytes at hand were read.
    ports: [Option<Arc<dyn Port>>; Service::COUNT],
    over: bool,
}

impl Incoming {
    pub(super) fn new(line: Arc<Line>, from: NodeId, shared: Arc<Shared>) -> Self {
        let own = line.own();
        let allowed = [(i64::from(own.frames), i64::from(own.bytes)); Service::COUNT];
        let ports = Default::default();
        Self { line, from, shared, allowed, last_id: 0, ports, over: false }
    }

    /// Both sides have agreed to close the connection.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes have been read.
    pub(super) fn begin(&mut self) {
        self.ports = self.shared.ports();
    }

    pub(super) fn granted(&mut self, service: Service, frames: u32, bytes: u32) {
        let (left, left_bytes) = &mut self.allowed[service.index()];
        *left += i64::from(frames);
        *left_bytes += i64::from(bytes);
    }

    /// Handles a frame; an error says how it breaks the protocol.
    pub(super) fn take(&mut self, frame: Frame) -> Result<(), String> {
        let Frame { kind, id, service, body } = frame;
        match (kind, service) {
            (Kind::Cast, Some(service)) => self.cast(id, service, body),
            (Kind::Call, Some(service)) => self.call(id, service, body),
            (Kind::Answer, Some(_)) => self.answered(id, Ok(body)),
            (Kind::Decline, Some(_)) => self.answered(id, Err(declined(&body))),
            (Kind::Grant, Some(service)) => self.grant(service, &body),
            (Kind::Beat, None) => self.beat(id, &body),
            (Kind::BeatAnswer, None) => {
                self.beat_answered(id);
                Ok(())
            }
            (Kind::Rest, None) => {
                self.over |= self.line.channel().outbox.lock().asked_to_rest();
                Ok(())
            }
            (Kind::RestOk | Kind::RestNo, None) => self.rest_decided(kind == Kind::RestOk),
            _ => Err(format!("a frame of kind {kind:?} after the handshake")),
        }
    }

    /// Lets a cast or a call in: each once, in order, and no more than was granted.
    fn admit(&mut self, id: u64, service: Service, bytes: usize) -> Result<Room, String> {
        if id <= self.last_id {
            return Err(format!("frame {id} came after frame {}: replayed", self.last_id));
        }
        self.last_id = id;
        let (frames, left) = &mut self.allowed[service.index()];
        if *frames <= 0 || *left <= 0 {
            return Err(format!("more of {service} than was granted"));
        }
        *frames -= 1;
        *left -= bytes as i64;
        self.line.hold();
        let channel = self.line.channel();
        channel.used.store(true, Ordering::Relaxed);
        channel.counters.received.fetch_add(1, Ordering::Relaxed);
        // A body is at most as long as the limit of a frame.
        Ok(Room { service, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) })
    }

    fn cast(&mut self, id: u64, service: Service, body: Bytes) -> Result<(), String> {
        let room = self.admit(id, service, body.len())?;
        let giver: Arc<dyn Return> = Arc::clone(&self.line) as Arc<dyn Return>;
        let credit = Credit { room: Some((giver, room)) };
        match &self.ports[service.index()] {
            Some(port) => port.cast_held(self.from, body, credit),
            None => metrics::counter!("synod_link_unserved_total").increment(1),
        }
        Ok(())
    }

    fn call(&mut self, id: u64, service: Service, mut body: Bytes) -> Result<(), String> {
        if body.len() < CALL_PREFIX {
            return Err(format!("a call of {} bytes has no deadline", body.len()));
        }
        let within = Duration::from_millis(body.get_u32_le().into());
        let room = self.admit(id, service, body.len())?;
        let to: Arc<dyn Return> = Arc::clone(&self.line) as Arc<dyn Return>;
        let way = Some(Way::Back { to, id, room });
        let answer = Answer { way, deadline: after(Instant::now(), within) };
        match &self.ports[service.index()] {
            Some(port) => port.call(self.from, body, answer),
            None => answer.refuse(not_served(service)),
        }
        Ok(())
    }

    fn answered(&mut self, id: u64, answer: Result<Bytes, LinkError>) -> Result<(), String> {
        let caller = self.line.channel().outbox.lock().answered(id);
        match caller {
            // The caller may have gone in the meantime.
            Ok(Some(caller)) => drop(caller.send(answer)),
            Ok(None) => {}
            Err(()) => return Err(format!("an answer to call {id}, which there was not")),
        }
        Ok(())
    }

    fn grant(&mut self, service: Service, body: &[u8]) -> Result<(), String> {
        let [a, b, c, d, e, f, g, h] = *body.as_array().ok_or("a grant that is not 8 bytes")?;
        let (frames, bytes) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if self.line.channel().outbox.lock().grant(service, frames, bytes) {
            return Ok(());
        }
        Err(format!("more of {service} was granted than there ever was"))
    }

    fn beat(&mut self, id: u64, body: &[u8]) -> Result<(), String> {
        let cluster = body.as_array().ok_or("a heartbeat that is not 16 bytes")?;
        let theirs = ClusterId(u128::from_le_bytes(*cluster));
        if let Some(ours) = self.shared.cluster.id()
            && theirs != ClusterId::default()
            && theirs != ours
        {
            return Err(format!("the node is of cluster {theirs} now, this one of {ours}"));
        }
        self.line.channel().outbox.lock().answer_beat(id);
        self.shared.heard(self.from, None);
        Ok(())
    }

    fn beat_answered(&mut self, id: u64) {
        let now = Instant::now();
        let round_trip = self.line.channel().outbox.lock().beat_answered(id, now);
        if round_trip.is_some() {
            self.shared.heard(self.from, round_trip);
        }
    }

    fn rest_decided(&mut self, agreed: bool) -> Result<(), String> {
        if !self.line.channel().outbox.lock().rest_decided(agreed) {
            return Err("a word about resting that nobody asked for".to_owned());
        }
        self.over |= agreed;
        Ok(())
    }
}

fn declined(body: &[u8]) -> LinkError {
    match body.split_first() {
        Some((&REFUSED, text)) => LinkError::Refused(String::from_utf8_lossy(text).into_owned()),
        Some((&TOO_LARGE, _)) => LinkError::TooLarge,
        _ => LinkError::Unanswered,
    }
}
