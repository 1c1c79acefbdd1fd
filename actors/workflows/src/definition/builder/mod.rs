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

mod steps;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use synod_runtime::Priority;

use super::model::{
    Definition, ErrorHandler, ErrorKind, HandlerAction, Limits, Order, Retry, Seconds, Step, Work,
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
    pub fn on_error(mut self, kind: ErrorKind, handler: impl Into<ErrorHandler>) -> Self {
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
