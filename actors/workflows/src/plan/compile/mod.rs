//! From a definition to its plan; every fault on the way is kept with its place.

mod action;
mod catches;
mod faults;
mod graph;

use std::sync::Arc;

use serde_json::Value;

use super::{Action, Doing, InputSchema, Plan, PlanStep, StepIndex, StepWork};
use crate::definition::Fault;
use crate::definition::model::{Definition, Step};
use crate::expression::{Condition, Names, Place, Template, shown};
use action::Terms;
use faults::Faults;
use graph::Graph;

/// How deep fallbacks may be nested.
const MAX_FALLBACKS: usize = 4;

/// Most steps of a definition, whatever its limits say.
const MAX_STEPS: usize = 10_000;

/// Compiles a definition.
pub(super) fn compile(definition: &Definition) -> Result<Plan, Vec<Fault>> {
    let mut faults = Faults::default();
    let plan = level(definition, 0, &mut faults);
    faults.finish(plan)
}

/// A definition that is `depth` fallbacks deep.
fn level(definition: &Definition, depth: usize, faults: &mut Faults) -> Option<Plan> {
    head(definition, faults);
    let inputs = inputs(definition, faults);
    if !step_count(definition, faults) {
        return None;
    }
    let names = Names::new(
        definition.steps.iter().map(|step| step.id.as_str()),
        definition.variables.keys().map(String::as_str),
    );
    ids(definition, &names, faults);
    let graph = Graph::of(definition, &names, faults);
    let mut compiler = Compiler { definition, names: &names, fallback: depth > 0, faults };
    compiler.check_handlers("error_handlers", &definition.error_handlers);
    let steps = compiler.steps(&graph);
    let variables = compiler.templates("variables", &definition.variables, compiler.early());
    let outputs = compiler.outputs(&graph);
    let key = definition.idempotency_key.clone().map(Value::String);
    let early = compiler.early();
    let idempotency_key = key.map(|key| compiler.template("idempotency_key", &key, early));
    let late = compiler.place();
    let (on_finish, on_cancel) = (&definition.on_finish, &definition.on_cancel);
    let on_finish = compiler.aside("on_finish", on_finish.as_deref(), late);
    let on_cancel = compiler.aside("on_cancel", on_cancel.as_deref(), late);
    let fallback = fallback(definition, depth, faults);
    let steps = steps?;
    Some(Plan {
        name: Arc::from(definition.name.as_str()),
        version: Arc::from(definition.version.as_str()),
        inputs,
        variables,
        outputs,
        max_parallel: definition.max_parallel as usize,
        timeout: definition.timeout_s.duration(),
        priority: definition.priority,
        limits: definition.limits.clone(),
        fallback: fallback.map(Arc::new),
        on_finish,
        on_cancel,
        labels: definition.labels.clone(),
        idempotency_key,
        max_concurrent_runs: definition.max_concurrent_runs,
        awaits: awaits(&steps),
        by_id: steps.iter().map(|step| step.id.clone()).zip((0..).map(StepIndex)).collect(),
        roots: graph.roots(),
        order: graph.order,
        steps,
    })
}

/// The first steps that wait for a message, or of which a piece does.
fn awaits(steps: &[PlanStep]) -> Vec<StepIndex> {
    let waits = |action: &Arc<Action>| matches!(action.doing, Doing::Await { .. });
    let found = steps.iter().zip((0..).map(StepIndex)).filter(|(step, _)| match &step.work {
        StepWork::Action(action) | StepWork::ForEach { each: action, .. } => waits(action),
        StepWork::Race(racers) => racers.iter().any(waits),
    });
    found.map(|(_, index)| index).take(Plan::MOST_AWAITS).collect()
}

fn fallback(definition: &Definition, depth: usize, faults: &mut Faults) -> Option<Plan> {
    let fallback = definition.fallback.as_deref()?;
    faults.enter("fallback", |faults| {
        if depth == MAX_FALLBACKS {
            let message = format!("fallbacks are nested deeper than {MAX_FALLBACKS}");
            faults.error("", message);
            return None;
        }
        if fallback.inputs.is_some() {
            faults.error("inputs", "a fallback gets the same input: expected no inputs of its own");
        }
        level(fallback, depth + 1, faults)
    })
}

/// Name, version, and the numbers whose ranges only the type of the whole can't say.
fn head(definition: &Definition, faults: &mut Faults) {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let name = definition.name.as_bytes();
    let good = name.len() <= 128
        && name.first().is_some_and(|first| lower(*first))
        && name.iter().all(|byte| lower(*byte) || b"._-".contains(byte));
    if !good {
        let name = shown(&definition.name);
        faults.error(
            "name",
            format!(
                "'{name}' is no name: expected 1 to 128 of a-z, 0-9, '.', '_', '-', a letter or \
                 digit first"
            ),
        );
    }
    if let Err(error) = semver::Version::parse(&definition.version) {
        let version = shown(&definition.version);
        faults.error(
            "version",
            format!("'{version}' is no version ({error}): expected one like 1.0.0"),
        );
    }
    if definition.max_parallel == 0 {
        faults.error("max_parallel", "found 0: expected 1 or more");
    }
    if definition.timeout_s.as_millis() == 0 {
        faults.error("timeout_s", "found 0: expected more");
    }
    if let Some(retry) = &definition.retry {
        faults.enter("retry", |faults| action::check_retry(retry, faults));
    }
}

fn inputs(definition: &Definition, faults: &mut Faults) -> Option<InputSchema> {
    let schema = definition.inputs.as_ref()?;
    let refused = |(path, why): (String, String)| {
        faults.error(&format!("inputs{path}"), format!("it is no JSON Schema: {why}"));
    };
    InputSchema::compile(schema).map_err(refused).ok()
}

/// Whether the number of steps allows to look at them.
fn step_count(definition: &Definition, faults: &mut Faults) -> bool {
    let allowed = (definition.limits.steps as usize).min(MAX_STEPS);
    let found = definition.steps.len();
    if found == 0 {
        faults.error("steps", "found no step: expected at least one");
    } else if found > allowed {
        faults.error("steps", format!("found {found} steps: expected at most {allowed}"));
    }
    (1..=allowed).contains(&found)
}

/// Ids that are none, or that are there twice.
fn ids(definition: &Definition, names: &Names, faults: &mut Faults) {
    for (at, step) in definition.steps.iter().enumerate() {
        let id = step.id.as_bytes();
        let good = id.len() <= 64
            && id.first().is_some_and(u8::is_ascii_lowercase)
            && id.iter().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(byte)
            });
        let path = format!("steps/{at}/id");
        let id = shown(&step.id);
        if !good {
            let expected = "1 to 64 of a-z, 0-9, '_', '-', a letter first";
            faults.error(&path, format!("'{id}' is no id of a step: expected {expected}"));
        } else if let Some(first) = names.step(&step.id).filter(|first| first.at() != at) {
            let first = first.0;
            faults.error(&path, format!("'{id}' is the id of /steps/{first} already"));
        } else if let Some(other) = names.alias_clash(&step.id) {
            let other = &definition.steps[other.at()].id;
            faults.error(&path, format!("in expressions '{id}' and '{other}' have the same name"));
        }
    }
}

/// What the parts of one definition are compiled with.
struct Compiler<'a, 'f> {
    definition: &'a Definition,
    names: &'a Names,
    /// Whether it is a fallback, so that `primary` exists.
    fallback: bool,
    faults: &'f mut Faults,
}

impl Compiler<'_, '_> {
    /// Where steps are known.
    fn place(&self) -> Place {
        let primary = self.fallback;
        Place { steps: true, variables: true, primary, ..Place::default() }
    }

    /// Before there are steps.
    fn early(&self) -> Place {
        Place { primary: self.fallback, ..Place::default() }
    }

    /// The steps; `None` when the graph is none.
    fn steps(&mut self, graph: &Graph) -> Option<Vec<PlanStep>> {
        let steps = self.definition.steps.iter().enumerate();
        let steps: Vec<_> = steps
            .map(|(at, step)| {
                let path = format!("steps/{at}");
                self.faults.open(&path);
                let compiled = self.step(StepIndex(at as u32), step, graph);
                self.faults.close();
                compiled
            })
            .collect();
        graph.check_upstream(&steps, self.faults);
        graph.acyclic.then_some(())?;
        steps.into_iter().collect()
    }

    fn step(&mut self, index: StepIndex, step: &Step, graph: &Graph) -> Option<PlanStep> {
        let place = self.place();
        let when = step.when.as_deref().map(|when| self.condition("when", when, place));
        let (handlers, retried) = self.handlers(step);
        let terms = Terms { id: &step.id, retried };
        let work = self.work(step, &terms);
        let undo = Terms { id: &step.id, retried: Vec::new() };
        let undo = step.compensate_with.as_deref().map(|work| {
            self.faults.open("compensate_with");
            let action = self.action(work, &undo, place);
            self.faults.close();
            action
        });
        Some(PlanStep {
            id: Arc::from(step.id.as_str()),
            depends_on: graph.depends_on(index).to_vec(),
            dependents: graph.dependents(index).to_vec(),
            when: when.flatten(),
            work: work?,
            compensate_with: undo.flatten().map(Arc::new),
            budget: step.work.budget,
            handlers,
        })
    }

    fn work(&mut self, step: &Step, terms: &Terms<'_>) -> Option<StepWork> {
        if let Some(each) = &step.for_each {
            self.only(step, "for_each");
            let items = self.template("for_each/items", &each.items, self.place());
            if each.concurrency == 0 {
                self.faults.error("for_each/concurrency", "found 0: expected 1 or more");
            }
            self.faults.open("for_each/step");
            let place = Place { item: true, ..self.place() };
            let action = self.action(&each.step.under(&step.work), terms, place);
            self.faults.close();
            let concurrency = each.concurrency as usize;
            return Some(StepWork::ForEach { items, concurrency, each: Arc::new(action?) });
        }
        if !step.race.is_empty() {
            self.only(step, "race");
            return self.race(step, terms);
        }
        let action = self.action(&step.work, terms, self.place())?;
        Some(StepWork::Action(Arc::new(action)))
    }

    fn race(&mut self, step: &Step, terms: &Terms<'_>) -> Option<StepWork> {
        let found = step.race.len();
        if !(2..=16).contains(&found) {
            self.faults.error("race", format!("found {found} racers: expected 2 to 16"));
        }
        let racers = step.race.iter().take(16).enumerate().map(|(at, racer)| {
            self.faults.open(&format!("race/{at}"));
            let action = self.action(&racer.under(&step.work), terms, self.place());
            self.faults.close();
            action.map(Arc::new)
        });
        let racers: Vec<_> = racers.collect();
        Some(StepWork::Race(racers.into_iter().collect::<Option<_>>()?))
    }

    /// A step that does several things.
    fn only(&mut self, step: &Step, key: &str) {
        let mut others = step.work.doings();
        if key == "for_each" && !step.race.is_empty() {
            others.push("race");
        }
        if let Some(other) = others.first() {
            self.faults.error(other, format!("a step does one thing: it has '{key}' already"));
        }
    }

    /// Work beside the steps.
    fn aside(
        &mut self,
        key: &str,
        work: Option<&crate::definition::model::Work>,
        place: Place,
    ) -> Option<Arc<super::Action>> {
        self.faults.open(key);
        let terms = Terms { id: key, retried: Vec::new() };
        let place = Place { error: key == "on_finish", ..place };
        let action = work.and_then(|work| self.action(work, &terms, place));
        self.faults.close();
        action.map(Arc::new)
    }

    /// The outputs of the run; those of the last steps when none are named.
    fn outputs(&mut self, graph: &Graph) -> Vec<(Arc<str>, Template)> {
        if !self.definition.outputs.is_empty() {
            return self.templates("outputs", &self.definition.outputs, self.place());
        }
        let last = graph.leaves().filter_map(|index| {
            let id = &self.definition.steps.get(index.at())?.id;
            let expression = Value::String(format!("${{outputs[\"{id}\"]}}"));
            let template = Template::compile(&expression, self.names, self.place()).ok()?;
            Some((Arc::from(id.as_str()), template))
        });
        last.collect()
    }

    fn templates<'t>(
        &mut self,
        key: &str,
        templates: impl IntoIterator<Item = (&'t String, &'t Value)>,
        place: Place,
    ) -> Vec<(Arc<str>, Template)> {
        self.faults.open(key);
        let templates = templates
            .into_iter()
            .map(|(name, value)| (Arc::from(name.as_str()), self.template(name, value, place)))
            .collect();
        self.faults.close();
        templates
    }

    /// A template at `key`; a constant when it is none.
    fn template(&mut self, key: &str, value: &Value, place: Place) -> Template {
        Template::compile(value, self.names, place).unwrap_or_else(|faults| {
            for fault in faults {
                self.faults.expression(key, fault);
            }
            Template::constant(crate::Json::null())
        })
    }

    /// Does `what` at the definition, not at the step in hand.
    fn outside<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let step = self.faults.leave_step();
        let done = what(self);
        self.faults.back_to(&step);
        done
    }

    fn condition(&mut self, key: &str, text: &str, place: Place) -> Option<Condition> {
        Condition::compile(text, self.names, place)
            .map_err(|fault| self.faults.expression(key, fault))
            .ok()
    }
}
