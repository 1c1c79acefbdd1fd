//! Approvals: who may decide, what was decided, what happens when nobody does.

use jiff::Timestamp;
use serde_json::{Value, json};
use synod_runtime::{Principal, PrincipalKind};

use super::event::{Decided, Event, Failure};
use super::input::{Decision, Refused};
use super::state::Phase;
use super::ticket::{ApprovalId, Spot};
use super::unit::{Hold, Question};
use super::{Out, Run};
use crate::definition::model::{AtDeadline, ErrorKind};
use crate::json::Json;
use crate::plan::{ApprovalPlan, Doing, EscalationPlan};

/// Most bytes of a reason or a name.
pub(super) const MAX_TEXT: usize = 4_096;

impl Run {
    /// Takes a person's decision.
    pub(super) fn decide_approval(
        &mut self,
        decision: Decision,
        out: &mut Out<'_>,
    ) -> Result<(), Refused> {
        let spot = self.decidable(&decision, out.now)?;
        let Decision { by, approved, reason, payload, .. } = decision;
        let decided = Decided { by: by.clone(), approved, reason: reason.clone(), payload };
        self.emit(Event::Decided { spot, decided }, out);
        if !approved {
            let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
            let message = format!("rejected by {}{why}", by.name);
            let failure = Failure::new(ErrorKind::ApprovalRejected, message);
            self.attempt_failed(spot, failure, None, out);
            return Ok(());
        }
        let needed = self.approval_plan(spot).map_or(1, |plan| plan.needed as usize);
        let done = self.question(spot).is_some_and(|question| question.decisions.len() >= needed);
        if done {
            self.approve(spot, out);
        }
        Ok(())
    }

    /// Where the approval is that is to be decided, if this decision can be taken.
    fn decidable(&self, decision: &Decision, now: i64) -> Result<Spot, Refused> {
        let Decision { approval, by, roles, reason, payload, .. } = decision;
        if self.state.phase == Phase::Ended {
            return Err(Refused::Ended(self.run_state()));
        }
        let (spot, question) =
            self.approval(*approval).ok_or(Refused::NoSuchApproval(*approval))?;
        let plan = self.approval_plan(spot).ok_or(Refused::NoSuchApproval(*approval))?;
        if question.asked.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Refused::TooLate);
        }
        let taken = question.escalated as usize;
        if !may_decide(plan, taken, by, roles) {
            let expected = deciders(plan, taken).join(", ");
            return Err(Refused::MayNotDecide { who: by.name.clone(), expected });
        }
        if question.decisions.iter().any(|(decided, _)| decided.by == *by) {
            return Err(Refused::DecidedBefore(by.name.clone()));
        }
        if payload.is_some() && !plan.editable {
            return Err(Refused::NotEditable);
        }
        let got = payload.as_ref().map_or(0, Json::size);
        short("payload", got, self.payload_bytes())?;
        short("reason", reason.as_ref().map_or(0, |reason| reason.len()), MAX_TEXT)?;
        Ok(spot)
    }

    /// The approval of this name that waits for a decision, and where it is.
    #[must_use]
    pub fn approval(&self, id: ApprovalId) -> Option<(Spot, &Question)> {
        self.level().units.iter().find_map(|(spot, unit)| match &unit.hold {
            Hold::Approval(question) if question.asked.id == id => Some((*spot, &**question)),
            _ => None,
        })
    }

    fn question(&self, spot: Spot) -> Option<&Question> {
        match &self.level().units.get(&spot)?.hold {
            Hold::Approval(question) => Some(question),
            _ => None,
        }
    }

    /// What the plan says about the approval at this spot.
    #[must_use]
    pub fn approval_plan(&self, spot: Spot) -> Option<&ApprovalPlan> {
        match &self.action(spot)?.doing {
            Doing::Approval(approval) => Some(approval),
            _ => None,
        }
    }

    /// Who may decide about the approval at this spot: names, and `role:…`; empty: anybody.
    #[must_use]
    pub fn deciders(&self, spot: Spot) -> Vec<String> {
        let taken = self.question(spot).map_or(0, |question| question.escalated as usize);
        self.approval_plan(spot).map_or_else(Vec::new, |plan| deciders(plan, taken))
    }

    /// Takes the next step of an escalation.
    pub(super) fn escalate(&mut self, spot: Spot, out: &mut Out<'_>) {
        let Some(question) = self.question(spot) else { return };
        let number = question.escalated + 1;
        self.emit(Event::Escalated { spot, number }, out);
        self.arm(spot);
    }

    /// The deadline of an approval has come.
    pub(super) fn undecided(&mut self, spot: Spot, out: &mut Out<'_>) {
        let at_deadline = self.approval_plan(spot).map_or(AtDeadline::Expire, |p| p.at_deadline);
        let failed = |kind, message: &str| Failure::new(kind, message);
        match at_deadline {
            AtDeadline::Approve => self.approve(spot, out),
            AtDeadline::Reject => {
                let message = "nobody decided in time, which counts as a rejection";
                let failure = failed(ErrorKind::ApprovalRejected, message);
                self.attempt_failed(spot, failure, None, out);
            }
            AtDeadline::Expire => {
                let failure = failed(ErrorKind::ApprovalExpired, "nobody decided in time");
                self.attempt_failed(spot, failure, None, out);
            }
        }
    }

    fn approve(&mut self, spot: Spot, out: &mut Out<'_>) {
        let Some(output) = self.question(spot).map(output) else { return };
        self.emit(Event::Succeeded { spot, output, agent: None, ran_us: 0 }, out);
    }
}

/// What an approved approval yields: what was suggested and what was decided are both kept.
fn output(question: &Question) -> Json {
    let edited = question.decisions.iter().rev().find_map(|(decided, _)| decided.payload.as_ref());
    let decisions = question.decisions.iter().map(|(decided, at)| {
        json!({
            "by": decided.by.name.as_ref(),
            "at": Timestamp::from_microsecond(*at).ok().map(|at| at.to_string()),
            "approve": decided.approved,
            "reason": decided.reason.as_deref(),
        })
    });
    let suggestion = question.asked.payload.value();
    Json::from(json!({
        "approved": true,
        "payload": edited.map_or(suggestion, Json::value),
        "suggestion": suggestion,
        "decisions": decisions.collect::<Vec<Value>>(),
    }))
}

fn taken(plan: &ApprovalPlan, taken: usize) -> impl Iterator<Item = &EscalationPlan> {
    plan.escalate.iter().take(taken)
}

fn may_decide(
    plan: &ApprovalPlan,
    escalated: usize,
    by: &Principal,
    roles: &[std::sync::Arc<str>],
) -> bool {
    if plan.people.is_empty() && plan.roles.is_empty() {
        return true;
    }
    let more = || taken(plan, escalated);
    let mut people = plan.people.iter().chain(more().flat_map(|step| &step.people));
    let mut allowed = plan.roles.iter().chain(more().flat_map(|step| &step.roles));
    let named = by.kind == PrincipalKind::User && people.any(|name| **name == *by.name);
    named || allowed.any(|role| roles.iter().any(|own| **own == **role))
}

fn deciders(plan: &ApprovalPlan, escalated: usize) -> Vec<String> {
    if plan.people.is_empty() && plan.roles.is_empty() {
        return Vec::new();
    }
    let more = || taken(plan, escalated);
    let people = plan.people.iter().chain(more().flat_map(|step| &step.people)).cloned();
    let roles = plan.roles.iter().chain(more().flat_map(|step| &step.roles));
    people.chain(roles.map(|role| format!("role:{role}"))).collect()
}

/// That a text or a value is not too long.
pub(super) fn short(field: &'static str, got: usize, most: usize) -> Result<(), Refused> {
    if got <= most { Ok(()) } else { Err(Refused::TooLong { field, got, most }) }
}
