//! A snapshot: the whole book in one piece.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use synod_journal::CodecError;

use super::events::{allocation, unknown};
use super::snapshot_v2::{SnapshotV2, TaskV2};
use super::v1::{CountersV1, KeyUseV1, PartCountersV1, PartV1, PhaseV1, SnapshotV1, TaskV1};
use super::{RecordError, SnapshotCodec, id};
use crate::machine::{Book, Counters, KeyUse, PartCounters};
use crate::task::{Part, Phase, Task, TaskSpec, TaskState};

/// The version of snapshots that are written.
pub(crate) const SNAPSHOT_VERSION: u16 = 2;

/// The book as bytes.
pub(crate) fn encode_snapshot(book: &Book) -> Result<Bytes, CodecError> {
    let tasks = book.by_sequence.values().filter_map(|id| book.task(*id));
    let states = book.agent_states.iter();
    SnapshotCodec::encode(&SnapshotV2 {
        epoch: book.epoch,
        sequence: book.sequence,
        counters: (&book.counters).into(),
        tasks: tasks.map(Into::into).collect(),
        keys: book.keys.in_order().map(Into::into).collect(),
        agent_states: states.map(|(id, state)| (Cow::Borrowed(&**id), state.clone())).collect(),
    })
}

/// The book that these bytes are, of any version.
pub(crate) fn decode_snapshot(version: u16, bytes: &[u8]) -> Result<Book, RecordError> {
    let snapshot: SnapshotV2<'static> = match version {
        1 => SnapshotCodec::decode::<SnapshotV1<'static>>(bytes)?.into(),
        SNAPSHOT_VERSION => SnapshotCodec::decode(bytes)?,
        newer => return Err(unknown("version of a snapshot", newer)),
    };
    let mut book = Book {
        epoch: snapshot.epoch,
        sequence: snapshot.sequence,
        counters: snapshot.counters.into(),
        ..Book::default()
    };
    for task in snapshot.tasks {
        book.restore(task.try_into()?);
    }
    for known in snapshot.keys {
        let state = TaskState::from_code(known.state);
        let state = state.ok_or_else(|| unknown("state of a task", known.state))?;
        let KeyUseV1 { scope, task, body, used_at, .. } = known;
        book.keys.insert(scope, KeyUse { task: id(task), body, used_at, state });
    }
    let states = snapshot.agent_states.into_iter();
    book.agent_states = states.map(|(id, state)| (id.into_owned(), state)).collect();
    Ok(book)
}

impl<'a> From<&'a Task> for TaskV2<'a> {
    fn from(task: &'a Task) -> Self {
        let chosen = (0..).zip(&task.parts);
        let chosen = chosen
            .filter_map(|(number, part)| Some((number, Cow::Borrowed(part.chosen.as_deref()?))));
        let allocation = task.spec.require.allocation.code();
        Self { task: task.into(), allocation, chosen: chosen.collect() }
    }
}

impl TryFrom<TaskV2<'_>> for Task {
    type Error = RecordError;

    fn try_from(known: TaskV2<'_>) -> Result<Self, RecordError> {
        let mut task = Self::try_from(known.task)?;
        Arc::make_mut(&mut task.spec).require.allocation = allocation(known.allocation)?;
        for (number, why) in known.chosen {
            let part = task.parts.get_mut(usize::from(number));
            let part = part.ok_or_else(|| unknown("part of a task", number))?;
            part.chosen = Some(Arc::from(why));
        }
        Ok(task)
    }
}

impl<'a> From<&'a Task> for TaskV1<'a> {
    fn from(task: &'a Task) -> Self {
        Self {
            task: task.id.into_bytes(),
            sequence: task.sequence,
            spec: (&*task.spec).into(),
            input: (&task.input).into(),
            accepted_at: task.accepted_at,
            started_at: task.started_at,
            ended_at: task.ended_at,
            planned: task.planned,
            spent: task.spent,
            parts: task.parts.iter().map(Into::into).collect(),
            verdict: task.verdict.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<TaskV1<'_>> for Task {
    type Error = RecordError;

    fn try_from(known: TaskV1<'_>) -> Result<Self, RecordError> {
        let spec: TaskSpec = known.spec.try_into()?;
        let (id, input) = (id(known.task), known.input.into());
        let blank = Self::accepted(id, known.sequence, Arc::new(spec), input, known.accepted_at);
        let parts = known.parts.into_iter().map(TryInto::try_into);
        let mut task = Self {
            started_at: known.started_at,
            ended_at: known.ended_at,
            planned: known.planned,
            spent: known.spent,
            parts: parts.collect::<Result<_, _>>()?,
            verdict: known.verdict.map(TryInto::try_into).transpose()?,
            ..blank
        };
        task.state = task.derived_state();
        Ok(task)
    }
}

impl<'a> From<&'a Part> for PartV1<'a> {
    fn from(part: &'a Part) -> Self {
        Self {
            needs: (&part.needs).into(),
            phase: match &part.phase {
                Phase::Ready => PhaseV1::Ready,
                Phase::Backoff { until } => PhaseV1::Backoff { until: *until },
                Phase::Running { .. } => PhaseV1::Running,
                Phase::Done(output) => PhaseV1::Done(output.into()),
                Phase::Failed(failure) => PhaseV1::Failed(failure.into()),
                Phase::Cancelled => PhaseV1::Cancelled,
            },
            attempt: part.attempt,
            errors: part.errors,
            lost: part.lost,
            returned: part.returned,
            cost: part.cost,
            agent: part.agent.as_deref().map(Cow::Borrowed),
            started_at: part.started_at,
            ended_at: part.ended_at,
            last_error: part.last_error.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<PartV1<'_>> for Part {
    type Error = RecordError;

    fn try_from(known: PartV1<'_>) -> Result<Self, RecordError> {
        let phase = match known.phase {
            PhaseV1::Ready => Phase::Ready,
            PhaseV1::Backoff { until } => Phase::Backoff { until },
            PhaseV1::Running => Phase::Running { agent: None },
            PhaseV1::Done(output) => Phase::Done(output.into()),
            PhaseV1::Failed(failure) => Phase::Failed(failure.try_into()?),
            PhaseV1::Cancelled => Phase::Cancelled,
        };
        Ok(Self {
            phase,
            attempt: known.attempt,
            errors: known.errors,
            lost: known.lost,
            returned: known.returned,
            cost: known.cost,
            agent: known.agent.map(Arc::from),
            started_at: known.started_at,
            ended_at: known.ended_at,
            last_error: known.last_error.map(TryInto::try_into).transpose()?,
            ..Self::new(known.needs.try_into()?)
        })
    }
}

impl From<([u8; 16], KeyUse)> for KeyUseV1 {
    fn from((scope, used): ([u8; 16], KeyUse)) -> Self {
        let KeyUse { task, body, used_at, state } = used;
        Self { scope, task: task.into_bytes(), body, used_at, state: state.code() }
    }
}

impl From<&Counters> for CountersV1 {
    fn from(known: &Counters) -> Self {
        let PartCounters {
            planned,
            completed,
            failed,
            cancelled,
            started,
            retried,
            lost,
            returned,
        } = known.parts;
        let parts = PartCountersV1 {
            planned,
            completed,
            failed,
            cancelled,
            started,
            retried,
            lost,
            returned,
        };
        Self {
            accepted: known.accepted,
            completed: known.completed,
            failed: known.failed,
            cancelled: known.cancelled,
            parts,
            changes: known.changes,
        }
    }
}

impl From<CountersV1> for Counters {
    fn from(known: CountersV1) -> Self {
        let PartCountersV1 {
            planned,
            completed,
            failed,
            cancelled,
            started,
            retried,
            lost,
            returned,
        } = known.parts;
        let parts = PartCounters {
            planned,
            completed,
            failed,
            cancelled,
            started,
            retried,
            lost,
            returned,
        };
        Self {
            accepted: known.accepted,
            completed: known.completed,
            failed: known.failed,
            cancelled: known.cancelled,
            parts,
            changes: known.changes,
        }
    }
}
