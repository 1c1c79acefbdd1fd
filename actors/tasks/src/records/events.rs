//! Between events, as they are stored, and the machine's own types.

use std::borrow::Cow;
use std::sync::Arc;

use synod_agents::AgentId;

use super::v1::{BodyV1, ContentTypeV1, EngineRecordV1, EventV1, FailureV1, NeedsV1, VerdictV1};
use super::v3::{BesideV3, EntryV3, TaskRecordV3};
use super::{RecordError, id};
use crate::machine::{EngineEvent, Entry, Event, TaskRecord};
use crate::task::{Allocation, BlobRef, Body, ContentType, Failure, FailureKind, Needs, Verdict};

pub(super) fn unknown(what: &'static str, found: impl ToString) -> RecordError {
    RecordError::UnknownValue { what, found: found.to_string() }
}

impl<'a> From<&'a TaskRecord> for TaskRecordV3<'a> {
    fn from(record: &'a TaskRecord) -> Self {
        let entries = record.entries.iter().map(Into::into).collect();
        Self { task: record.task.into_bytes(), entries }
    }
}

impl TryFrom<TaskRecordV3<'_>> for TaskRecord {
    type Error = RecordError;

    fn try_from(record: TaskRecordV3<'_>) -> Result<Self, RecordError> {
        let entries = record.entries.into_iter().map(TryInto::try_into);
        Ok(Self { task: id(record.task), entries: entries.collect::<Result<_, RecordError>>()? })
    }
}

impl<'a> From<&'a Entry> for EntryV3<'a> {
    fn from(entry: &'a Entry) -> Self {
        let beside = match &entry.event {
            Event::Lost { why: Some(why), .. } | Event::Returned { why: Some(why), .. } => {
                BesideV3::Why(why.into())
            }
            Event::Accepted { spec, .. } if !spec.require.allocation.is_default() => {
                BesideV3::Allocation(spec.require.allocation.code())
            }
            Event::Started { chosen: Some(chosen), .. } => BesideV3::Chosen(Cow::Borrowed(chosen)),
            _ => BesideV3::Nothing,
        };
        Self { at: entry.at, event: (&entry.event).into(), beside }
    }
}

impl TryFrom<EntryV3<'_>> for Entry {
    type Error = RecordError;

    fn try_from(EntryV3 { at, event, beside }: EntryV3<'_>) -> Result<Self, RecordError> {
        let mut event = Event::try_from(event)?;
        match (&mut event, beside) {
            (_, BesideV3::Nothing) => {}
            (Event::Lost { why, .. } | Event::Returned { why, .. }, BesideV3::Why(known)) => {
                *why = Some(known.try_into()?);
            }
            (Event::Accepted { spec, .. }, BesideV3::Allocation(code)) => {
                Arc::make_mut(spec).require.allocation = allocation(code)?;
            }
            (Event::Started { chosen, .. }, BesideV3::Chosen(known)) => {
                *chosen = Some(Arc::from(known));
            }
            (_, beside) => return Err(unknown("note beside an event", format!("{beside:?}"))),
        }
        Ok(Self { at, event })
    }
}

/// The way of choosing agents that this code stands for.
pub(super) fn allocation(code: u8) -> Result<Allocation, RecordError> {
    Allocation::from_code(code).ok_or_else(|| unknown("way of choosing agents", code))
}

impl<'a> From<&'a Event> for EventV1<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Accepted { spec, input } => {
                Self::Accepted { spec: Box::new((&**spec).into()), input: input.into() }
            }
            Event::Planned(needs) => Self::Planned(needs.iter().map(Into::into).collect()),
            Event::Started { part, attempt, agent, cost, .. } => Self::Started {
                part: *part,
                attempt: *attempt,
                agent: Cow::Borrowed(agent),
                cost: *cost,
            },
            Event::Succeeded { part, output, saved } => {
                Self::Succeeded { part: *part, output: output.into(), saved: saved.clone() }
            }
            Event::Retried { part, failure, until } => {
                Self::Retried { part: *part, failure: failure.into(), until: *until }
            }
            Event::Resumed { part } => Self::Resumed { part: *part },
            Event::Lost { part, .. } => Self::Lost { part: *part },
            Event::Returned { part, .. } => Self::Returned { part: *part },
            Event::PartFailed { part, failure } => {
                Self::PartFailed { part: *part, failure: failure.into() }
            }
            Event::Ended(verdict) => Self::Ended(verdict.into()),
        }
    }
}

impl TryFrom<EventV1<'_>> for Event {
    type Error = RecordError;

    fn try_from(event: EventV1<'_>) -> Result<Self, RecordError> {
        Ok(match event {
            EventV1::Accepted { spec, input } => {
                Self::Accepted { spec: Arc::new((*spec).try_into()?), input: input.into() }
            }
            EventV1::Planned(needs) => {
                Self::Planned(needs.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
            }
            EventV1::Started { part, attempt, agent, cost } => {
                Self::Started { part, attempt, agent: Arc::from(agent), cost, chosen: None }
            }
            EventV1::Succeeded { part, output, saved } => {
                Self::Succeeded { part, output: output.into(), saved }
            }
            EventV1::Retried { part, failure, until } => {
                Self::Retried { part, failure: failure.try_into()?, until }
            }
            EventV1::Resumed { part } => Self::Resumed { part },
            EventV1::Lost { part } => Self::Lost { part, why: None },
            EventV1::Returned { part } => Self::Returned { part, why: None },
            EventV1::PartFailed { part, failure } => {
                Self::PartFailed { part, failure: failure.try_into()? }
            }
            EventV1::Ended(verdict) => Self::Ended(verdict.try_into()?),
        })
    }
}

pub(super) fn agent_id(text: &str) -> Result<AgentId, RecordError> {
    AgentId::new(text).map_err(|_| unknown("agent id", text))
}

impl<'a> From<&'a Body> for BodyV1<'a> {
    fn from(body: &'a Body) -> Self {
        match body {
            Body::Inline { content_type, bytes } => {
                Self::Inline { content_type: content_type.into(), bytes: bytes.clone() }
            }
            Body::Blob(BlobRef { content_type, hash, length }) => {
                Self::Blob { content_type: content_type.into(), hash: *hash, length: *length }
            }
        }
    }
}

impl From<BodyV1<'_>> for Body {
    fn from(body: BodyV1<'_>) -> Self {
        match body {
            BodyV1::Inline { content_type, bytes } => {
                Self::Inline { content_type: content_type.into(), bytes }
            }
            BodyV1::Blob { content_type, hash, length } => {
                Self::Blob(BlobRef { content_type: content_type.into(), hash, length })
            }
        }
    }
}

impl<'a> From<&'a ContentType> for ContentTypeV1<'a> {
    fn from(known: &'a ContentType) -> Self {
        match known {
            ContentType::None => Self::None,
            ContentType::Json => Self::Json,
            ContentType::Text => Self::Text,
            ContentType::Other(name) => Self::Other(Cow::Borrowed(name)),
        }
    }
}

impl From<ContentTypeV1<'_>> for ContentType {
    fn from(known: ContentTypeV1<'_>) -> Self {
        match known {
            ContentTypeV1::None => Self::None,
            ContentTypeV1::Json => Self::Json,
            ContentTypeV1::Text => Self::Text,
            ContentTypeV1::Other(name) => Self::Other(Arc::from(name)),
        }
    }
}

impl<'a> From<&'a Needs> for NeedsV1<'a> {
    fn from(needs: &'a Needs) -> Self {
        match needs {
            Needs::All => Self::All,
            Needs::Capabilities(indexes) => Self::Capabilities(indexes.clone()),
            Needs::Agent(id) => Self::Agent(Cow::Borrowed(id.as_str())),
        }
    }
}

impl TryFrom<NeedsV1<'_>> for Needs {
    type Error = RecordError;

    fn try_from(needs: NeedsV1<'_>) -> Result<Self, RecordError> {
        Ok(match needs {
            NeedsV1::All => Self::All,
            NeedsV1::Capabilities(indexes) => Self::Capabilities(indexes),
            NeedsV1::Agent(id) => Self::Agent(agent_id(&id)?),
        })
    }
}

impl<'a> From<&'a Failure> for FailureV1<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { kind: failure.kind.code(), message: Cow::Borrowed(&failure.message) }
    }
}

impl TryFrom<FailureV1<'_>> for Failure {
    type Error = RecordError;

    fn try_from(failure: FailureV1<'_>) -> Result<Self, RecordError> {
        let kind = FailureKind::from_code(failure.kind);
        let kind = kind.ok_or_else(|| unknown("kind of failure", failure.kind))?;
        Ok(Self { kind, message: failure.message.into_owned() })
    }
}

impl<'a> From<&'a Verdict> for VerdictV1<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::CompletedBy(part) => Self::CompletedBy(*part),
            Verdict::Completed(body) => Self::Completed(body.into()),
            Verdict::Failed(failure, part) => Self::Failed(failure.into(), *part),
            Verdict::Cancelled(by) => Self::Cancelled(by.into()),
        }
    }
}

impl TryFrom<VerdictV1<'_>> for Verdict {
    type Error = RecordError;

    fn try_from(verdict: VerdictV1<'_>) -> Result<Self, RecordError> {
        Ok(match verdict {
            VerdictV1::CompletedBy(part) => Self::CompletedBy(part),
            VerdictV1::Completed(body) => Self::Completed(body.into()),
            VerdictV1::Failed(failure, part) => Self::Failed(failure.try_into()?, part),
            VerdictV1::Cancelled(by) => Self::Cancelled(by.into()),
        })
    }
}

impl From<EngineEvent> for EngineRecordV1 {
    fn from(event: EngineEvent) -> Self {
        match event {
            EngineEvent::Opened { at } => Self::Opened { at },
            EngineEvent::Began { epoch, at } => Self::Began { epoch, at },
            EngineEvent::Stopped { at } => Self::Stopped { at },
            EngineEvent::Forgot { through: (ended_at, task), keys_before } => {
                Self::Forgot { ended_at, task: task.into_bytes(), keys_before }
            }
        }
    }
}

impl From<EngineRecordV1> for EngineEvent {
    fn from(event: EngineRecordV1) -> Self {
        match event {
            EngineRecordV1::Opened { at } => Self::Opened { at },
            EngineRecordV1::Began { epoch, at } => Self::Began { epoch, at },
            EngineRecordV1::Stopped { at } => Self::Stopped { at },
            EngineRecordV1::Forgot { ended_at, task, keys_before } => {
                Self::Forgot { through: (ended_at, id(task)), keys_before }
            }
        }
    }
}
