//! A second, naive interpreter of workflows: it asks each step, recursively, what becomes of it,
//! and knows nothing of time, order, events or crashes.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::definition::model::ErrorKind;

/// A workflow, as far as this interpreter goes.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pub steps: Vec<Step>,
    pub max_parallel: u32,
    pub fallback: Option<Box<Sketch>>,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub id: String,
    /// Earlier steps.
    pub after: Vec<usize>,
    /// It is done when the number of this step is above this.
    pub when: Option<(usize, i64)>,
    pub work: Work,
    /// What it adds to the numbers of those before it.
    pub weight: i64,
    pub max_attempts: u32,
    pub on_error: Vec<(ErrorKind, Action)>,
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    /// How each attempt of the agent ends; those that are not listed succeed.
    Agent(Script),
    Transform,
    Wait(u64),
    /// A message with this number, which may come before it waits.
    Message(i64),
    Items(Vec<Script>),
    Race(Vec<Script>),
}

pub(super) type Script = Vec<Option<ErrorKind>>;

#[derive(Debug, Clone)]
pub(super) enum Action {
    Skip,
    Default(i64),
    Fail,
}

/// What becomes of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Done(Value),
    /// By its condition, or because all before it were.
    Skipped,
    /// By a handler.
    Forgiven,
    Failed(ErrorKind),
    /// Something before it failed.
    Never,
}

/// What becomes of a run: its outputs, or the kinds it can fail with and the steps at fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Completed(Value),
    Failed(Vec<(String, ErrorKind)>),
}

/// The number that an output stands for.
pub(super) fn number(value: &Value) -> i64 {
    match value {
        Value::Array(items) => items.iter().map(number).sum(),
        Value::Object(members) => match members.get("n") {
            Some(n) => n.as_i64().unwrap(),
            None => members.values().map(number).sum(),
        },
        _ => 0,
    }
}

/// What an agent makes of its input.
pub(super) fn answer(input: &Value) -> Value {
    json!({"n": input["w"].as_i64().unwrap() + number(&input["from"])})
}

pub(super) struct Interpreter<'a> {
    sketch: &'a Sketch,
    known: HashMap<usize, Fate>,
}

/// What becomes of a run of this sketch.
pub(super) fn outcome(sketch: &Sketch) -> Outcome {
    let mut interpreter = Interpreter { sketch, known: HashMap::new() };
    let fates: Vec<_> = (0..sketch.steps.len()).map(|step| interpreter.fate(step)).collect();
    let both = || sketch.steps.iter().zip(&fates);
    let failed: Vec<_> = both()
        .filter_map(|(step, fate)| match fate {
            Fate::Failed(kind) => Some((step.id.clone(), *kind)),
            _ => None,
        })
        .collect();
    if failed.is_empty() {
        let used = |at| sketch.steps.iter().any(|step| step.after.contains(&at));
        let last = both().enumerate().filter(|(at, _)| !used(*at));
        let outputs: Map<_, _> =
            last.map(|(_, (step, fate))| (step.id.clone(), output(fate))).collect();
        return Outcome::Completed(Value::Object(outputs));
    }
    match &sketch.fallback {
        Some(fallback) => outcome(fallback),
        None => Outcome::Failed(failed),
    }
}

fn output(fate: &Fate) -> Value {
    match fate {
        Fate::Done(output) => output.clone(),
        _ => Value::Null,
    }
}

impl<'a> Interpreter<'a> {
    pub(super) fn new(sketch: &'a Sketch) -> Self {
        Self { sketch, known: HashMap::new() }
    }

    /// What becomes of a step.
    pub(super) fn fate(&mut self, at: usize) -> Fate {
        if let Some(known) = self.known.get(&at) {
            return known.clone();
        }
        let fate = self.find(&self.sketch.steps[at]);
        self.known.insert(at, fate.clone());
        fate
    }

    fn find(&mut self, step: &Step) -> Fate {
        let before: Vec<Fate> = step.after.iter().map(|at| self.fate(*at)).collect();
        if before.iter().any(|fate| matches!(fate, Fate::Failed(_) | Fate::Never)) {
            return Fate::Never;
        }
        if !before.is_empty() && before.iter().all(|fate| *fate == Fate::Skipped) {
            return Fate::Skipped;
        }
        if let Some((asked, above)) = step.when {
            match output(&self.fate(asked)).get("n") {
                // An expression can't look into null.
                None => return handled(step, ErrorKind::ExpressionError),
                Some(n) if n.as_i64().unwrap() <= above => return Fate::Skipped,
                Some(_) => {}
            }
        }
        let from: Vec<Value> = before.iter().map(output).collect();
        match done(step, &from) {
            Ok(output) => Fate::Done(output),
            Err(kind) => handled(step, kind),
        }
    }
}

fn done(step: &Step, from: &[Value]) -> Result<Value, ErrorKind> {
    let made = answer(&json!({"w": step.weight, "from": from}));
    match &step.work {
        Work::Transform => Ok(json!({"from": from})),
        Work::Wait(_) => Ok(Value::Null),
        Work::Message(n) => Ok(json!({"n": n})),
        Work::Agent(script) => attempts(script, step.max_attempts).map(|()| made),
        Work::Items(scripts) => {
            let items = scripts.iter().enumerate().map(|(item, script)| {
                attempts(script, step.max_attempts)?;
                Ok(json!({"n": item as i64}))
            });
            items.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Work::Race(scripts) => {
            let mut ends = scripts.iter().map(|script| attempts(script, step.max_attempts));
            if ends.any(|end| end.is_ok()) { Ok(made) } else { Err(ErrorKind::Failed) }
        }
    }
}

/// How an agent's attempts end. Lost ones count for nothing.
fn attempts(script: &Script, max_attempts: u32) -> Result<(), ErrorKind> {
    let mut errors = 0;
    for end in script {
        match end {
            None => return Ok(()),
            Some(ErrorKind::Lost) => {}
            Some(kind) => {
                errors += 1;
                if !kind.retryable() || errors == max_attempts {
                    return Err(*kind);
                }
            }
        }
    }
    Ok(())
}

fn handled(step: &Step, kind: ErrorKind) -> Fate {
    match step.on_error.iter().find(|(caught, _)| *caught == kind) {
        Some((_, Action::Skip)) => Fate::Forgiven,
        Some((_, Action::Default(n))) => Fate::Done(json!({"n": n})),
        _ => Fate::Failed(kind),
    }
}

/// The same as a definition.
pub(super) fn definition(sketch: &Sketch) -> Value {
    let steps: Vec<Value> = sketch.steps.iter().map(|step| defined(sketch, step)).collect();
    let mut definition = json!({
        "name": "random",
        "timeout_s": 100_000_000,
        "max_parallel": sketch.max_parallel,
        "steps": steps,
    });
    if let Some(fallback) = &sketch.fallback {
        definition["fallback"] = self::definition(fallback);
    }
    definition
}

fn defined(sketch: &Sketch, step: &Step) -> Value {
    let id = |at: &usize| &sketch.steps[*at].id;
    let after: Vec<_> = step.after.iter().map(id).collect();
    let from: Vec<_> = after.iter().map(|id| format!("${{outputs.{id}}}")).collect();
    let input = json!({"w": step.weight, "from": from});
    let retry = json!({
        "max_attempts": step.max_attempts, "max_lost": 1000, "initial_ms": 10, "max_ms": 200,
    });
    let mut defined = json!({"id": step.id, "depends_on": after});
    match &step.work {
        Work::Agent(_) => {
            defined["agent"] = json!("ann");
            defined["input"] = input;
            defined["retry"] = retry;
        }
        Work::Transform => defined["transform"] = json!({"from": from}),
        Work::Message(n) => {
            let condition = format!("message.n == {n}");
            defined["await"] = json!({"topic": "news", "match": condition});
        }
        Work::Wait(ms) => defined["wait"] = json!({"for_s": *ms as f64 / 1_000.0}),
        Work::Items(scripts) => {
            let items: Vec<_> = (0..scripts.len()).collect();
            defined["for_each"] = json!({"items": items, "concurrency": 3, "step": {
                "agent": "ann", "input": {"w": "${item_index}", "from": []}, "retry": retry,
            }});
        }
        Work::Race(scripts) => {
            let racer = json!({"agent": "ann", "input": input, "retry": retry});
            defined["race"] = json!(vec![racer; scripts.len()]);
        }
    }
    if let Some((asked, above)) = &step.when {
        defined["when"] = json!(format!("outputs.{}.n > {above}", id(asked)));
    }
    for (kind, action) in &step.on_error {
        defined["on_error"][kind.as_str()] = match action {
            Action::Skip => json!("skip"),
            Action::Fail => json!("fail"),
            Action::Default(n) => json!({"action": "default", "value": {"n": n}}),
        };
    }
    defined
}
