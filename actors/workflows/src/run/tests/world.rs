//! A world for one run: a plan, a clock, stored events, and agents that do what the test says.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use synod_agents::Usage;
use synod_journal::PartitionShare;
use synod_runtime::{Principal, Priority};

use crate::definition::DefinitionHash;
use crate::definition::model::{Definition, ErrorKind};
use crate::json::Json;
use crate::messages::{RunId, RunState, StepState};
use crate::plan::Plan;
use crate::run::{
    Effect, Emit, Ending, Event, Execute, Fault, Input, Opening, Part, Refused, Run, StartChild,
    Ticket, mint_in,
};

/// Midnight of the first day of 2026, UTC microseconds.
pub(super) const EPOCH: i64 = 1_767_225_600_000_000;

pub(super) struct World {
    pub run: Run,
    pub now: i64,
    /// Stored events and their times.
    pub log: Vec<(i64, Event)>,
    /// Executions that have not been answered, in the order of their begin.
    pub in_hand: Vec<Execute>,
    /// Executions that were told to stop.
    pub cancelled: Vec<Ticket>,
    pub children: Vec<StartChild>,
    pub cancelled_children: Vec<RunId>,
    /// The same, with their tickets.
    pub told_to_stop: Vec<(RunId, Ticket)>,
    pub emitted: Vec<Emit>,
    pub wake: Option<i64>,
    pub plans: BTreeMap<[u8; 32], Arc<Plan>>,
}

/// A hash that stands for a definition.
pub(super) fn hash(number: u8) -> DefinitionHash {
    DefinitionHash([number; 32])
}

/// The plan of a definition that is written as JSON.
pub(super) fn plan(definition: Value) -> Arc<Plan> {
    let definition: Definition = serde_json::from_value(definition).unwrap();
    match Plan::compile(&definition) {
        Ok(plan) => Arc::new(plan),
        Err(faults) => panic!("{faults:#?}"),
    }
}

/// A definition of these steps.
pub(super) fn steps(steps: Value) -> Value {
    json!({"name": "test", "steps": steps})
}

pub(super) fn opening(plan: &Plan, inputs: Value) -> Opening {
    Opening {
        run: mint_in(PartitionShare::WHOLE, EPOCH, 7 << 64),
        definition: hash(1),
        name: plan.name.clone(),
        version: plan.version.clone(),
        inputs: Json::from(inputs),
        variables: Vec::new(),
        timeout_us: None,
        seed: 42,
        principal: Principal::user("ada"),
        priority: Priority::Normal,
        tenant: None,
        labels: BTreeMap::new(),
        idempotency_key: None,
        parent: None,
        origin: None,
    }
}

impl World {
    /// A run of these steps that has begun.
    pub(super) fn of(list: Value) -> Self {
        Self::begun(steps(list), Value::Null)
    }

    /// A run of this definition with this input that has begun.
    pub(super) fn begun(definition: Value, inputs: Value) -> Self {
        let mut world = Self::opened(definition, inputs);
        world.give(Input::Begin).unwrap();
        world
    }

    /// A run of this definition with this input that waits to be admitted.
    pub(super) fn opened(definition: Value, inputs: Value) -> Self {
        let plan = plan(definition);
        let opening = opening(&plan, inputs);
        let (run, event) = Run::open(EPOCH, opening, plan.clone());
        let mut world = Self::empty(run, EPOCH);
        world.plans.insert([1; 32], plan);
        world.log.push((EPOCH, event));
        world
    }

    pub(super) fn empty(run: Run, now: i64) -> Self {
        Self {
            run,
            now,
            log: Vec::new(),
            in_hand: Vec::new(),
            cancelled: Vec::new(),
            children: Vec::new(),
            cancelled_children: Vec::new(),
            told_to_stop: Vec::new(),
            emitted: Vec::new(),
            wake: None,
            plans: BTreeMap::new(),
        }
    }

    /// Gives an input; events are stored and effects carried out.
    pub(super) fn give(&mut self, input: Input) -> Result<(), Refused> {
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        let taken = self.run.decide(self.now, input, &mut events, &mut effects);
        if taken.is_err() {
            assert!(events.is_empty() && effects.is_empty(), "a refusal changed something");
        }
        self.store(events);
        self.carry_out(effects);
        taken
    }

    pub(super) fn store(&mut self, events: Vec<Event>) {
        self.log.extend(events.into_iter().map(|event| (self.now, event)));
    }

    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Execute(execute) => self.in_hand.push(*execute),
                Effect::CancelExecution(ticket) => {
                    self.cancelled.push(ticket);
                    self.in_hand.retain(|execute| execute.ticket != ticket);
                }
                Effect::StartChild(child) => self.children.push(*child),
                Effect::CancelChild { run, ticket } => {
                    self.cancelled_children.push(run);
                    self.told_to_stop.push((run, ticket));
                }
                Effect::Emit(emit) => self.emitted.push(*emit),
                Effect::WakeAt(at) => self.wake = at,
            }
        }
    }

    /// Lets the engine crash and go on from what is stored.
    pub(super) fn crash(&mut self) {
        self.in_hand.clear();
        self.children.clear();
        self.emitted.clear();
        self.told_to_stop.clear();
        self.wake = None;
        self.run = self.replayed();
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        self.run.resume(self.now, &mut events, &mut effects);
        self.store(events);
        self.carry_out(effects);
    }

    /// The run that a replay of what is stored gives.
    pub(super) fn replayed(&self) -> Run {
        let events = self.log.iter().map(|(at, event)| (*at, event));
        let plans = &self.plans;
        let known = |wanted: &DefinitionHash| {
            (1..=255).find(|n| hash(*n) == *wanted).and_then(|n| plans.get(&[n; 32]).cloned())
        };
        Run::replay(known, events).unwrap()
    }

    /// Moves the clock, and wakes the run whenever it asked for that.
    pub(super) fn pass_ms(&mut self, ms: i64) {
        let until = self.now + ms * 1_000;
        while let Some(at) = self.wake.filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.wake = None;
            self.give(Input::Wake).unwrap();
        }
        self.now = until;
    }

    fn part(&self, ticket: &Ticket) -> String {
        let Some(spot) = self.run.spot_of(ticket) else { return format!("{ticket}") };
        let id = self.run.step_id(spot.step).cloned().unwrap_or_default();
        match spot.part {
            Part::Whole => id.to_string(),
            Part::Item(item) => format!("{id}[{item}]"),
            Part::Compensation => format!("undo {id}"),
            Part::OnFinish => "on_finish".to_owned(),
            Part::OnCancel => "on_cancel".to_owned(),
        }
    }

    /// What is being executed, by step.
    pub(super) fn executing(&self) -> Vec<String> {
        self.in_hand.iter().map(|execute| self.part(&execute.ticket)).collect()
    }

    /// Takes the execution of a step out of the agents' hands.
    pub(super) fn take(&mut self, step: &str) -> Execute {
        let found = self.executing().iter().position(|id| id == step);
        let found = found.unwrap_or_else(|| panic!("{step} is not among {:?}", self.executing()));
        self.in_hand.remove(found)
    }

    /// An agent is done with a step.
    pub(super) fn done(&mut self, step: &str, output: Value) {
        let ticket = self.take(step).ticket;
        self.answer(ticket, Ok(Json::from(output)));
    }

    /// An agent failed with a step.
    pub(super) fn fail(&mut self, step: &str, kind: ErrorKind) {
        let ticket = self.take(step).ticket;
        self.answer(ticket, Err(Fault::new(kind, format!("{step} went wrong"))));
    }

    pub(super) fn answer(&mut self, ticket: Ticket, outcome: Result<Json, Fault>) {
        self.spent(ticket, outcome, Usage::default());
    }

    /// The same, and so much was used up.
    pub(super) fn spent(&mut self, ticket: Ticket, outcome: Result<Json, Fault>, usage: Usage) {
        let agent = Some(Arc::from("ann@1.0.0"));
        self.give(Input::Executed { ticket, outcome, agent, ran_us: 5, usage }).unwrap();
    }

    /// What a step used up.
    pub(super) fn spent_by(&self, step: &str) -> Usage {
        let mut steps = self.run.steps(self.run.levels() - 1);
        steps.find(|view| &*view.plan.id == step).unwrap().spent
    }

    /// What a failed run says.
    pub(super) fn message(&self) -> String {
        match self.run.ending() {
            Some(Ending::Failed { failure, .. }) => failure.message.to_string(),
            other => panic!("it did not fail: {other:?}"),
        }
    }

    pub(super) fn state(&self) -> RunState {
        self.run.run_state()
    }

    pub(super) fn is_over(&self) -> bool {
        let (_, _, ended_at) = self.run.times();
        ended_at.is_some()
    }

    /// How a step of a level stands.
    pub(super) fn step_at(&self, level: usize, step: &str) -> StepState {
        let mut steps = self.run.steps(level);
        steps.find(|view| &*view.plan.id == step).unwrap().state
    }

    /// How a step stands.
    pub(super) fn step(&self, step: &str) -> StepState {
        self.step_at(self.run.levels() - 1, step)
    }

    pub(super) fn output(&self, step: &str) -> Value {
        let mut steps = self.run.steps(self.run.levels() - 1);
        let view = steps.find(|view| &*view.plan.id == step).unwrap();
        view.output.map_or(Value::Null, |output| output.value().clone())
    }

    /// The outputs of a run that completed.
    pub(super) fn outputs(&self) -> Value {
        match self.run.ending() {
            Some(Ending::Completed(outputs)) => outputs.value().clone(),
            other => panic!("it did not complete: {other:?}"),
        }
    }

    /// Why a run failed: the kind, and the step.
    pub(super) fn failure(&self) -> (ErrorKind, Option<String>) {
        match self.run.ending() {
            Some(Ending::Failed { failure, step }) => {
                (failure.kind, step.as_ref().map(ToString::to_string))
            }
            other => panic!("it did not fail: {other:?}"),
        }
    }

    /// How often something was stored.
    pub(super) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.log.iter().filter(|(_, event)| is(event)).count()
    }
}
