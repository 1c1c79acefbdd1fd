//! The state, and how events make it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use synod_agents::AgentId;

use super::terms::Terms;
use super::{SubscriptionView, TopicLetter};
use crate::messaging::topics::config::TopicsConfig;
use crate::messaging::topics::filter::TopicFilter;
use crate::messaging::topics::messages::Published;
use crate::messaging::topics::records::{EventV1, KeptV1, MessageV1, SnapshotV1};
use crate::messaging::topics::trie::{Number, Trie};
use crate::protocol::Moment;

/// Where giving stands. It is not stored: after a restart all is given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// What is next may be given.
    #[default]
    Ready,
    /// So many were given and are to be acknowledged until then.
    Given { count: usize, until: Moment },
    /// It is given again then.
    Waiting { until: Moment },
}

/// One durable subscription.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) filter: TopicFilter,
    pub(super) agent: Option<AgentId>,
    pub(super) terms: Terms,
    /// The numbers of the messages it has to read, in order.
    pub(super) backlog: VecDeque<u64>,
    pub(super) acknowledged: u64,
    pub(super) dead: u64,
    pub(super) phase: Phase,
    /// How often the first of the backlog failed, in a row.
    pub(super) failures: u32,
    in_trie: Number,
}

/// All durable subscriptions, last values and dead letters.
#[derive(Debug)]
pub(in crate::messaging::topics) struct Durable {
    config: TopicsConfig,
    subscriptions: BTreeMap<String, Kept>,
    filters: Trie<String>,
    last_in_trie: Number,
    /// What is to be read, and by how many.
    messages: BTreeMap<u64, (Arc<Published>, usize)>,
    bytes: usize,
    last: u64,
    retained: BTreeMap<String, Arc<Published>>,
    retained_bytes: usize,
    letters: VecDeque<TopicLetter>,
    total_letters: u64,
    /// When which subscription has to be looked at.
    pub(super) due: BTreeSet<(Moment, String)>,
}

impl Durable {
    pub(in crate::messaging::topics) fn new(config: TopicsConfig) -> Self {
        Self {
            config,
            subscriptions: BTreeMap::new(),
            filters: Trie::default(),
            last_in_trie: 0,
            messages: BTreeMap::new(),
            bytes: 0,
            last: 0,
            retained: BTreeMap::new(),
            retained_bytes: 0,
            letters: VecDeque::new(),
            total_letters: 0,
            due: BTreeSet::new(),
        }
    }

    pub(super) fn config(&self) -> &TopicsConfig {
        &self.config
    }

    /// How many subscriptions are kept.
    pub(in crate::messaging::topics) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    pub(super) fn kept(&self, name: &str) -> Option<&Kept> {
        self.subscriptions.get(name)
    }

    pub(super) fn kept_mut(&mut self, name: &str) -> Option<&mut Kept> {
        self.subscriptions.get_mut(name)
    }

    pub(super) fn message(&self, number: u64) -> Option<&Arc<Published>> {
        self.messages.get(&number).map(|(message, _)| message)
    }

    /// Bytes that may still be taken in.
    pub(super) fn room(&self) -> usize {
        self.config.max_backlog_bytes.saturating_sub(self.bytes)
    }

    /// The number of the last message that was kept.
    pub(in crate::messaging::topics) fn last(&self) -> u64 {
        self.last
    }

    /// The names of the subscriptions that are told of a topic, in order.
    pub(in crate::messaging::topics) fn subscribers(&self, topic: &str) -> Vec<String> {
        let mut names = Vec::new();
        self.filters.matching(topic, |some| {
            names.extend(some.iter().map(|(_, name)| name.clone()));
        });
        names.sort_unstable();
        names
    }

    /// The last values of the topics that a filter matches, in order of topic.
    pub(in crate::messaging::topics) fn retained_by<'a>(
        &'a self,
        filter: &'a TopicFilter,
    ) -> impl Iterator<Item = &'a Arc<Published>> {
        self.retained.iter().filter(|(topic, _)| filter.matches(topic)).map(|(_, last)| last)
    }

    /// The last value of a topic.
    pub(in crate::messaging::topics) fn retained(&self, topic: &str) -> Option<&Arc<Published>> {
        self.retained.get(topic)
    }

    /// How many last values there are beside that of this topic, and their bytes.
    pub(super) fn retained_without(&self, topic: &str) -> (usize, usize) {
        let own = self.retained.get(topic);
        let bytes = own.map_or(0, |last| last.content.bytes.len());
        (self.retained.len() - usize::from(own.is_some()), self.retained_bytes - bytes)
    }

    pub(in crate::messaging::topics) fn show(&self, name: &str) -> Option<SubscriptionView> {
        let kept = self.subscriptions.get(name)?;
        Some(SubscriptionView {
            name: name.to_owned(),
            filter: kept.filter.to_string(),
            agent: kept.agent.clone(),
            terms: kept.terms.clone(),
            backlog: kept.backlog.len() as u64,
            acknowledged: kept.acknowledged,
            dead: kept.dead,
        })
    }

    /// The subscriptions after a name, in order.
    pub(in crate::messaging::topics) fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<SubscriptionView> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let names = self.subscriptions.range::<str, _>((from, Unbounded)).take(limit);
        names.filter_map(|(name, _)| self.show(name)).collect()
    }

    /// The dead letters after a number, in order.
    pub(in crate::messaging::topics) fn letters(
        &self,
        after: u64,
    ) -> impl Iterator<Item = &TopicLetter> {
        self.letters.iter().filter(move |letter| letter.number > after)
    }

    /// The agent of a subscription.
    pub(in crate::messaging::topics) fn agent_of(&self, name: &str) -> Option<(&AgentId, &Terms)> {
        let kept = self.subscriptions.get(name)?;
        Some((kept.agent.as_ref()?, &kept.terms))
    }

    /// The subscriptions whose messages an agent is given.
    pub(in crate::messaging::topics) fn of_agents(&self) -> Vec<String> {
        let of_agents = self.subscriptions.iter().filter(|(_, kept)| kept.agent.is_some());
        of_agents.map(|(name, _)| name.clone()).collect()
    }

    /// Makes an event part of the state.
    pub(in crate::messaging::topics) fn apply(&mut self, event: EventV1) {
        match event {
            EventV1::Kept { name, filter, agent, terms } => {
                let kept = KeptV1 {
                    name,
                    filter,
                    agent,
                    terms,
                    backlog: Vec::new(),
                    acknowledged: 0,
                    dead: 0,
                };
                self.take_in(kept);
            }
            EventV1::Removed { name } => self.remove(&name),
            EventV1::Published { number, topic, sender, content, at_us, retain } => {
                let message = Published { number, topic, sender, content, at_us, retained: false };
                self.published(message, retain);
            }
            EventV1::Acknowledged { name, up_to } => self.acknowledged(&name, up_to),
            EventV1::Buried { name, number, reason, at_us } => {
                self.buried(&name, number, reason, at_us);
            }
        }
    }

    fn take_in(&mut self, kept: KeptV1) {
        // A filter that was taken once is sound.
        let Ok(filter) = TopicFilter::new(kept.filter) else { return };
        self.last_in_trie += 1;
        self.filters.insert(&filter, self.last_in_trie, kept.name.clone());
        let made = Kept {
            filter,
            agent: kept.agent,
            terms: kept.terms,
            backlog: kept.backlog.into(),
            acknowledged: kept.acknowledged,
            dead: kept.dead,
            phase: Phase::Ready,
            failures: 0,
            in_trie: self.last_in_trie,
        };
        self.subscriptions.insert(kept.name, made);
    }

    fn remove(&mut self, name: &str) {
        let Some(kept) = self.subscriptions.remove(name) else { return };
        self.filters.remove(&kept.filter, kept.in_trie);
        if let Phase::Given { until, .. } | Phase::Waiting { until } = kept.phase {
            self.due.remove(&(until, name.to_owned()));
        }
        for number in kept.backlog {
            self.release(number);
        }
    }

    fn published(&mut self, message: Published, retain: bool) {
        self.last = self.last.max(message.number);
        let names = self.subscribers(&message.topic);
        let message = Arc::new(message);
        if !names.is_empty() {
            self.bytes += message.content.bytes.len();
            self.messages.insert(message.number, (Arc::clone(&message), names.len()));
        }
        for name in &names {
            if let Some(kept) = self.subscriptions.get_mut(name) {
                kept.backlog.push_back(message.number);
            }
        }
        if retain {
            self.retain(&message);
        }
    }

    fn retain(&mut self, message: &Arc<Published>) {
        let size = message.content.bytes.len();
        let before = if size == 0 {
            self.retained.remove(&message.topic)
        } else {
            let mut last = Published::clone(message);
            last.retained = true;
            self.retained_bytes += size;
            self.retained.insert(message.topic.clone(), Arc::new(last))
        };
        self.retained_bytes -= before.map_or(0, |last| last.content.bytes.len());
    }

    fn acknowledged(&mut self, name: &str, up_to: u64) {
        let Some(kept) = self.subscriptions.get_mut(name) else { return };
        let done = kept.backlog.partition_point(|number| *number <= up_to);
        let read: Vec<u64> = kept.backlog.drain(..done).collect();
        kept.acknowledged = kept.acknowledged.max(up_to);
        kept.failures = 0;
        self.shorten(name, read.len());
        for number in read {
            self.release(number);
        }
    }

    fn buried(&mut self, name: &str, number: u64, reason: String, at_us: i64) {
        let Some(kept) = self.subscriptions.get_mut(name) else { return };
        let Ok(index) = kept.backlog.binary_search(&number) else { return };
        kept.backlog.remove(index);
        kept.dead += 1;
        let given = match kept.phase {
            Phase::Given { count, .. } => index < count,
            _ => false,
        };
        if index == 0 {
            kept.failures = 0;
        }
        if given {
            self.shorten(name, 1);
        }
        self.total_letters += 1;
        if let Some((message, _)) = self.messages.get(&number) {
            self.letters.push_back(TopicLetter {
                number: self.total_letters,
                subscription: name.to_owned(),
                message: number,
                topic: message.topic.clone(),
                sender: message.sender.clone(),
                reason,
                at_us,
            });
        }
        if self.letters.len() > self.config.max_dead_letters {
            self.letters.pop_front();
        }
        self.release(number);
    }

    /// So many of what was given are done with.
    fn shorten(&mut self, name: &str, by: usize) {
        let Some(kept) = self.subscriptions.get_mut(name) else { return };
        let phase = match kept.phase {
            Phase::Given { count, until } if count > by => {
                Phase::Given { count: count - by, until }
            }
            _ => Phase::Ready,
        };
        self.enter(name, phase);
    }

    /// Has a subscription stand so, and looked at when its time is over.
    pub(super) fn enter(&mut self, name: &str, phase: Phase) {
        let Some(kept) = self.subscriptions.get_mut(name) else { return };
        if let Phase::Given { until, .. } | Phase::Waiting { until } = kept.phase {
            self.due.remove(&(until, name.to_owned()));
        }
        kept.phase = phase;
        if let Phase::Given { until, .. } | Phase::Waiting { until } = phase {
            self.due.insert((until, name.to_owned()));
        }
    }

    /// One subscription fewer has to read this message.
    fn release(&mut self, number: u64) {
        let Some((message, readers)) = self.messages.get_mut(&number) else { return };
        *readers -= 1;
        if *readers == 0 {
            self.bytes -= message.content.bytes.len();
            self.messages.remove(&number);
        }
    }

    // ---- snapshots ----

    pub(in crate::messaging::topics) fn save(&self) -> SnapshotV1 {
        let kept = self.subscriptions.iter().map(|(name, kept)| KeptV1 {
            name: name.clone(),
            filter: kept.filter.to_string(),
            agent: kept.agent.clone(),
            terms: kept.terms.clone(),
            backlog: kept.backlog.iter().copied().collect(),
            acknowledged: kept.acknowledged,
            dead: kept.dead,
        });
        let kept = kept.collect();
        SnapshotV1 {
            last: self.last,
            kept,
            messages: self.messages.values().map(|(message, _)| MessageV1::from(message)).collect(),
            retained: self.retained.values().map(MessageV1::from).collect(),
            letters: self.letters.iter().cloned().collect(),
            total_letters: self.total_letters,
        }
    }

    pub(in crate::messaging::topics) fn load(config: TopicsConfig, saved: SnapshotV1) -> Self {
        let mut made = Self::new(config);
        made.last = saved.last;
        made.letters = saved.letters.into();
        made.total_letters = saved.total_letters;
        for message in saved.messages {
            let message = Arc::new(Published::from(message));
            made.bytes += message.content.bytes.len();
            made.messages.insert(message.number, (message, 0));
        }
        for kept in saved.kept {
            for number in &kept.backlog {
                if let Some((_, readers)) = made.messages.get_mut(number) {
                    *readers += 1;
                }
            }
            made.take_in(kept);
        }
        for message in saved.retained {
            made.retain(&Arc::new(Published::from(message)));
        }
        made
    }
}
