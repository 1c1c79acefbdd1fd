//! Queueing parts and giving them to agents.

use std::sync::Arc;

use synod_agents::WorkId;

use super::execute::key_of;
use super::{Command, Dispatch, Effects, Event, TaskMachine, find};
use crate::matching::{ClassId, Match, Next};
use crate::modes::{mode, requirement};
use crate::task::{Failure, FailureKind, Moment, Part, Phase, Task, TaskId};
use crate::validation::in_millionths;

impl TaskMachine {
    /// Finds the requirement class of a part and holds it for as long as the part is open.
    pub(super) fn seat(&mut self, id: TaskId, part: u16) {
        let Some(task) = find(&self.book, &self.executions, id) else { return };
        let Some(needs) = task.parts.get(usize::from(part)).map(|part| &part.needs) else { return };
        let wanted = requirement(&task.spec, needs);
        let class = self.matching.class_of(&wanted).unwrap_or(ClassId::NONE);
        self.matching.hold(class);
        if let Some(part) = self.part_mut(id, part) {
            part.class = class;
        }
    }

    /// Puts a part that is ready into the queue of its class.
    pub(super) fn enqueue(&mut self, id: TaskId, number: u16) {
        let Some(task) = find(&self.book, &self.executions, id) else { return };
        let Some(part) = task.parts.get(usize::from(number)) else { return };
        let (spec, place) = (&task.spec, task.place(number));
        self.matching.queue(part.class, spec.priority, &spec.tenant, place, id);
    }

    /// Takes a part out of the queue of its class, if it is there.
    pub(super) fn unqueue(&mut self, id: TaskId, number: u16) {
        let Some(task) = find(&self.book, &self.executions, id) else { return };
        let Some(part) = task.parts.get(usize::from(number)) else { return };
        let (spec, place) = (&task.spec, task.place(number));
        self.matching.unqueue(part.class, spec.priority, &spec.tenant, place);
    }

    /// Gives out all that can be given out.
    pub(super) fn schedule(&mut self, now: Moment, out: &mut Effects) {
        if self.draining {
            return;
        }
        loop {
            let limit = self.config.max_overtaken;
            let weights = &self.config.tenant_weights;
            let Some(next) = self.matching.next(limit, weights, &mut self.chance) else { return };
            let next = match next {
                Next::Given(next) => next,
                Next::Asked { task, part, class } => {
                    self.ask_about(now, (task, part), class, out);
                    continue;
                }
            };
            if let Some(cost) = self.affordable(next) {
                self.start(now, next, cost, None, out);
            } else {
                self.undispatch(next.agent);
                let message = "another execution would cost more than the budget has left";
                let failure = Failure::new(FailureKind::OverBudget, message);
                self.fail_part(now, next.task, next.part, failure, out);
            }
        }
    }

    /// What the execution costs, in millionths; `None` when the task's budget has less left.
    fn affordable(&self, next: Match) -> Option<u64> {
        let cost =
            self.matching.agent(next.agent).map_or(0, |agent| in_millionths(agent.card.cost));
        self.may_be_paid(next.task, cost).then_some(cost)
    }

    /// Whether the task's budget has so much left, in millionths.
    pub(super) fn may_be_paid(&self, id: TaskId, cost: u64) -> bool {
        let Some(task) = self.task(id) else { return false };
        task.spec.budget.is_none_or(|budget| task.spent.saturating_add(cost) <= budget)
    }

    /// `chosen`: why this agent, where that was found out.
    pub(super) fn start(
        &mut self,
        now: Moment,
        next: Match,
        cost: u64,
        chosen: Option<Arc<str>>,
        out: &mut Effects,
    ) {
        let Match { task: id, part, agent } = next;
        let Some(known) = self.matching.agent(agent) else { return };
        let label = known.label.clone();
        let may_take = known.card.limits.perform_timeout_s.saturating_mul(1_000_000);
        self.mark_started(now, next, label.clone(), cost, chosen, out);
        let Some(task) = self.task(id) else { return };
        let input = mode(task.spec.mode).input(task, part).clone();
        let Some(known) = task.parts.get(usize::from(part)) else { return };
        let name = label.split('@').next().unwrap_or_default();
        let dispatch = Dispatch {
            agent,
            work: self.work_of(task, part, known),
            capability: capability_of(task, known),
            input,
            deadline: task.due.min(now.mono.saturating_add(may_take)),
            state: self.book.agent_states.get(name).cloned(),
            correlation: task.spec.correlation,
            spec: task.spec.clone(),
            key: task.kept.as_ref().map(|kept| key_of(task, kept, part)),
            watch: task.kept.as_ref().map(|kept| kept.watch.clone()).unwrap_or_default(),
        };
        // The agent may have a state that is not stored yet.
        let after = dispatch.state.as_ref().map_or(0, |_| self.saved_in);
        let is_kept = task.kept.is_some();
        let command = Command::Dispatch(Box::new(dispatch));
        if is_kept {
            out.prompt.push((after, command));
        } else {
            out.commands.push(command);
        }
    }

    fn mark_started(
        &mut self,
        now: Moment,
        Match { task: id, part, agent: slot }: Match,
        agent: Arc<str>,
        cost: u64,
        chosen: Option<Arc<str>>,
        out: &mut Effects,
    ) {
        let attempt = self.part(id, part).map_or(1, |part| part.attempt + 1);
        self.emit(now, id, Event::Started { part, attempt, agent, cost, chosen }, out);
        if let Some(part) = self.part_mut(id, part) {
            part.phase = Phase::Running { agent: Some(slot) };
        }
    }

    /// The name of a part's present execution; with its keeper's attempt, if it has a keeper.
    pub(super) fn work_of(&self, task: &Task, number: u16, part: &Part) -> WorkId {
        let attempt = task.kept.as_ref().map_or(part.attempt, |kept| kept.attempt);
        WorkId { task: task.id, part: number, attempt, epoch: self.book.epoch }
    }

    pub(super) fn part(&self, id: TaskId, part: u16) -> Option<&Part> {
        self.task(id)?.parts.get(usize::from(part))
    }

    pub(super) fn part_mut(&mut self, id: TaskId, part: u16) -> Option<&mut Part> {
        self.task_mut(id)?.parts.get_mut(usize::from(part))
    }
}

/// The first capability that a part requires, if it requires any.
pub(super) fn capability_of(task: &Task, part: &Part) -> Option<String> {
    use crate::task::Needs;
    let required = &task.spec.require.capabilities;
    let first = match &part.needs {
        Needs::All | Needs::Agent(_) => 0,
        Needs::Capabilities(indexes) => usize::from(*indexes.first()?),
    };
    required.get(first).map(|capability| capability.name.clone())
}
