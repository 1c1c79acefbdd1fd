//! Another node: its record, and the two channels to it. It outlives connections and actors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::admission::Known;
use super::channel::{Channel, Counters, Limits, Waiting};
use super::config::LinksConfig;
use super::demand::{Demand, Demands};
use super::error::LinkError;
use super::view::{LinkState, LinkView};
use crate::node::NodeRecord;
use crate::wire::{Service, StreamKind};

pub(crate) struct Peer {
    record: Mutex<NodeRecord>,
    /// Made when they are first used: most nodes of a large cluster never talk.
    channels: [OnceLock<Arc<Channel>>; 2],
    limits: Limits,
    demands: Demands,
    claims: Mutex<[Claims; 2]>,
    pub(crate) refused: AtomicU64,
    pub(crate) last_error: Mutex<Option<String>>,
}

impl Peer {
    pub(crate) fn new(record: NodeRecord, config: &LinksConfig, demands: Demands) -> Self {
        Self {
            record: Mutex::new(record),
            channels: Default::default(),
            limits: Limits::of(config),
            demands,
            claims: Mutex::default(),
            refused: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    pub(crate) fn record(&self) -> NodeRecord {
        self.record.lock().clone()
    }

    pub(crate) fn learn(&self, record: NodeRecord) -> bool {
        let mut known = self.record.lock();
        let is_newer = record.incarnation > known.incarnation;
        if is_newer {
            *known = record;
        }
        is_newer
    }

    pub(crate) fn channel(&self, kind: StreamKind) -> &Arc<Channel> {
        self.channels[kind.index()].get_or_init(|| Arc::new(Channel::new(kind, self.limits)))
    }

    /// The same, if it has ever been used.
    pub(crate) fn used_channel(&self, kind: StreamKind) -> Option<&Channel> {
        self.channels[kind.index()].get().map(|channel| &**channel)
    }

    pub(crate) fn state(&self, kind: StreamKind) -> LinkState {
        self.used_channel(kind).map_or(LinkState::Idle, Channel::state)
    }

    pub(crate) fn is_up(&self, kind: StreamKind) -> bool {
        self.state(kind) == LinkState::Up
    }

    pub(crate) fn known(&self) -> Known {
        let is_alive = StreamKind::ALL.iter().any(|kind| self.is_up(*kind));
        Known { record: self.record(), is_alive }
    }

    /// Claims the place of a connection that this node has called for, until the guard is
    /// dropped. None when one stands, or is about to because the other node has called: of two
    /// nodes the one of the lower id (`arbitrates`) sees to it that there is only one.
    pub(crate) fn claim_call(
        self: &Arc<Self>,
        kind: StreamKind,
        arbitrates: bool,
    ) -> Option<Claim> {
        let mut claims = self.claims.lock();
        let claims = &mut claims[kind.index()];
        if self.is_up(kind) || arbitrates && claims.taken > 0 {
            return None;
        }
        claims.made += 1;
        Some(Claim { peer: Arc::clone(self), kind, made: true })
    }

    /// The same for a connection that the other node has called for. None when this node has
    /// called too, and arbitrates.
    pub(crate) fn claim_answer(
        self: &Arc<Self>,
        kind: StreamKind,
        arbitrates: bool,
    ) -> Option<Claim> {
        let mut claims = self.claims.lock();
        let claims = &mut claims[kind.index()];
        if arbitrates && claims.made > 0 {
            return None;
        }
        claims.taken += 1;
        Some(Claim { peer: Arc::clone(self), kind, made: false })
    }

    fn demand(&self, kind: StreamKind) {
        let node = self.record.lock().id;
        self.demands.make(Demand { node, kind });
    }

    pub(crate) fn try_cast(&self, service: Service, body: Bytes) -> Result<(), (LinkError, Bytes)> {
        let channel = self.channel(service.stream());
        if channel.try_cast(service, body)? {
            self.demand(channel.kind());
        }
        Ok(())
    }

    /// Waits for room; the caller sets the deadline.
    pub(crate) async fn cast(&self, service: Service, body: Bytes) -> Result<(), LinkError> {
        self.queue(service, body, None).await
    }

    /// Asks; the caller sets the deadline too.
    pub(crate) async fn call(
        &self,
        service: Service,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, LinkError> {
        let (sender, receiver) = oneshot::channel();
        self.queue(service, body, Some((sender, deadline))).await?;
        receiver.await.unwrap_or(Err(LinkError::Broken))
    }

    /// Asks if there is room now; the answer comes to the receiver.
    pub(crate) fn try_call(
        &self,
        service: Service,
        body: Bytes,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Bytes, LinkError>>, LinkError> {
        let (sender, receiver) = oneshot::channel();
        let channel = self.channel(service.stream());
        let pushed = channel.push(service, body, Some((sender, deadline)));
        self.queued(channel, pushed.map_err(|(why, ..)| why)?)?;
        Ok(receiver)
    }

    async fn queue(
        &self,
        service: Service,
        body: Bytes,
        call: Option<Waiting>,
    ) -> Result<(), LinkError> {
        let channel = self.channel(service.stream());
        let mut rest = match channel.push(service, body, call) {
            Ok(wants) => return self.queued(channel, wants),
            Err((LinkError::Full, body, call)) => (body, call),
            Err((error, ..)) => return Err(error),
        };
        let _queued = InLine::new(channel, service);
        loop {
            let room = channel.room(service).notified();
            match channel.push(service, rest.0, rest.1) {
                Ok(wants) => return self.queued(channel, wants),
                Err((LinkError::Full, body, call)) => rest = (body, call),
                Err((error, ..)) => return Err(error),
            }
            room.await;
        }
    }

    fn queued(&self, channel: &Channel, wants: bool) -> Result<(), LinkError> {
        if wants {
            self.demand(channel.kind());
        }
        Ok(())
    }

    pub(crate) fn view(&self, phi: Option<f64>) -> LinkView {
        let record = self.record();
        let channels = || StreamKind::ALL.into_iter().filter_map(|kind| self.used_channel(kind));
        let sum = |counter: fn(&Counters) -> &AtomicU64| {
            let counts = channels().map(|channel| counter(&channel.counters));
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        };
        let (mut queued, mut queued_bytes, mut pending) = (0, 0, 0);
        for (frames, bytes, calls) in channels().map(Channel::depth) {
            (queued, queued_bytes, pending) =
                (queued + frames, queued_bytes + bytes, pending + calls);
        }
        LinkView {
            node: record.id,
            name: record.name,
            address: record.address,
            incarnation: record.incarnation,
            control: self.state(StreamKind::Control),
            data: self.state(StreamKind::Data),
            rtt_us: self.used_channel(StreamKind::Control).and_then(Channel::rtt_us),
            phi,
            queued,
            queued_bytes,
            pending,
            sent: sum(|counters| &counters.sent),
            received: sum(|counters| &counters.received),
            refused: self.refused.load(Ordering::Relaxed),
            lost: sum(|counters| &counters.lost),
            breaks: sum(|counters| &counters.breaks),
            last_error: self.last_error.lock().clone(),
        }
    }
}

/// Handshakes with a node that are under way.
#[derive(Default)]
struct Claims {
    /// Those that this node has called for.
    made: u32,
    /// Those that the other one has.
    taken: u32,
}

/// A handshake under way, and then a connection that is about to stand.
pub(crate) struct Claim {
    peer: Arc<Peer>,
    kind: StreamKind,
    made: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self.peer.claims.lock();
        let claims = &mut claims[self.kind.index()];
        let count = if self.made { &mut claims.made } else { &mut claims.taken };
        *count = count.saturating_sub(1);
    }
}

/// A sender that waits for room; the connection wakes as many as may find some.
struct InLine<'a> {
    channel: &'a Channel,
    service: Service,
}

impl<'a> InLine<'a> {
    fn new(channel: &'a Channel, service: Service) -> Self {
        channel.waits(service, true);
        Self { channel, service }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.channel.waits(self.service, false);
        // It may have been woken in another's place.
        self.channel.room(self.service).notify_one();
    }
}
