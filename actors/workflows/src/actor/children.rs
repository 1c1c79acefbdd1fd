//! Runs that steps of other runs start, and what runs tell beside their records.

use std::sync::Arc;

use semver::VersionReq;
use synod_runtime::{Context, Principal};

use super::WorkflowEngine;
use super::reading;
use super::run::{Answer, ChildToStart, FromRun, Order, Word};
use super::starting::ToOpen;
use super::step::{Own, Step};
use super::stored::Release;
use super::utc;
use crate::definition::ErrorKind;
use crate::error::{ControlError, StartError};
use crate::history::view;
use crate::index::MOST_NESTED;
use crate::json::Json;
use crate::messages::{RunId, RunSource, WorkflowsMessage};
use crate::run::{Fault, Input, Parent, StartChild, Ticket};

impl WorkflowEngine {
    pub(super) fn on_word(&mut self, from: FromRun, ctx: &mut Context<Self>) {
        let FromRun { run, incarnation, what } = from;
        if !self.seats.is_current(run, incarnation) || !self.works() {
            return;
        }
        match what {
            Word::Rests { orders } => self.rests(run, orders),
            Word::Awaits { batch, to } => {
                self.gathering.releases.push(Release::Awaited(to, batch));
            }
            Word::StartChild(child) => self.start_child(run, *child, ctx),
            Word::CancelChild { child, ticket } => self.cancel_child(run, child, ticket, ctx),
            Word::Emit(emit) => self.emit(run, *emit, ctx),
            Word::Delivered { delivery, taken } => {
                if self.seats.delivered(run, delivery) {
                    self.delivered(delivery, taken, ctx);
                }
            }
            Word::HandedBack => self.handed_back(run),
            Word::Decided { approval, reply } => self.show_decided(run, approval, reply, ctx),
        }
    }

    /// Opens a run for a step, unless it exists: then its end is told when it comes, or now.
    fn start_child(&mut self, parent: RunId, asked: ChildToStart, ctx: &mut Context<Self>) {
        let ChildToStart { child, name, version } = asked;
        if self.knows(child.run) {
            return self.look_at_child(parent, child.run, child.ticket, ctx);
        }
        let (run, ticket) = (child.run, child.ticket);
        if let Err(error) = self.open_child(parent, &child, &name, version.as_deref(), ctx) {
            let kind = match error {
                StartError::InvalidInput { .. } => ErrorKind::ValidationError,
                // The step may try again: there may be room by then.
                StartError::TooManyRuns { .. } => ErrorKind::Unavailable,
                _ => ErrorKind::ChildFailed,
            };
            let fault = Fault::new(kind, format!("workflow '{name}' was not started: {error}"));
            self.child_ended(parent, run, ticket, Err(fault), ctx);
        }
    }

    fn open_child(
        &mut self,
        parent: RunId,
        child: &StartChild,
        name: &Arc<str>,
        version: Option<&str>,
        ctx: &mut Context<Self>,
    ) -> Result<(), StartError> {
        self.may_have_child(parent)?;
        let wrong_version = |version: &str| StartError::Invalid {
            field: "workflow.version".to_owned(),
            expected: "a version, or a requirement such as >=1.2".to_owned(),
            got: version.to_owned(),
        };
        let version = version
            .map(|text| VersionReq::parse(text).map_err(|_| wrong_version(text)))
            .transpose()?;
        let compiled =
            self.compiled_named(&RunSource::Named { name: name.to_string(), version })?;
        compiled.check_size(&child.input)?;
        compiled.check_input(child.input.value())?;
        let entry = self.index.run(parent).map(Arc::clone).ok_or(StartError::UnknownRun)?;
        let now = utc(ctx);
        let left = u64::try_from(child.deadline.saturating_sub(now)).unwrap_or(0);
        let mut opening = self.opening(child.run, &compiled, child.input.clone(), ctx);
        opening.principal = entry.principal.clone();
        opening.priority = compiled.plan.priority.unwrap_or(entry.priority);
        opening.timeout_us = Some(left);
        opening.parent = Some(Parent { run: parent, ticket: child.ticket });
        let to_open = ToOpen::new(opening, entry.trace, None, compiled);
        self.open_run(to_open, None, ctx);
        Ok(())
    }

    /// Whether a step of a run may start another one: they are not too deep, nor too many.
    fn may_have_child(&self, parent: RunId) -> Result<(), StartError> {
        let invalid = |expected: String, got: &str| StartError::Invalid {
            field: "workflow".to_owned(),
            expected,
            got: got.to_owned(),
        };
        if self.index.line(parent).count() >= MOST_NESTED {
            let expected = format!("at most {MOST_NESTED} runs inside one another");
            return Err(invalid(expected, "one more: does it start itself?"));
        }
        let (root, most) = (self.index.root(parent), self.config.max_descendants);
        if self.index.descendants(root) + self.starting.under(root) >= most {
            let expected = format!(
                "at most {most} runs that steps of run {root} start, directly or not \
                 (workflows.max_descendants)"
            );
            return Err(invalid(expected, "one more"));
        }
        if self.is_full() { Err(StartError::TooManyRuns { retry_after_s: 1 }) } else { Ok(()) }
    }

    /// The run is there: if it has ended, its parent is told how.
    fn look_at_child(
        &mut self,
        parent: RunId,
        child: RunId,
        ticket: Ticket,
        ctx: &mut Context<Self>,
    ) {
        let Some(entry) = self.index.run(child).filter(|entry| !entry.is_open()) else { return };
        let entry = Arc::clone(entry);
        let around = self.surround(ctx);
        let trail = self.trail(&entry);
        let work = async move {
            let _permit = around.readers.acquire().await;
            let records = reading::records(&around, trail).await;
            let ending = records.as_ref().ok().and_then(|records| view::ending(records));
            match ending {
                Some(ending) => view::child_outcome(child, ending),
                None => Err(Fault::new(ErrorKind::ChildFailed, "how it ended can't be read")),
            }
        };
        let read = move |outcome: Result<Result<Json, Fault>, synod_runtime::TaskFailure>| {
            let outcome = outcome.unwrap_or_else(|failure| {
                Err(Fault::new(ErrorKind::ChildFailed, failure.to_string()))
            });
            WorkflowsMessage::Own(Step(Own::ChildRead { parent, child, ticket, outcome }))
        };
        if let Err(error) = ctx.attach(work, read) {
            tracing::warn!(%error, "how a run ended is not read");
        }
    }

    /// A run that a step started has ended, or could not be started.
    pub(super) fn child_ended(
        &mut self,
        parent: RunId,
        child: RunId,
        ticket: Ticket,
        outcome: Result<Json, Fault>,
        ctx: &mut Context<Self>,
    ) {
        self.give(parent, Input::ChildEnded { run: child, ticket, outcome }, ctx);
    }

    fn cancel_child(
        &mut self,
        parent: RunId,
        child: RunId,
        ticket: Ticket,
        ctx: &mut Context<Self>,
    ) {
        let by = Principal::node("workflows");
        let why = Arc::from(format!("run {parent} no longer waits for it"));
        let input = Input::Cancel { by, why, compensate: true };
        let order = Order { input: Some(input), defined: None, answer: Answer::Nobody };
        match self.order(child, order, ctx) {
            Ok(()) => {}
            Err(unsent) => match *unsent.error {
                ControlError::Unavailable { .. } => {}
                ControlError::AlreadyEnded { .. } => {
                    self.look_at_child(parent, child, ticket, ctx);
                }
                _ => {
                    let fault = Fault::new(ErrorKind::ChildFailed, "it was not started");
                    self.child_ended(parent, child, ticket, Err(fault), ctx);
                }
            },
        }
    }
}
