//! From events to their stored form. Values above a size go to blobs, which are to be stored
//! before the record that names them.

use std::sync::Arc;

use bytes::Bytes;
use synod_journal::BlobId;
use synod_runtime::{Correlation, Principal, PrincipalKind};

use super::codes::{derivation_code, error_code, priority_code, state_code};
use super::v1::{
    AmendedV1, AskedV1, BegunV1, CarriedV1, DecidedV1, EndingV1, EventV1, FailureV1, HandleV1,
    HandlingV1, NoteV1, OpeningV1, OriginV1, ParentV1, PartV1, PrincipalKindV1, PrincipalV1,
    SpotV1, StandingV1, TicketV1, TraceV1, ValueV1, VariableV1,
};
use crate::history::{Handle, OpeningNote, Standing};
use crate::json::Json;
use crate::run::{
    Amended, Asked, Begun, Carried, Decided, Ending, Event, Failure, Handling, Opening, Origin,
    Parent, Part, Spot, Ticket, Variable,
};

/// Turns values into their stored form, and keeps those that are too large for a record.
pub(super) struct Encoder {
    inline: usize,
    pub blobs: Vec<(BlobId, Bytes)>,
}

impl Encoder {
    pub(super) fn new(inline: usize) -> Self {
        Self { inline, blobs: Vec::new() }
    }

    pub(super) fn value(&mut self, value: &Json) -> ValueV1 {
        let bytes = value.bytes();
        if bytes.len() <= self.inline {
            return ValueV1::Inline(bytes.clone());
        }
        let id = BlobId::of(bytes);
        if !self.blobs.iter().any(|(known, _)| *known == id) {
            self.blobs.push((id, bytes.clone()));
        }
        ValueV1::Blob { hash: id.0, length: bytes.len() as u64 }
    }

    fn variables(&mut self, variables: &[Variable]) -> Vec<VariableV1> {
        let stored = variables.iter();
        stored
            .map(|(name, value)| VariableV1 { name: Arc::clone(name), value: self.value(value) })
            .collect()
    }

    pub(super) fn event(&mut self, event: &Event) -> EventV1 {
        match event {
            Event::Opened(opening) => EventV1::Opened(Box::new(self.opening(opening))),
            Event::Carried { step, visit, result } => {
                EventV1::Carried { step: step.0, visit: *visit, result: self.carried(result) }
            }
            Event::Began { variables } => EventV1::Began { variables: self.variables(variables) },
            Event::FellBack { variables } => {
                EventV1::FellBack { variables: self.variables(variables) }
            }
            Event::Amended(amended) => EventV1::Amended(Box::new(self.amended(amended))),
            Event::Concluded { ending } => EventV1::Concluded { ending: self.ending(ending) },
            Event::Ended { ending } => EventV1::Ended { ending: self.ending(ending) },
            event => self.of_work(event).unwrap_or_else(|| plain(event)),
        }
    }

    /// Events of a piece of work that carry values.
    fn of_work(&mut self, event: &Event) -> Option<EventV1> {
        Some(match event {
            Event::Started { spot, input, begun } => EventV1::Started {
                spot: (*spot).into(),
                input: input.as_ref().map(|input| self.value(input)),
                begun: self.begun(begun),
            },
            Event::Again { spot, begun } => {
                EventV1::Again { spot: (*spot).into(), begun: self.begun(begun) }
            }
            Event::Succeeded { spot, output, agent, ran_us } => EventV1::Succeeded {
                spot: (*spot).into(),
                output: self.value(output),
                agent: agent.clone(),
                ran_us: *ran_us,
            },
            Event::Failed { spot, failure, handling } => EventV1::Failed {
                spot: (*spot).into(),
                failure: failure.into(),
                handling: self.handling(handling),
            },
            Event::Decided { spot, decided } => {
                EventV1::Decided { spot: (*spot).into(), decided: self.decided(decided) }
            }
            _ => return None,
        })
    }

    fn opening(&mut self, opening: &Opening) -> OpeningV1 {
        let labels = opening.labels.iter();
        OpeningV1 {
            definition: opening.definition.0,
            name: Arc::clone(&opening.name),
            version: Arc::clone(&opening.version),
            inputs: self.value(&opening.inputs),
            variables: self.variables(&opening.variables),
            timeout_us: opening.timeout_us,
            seed: opening.seed,
            principal: (&opening.principal).into(),
            priority: priority_code(opening.priority),
            tenant: opening.tenant.clone(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            idempotency_key: opening.idempotency_key.clone(),
            parent: opening.parent.map(Into::into),
            origin: opening.origin.as_ref().map(Into::into),
        }
    }

    fn carried(&mut self, carried: &Carried) -> CarriedV1 {
        match carried {
            Carried::Completed(output) => CarriedV1::Completed(self.value(output)),
            Carried::Skipped => CarriedV1::Skipped,
            Carried::Handled(failure) => CarriedV1::Handled(failure.into()),
        }
    }

    fn begun(&mut self, begun: &Begun) -> BegunV1 {
        match begun {
            Begun::Execution => BegunV1::Execution,
            Begun::Timer { until } => BegunV1::Timer { until: *until },
            Begun::Child { run } => BegunV1::Child { run: run.into_bytes() },
            Begun::Approval(asked) => BegunV1::Approval(Box::new(self.asked(asked))),
            Begun::Message { topic, until } => {
                BegunV1::Message { topic: Arc::clone(topic), until: *until }
            }
            Begun::Emission { topic } => BegunV1::Emission { topic: Arc::clone(topic) },
            Begun::Items { count } => BegunV1::Items { count: *count },
            Begun::Race { count } => BegunV1::Race { count: *count },
        }
    }

    fn asked(&mut self, asked: &Asked) -> AskedV1 {
        AskedV1 {
            id: asked.id.into_bytes(),
            question: Arc::clone(&asked.question),
            payload: self.value(&asked.payload),
            deadline: asked.deadline,
        }
    }

    fn handling(&mut self, handling: &Handling) -> HandlingV1 {
        match handling {
            Handling::Skip => HandlingV1::Skip,
            Handling::Default(output) => HandlingV1::Default(self.value(output)),
            Handling::GoTo(step) => HandlingV1::GoTo(step.0),
            Handling::Compensate => HandlingV1::Compensate,
            Handling::Fail => HandlingV1::Fail,
        }
    }

    fn decided(&mut self, decided: &Decided) -> DecidedV1 {
        DecidedV1 {
            by: (&decided.by).into(),
            approved: decided.approved,
            reason: decided.reason.clone(),
            payload: decided.payload.as_ref().map(|payload| self.value(payload)),
        }
    }

    fn amended(&mut self, amended: &Amended) -> AmendedV1 {
        AmendedV1 {
            definition: amended.definition.0,
            variables: self.variables(&amended.variables),
            by: (&amended.by).into(),
            why: Arc::clone(&amended.why),
        }
    }

    fn ending(&mut self, ending: &Ending) -> EndingV1 {
        match ending {
            Ending::Completed(outputs) => EndingV1::Completed(self.value(outputs)),
            Ending::Failed { failure, step } => {
                EndingV1::Failed { failure: failure.into(), step: step.clone() }
            }
            Ending::Cancelled { by, why } => {
                EndingV1::Cancelled { by: by.into(), why: Arc::clone(why) }
            }
        }
    }
}

/// Events without values; those with values never come here.
fn plain(event: &Event) -> EventV1 {
    let text = |text: &Arc<str>| Arc::clone(text);
    match event {
        Event::Retrying { spot, failure, until } => {
            EventV1::Retrying { spot: (*spot).into(), failure: failure.into(), until: *until }
        }
        Event::Lost { spot, why } => EventV1::Lost { spot: (*spot).into(), why: text(why) },
        Event::Redispatched { spot } => EventV1::Redispatched { spot: (*spot).into() },
        Event::Joined { step } => EventV1::Joined { step: step.0 },
        Event::Skipped { step } => EventV1::Skipped { step: step.0 },
        Event::Escalated { spot, number } => {
            EventV1::Escalated { spot: (*spot).into(), number: *number }
        }
        Event::LevelFailed { failure } => EventV1::LevelFailed { failure: failure.into() },
        Event::CancelRequested { by, why, compensate } => {
            EventV1::CancelRequested { by: by.into(), why: text(why), compensate: *compensate }
        }
        Event::Paused { by } => EventV1::Paused { by: by.into() },
        Event::Resumed { by } => EventV1::Resumed { by: by.into() },
        Event::ChildStopped { run } => EventV1::ChildStopped { run: run.into_bytes() },
        Event::Late { ticket, error } => {
            EventV1::Late { ticket: (*ticket).into(), error: error.map(error_code) }
        }
        Event::Checkpointed { name, by } => {
            EventV1::Checkpointed { name: text(name), by: by.into() }
        }
        Event::RollbackBegan { to, by, why } => {
            EventV1::RollbackBegan { to: text(to), by: by.into(), why: text(why) }
        }
        Event::RolledBack { to, by, why } => {
            EventV1::RolledBack { to: text(to), by: by.into(), why: text(why) }
        }
        _ => EventV1::HandedBack,
    }
}

impl From<OpeningNote> for NoteV1 {
    fn from(note: OpeningNote) -> Self {
        Self { trace: note.trace.map(Into::into), body: note.body }
    }
}

impl From<Standing> for StandingV1 {
    fn from(standing: Standing) -> Self {
        let Standing { state, done, total, wake_at } = standing;
        Self { state: state_code(state), done, total, wake_at }
    }
}

impl From<&Handle> for HandleV1 {
    fn from(handle: &Handle) -> Self {
        match handle {
            Handle::Approval { id, deadline } => {
                Self::Approval { id: id.into_bytes(), deadline: *deadline }
            }
            Handle::Topic(topic) => Self::Topic(Arc::clone(topic)),
            Handle::Child(run) => Self::Child(run.into_bytes()),
        }
    }
}

impl From<Spot> for SpotV1 {
    fn from(spot: Spot) -> Self {
        let part = match spot.part {
            Part::Whole => PartV1::Whole,
            Part::Item(item) => PartV1::Item(item),
            Part::Compensation => PartV1::Compensation,
            Part::OnFinish => PartV1::OnFinish,
            Part::OnCancel => PartV1::OnCancel,
        };
        Self { step: spot.step.0, part }
    }
}

impl From<Ticket> for TicketV1 {
    fn from(ticket: Ticket) -> Self {
        let Ticket { revision, level, spot, visit, attempt } = ticket;
        Self { revision, level, spot: spot.into(), visit, attempt }
    }
}

impl From<Parent> for ParentV1 {
    fn from(parent: Parent) -> Self {
        Self { run: parent.run.into_bytes(), ticket: parent.ticket.into() }
    }
}

impl From<&Origin> for OriginV1 {
    fn from(origin: &Origin) -> Self {
        let Origin { run, events, how, by } = origin;
        let how = derivation_code(*how);
        Self { run: run.into_bytes(), events: *events, how, by: by.into() }
    }
}

impl From<&Failure> for FailureV1 {
    fn from(failure: &Failure) -> Self {
        let Failure { kind, message, agent } = failure;
        Self { kind: error_code(*kind), message: Arc::clone(message), agent: agent.clone() }
    }
}

impl From<&Principal> for PrincipalV1 {
    fn from(principal: &Principal) -> Self {
        let kind = match principal.kind {
            PrincipalKind::User => PrincipalKindV1::User,
            PrincipalKind::Agent => PrincipalKindV1::Agent,
            PrincipalKind::Node => PrincipalKindV1::Node,
            PrincipalKind::Anonymous => PrincipalKindV1::Anonymous,
        };
        Self { kind, name: Arc::clone(&principal.name) }
    }
}

impl From<Correlation> for TraceV1 {
    fn from(trace: Correlation) -> Self {
        Self { trace: trace.trace_id(), span: trace.span_id(), flags: trace.flags() }
    }
}
