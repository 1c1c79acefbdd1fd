//! Messages: given to the work that waits for them, or kept for work that will.
//!
//! A message that nobody waits for is kept while a step of the plan is still to wait for its topic
//! (or for one that can't be told yet), unless that step's condition says already that it is not
//! meant. Work that begins to wait takes the oldest that it can; each is taken once. Never more are
//! kept than [`MAX_KEPT`], nor more bytes than one value may have; the oldest make room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::event::{Event, Failure};
use super::state::{Phase, Then};
use super::ticket::Spot;
use super::unit::{Hold, Unit};
use super::{Out, Run};
use crate::json::Json;
use crate::messages::StepState;
use crate::plan::{Action, Doing, StepIndex, StepWork};

/// Messages that a run keeps at most.
const MAX_KEPT: usize = 64;
/// Messages that a run keeps in all its life for work that does not wait yet: each is an event of
/// its history.
const MAX_EVER: u32 = 1_000;
/// Keys of messages that are remembered.
const MAX_KEYS: usize = 256;

/// What a run keeps of messages that came before anybody waited for them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct KeptMessages {
    kept: VecDeque<KeptMessage>,
    /// How many were ever kept.
    count: u32,
    bytes: usize,
    /// By what messages were known that may come again, the last ones.
    keys: VecDeque<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
struct KeptMessage {
    /// From 1, in the order in which they were kept.
    number: u32,
    topic: Arc<str>,
    payload: Json,
}

impl KeptMessages {
    pub(crate) fn keep(&mut self, topic: Arc<str>, key: Option<Arc<str>>, payload: Json) {
        self.count += 1;
        self.bytes += payload.size();
        self.kept.push_back(KeptMessage { number: self.count, topic, payload });
        if let Some(key) = key {
            if self.keys.len() >= MAX_KEYS {
                self.keys.pop_front();
            }
            self.keys.push_back(key);
        }
    }

    pub(crate) fn drop_oldest(&mut self) {
        let oldest = self.kept.pop_front();
        self.bytes -= oldest.map_or(0, |message| message.payload.size());
    }

    fn take(&mut self, number: u32) -> Option<Json> {
        let at = self.kept.iter().position(|message| message.number == number)?;
        let message = self.kept.remove(at)?;
        self.bytes -= message.payload.size();
        Some(message.payload)
    }

    /// Whether one must go before this many bytes can be kept.
    fn is_full(&self, bytes: usize, most: usize) -> bool {
        !self.kept.is_empty() && (self.kept.len() >= MAX_KEPT || self.bytes + bytes > most)
    }
}

impl Run {
    /// Gives a message to the work that waits for it, or keeps it.
    pub(super) fn message(
        &mut self,
        topic: Arc<str>,
        key: Option<Arc<str>>,
        payload: Json,
        out: &mut Out<'_>,
    ) {
        if key.as_ref().is_some_and(|key| self.state.messages.keys.contains(key)) {
            return;
        }
        let takers = self.takers(&topic, &payload, out);
        let fits = payload.size() <= self.payload_bytes();
        let Some(first) = takers.first().copied() else {
            let room = self.state.messages.count < MAX_EVER;
            if fits && room && self.is_expected(&topic, &payload) {
                self.keep(topic, key, payload, out);
            }
            return;
        };
        // One that may come again is kept for the first that takes it, so that it is known then.
        let kept = key.filter(|_| fits);
        let at_once = if kept.is_some() { &takers[1..] } else { &takers[..] };
        for spot in at_once {
            // What one of them did may have ended the wait of another.
            if self.awaits(*spot, &topic) {
                self.succeed(*spot, payload.clone(), None, 0, out);
            }
        }
        if kept.is_some() {
            self.keep(topic, kept, payload, out);
            if self.level().units.contains_key(&first) {
                self.deliver_kept(first, out);
            }
        }
    }

    /// The work that waits for this message. What can't tell whether it does has failed.
    fn takers(&mut self, topic: &str, payload: &Json, out: &mut Out<'_>) -> Vec<Spot> {
        let units = self.level().units.keys().copied();
        let waiting: Vec<_> = units.filter(|spot| self.awaits(*spot, topic)).collect();
        let mut takers = Vec::new();
        for spot in waiting {
            if !self.awaits(spot, topic) {
                continue;
            }
            match self.matches(spot, payload) {
                Ok(true) => takers.push(spot),
                Ok(false) => {}
                Err(failure) => self.give_up(spot, failure, out),
            }
        }
        takers.retain(|spot| self.awaits(*spot, topic));
        takers
    }

    fn awaits(&self, spot: Spot, topic: &str) -> bool {
        let is =
            |unit: &Unit| matches!(&unit.hold, Hold::Message { topic: t, .. } if **t == *topic);
        self.level().units.get(&spot).is_some_and(is)
    }

    fn matches(&self, spot: Spot, payload: &Json) -> Result<bool, Failure> {
        let Some(action) = self.action(spot) else { return Ok(false) };
        match &action.doing {
            Doing::Await { matches: Some(condition), .. } => {
                let scope = self.scope(spot).with_message(payload);
                condition.evaluate(&scope).map_err(Failure::from)
            }
            _ => Ok(true),
        }
    }

    fn keep(&mut self, topic: Arc<str>, key: Option<Arc<str>>, payload: Json, out: &mut Out<'_>) {
        while self.state.messages.is_full(payload.size(), self.payload_bytes()) {
            self.emit(Event::MessageDropped, out);
        }
        self.emit(Event::MessageKept { topic, key, payload }, out);
    }

    /// Gives work that waits the oldest kept message that is meant for it.
    pub(super) fn deliver_kept(&mut self, spot: Spot, out: &mut Out<'_>) {
        let kept = &self.state.messages.kept;
        let mut found = None;
        for message in kept.iter().filter(|message| self.awaits(spot, &message.topic)) {
            match self.matches(spot, &message.payload) {
                Ok(false) => {}
                meant => {
                    found = Some(meant.map(|_| message.number));
                    break;
                }
            }
        }
        match found {
            Some(Ok(number)) => self.emit(Event::MessageTaken { spot, number }, out),
            Some(Err(failure)) => self.give_up(spot, failure, out),
            None => {}
        }
    }

    pub(super) fn message_taken(
        &mut self,
        at: i64,
        spot: Spot,
        number: u32,
    ) -> Result<(), &'static str> {
        let payload = self.state.messages.take(number).ok_or("the message is not kept")?;
        self.succeeded(at, spot, &payload, None)
    }

    /// Whether a step is still to wait for this message, as far as can be told.
    fn is_expected(&self, topic: &str, payload: &Json) -> bool {
        self.expected().any(|spot| {
            let meant = self.topic_to_come(spot).is_none_or(|known| *known == *topic);
            let each = matches!(self.plan().step(spot.step).work, StepWork::ForEach { .. });
            // What an item's condition sees is not known before the item is.
            meant && (each || self.matches(spot, payload).unwrap_or(true))
        })
    }

    /// The topics that steps are still to wait for, as far as can be told.
    #[must_use]
    pub fn listening(&self) -> BTreeSet<Arc<str>> {
        self.expected().filter_map(|spot| self.topic_to_come(spot)).collect()
    }

    /// The topic of work that is still to wait, if it can be told.
    fn topic_to_come(&self, spot: Spot) -> Option<Arc<str>> {
        let Doing::Await { topic, .. } = &self.action(spot)?.doing else { return None };
        match &self.plan().step(spot.step).work {
            StepWork::ForEach { .. } => topic.as_constant()?.value().as_str().map(Arc::from),
            _ => self.text(spot, topic, "topic").ok(),
        }
    }

    /// Work that is still to wait for a message; for the items of a list one of them.
    fn expected(&self) -> impl Iterator<Item = Spot> {
        let works = matches!(
            self.state.phase,
            Phase::Pending | Phase::Working | Phase::Undoing(Then::Rollback)
        );
        let steps = works.then(|| self.plan().awaits.iter()).into_iter().flatten();
        steps.flat_map(|step| self.expected_of(*step))
    }

    fn expected_of(&self, step: StepIndex) -> Vec<Spot> {
        let state = self.level().rows[step.at()].state;
        if !matches!(state, StepState::Pending | StepState::Running) {
            return Vec::new();
        }
        let next = self.level().groups.get(&step).map_or(0, |group| group.next);
        // Between two attempts it is still to wait.
        let free = |spot: &Spot, begun: bool| match self.level().units.get(spot) {
            Some(unit) => matches!(unit.hold, Hold::Backoff { .. }),
            None => !begun,
        };
        let running = state == StepState::Running;
        match &self.plan().step(step).work {
            StepWork::Action(_) => {
                let whole = Spot::whole(step);
                free(&whole, running).then_some(whole).into_iter().collect()
            }
            StepWork::ForEach { .. } => {
                let count = self.level().groups.get(&step).map_or(u32::MAX, |group| group.count);
                (next < count).then(|| Spot::item(step, next)).into_iter().collect()
            }
            StepWork::Race(racers) => {
                let racers = racers.iter().zip(0..).filter(|(racer, _)| awaits_message(racer));
                let spots = racers.map(|(_, number)| (Spot::item(step, number), number < next));
                spots.filter(|(spot, begun)| free(spot, *begun)).map(|(spot, _)| spot).collect()
            }
        }
    }
}

fn awaits_message(action: &Action) -> bool {
    matches!(action.doing, Doing::Await { .. })
}
