//! From the stored form back to events.

use std::collections::HashMap;
use std::sync::Arc;

use synod_journal::BlobId;
use synod_runtime::{Correlation, Principal, PrincipalKind};
use uuid::Uuid;

use super::codes::{derivation, error, priority, state};
use super::v1::{
    AmendedV1, AskedV1, BegunV1, CarriedV1, DecidedV1, EndingV1, EventV1, FailureV1, HandleV1,
    HandlingV1, NoteV1, OpeningV1, OriginV1, ParentV1, PartV1, PrincipalKindV1, PrincipalV1,
    SpotV1, StandingV1, TicketV1, TraceV1, ValueV1, VariableV1,
};
use super::{RecordError, unknown};
use crate::definition::DefinitionHash;
use crate::history::{Handle, OpeningNote, Standing};
use crate::json::Json;
use crate::messages::RunId;
use crate::plan::StepIndex;
use crate::run::{
    Amended, Asked, Begun, Carried, Decided, Ending, Event, Failure, Handling, Opening, Origin,
    Parent, Part, Spot, Ticket, Variable,
};

/// Values that are in blobs, as far as they have been read.
pub(crate) type Blobs = HashMap<BlobId, Json>;

/// Reads values, those in blobs from what is given of them; what is not given is `null`, and
/// noted.
pub(super) struct Decoder<'a> {
    pub run: RunId,
    known: &'a Blobs,
    /// The blobs that are named, in order.
    pub named: Vec<BlobId>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(run: RunId, known: &'a Blobs) -> Self {
        Self { run, known, named: Vec::new() }
    }

    pub(super) fn value(&mut self, value: ValueV1) -> Result<Json, RecordError> {
        match value {
            ValueV1::Inline(bytes) => {
                Json::stored(bytes).map_err(|error| unknown("JSON text", error))
            }
            ValueV1::Blob { hash, .. } => {
                let id = BlobId(hash);
                self.named.push(id);
                Ok(self.known.get(&id).cloned().unwrap_or_default())
            }
        }
    }

    fn variables(&mut self, variables: Vec<VariableV1>) -> Result<Vec<Variable>, RecordError> {
        let known = variables.into_iter();
        known.map(|VariableV1 { name, value }| Ok((name, self.value(value)?))).collect()
    }

    pub(super) fn event(&mut self, event: EventV1) -> Result<Event, RecordError> {
        Ok(match event {
            EventV1::Opened(opening) => Event::Opened(Box::new(self.opening(*opening)?)),
            EventV1::Carried { step, visit, result } => {
                let (step, result) = (StepIndex(step), self.carried(result)?);
                Event::Carried { step, visit, result }
            }
            EventV1::Began { variables } => Event::Began { variables: self.variables(variables)? },
            EventV1::FellBack { variables } => {
                Event::FellBack { variables: self.variables(variables)? }
            }
            EventV1::Amended(amended) => Event::Amended(Box::new(self.amended(*amended)?)),
            EventV1::Concluded { ending } => Event::Concluded { ending: self.ending(ending)? },
            EventV1::Ended { ending } => Event::Ended { ending: self.ending(ending)? },
            EventV1::Started { spot, input, begun } => Event::Started {
                spot: spot.into(),
                input: input.map(|input| self.value(input)).transpose()?,
                begun: self.begun(begun)?,
            },
            EventV1::Again { spot, begun } => {
                Event::Again { spot: spot.into(), begun: self.begun(begun)? }
            }
            EventV1::Succeeded { spot, output, agent, ran_us } => {
                Event::Succeeded { spot: spot.into(), output: self.value(output)?, agent, ran_us }
            }
            EventV1::Failed { spot, failure, handling } => Event::Failed {
                spot: spot.into(),
                failure: failure.try_into()?,
                handling: self.handling(handling)?,
            },
            EventV1::Decided { spot, decided } => {
                Event::Decided { spot: spot.into(), decided: self.decided(decided)? }
            }
            event => return plain(event),
        })
    }

    fn opening(&mut self, opening: OpeningV1) -> Result<Opening, RecordError> {
        Ok(Opening {
            run: self.run,
            definition: DefinitionHash(opening.definition),
            name: opening.name,
            version: opening.version,
            inputs: self.value(opening.inputs)?,
            variables: self.variables(opening.variables)?,
            timeout_us: opening.timeout_us,
            seed: opening.seed,
            principal: opening.principal.into(),
            priority: priority(opening.priority)?,
            tenant: opening.tenant,
            labels: opening.labels.into_iter().collect(),
            idempotency_key: opening.idempotency_key,
            parent: opening.parent.map(Into::into),
            origin: opening.origin.map(TryInto::try_into).transpose()?,
        })
    }

    fn carried(&mut self, carried: CarriedV1) -> Result<Carried, RecordError> {
        Ok(match carried {
            CarriedV1::Completed(output) => Carried::Completed(self.value(output)?),
            CarriedV1::Skipped => Carried::Skipped,
            CarriedV1::Handled(failure) => Carried::Handled(failure.try_into()?),
        })
    }

    fn begun(&mut self, begun: BegunV1) -> Result<Begun, RecordError> {
        Ok(match begun {
            BegunV1::Execution => Begun::Execution,
            BegunV1::Timer { until } => Begun::Timer { until },
            BegunV1::Child { run } => Begun::Child { run: Uuid::from_bytes(run) },
            BegunV1::Approval(asked) => Begun::Approval(Box::new(self.asked(*asked)?)),
            BegunV1::Message { topic, until } => Begun::Message { topic, until },
            BegunV1::Emission { topic } => Begun::Emission { topic },
            BegunV1::Items { count } => Begun::Items { count },
            BegunV1::Race { count } => Begun::Race { count },
        })
    }

    fn asked(&mut self, asked: AskedV1) -> Result<Asked, RecordError> {
        Ok(Asked {
            id: Uuid::from_bytes(asked.id),
            question: asked.question,
            payload: self.value(asked.payload)?,
            deadline: asked.deadline,
        })
    }

    fn handling(&mut self, handling: HandlingV1) -> Result<Handling, RecordError> {
        Ok(match handling {
            HandlingV1::Skip => Handling::Skip,
            HandlingV1::Default(output) => Handling::Default(self.value(output)?),
            HandlingV1::GoTo(step) => Handling::GoTo(StepIndex(step)),
            HandlingV1::Compensate => Handling::Compensate,
            HandlingV1::Fail => Handling::Fail,
        })
    }

    fn decided(&mut self, decided: DecidedV1) -> Result<Decided, RecordError> {
        Ok(Decided {
            by: decided.by.into(),
            approved: decided.approved,
            reason: decided.reason,
            payload: decided.payload.map(|payload| self.value(payload)).transpose()?,
        })
    }

    fn amended(&mut self, amended: AmendedV1) -> Result<Amended, RecordError> {
        Ok(Amended {
            definition: DefinitionHash(amended.definition),
            variables: self.variables(amended.variables)?,
            by: amended.by.into(),
            why: amended.why,
        })
    }

    fn ending(&mut self, ending: EndingV1) -> Result<Ending, RecordError> {
        Ok(match ending {
            EndingV1::Completed(outputs) => Ending::Completed(self.value(outputs)?),
            EndingV1::Failed { failure, step } => {
                Ending::Failed { failure: failure.try_into()?, step }
            }
            EndingV1::Cancelled { by, why } => Ending::Cancelled { by: by.into(), why },
        })
    }
}

/// Events without values; those with values never come here.
fn plain(event: EventV1) -> Result<Event, RecordError> {
    Ok(match event {
        EventV1::Retrying { spot, failure, until } => {
            Event::Retrying { spot: spot.into(), failure: failure.try_into()?, until }
        }
        EventV1::Lost { spot, why } => Event::Lost { spot: spot.into(), why },
        EventV1::Redispatched { spot } => Event::Redispatched { spot: spot.into() },
        EventV1::Joined { step } => Event::Joined { step: StepIndex(step) },
        EventV1::Skipped { step } => Event::Skipped { step: StepIndex(step) },
        EventV1::Escalated { spot, number } => Event::Escalated { spot: spot.into(), number },
        EventV1::LevelFailed { failure } => Event::LevelFailed { failure: failure.try_into()? },
        EventV1::CancelRequested { by, why, compensate } => {
            Event::CancelRequested { by: by.into(), why, compensate }
        }
        EventV1::Paused { by } => Event::Paused { by: by.into() },
        EventV1::Resumed { by } => Event::Resumed { by: by.into() },
        EventV1::ChildStopped { run } => Event::ChildStopped { run: Uuid::from_bytes(run) },
        EventV1::Late { ticket, error: kind } => {
            Event::Late { ticket: ticket.into(), error: kind.map(error).transpose()? }
        }
        EventV1::Checkpointed { name, by } => Event::Checkpointed { name, by: by.into() },
        EventV1::RollbackBegan { to, by, why } => Event::RollbackBegan { to, by: by.into(), why },
        EventV1::RolledBack { to, by, why } => Event::RolledBack { to, by: by.into(), why },
        _ => Event::HandedBack,
    })
}

impl TryFrom<NoteV1> for OpeningNote {
    type Error = RecordError;

    fn try_from(note: NoteV1) -> Result<Self, RecordError> {
        Ok(Self { trace: note.trace.map(TryInto::try_into).transpose()?, body: note.body })
    }
}

impl TryFrom<StandingV1> for Standing {
    type Error = RecordError;

    fn try_from(standing: StandingV1) -> Result<Self, RecordError> {
        let StandingV1 { state: code, done, total, wake_at } = standing;
        Ok(Self { state: state(code)?, done, total, wake_at })
    }
}

impl From<HandleV1> for Handle {
    fn from(handle: HandleV1) -> Self {
        match handle {
            HandleV1::Approval { id, deadline } => {
                Self::Approval { id: Uuid::from_bytes(id), deadline }
            }
            HandleV1::Topic(topic) => Self::Topic(topic),
            HandleV1::Child(run) => Self::Child(Uuid::from_bytes(run)),
        }
    }
}

impl From<SpotV1> for Spot {
    fn from(spot: SpotV1) -> Self {
        let part = match spot.part {
            PartV1::Whole => Part::Whole,
            PartV1::Item(item) => Part::Item(item),
            PartV1::Compensation => Part::Compensation,
            PartV1::OnFinish => Part::OnFinish,
            PartV1::OnCancel => Part::OnCancel,
        };
        Self { step: StepIndex(spot.step), part }
    }
}

impl From<TicketV1> for Ticket {
    fn from(ticket: TicketV1) -> Self {
        let TicketV1 { revision, level, spot, visit, attempt } = ticket;
        Self { revision, level, spot: spot.into(), visit, attempt }
    }
}

impl From<ParentV1> for Parent {
    fn from(parent: ParentV1) -> Self {
        Self { run: Uuid::from_bytes(parent.run), ticket: parent.ticket.into() }
    }
}

impl TryFrom<OriginV1> for Origin {
    type Error = RecordError;

    fn try_from(origin: OriginV1) -> Result<Self, RecordError> {
        let OriginV1 { run, events, how, by } = origin;
        Ok(Self { run: Uuid::from_bytes(run), events, how: derivation(how)?, by: by.into() })
    }
}

impl TryFrom<FailureV1> for Failure {
    type Error = RecordError;

    fn try_from(failure: FailureV1) -> Result<Self, RecordError> {
        let FailureV1 { kind, message, agent } = failure;
        Ok(Self { kind: error(kind)?, message, agent })
    }
}

impl From<PrincipalV1> for Principal {
    fn from(principal: PrincipalV1) -> Self {
        let kind = match principal.kind {
            PrincipalKindV1::User => PrincipalKind::User,
            PrincipalKindV1::Agent => PrincipalKind::Agent,
            PrincipalKindV1::Node => PrincipalKind::Node,
            PrincipalKindV1::Anonymous => PrincipalKind::Anonymous,
        };
        Self { kind, name: Arc::clone(&principal.name) }
    }
}

impl TryFrom<TraceV1> for Correlation {
    type Error = RecordError;

    fn try_from(trace: TraceV1) -> Result<Self, RecordError> {
        let (id, span) = (u128::from_be_bytes(trace.trace), u64::from_be_bytes(trace.span));
        let text = format!("00-{id:032x}-{span:016x}-{:02x}", trace.flags);
        text.parse().map_err(|_| unknown("trace context", text))
    }
}
