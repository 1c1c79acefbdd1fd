//! The registry's decisions: who is there, who is found, who fell silent. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use semver::Version;

use super::cursor;
use super::messages::{AgentSelector, InvalidCursor, ListAgents, SetStatusError, UnknownAgent};
use crate::card::{AgentCard, AgentKind};
use crate::id::{AgentId, AgentKey};
use crate::messages::{AgentChange, AgentEntry, AgentStatus};
use crate::pulse::{Pulse, PulseBoard};

/// Most entries of one page.
const MAX_PAGE: usize = 1_000;

/// The time of an input, monotonic and in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) utc: Timestamp,
}

/// What the shell is to do.
#[derive(Debug)]
pub(crate) enum Command<A> {
    /// Tell every listener.
    Publish(AgentChange<A>),
    /// Tell an agent's actor.
    Tell(A, Order),
    /// A run-time registration has been silent too long: retire it.
    RetireSilent(AgentKey),
}

/// What an agent's actor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
    Drain,
    Retire,
}

/// A registration that has passed validation.
#[derive(Debug)]
pub(crate) struct Registration<A> {
    pub(crate) card: Arc<AgentCard>,
    pub(crate) address: A,
    pub(crate) connected: bool,
}

#[derive(Debug)]
struct Entry<A> {
    card: Arc<AgentCard>,
    /// What operators want; a lost connection hides it but does not change it.
    wanted: AgentStatus,
    connected: bool,
    address: A,
    registered_at: Timestamp,
    pulse: Pulse,
}

impl<A: Clone> Entry<A> {
    fn status(&self) -> AgentStatus {
        if self.connected { self.wanted } else { AgentStatus::Disconnected }
    }

    fn shown(&self, at: Moment) -> AgentEntry<A> {
        let age = self.pulse.age(at.now);
        AgentEntry {
            card: Arc::clone(&self.card),
            status: self.status(),
            address: self.address.clone(),
            registered_at: self.registered_at,
            last_heartbeat: at.utc.checked_sub(age).unwrap_or(at.utc),
        }
    }
}

/// All agents of this node, several versions of each side by side.
#[derive(Debug)]
pub(crate) struct Registry<A> {
    max_agents: usize,
    board: PulseBoard,
    agents: BTreeMap<AgentKey, Entry<A>>,
    by_capability: HashMap<String, BTreeSet<AgentKey>>,
    /// Remote agents by their slot; the others can't fall silent, so a sweep finds none of them.
    by_slot: HashMap<u32, AgentKey>,
    /// Cards that come back after a restart of the node; live or not yet live again.
    durable: BTreeMap<AgentKey, Arc<AgentCard>>,
}

impl<A: Clone> Registry<A> {
    pub(crate) fn new(max_agents: usize, origin: Instant) -> Self {
        // A pulse may outlive its entry for a moment, in the hands of a connection that closes.
        let slots = u32::try_from(max_agents + max_agents / 8 + 8).unwrap_or(u32::MAX);
        Self {
            max_agents,
            board: PulseBoard::new(slots, origin),
            agents: BTreeMap::new(),
            by_capability: HashMap::new(),
            by_slot: HashMap::new(),
            durable: BTreeMap::new(),
        }
    }

    // ---- what comes and goes ----

    /// Makes an agent known; an older entry of the same key is replaced. `None` when the node
    /// has its most agents already.
    pub(crate) fn register(
        &mut self,
        at: Moment,
        new: Registration<A>,
        out: &mut Vec<Command<A>>,
    ) -> Option<AgentEntry<A>> {
        let key = new.card.key();
        if !self.has_room_for(&key) {
            return None;
        }
        let replaced = self.remove(&key);
        let wanted = replaced.as_ref().map_or(AgentStatus::Active, |old| old.wanted);
        let pulse = match replaced {
            Some(old) => old.pulse,
            None => self.board.open(at.now)?,
        };
        pulse.beat(at.now);
        if new.card.kind.is_remote() {
            self.by_slot.insert(pulse.slot(), key.clone());
        }
        for capability in &new.card.capabilities {
            self.by_capability.entry(capability.name.clone()).or_default().insert(key.clone());
        }
        let Registration { card, address, connected } = new;
        let entry = Entry { card, wanted, connected, address, registered_at: at.utc, pulse };
        let shown = entry.shown(at);
        // A replaced agent that was paused stays paused; its new actor must hear of it.
        if let Some(order) = order_for(wanted).filter(|_| wanted != AgentStatus::Active) {
            out.push(Command::Tell(shown.address.clone(), order));
        }
        self.agents.insert(key, entry);
        out.push(Command::Publish(AgentChange::Joined(shown.clone())));
        Some(shown)
    }

    /// Whether an agent of this key fits.
    pub(crate) fn has_room_for(&self, key: &AgentKey) -> bool {
        self.agents.contains_key(key) || self.agents.len() < self.max_agents
    }

    /// Forgets an agent and lets its actor stop once its work has ended.
    pub(crate) fn retire(&mut self, key: &AgentKey, reason: &str, out: &mut Vec<Command<A>>) {
        self.durable.remove(key);
        if let Some(entry) = self.leave(key, reason, out) {
            out.push(Command::Tell(entry.address, Order::Retire));
        }
    }

    /// Forgets an agent whose actor has ended.
    pub(crate) fn ended(&mut self, key: &AgentKey, reason: &str, out: &mut Vec<Command<A>>) {
        self.leave(key, reason, out);
    }

    fn leave(
        &mut self,
        key: &AgentKey,
        reason: &str,
        out: &mut Vec<Command<A>>,
    ) -> Option<Entry<A>> {
        let entry = self.remove(key)?;
        let reason = reason.to_owned();
        out.push(Command::Publish(AgentChange::Left { key: key.clone(), reason }));
        Some(entry)
    }

    fn remove(&mut self, key: &AgentKey) -> Option<Entry<A>> {
        let entry = self.agents.remove(key)?;
        self.by_slot.remove(&entry.pulse.slot());
        for capability in &entry.card.capabilities {
            if let Some(keys) = self.by_capability.get_mut(&capability.name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_capability.remove(&capability.name);
                }
            }
        }
        Some(entry)
    }

    // ---- what changes ----

    /// Sets what operators want of these agents and tells their actors.
    pub(crate) fn set_status(
        &mut self,
        at: Moment,
        agents: &AgentSelector,
        status: AgentStatus,
        out: &mut Vec<Command<A>>,
    ) -> Result<Vec<AgentEntry<A>>, SetStatusError> {
        let order = order_for(status).ok_or(SetStatusError::NotSettable)?;
        let mut shown = Vec::new();
        for key in self.select(agents)? {
            let Some(entry) = self.agents.get_mut(&key) else { continue };
            let before = entry.status();
            entry.wanted = status;
            out.push(Command::Tell(entry.address.clone(), order));
            if entry.status() != before {
                let status = entry.status();
                out.push(Command::Publish(AgentChange::StatusChanged { key, status }));
            }
            shown.push(entry.shown(at));
        }
        Ok(shown)
    }

    /// The connection to a remote agent is up or down.
    pub(crate) fn connection(
        &mut self,
        at: Moment,
        key: &AgentKey,
        up: bool,
        out: &mut Vec<Command<A>>,
    ) {
        let Some(entry) = self.agents.get_mut(key) else { return };
        entry.pulse.beat(at.now);
        if entry.connected == up {
            return;
        }
        entry.connected = up;
        let status = entry.status();
        out.push(Command::Publish(AgentChange::StatusChanged { key: key.clone(), status }));
    }

    /// A sign of life.
    pub(crate) fn heartbeat(
        &self,
        now: Instant,
        agents: &AgentSelector,
    ) -> Result<(), UnknownAgent> {
        for key in self.select(agents)? {
            if let Some(entry) = self.agents.get(&key) {
                entry.pulse.beat(now);
            }
        }
        Ok(())
    }

    /// Finds run-time registrations of remote agents that have been silent for `limit`.
    pub(crate) fn sweep(&self, now: Instant, limit: Duration, out: &mut Vec<Command<A>>) {
        let Some(since) = now.checked_sub(limit) else { return };
        self.board.silent_since(since, |slot| {
            if let Some(key) = self.by_slot.get(&slot)
                && self.durable.contains_key(key)
            {
                out.push(Command::RetireSilent(key.clone()));
            }
        });
    }

    // ---- what lasts ----

    /// Remembers that this card comes back after a restart.
    pub(crate) fn keep(&mut self, card: Arc<AgentCard>) {
        self.durable.insert(card.key(), card);
    }

    /// Remembers that it does not come back.
    pub(crate) fn forget(&mut self, key: &AgentKey) {
        self.durable.remove(key);
    }

    /// Whether this very card comes back already.
    pub(crate) fn is_kept(&self, card: &AgentCard) -> bool {
        self.durable.get(&card.key()).is_some_and(|kept| **kept == *card)
    }

    /// Whether an agent of this key comes back.
    pub(crate) fn is_durable(&self, key: &AgentKey) -> bool {
        self.durable.contains_key(key)
    }

    /// The cards that come back.
    pub(crate) fn durable(&self) -> impl Iterator<Item = &Arc<AgentCard>> {
        self.durable.values()
    }

    // ---- what is asked ----

    /// The pulse of an agent, for whoever sees its signs of life.
    pub(crate) fn pulse(&self, key: &AgentKey) -> Option<Pulse> {
        self.agents.get(key).map(|entry| entry.pulse.clone())
    }

    /// The keys a selector names, in order of version.
    pub(crate) fn select(&self, agents: &AgentSelector) -> Result<Vec<AgentKey>, UnknownAgent> {
        let known: Vec<_> = match &agents.version {
            Some(version) => {
                let key = AgentKey { id: agents.id.clone(), version: version.clone() };
                self.agents.contains_key(&key).then_some(key).into_iter().collect()
            }
            None => self.versions(&agents.id).cloned().collect(),
        };
        if known.is_empty() {
            let id = agents.id.to_string();
            return Err(UnknownAgent { id, version: agents.version.clone() });
        }
        Ok(known)
    }

    pub(crate) fn kind_of(&self, key: &AgentKey) -> Option<AgentKind> {
        self.agents.get(key).map(|entry| entry.card.kind)
    }

    fn versions<'a>(&'a self, id: &'a AgentId) -> impl Iterator<Item = &'a AgentKey> {
        // The lowest of all semantic versions: pre-releases sort below the release.
        let lowest = Version { pre: lowest_prerelease(), ..Version::new(0, 0, 0) };
        let from = AgentKey { id: id.clone(), version: lowest };
        self.agents.range(from..).map(|(key, _)| key).take_while(move |key| key.id == *id)
    }

    pub(crate) fn show(
        &self,
        at: Moment,
        agents: &AgentSelector,
    ) -> Result<Vec<AgentEntry<A>>, UnknownAgent> {
        let keys = self.select(agents)?;
        Ok(keys.iter().filter_map(|key| Some(self.agents.get(key)?.shown(at))).collect())
    }

    pub(crate) fn find(
        &self,
        at: Moment,
        capability: &str,
        min_version: Option<&Version>,
        limit: usize,
    ) -> Vec<AgentEntry<A>> {
        let Some(keys) = self.by_capability.get(capability) else { return Vec::new() };
        keys.iter()
            .filter(|key| min_version.is_none_or(|least| key.version >= *least))
            .filter_map(|key| Some(self.agents.get(key)?.shown(at)))
            .take(limit)
            .collect()
    }

    pub(crate) fn list(
        &self,
        at: Moment,
        ask: &ListAgents,
    ) -> Result<(Vec<AgentEntry<A>>, Option<String>), InvalidCursor> {
        let start = match &ask.cursor {
            Some(cursor) => Bound::Excluded(cursor::decode(cursor)?),
            None => Bound::Unbounded,
        };
        let limit = ask.limit.clamp(1, MAX_PAGE);
        let mut entries: Vec<_> = self
            .agents
            .range((start, Bound::Unbounded))
            .filter(|(_, entry)| matches(entry, ask))
            .take(limit + 1)
            .map(|(_, entry)| entry.shown(at))
            .collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| more);
        let next = last.map(|entry| cursor::encode(&entry.key()));
        Ok((entries, next))
    }

    pub(crate) fn all(&self, at: Moment) -> Arc<[AgentEntry<A>]> {
        self.agents.values().map(|entry| entry.shown(at)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.agents.len()
    }
}

fn matches<A: Clone>(entry: &Entry<A>, ask: &ListAgents) -> bool {
    ask.kind.is_none_or(|kind| entry.card.kind == kind)
        && ask.status.is_none_or(|status| entry.status() == status)
        && ask.capability.as_deref().is_none_or(|name| entry.card.find(name).is_some())
}

fn order_for(status: AgentStatus) -> Option<Order> {
    match status {
        AgentStatus::Active => Some(Order::Resume),
        AgentStatus::Paused => Some(Order::Pause),
        AgentStatus::Draining => Some(Order::Drain),
        AgentStatus::Disconnected => None,
    }
}

fn lowest_prerelease() -> semver::Prerelease {
    // "0" sorts below every other pre-release (semver 2.0.0, rule 11).
    semver::Prerelease::new("0").unwrap_or(semver::Prerelease::EMPTY)
}
