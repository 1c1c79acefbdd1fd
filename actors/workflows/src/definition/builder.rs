//! Definitions in Rust: the same data as YAML and JSON, with the patterns as constructors.
//!
//! ```
//! use serde_json::json;
//! use synod_workflows::definition::{Workflow, model::Step};
//!
//! let definition = Workflow::new("count")
//!     .step(Step::agent("read", "reader").input(json!({"path": "${inputs.path}"})))
//!     .step(Step::capability("count", "text.count").input(json!("${outputs.read}")).after("read"))
//!     .output("words", json!("${outputs.count.words}"))
//!     .build();
//! assert_eq!(definition.steps[1].depends_on, ["read"]);
//! ```

use serde_json::{Value, json};
use synod_runtime::Priority;
use synod_tasks::TaskMode;

use super::model::{
    Approval, Await, Budget, Definition, Emit, ErrorKind, ForEach, Handler, HandlerAction, Limits,
    Order, Retry, Seconds, Step, SubWorkflow, Timeouts, Wait, Work,
};

/// Builds a [`Definition`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Workflow {
    definition: Definition,
}

impl Workflow {
    /// A workflow without steps.
    pub fn new(name: impl Into<String>) -> Self {
        Self { definition: Definition::new(name) }
    }

    /// Each step after the one before it.
    pub fn linear(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Self {
        Self::new(name).order(Order::Sequential).steps(steps)
    }

    /// All steps at once, but for what their own dependencies say.
    pub fn parallel(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Self {
        Self::new(name).steps(steps)
    }

    /// A first step, then the one of the branches whose id the condition yields.
    ///
    /// `condition` is an expression that yields a text, such as `outputs.classify.kind`.
    pub fn conditional(
        name: impl Into<String>,
        start: Step,
        branches: impl IntoIterator<Item = Step>,
        condition: &str,
    ) -> Self {
        let first = start.id.clone();
        let branches = branches.into_iter().map(|branch| {
            let when = format!("({condition}) == {}", Value::from(branch.id.as_str()));
            branch.when(when).after(first.clone())
        });
        Self::new(name).step(start).steps(branches.collect::<Vec<_>>())
    }

    /// The same work for each item of a list, as the step `map`; its output is `results`.
    pub fn map(name: impl Into<String>, items: Value, each: Work) -> Self {
        let step = Step::for_each("map", items, each);
        Self::new(name).step(step).output("results", json!("${outputs.map}"))
    }

    /// Several works at once, as the step `race`; the output of the first success is `winner`.
    pub fn race(name: impl Into<String>, racers: impl IntoIterator<Item = Work>) -> Self {
        let step = Step::race("race", racers);
        Self::new(name).step(step).output("winner", json!("${outputs.race}"))
    }

    /// Steps one after the other, each with the work that undoes it. When one fails, those before
    /// it are undone, the last one first (Garcia-Molina and Salem 1987).
    pub fn saga(name: impl Into<String>, steps: impl IntoIterator<Item = (Step, Work)>) -> Self {
        let steps = steps.into_iter().map(|(step, undo)| step.compensate_with(undo));
        let mut saga = Self::linear(name, steps);
        saga.definition.error_handlers.any = Some(HandlerAction::Compensate.into());
        saga
    }

    /// Adds a step.
    pub fn step(mut self, step: Step) -> Self {
        self.definition.steps.push(step);
        self
    }

    /// Adds steps.
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.definition.steps.extend(steps);
        self
    }

    /// Sets the version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.definition.version = version.into();
        self
    }

    /// Says what it is for.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = description.into();
        self
    }

    /// Sets the JSON Schema of the input.
    pub fn inputs(mut self, schema: Value) -> Self {
        self.definition.inputs = Some(schema);
        self
    }

    /// Adds a variable, a template.
    pub fn variable(mut self, name: impl Into<String>, value: Value) -> Self {
        self.definition.variables.insert(name.into(), value);
        self
    }

    /// Adds an output, a template.
    pub fn output(mut self, name: impl Into<String>, value: Value) -> Self {
        self.definition.outputs.insert(name.into(), value);
        self
    }

    /// Sets whether steps wait for each other without being told to.
    pub fn order(mut self, order: Order) -> Self {
        self.definition.order = order;
        self
    }

    /// Sets how many steps are worked on at once.
    pub fn max_parallel(mut self, steps: u32) -> Self {
        self.definition.max_parallel = steps;
        self
    }

    /// Sets the time of the run.
    pub fn timeout(mut self, timeout: Seconds) -> Self {
        self.definition.timeout_s = timeout;
        self
    }

    /// Sets the priority of its runs.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.definition.priority = Some(priority);
        self
    }

    /// Sets how often steps are tried that say nothing about it.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.definition.retry = Some(retry);
        self
    }

    /// Sets what is done about a kind of failures, for all steps.
    pub fn on_error(mut self, kind: ErrorKind, handler: impl Into<Handler>) -> Self {
        self.definition.error_handlers.set(kind, handler.into());
        self
    }

    /// Sets what a run may use up.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.definition.limits = limits;
        self
    }

    /// Sets what is done instead when the run has failed.
    pub fn fallback(mut self, fallback: impl Into<Definition>) -> Self {
        self.definition.fallback = Some(Box::new(fallback.into()));
        self
    }

    /// Sets the work when the run has completed or failed.
    pub fn on_finish(mut self, work: Work) -> Self {
        self.definition.on_finish = Some(Box::new(work));
        self
    }

    /// Sets the work when the run was cancelled.
    pub fn on_cancel(mut self, work: Work) -> Self {
        self.definition.on_cancel = Some(Box::new(work));
        self
    }

    /// Adds a label.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.definition.labels.insert(key.into(), value.into());
        self
    }

    /// The definition; [`check_definition`](super::check_definition) says what is wrong with it.
    #[must_use]
    pub fn build(self) -> Definition {
        self.definition
    }
}

impl From<Workflow> for Definition {
    fn from(workflow: Workflow) -> Self {
        workflow.build()
    }
}

impl Work {
    /// An agent does it.
    #[must_use]
    pub fn agent(id: impl Into<String>) -> Self {
        Self { agent: Some(id.into()), ..Self::default() }
    }

    /// Any agent with this capability does it.
    #[must_use]
    pub fn capability(name: impl Into<String>) -> Self {
        Self { capability: Some(name.into()), ..Self::default() }
    }

    /// Its output is this template.
    #[must_use]
    pub fn transform(template: Value) -> Self {
        Self { transform: Some(template), ..Self::default() }
    }

    /// Another workflow runs.
    #[must_use]
    pub fn workflow(name: impl Into<String>, input: Value) -> Self {
        let child = SubWorkflow { name: name.into(), version: None, input };
        Self { workflow: Some(child), ..Self::default() }
    }

    /// Sets what the agent gets, a template.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.input = input;
        self
    }
}

impl Step {
    /// A step that does `work`.
    #[must_use]
    pub fn new(id: impl Into<String>, work: Work) -> Self {
        Self { id: id.into(), work, ..Self::default() }
    }

    /// An agent does it.
    #[must_use]
    pub fn agent(id: impl Into<String>, agent: impl Into<String>) -> Self {
        Self::new(id, Work::agent(agent))
    }

    /// Any agent with this capability does it.
    #[must_use]
    pub fn capability(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(id, Work::capability(name))
    }

    /// Its output is this template.
    #[must_use]
    pub fn transform(id: impl Into<String>, template: Value) -> Self {
        Self::new(id, Work::transform(template))
    }

    /// Waits for a span.
    #[must_use]
    pub fn wait(id: impl Into<String>, span: Seconds) -> Self {
        let seconds = serde_json::to_value(span).ok();
        let wait = Wait { for_s: seconds, until: None };
        Self::new(id, Work { wait: Some(wait), ..Work::default() })
    }

    /// A person decides.
    #[must_use]
    pub fn approval(id: impl Into<String>, approval: Approval) -> Self {
        Self::new(id, Work { approval: Some(approval), ..Work::default() })
    }

    /// Another workflow runs.
    #[must_use]
    pub fn workflow(id: impl Into<String>, name: impl Into<String>, input: Value) -> Self {
        Self::new(id, Work::workflow(name, input))
    }

    /// Tells a topic.
    #[must_use]
    pub fn emit(id: impl Into<String>, topic: impl Into<String>, payload: Value) -> Self {
        let emit = Emit { topic: topic.into(), payload };
        Self::new(id, Work { emit: Some(emit), ..Work::default() })
    }

    /// Waits for the first message of a topic.
    #[must_use]
    pub fn await_message(id: impl Into<String>, topic: impl Into<String>) -> Self {
        let awaits = Await { topic: topic.into(), matches: None };
        Self::new(id, Work { awaits: Some(awaits), ..Work::default() })
    }

    /// The same work for each item of a list, eight at once.
    #[must_use]
    pub fn for_each(id: impl Into<String>, items: Value, each: Work) -> Self {
        let each = ForEach { items, concurrency: 8, step: Box::new(each) };
        Self { for_each: Some(each), ..Self::new(id, Work::default()) }
    }

    /// Several works at once; the first success wins.
    #[must_use]
    pub fn race(id: impl Into<String>, racers: impl IntoIterator<Item = Work>) -> Self {
        Self { race: racers.into_iter().collect(), ..Self::new(id, Work::default()) }
    }

    /// It begins when this step, too, has ended.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.depends_on.push(id.into());
        self
    }

    /// It is skipped unless this condition holds.
    #[must_use]
    pub fn when(mut self, condition: impl Into<String>) -> Self {
        self.when = Some(condition.into());
        self
    }

    /// Sets what the agent gets, a template.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.work.input = input;
        self
    }

    /// Sets what kind of work it is.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.work.kind = Some(kind.into());
        self
    }

    /// Sets how often it is tried.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.work.retry = Some(retry);
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Timeouts) -> Self {
        self.work.timeout = timeout;
        self
    }

    /// Sets what is done about a kind of failures.
    #[must_use]
    pub fn on_error(mut self, kind: ErrorKind, handler: impl Into<Handler>) -> Self {
        self.on_error.set(kind, handler.into());
        self
    }

    /// Sets the output that the handler `default` goes on with, a template.
    #[must_use]
    pub fn or_default(mut self, value: Value) -> Self {
        self.work.default = Some(value);
        self
    }

    /// Sets what undoes it.
    #[must_use]
    pub fn compensate_with(mut self, work: Work) -> Self {
        self.compensate_with = Some(Box::new(work));
        self
    }

    /// Sets how urgent it is.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.work.priority = Some(priority);
        self
    }

    /// Sets how several agents work together.
    #[must_use]
    pub fn mode(mut self, mode: TaskMode) -> Self {
        self.work.mode = Some(mode);
        self
    }

    /// Sets what all its attempts may use up together.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.work.budget = budget;
        self
    }
}

impl Handler {
    /// Goes on with `value`, a template, as the output.
    #[must_use]
    pub fn default_value(value: Value) -> Self {
        Self { value: Some(value), ..HandlerAction::Default.into() }
    }

    /// Goes on at the step `id`.
    #[must_use]
    pub fn go_to(id: impl Into<String>) -> Self {
        Self { step: Some(id.into()), ..HandlerAction::GoTo.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Known, check_definition};
    use super::*;

    fn whole(workflow: Workflow) -> Definition {
        let checked = check_definition(workflow.build(), &Known::default());
        assert_eq!(checked.errors().collect::<Vec<_>>(), Vec::<&super::super::Fault>::new());
        checked.definition.unwrap()
    }

    #[test]
    fn every_pattern_is_a_definition_without_errors() {
        let echo = |id: &str| Step::agent(id, "echo").input(json!({"from": "${inputs}"}));
        assert_eq!(whole(Workflow::linear("l", [echo("a"), echo("b")])).order, Order::Sequential);
        assert_eq!(whole(Workflow::parallel("p", [echo("a"), echo("b")])).steps.len(), 2);
        let branches = [echo("error"), echo("warning")];
        let choice = whole(Workflow::conditional("c", echo("a"), branches, "outputs.a.kind"));
        assert_eq!(choice.steps[2].when.as_deref(), Some("(outputs.a.kind) == \"warning\""));
        let map = whole(Workflow::map("m", json!("${inputs.list}"), Work::agent("echo")));
        assert_eq!(map.steps[0].for_each.as_ref().unwrap().concurrency, 8);
        whole(Workflow::race("r", [Work::agent("echo"), Work::capability("text.count")]));
        let saga = whole(Workflow::saga("s", [(echo("book"), Work::agent("echo"))]));
        assert!(saga.steps[0].compensate_with.is_some());
    }
}
