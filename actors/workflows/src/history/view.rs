//! How a run and its approvals stand, as users see them.

use std::sync::Arc;

use serde_json::Value;
use synod_runtime::Correlation;

use super::record::RunRecord;
use super::teller::Teller;
use crate::definition::DefinitionHash;
use crate::index::time;
use crate::messages::{
    ApprovalResponse, ApprovalState, DecisionResponse, HistoryEvent, HistoryPage, RunError, RunId,
    RunLink, RunRelation, RunStatusResponse, RunSummary, StepStatus, Verdict, WaitKind, WaitingFor,
    WorkflowRef,
};
use crate::plan::{Doing, Plan, StepWork};
use crate::run::{
    ApprovalId, Asked, Begun, Decided, Derivation, Ending, Event, Failure, Opening, Run, Spot,
    StepView, WaitView,
};

/// A run, step by step.
pub(crate) fn status(run: &Run, trace: Option<Correlation>) -> RunStatusResponse {
    let opening = run.opening();
    let steps = |level| {
        let plan = run.plan_of(level);
        run.steps(level).map(|view| step(plan, &view)).collect::<Vec<_>>()
    };
    let fallback = (1..run.levels()).flat_map(steps).collect();
    let variables = run.variables().map(|(name, value)| (name.to_owned(), value.value().clone()));
    let (outputs, error) = match run.ending().filter(|_| run.run_state().has_ended()) {
        Some(Ending::Completed(outputs)) => (Some(outputs.value().clone()), None),
        Some(ending) => (None, ending_error(ending)),
        None => (None, None),
    };
    RunStatusResponse {
        summary: summary(run, trace),
        input: opening.inputs.value().clone(),
        variables: variables.collect(),
        steps: steps(0),
        fallback,
        outputs,
        error,
        links: links(opening),
        history_events: run.events(),
        idempotency_key: opening.idempotency_key.as_deref().map(str::to_owned),
        deadline: run.level_deadline().filter(|at| *at < i64::MAX).map(time),
    }
}

fn summary(run: &Run, trace: Option<Correlation>) -> RunSummary {
    let opening = run.opening();
    let (accepted_at, started_at, ended_at) = run.times();
    let waits = run.waits().filter_map(|(spot, wait)| {
        let step = run.step_id(spot.step)?;
        Some(waiting_for(step, &wait))
    });
    RunSummary {
        run_id: opening.run,
        workflow: WorkflowRef {
            name: opening.name.to_string(),
            version: opening.version.to_string(),
            hash: run.definition().to_string(),
        },
        state: run.run_state(),
        priority: opening.priority,
        labels: opening.labels.clone(),
        progress: run.progress(),
        started_by: opening.principal.to_string(),
        accepted_at: time(accepted_at),
        started_at: started_at.map(time),
        ended_at: ended_at.map(time),
        waiting_for: waits.collect(),
        trace_id: trace.map(|trace| trace.trace_hex()),
        stuck: None,
    }
}

fn ending_error(ending: &Ending) -> Option<RunError> {
    match ending {
        Ending::Completed(_) => None,
        Ending::Failed { failure, step } => {
            Some(RunError { step: step.as_deref().map(str::to_owned), ..error(failure) })
        }
        Ending::Cancelled { by, why } => Some(RunError {
            kind: "cancelled".to_owned(),
            message: format!("cancelled by {by}: {why}"),
            step: None,
            agent: None,
        }),
    }
}

fn error(failure: &Failure) -> RunError {
    RunError {
        kind: failure.kind.to_string(),
        message: failure.message.to_string(),
        step: None,
        agent: failure.agent.as_deref().map(str::to_owned),
    }
}

fn links(opening: &Opening) -> Vec<RunLink> {
    let parent = opening.parent.map(|parent| (RunRelation::Parent, parent.run));
    let origin = opening.origin.as_ref().map(|origin| {
        let relation = match origin.how {
            Derivation::Retry => RunRelation::RetryOf,
            Derivation::Fork | Derivation::Rollback => RunRelation::ForkOf,
        };
        (relation, origin.run)
    });
    let both = parent.into_iter().chain(origin);
    both.map(|(relation, run_id)| RunLink { relation, run_id }).collect()
}

fn step(plan: Option<&Arc<Plan>>, view: &StepView<'_>) -> StepStatus {
    let child = match &view.waits {
        Some(WaitView::Child(run)) => Some(*run),
        _ => None,
    };
    let depends_on = view.plan.depends_on.iter();
    let depends_on = depends_on.filter_map(|step| Some(&plan?.steps().get(step.at())?.id));
    StepStatus {
        id: view.plan.id.to_string(),
        doing: doing(&view.plan.work).to_owned(),
        state: view.state,
        visit: view.visit,
        attempts: view.attempts,
        agent: view.agent.map(str::to_owned),
        started_at: view.began_at.map(time),
        ended_at: view.ended_at.map(time),
        output: view.output.map(|output| output.value().clone()),
        error: view.failure.map(error),
        usage: (!view.spent.is_nothing()).then_some(view.spent),
        waiting_for: view.waits.as_ref().map(|wait| waiting_for(&view.plan.id, wait)),
        items: view.items,
        child,
        depends_on: depends_on.map(|id| id.to_string()).collect(),
    }
}

fn doing(work: &StepWork) -> &'static str {
    match work {
        StepWork::ForEach { .. } => "for_each",
        StepWork::Race(_) => "race",
        StepWork::Action(action) => match &action.doing {
            Doing::Execute { agents, .. } if !agents.is_empty() => "agent",
            Doing::Execute { .. } => "capability",
            Doing::Transform(_) => "transform",
            Doing::Wait(_) => "wait",
            Doing::Approval(_) => "approval",
            Doing::Workflow { .. } => "workflow",
            Doing::Emit { .. } => "emit",
            Doing::Await { .. } => "await",
        },
    }
}

fn waiting_for(step: &Arc<str>, wait: &WaitView) -> WaitingFor {
    let (what, until, on) = match wait {
        WaitView::Time(until) => (WaitKind::Time, Some(*until), None),
        WaitView::Retry(until) => (WaitKind::Retry, Some(*until), None),
        WaitView::Approval(id, until) => (WaitKind::Approval, *until, Some(id.to_string())),
        WaitView::Message(topic, until) => (WaitKind::Message, *until, Some(topic.to_string())),
        WaitView::Child(run) => (WaitKind::Run, None, Some(run.to_string())),
    };
    WaitingFor { step: Some(step.to_string()), what, until: until.map(time), on }
}

/// A page of a run's history.
pub(crate) fn history(
    records: &[RunRecord],
    plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
    after: u64,
    limit: usize,
) -> HistoryPage {
    let mut teller = Teller::default();
    let mut page = HistoryPage { events: Vec::new(), next: None };
    let events = records.iter().flat_map(|record| record.events.iter().map(|e| (record.at, e)));
    for (number, (at, event)) in (1..).zip(events) {
        if number > after {
            if page.events.len() == limit {
                page.next = Some(number - 1);
                break;
            }
            let told = teller.tell(event);
            page.events.push(HistoryEvent {
                number,
                at: time(at),
                name: told.name.to_owned(),
                step: told.step.map(|step| step.to_string()),
                text: told.text,
                details: told.details,
            });
        }
        teller.follow(event, &plan);
    }
    page
}

/// An approval and what became of it, found in the records of its run.
struct Found<'a> {
    spot: Spot,
    asked: &'a Asked,
    at: i64,
    step: Option<Arc<str>>,
    decisions: Vec<(&'a Decided, i64)>,
    state: ApprovalState,
}

/// An approval, whatever became of it.
pub(crate) fn approval(
    id: ApprovalId,
    run: &Run,
    records: &[RunRecord],
    plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
) -> Option<ApprovalResponse> {
    let mut found = find(id, records, plan)?;
    if found.state == ApprovalState::Open && run.approval(id).is_none() {
        found.state = ApprovalState::Withdrawn;
    }
    let Found { spot, asked, at, step, decisions, state } = found;
    let terms = run.approval_plan(spot);
    let decided = decisions.iter().rev().find_map(|(decided, _)| decided.payload.as_ref());
    let deciders = match state {
        ApprovalState::Open => run.deciders(spot),
        _ => terms.map_or_else(Vec::new, |plan| {
            let roles = plan.roles.iter().map(|role| format!("role:{role}"));
            plan.people.iter().cloned().chain(roles).collect()
        }),
    };
    Some(ApprovalResponse {
        id: id.to_string(),
        run_id: run.opening().run,
        workflow: run.opening().name.to_string(),
        step: step.as_deref().unwrap_or_default().to_owned(),
        state,
        question: asked.question.to_string(),
        payload: asked.payload.value().clone(),
        editable: terms.is_some_and(|plan| plan.editable),
        deciders,
        needed: terms.map_or(1, |plan| plan.needed),
        requested_at: time(at),
        deadline: asked.deadline.map(time),
        decisions: decisions.iter().map(|(decided, at)| decision(decided, *at)).collect(),
        decided_payload: decided
            .map(|payload: &crate::json::Json| -> Value { payload.value().clone() }),
    })
}

fn find(
    id: ApprovalId,
    records: &[RunRecord],
    plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
) -> Option<Found<'_>> {
    let mut teller = Teller::default();
    let mut found: Option<Found<'_>> = None;
    for (at, event) in
        records.iter().flat_map(|record| record.events.iter().map(|e| (record.at, e)))
    {
        match (&mut found, event) {
            (_, Event::Started { spot, begun: Begun::Approval(asked), .. })
            | (_, Event::Again { spot, begun: Begun::Approval(asked) })
                if asked.id == id =>
            {
                let step = teller.tell(event).step;
                let (decisions, state) = (Vec::new(), ApprovalState::Open);
                found = Some(Found { spot: *spot, asked, at, step, decisions, state });
            }
            (Some(found), event) if found.state == ApprovalState::Open => follow(found, at, event),
            _ => {}
        }
        teller.follow(event, &plan);
    }
    found
}

/// What an event means for an open approval.
fn follow<'a>(found: &mut Found<'a>, at: i64, event: &'a Event) {
    use crate::definition::ErrorKind::{ApprovalExpired, ApprovalRejected};
    match event {
        Event::Decided { spot, decided } if *spot == found.spot => {
            found.decisions.push((decided, at));
        }
        Event::Succeeded { spot, .. } if *spot == found.spot => {
            found.state = ApprovalState::Approved;
        }
        Event::Failed { spot, failure, .. } | Event::Retrying { spot, failure, .. }
            if *spot == found.spot =>
        {
            found.state = match failure.kind {
                ApprovalRejected => ApprovalState::Rejected,
                ApprovalExpired => ApprovalState::Expired,
                _ => ApprovalState::Withdrawn,
            };
        }
        _ => {}
    }
}

fn decision(decided: &Decided, at: i64) -> DecisionResponse {
    DecisionResponse {
        verdict: if decided.approved { Verdict::Approve } else { Verdict::Reject },
        by: decided.by.to_string(),
        at: time(at),
        reason: decided.reason.as_deref().map(str::to_owned),
    }
}

/// The run that a record belongs to ended so.
pub(crate) fn ending(records: &[RunRecord]) -> Option<&Ending> {
    let events = records.iter().rev().flat_map(|record| record.events.iter().rev());
    events.into_iter().find_map(|event| match event {
        Event::Ended { ending } => Some(ending),
        _ => None,
    })
}

/// How a run ended, if this record says so.
pub(crate) fn ending_of(record: Option<&RunRecord>) -> Option<Ending> {
    match record?.events.last()? {
        Event::Ended { ending } => Some(ending.clone()),
        _ => None,
    }
}

/// The run of this id did not give what its parent waits for.
pub(crate) fn child_outcome(
    child: RunId,
    ending: &Ending,
) -> Result<crate::json::Json, crate::run::Fault> {
    use crate::definition::ErrorKind::ChildFailed;
    match ending {
        Ending::Completed(outputs) => Ok(outputs.clone()),
        Ending::Failed { failure, .. } => {
            let message = format!("run {child} failed: {}: {}", failure.kind, failure.message);
            Err(crate::run::Fault::new(ChildFailed, message))
        }
        Ending::Cancelled { by, why } => {
            let message = format!("run {child} was cancelled by {by}: {why}");
            Err(crate::run::Fault::new(ChildFailed, message))
        }
    }
}
