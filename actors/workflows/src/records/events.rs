//! Version 2 of what a decision did to a run: version 1, and events that came later. Frozen like
//! version 1. A record without any of those events is written in version 1.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use synod_agents::Usage;

use super::RecordError;
use super::decode::Decoder;
use super::encode::Encoder;
use super::v1::{EventV1, HandleV1, NoteV1, RunRecordV1, SpotV1, StandingV1, ValueV1};
use crate::run::Event;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunRecordV2 {
    pub run: [u8; 16],
    /// UTC microseconds.
    pub at: i64,
    pub note: Option<NoteV1>,
    pub standing: StandingV1,
    pub opened: Vec<HandleV1>,
    pub closed: Vec<HandleV1>,
    pub events: Vec<EventV2>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum EventV2 {
    First(EventV1),
    Spent { spot: SpotV1, tokens: u64, money_micros: u64 },
    MessageKept { topic: Arc<str>, key: Option<Arc<str>>, payload: ValueV1 },
    MessageDropped,
    MessageTaken { spot: SpotV1, number: u32 },
    Unwound,
}

impl From<RunRecordV1> for RunRecordV2 {
    fn from(first: RunRecordV1) -> Self {
        let RunRecordV1 { run, at, note, standing, opened, closed, events } = first;
        let events = events.into_iter().map(EventV2::First).collect();
        Self { run, at, note, standing, opened, closed, events }
    }
}

/// Whether version 1 has this event.
pub(super) fn is_first(event: &Event) -> bool {
    !matches!(
        event,
        Event::Spent { .. }
            | Event::MessageKept { .. }
            | Event::MessageDropped
            | Event::MessageTaken { .. }
            | Event::Unwound
    )
}

impl Encoder {
    pub(super) fn second(&mut self, event: &Event) -> EventV2 {
        match event {
            Event::Spent { spot, usage } => {
                let Usage { tokens, money_micros } = *usage;
                EventV2::Spent { spot: (*spot).into(), tokens, money_micros }
            }
            Event::MessageKept { topic, key, payload } => EventV2::MessageKept {
                topic: Arc::clone(topic),
                key: key.clone(),
                payload: self.value(payload),
            },
            Event::MessageDropped => EventV2::MessageDropped,
            Event::MessageTaken { spot, number } => {
                EventV2::MessageTaken { spot: (*spot).into(), number: *number }
            }
            Event::Unwound => EventV2::Unwound,
            event => EventV2::First(self.event(event)),
        }
    }
}

impl Decoder<'_> {
    pub(super) fn second(&mut self, event: EventV2) -> Result<Event, RecordError> {
        Ok(match event {
            EventV2::First(event) => self.event(event)?,
            EventV2::Spent { spot, tokens, money_micros } => {
                Event::Spent { spot: spot.into(), usage: Usage { tokens, money_micros } }
            }
            EventV2::MessageKept { topic, key, payload } => {
                Event::MessageKept { topic, key, payload: self.value(payload)? }
            }
            EventV2::MessageDropped => Event::MessageDropped,
            EventV2::MessageTaken { spot, number } => {
                Event::MessageTaken { spot: spot.into(), number }
            }
            EventV2::Unwound => Event::Unwound,
        })
    }
}
