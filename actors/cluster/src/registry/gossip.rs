//! How what nodes say of themselves spreads: rounds that find differences, and changes told at
//! once. Pure.
//!
//! ```text
//!  round:   A ─ Pulse(fingerprint) ─▶ B ─ differs: Digest(wants) ─▶ A ─ Delta (+ Digest) ─▶ B ...
//!  change:  A ─ Delta ─▶ 3 others ─ news to them: the same, once ─▶ 3 others ...
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use synod_journal::Codec;

use super::config::RegistryConfig;
use super::entry::{OriginDelta, OriginDigest, RegistryChange, RegistryKey};
use super::hlc::{Hlc, HybridClock};
use super::origin::{Limits, Taken};
use super::owner_map::{OwnerMap, RegistryRefusal};
use crate::membership::MemberChange;
use crate::node::{Incarnation, NodeId};

/// The layout of what is sent.
const FORMAT: u8 = 1;
/// Longest message: a delta, a digest of as many nodes as membership allows, and some air.
const MESSAGE_LIMIT: usize = 8 << 20;

/// What replicas tell each other.
#[derive(Debug, Serialize, Deserialize)]
enum Rumor {
    /// This is what mine amounts to.
    Pulse(u64),
    /// This is what I have; `wants`: tell me also what you have.
    Digest { digest: Vec<OriginDigest>, wants: bool },
    /// This changed; `more`: ask again for the rest; `tip`: just now, so pass it on.
    Delta { deltas: Vec<OriginDelta>, more: bool, tip: bool },
}

/// What happens to a replica.
#[derive(Debug)]
pub(super) enum Input {
    /// A message has come.
    Heard { from: NodeId, body: Bytes },
    /// A member has come, gone or changed.
    Member(MemberChange),
    /// Time to look for differences.
    Round,
    /// Time to tell what has been gathered.
    Flush,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Send this.
    Cast { to: NodeId, body: Bytes },
    /// Tell who listens.
    Publish(RegistryChange),
}

/// Now: on the node's own monotonic clock from any origin, and in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) utc_ms: u64,
}

/// What a replica has counted since it began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) malformed: u64,
    pub(super) too_much: u64,
    pub(super) drifted: u64,
    pub(super) last_heard: Option<Duration>,
    pub(super) differed: u64,
}

/// One node's replica and its conversations.
#[derive(Debug)]
pub(super) struct Gossip {
    own: NodeId,
    config: RegistryConfig,
    pub(super) map: OwnerMap,
    clock: HybridClock,
    rng: ChaCha12Rng,
    peers: Vec<NodeId>,
    /// Since when nodes are down.
    down: BTreeMap<NodeId, Duration>,
    /// Changes that are yet to be told: after which version, per node.
    hot: BTreeMap<NodeId, u64>,
    /// Where the next delta begins, so that every node's entries get their turn.
    turn: usize,
    pub(super) counters: Counters,
}

impl Gossip {
    pub(super) fn new(
        own: NodeId,
        incarnation: Incarnation,
        config: RegistryConfig,
        rng: ChaCha12Rng,
    ) -> Self {
        let limits = Limits { entries: config.max_entries, bytes: config.max_bytes };
        Self {
            own,
            config,
            map: OwnerMap::new(own, incarnation, limits),
            clock: HybridClock::new(config.max_drift_ms),
            rng,
            peers: Vec::new(),
            down: BTreeMap::new(),
            hot: BTreeMap::new(),
            turn: 0,
            counters: Counters::default(),
        }
    }

    /// Says something of this node, or no longer.
    pub(super) fn write(
        &mut self,
        now: Moment,
        key: RegistryKey,
        value: Option<Bytes>,
        commands: &mut Vec<Command>,
    ) -> Result<Hlc, RegistryRefusal> {
        let (bytes, limit) = (value.as_ref().map_or(0, Bytes::len), self.config.max_value_bytes);
        if bytes > limit {
            return Err(RegistryRefusal::TooLarge { bytes, limit });
        }
        let (stamp, before) = (self.clock.tick(now.utc_ms), self.map.own_version());
        if self.map.write(key.clone(), value.clone(), stamp, now.at)? {
            self.hot.entry(self.own).or_insert(before);
            let node = self.own;
            let change = match value {
                Some(value) => {
                    RegistryChange::Put(super::RegistryEntry { node, key, value, stamp })
                }
                None => RegistryChange::Removed { node, key },
            };
            commands.push(Command::Publish(change));
        }
        Ok(stamp)
    }

    /// Whether there are changes to be told, [`RegistryConfig::gather_ms`] after the first.
    pub(super) fn has_hot(&self) -> bool {
        !self.hot.is_empty()
    }

    pub(super) fn step(&mut self, now: Moment, input: Input) -> Vec<Command> {
        let mut commands = Vec::new();
        match input {
            Input::Heard { from, body } => self.heard(now, from, &body, &mut commands),
            Input::Member(change) => self.member(now, &change, &mut commands),
            Input::Round => self.round(now, &mut commands),
            Input::Flush => self.flush(&mut commands),
        }
        commands
    }

    // ---- members ----

    fn member(&mut self, now: Moment, change: &MemberChange, commands: &mut Vec<Command>) {
        match change {
            MemberChange::Snapshot(members) => {
                let known = self.peers.clone();
                let up = |node: &NodeId| members.iter().any(|m| m.id() == *node && m.is_up());
                known.iter().filter(|node| !up(node)).for_each(|node| self.gone(now, *node));
                for member in members.iter().filter(|member| member.is_up()) {
                    self.arrived(member.id(), member.record.incarnation, commands);
                }
            }
            MemberChange::Up(record) => self.arrived(record.id, record.incarnation, commands),
            MemberChange::Suspect(_) | MemberChange::Recovered(_) | MemberChange::Expelled(_) => {}
            MemberChange::Down(node) => self.gone(now, *node),
            MemberChange::Left(node) | MemberChange::Forgotten(node) => {
                self.gone(now, *node);
                self.forget(*node, commands);
            }
        }
    }

    fn arrived(&mut self, node: NodeId, incarnation: Incarnation, commands: &mut Vec<Command>) {
        if node == self.own {
            return;
        }
        if self.map.admit(node, incarnation) {
            commands.push(Command::Publish(RegistryChange::Forgotten { node }));
        }
        self.down.remove(&node);
        if !self.peers.contains(&node) {
            self.peers.push(node);
            // Whoever is new wants to know, and has something to tell.
            self.pulse(node, commands);
        }
    }

    fn gone(&mut self, now: Moment, node: NodeId) {
        self.peers.retain(|peer| *peer != node);
        if node != self.own {
            self.down.entry(node).or_insert(now.at);
        }
    }

    fn forget(&mut self, node: NodeId, commands: &mut Vec<Command>) {
        self.down.remove(&node);
        self.hot.remove(&node);
        if self.map.forget(node) {
            commands.push(Command::Publish(RegistryChange::Forgotten { node }));
        }
    }

    // ---- rounds ----

    fn round(&mut self, now: Moment, commands: &mut Vec<Command>) {
        for node in self.choose(self.config.fanout, &[]) {
            self.pulse(node, commands);
        }
        let Some(before) = now.at.checked_sub(self.config.grace()) else { return };
        self.map.collect(before);
        let over: Vec<_> = self.down.iter().filter(|(_, since)| **since < before).collect();
        let over: Vec<_> = over.into_iter().map(|(node, _)| *node).collect();
        over.into_iter().for_each(|node| self.forget(node, commands));
    }

    fn pulse(&mut self, to: NodeId, commands: &mut Vec<Command>) {
        let pulse = Rumor::Pulse(self.map.fingerprint());
        self.tell(to, &pulse, commands);
    }

    fn flush(&mut self, commands: &mut Vec<Command>) {
        let mut budget = self.config.delta_bytes;
        let hot = std::mem::take(&mut self.hot);
        let deltas: Vec<_> = hot
            .into_iter()
            .filter_map(|(node, from)| self.map.changes_since(node, from, &mut budget))
            .collect();
        if deltas.is_empty() {
            return;
        }
        let rumor = Rumor::Delta { deltas, more: false, tip: true };
        let Some(body) = encode(&rumor) else { return };
        for to in self.choose(self.config.fanout, &[]) {
            self.counters.sent += 1;
            commands.push(Command::Cast { to, body: body.clone() });
        }
    }

    /// So many different peers at random.
    fn choose(&mut self, count: usize, without: &[NodeId]) -> Vec<NodeId> {
        let mut chosen: Vec<NodeId> = Vec::new();
        let mut left: Vec<_> =
            self.peers.iter().copied().filter(|peer| !without.contains(peer)).collect();
        while chosen.len() < count && !left.is_empty() {
            chosen.push(left.swap_remove(self.rng.random_range(0..left.len())));
        }
        chosen
    }

    // ---- messages ----

    fn heard(&mut self, now: Moment, from: NodeId, body: &[u8], commands: &mut Vec<Command>) {
        let Some(rumor) = decode(body) else {
            self.counters.malformed += 1;
            return tracing::debug!(node = %from, "not a message of the registry");
        };
        self.counters.received += 1;
        self.counters.last_heard = Some(now.at);
        match rumor {
            Rumor::Pulse(fingerprint) if fingerprint == self.map.fingerprint() => {}
            Rumor::Pulse(_) => {
                self.counters.differed += 1;
                self.tell_digest(from, true, commands);
            }
            Rumor::Digest { digest, wants } => self.compare(from, &digest, wants, commands),
            Rumor::Delta { deltas, more, tip } => {
                let progress = self.learn(now, from, deltas, tip, commands);
                if more && progress {
                    self.tell_digest(from, false, commands);
                }
            }
        }
    }

    fn compare(
        &mut self,
        from: NodeId,
        digest: &[OriginDigest],
        wants: bool,
        commands: &mut Vec<Command>,
    ) {
        if self.map.is_ahead_of(digest) {
            self.turn = self.turn.wrapping_add(1);
            let (deltas, more) = self.map.deltas_for(digest, self.turn, self.config.delta_bytes);
            self.tell(from, &Rumor::Delta { deltas, more, tip: false }, commands);
        }
        if wants && self.map.is_behind(digest) {
            self.tell_digest(from, false, commands);
        }
    }

    fn learn(
        &mut self,
        now: Moment,
        from: NodeId,
        deltas: Vec<OriginDelta>,
        tip: bool,
        commands: &mut Vec<Command>,
    ) -> bool {
        let (mut changes, mut progress) = (Vec::new(), false);
        for delta in deltas {
            let (node, since) = (delta.origin, delta.from);
            self.follow(now, &delta);
            match self.map.take(from, delta, now.at, &mut changes) {
                Taken::News { .. } => {
                    progress = true;
                    // What one node catches up on is no news to most.
                    if tip {
                        self.hot.entry(node).or_insert(since);
                    }
                }
                Taken::TooMuch => self.counters.too_much += 1,
                Taken::Known | Taken::Gap => {}
            }
        }
        commands.extend(changes.into_iter().map(Command::Publish));
        progress
    }

    fn follow(&mut self, now: Moment, delta: &OriginDelta) {
        let latest = delta.changes.iter().map(|change| change.stamp).max();
        let Some(latest) = latest else { return };
        if let Err(drift) = self.clock.observe(latest, now.utc_ms) {
            self.counters.drifted += 1;
            tracing::debug!(node = %delta.origin, %drift, "a clock is not followed");
        }
    }

    fn tell_digest(&mut self, to: NodeId, wants: bool, commands: &mut Vec<Command>) {
        let rumor = Rumor::Digest { digest: self.map.digest(), wants };
        self.tell(to, &rumor, commands);
    }

    fn tell(&mut self, to: NodeId, rumor: &Rumor, commands: &mut Vec<Command>) {
        if let Some(body) = encode(rumor) {
            self.counters.sent += 1;
            commands.push(Command::Cast { to, body });
        }
    }

    /// Nodes that are asked and told.
    pub(super) fn peer_count(&self) -> usize {
        self.peers.len()
    }
}

fn encode(rumor: &Rumor) -> Option<Bytes> {
    let body = Codec::<MESSAGE_LIMIT>::encode(rumor);
    let body = body.inspect_err(|error| tracing::error!(%error, "a rumor is not sent")).ok()?;
    let mut bytes = BytesMut::with_capacity(body.len() + 1);
    bytes.put_u8(FORMAT);
    bytes.put(body);
    Some(bytes.freeze())
}

fn decode(body: &[u8]) -> Option<Rumor> {
    match body.split_first() {
        Some((&FORMAT, rest)) => Codec::<MESSAGE_LIMIT>::decode(rest).ok(),
        _ => None,
    }
}
