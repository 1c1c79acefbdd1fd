//! Steps and works in Rust: one constructor for each doing, one setter for each term.

use serde_json::Value;
use synod_runtime::Priority;
use synod_tasks::TaskMode;

use crate::definition::model::{
    Approval, Await, Budget, Emit, ErrorHandler, ErrorKind, ForEach, HandlerAction, Retry, Seconds,
    Step, SubWorkflow, Timeouts, Wait, Work,
};

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
    pub fn on_error(mut self, kind: ErrorKind, handler: impl Into<ErrorHandler>) -> Self {
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

impl ErrorHandler {
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
