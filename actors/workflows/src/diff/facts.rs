//! From a history to the facts that decide: by piece of work, without ids and times.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::definition::DefinitionHash;
use crate::history::{RunRecord, Teller};
use crate::json::Json;
use crate::messages::RunId;
use crate::plan::Plan;
use crate::run::{Begun, Carried, Ending, Event, Failure, Handling, Opening, Part, Spot};

/// A piece of work, or the run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The run itself.
    Run,
    /// Work on a step.
    Work { level: u32, step: Arc<str>, part: Part, visit: u32 },
}

/// Something that decides, and the number of the event that says it.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub what: String,
    pub value: Json,
    pub event: u64,
}

/// All that decides of one run, by piece of work, in the order of the history.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub pieces: Vec<(Key, Vec<Fact>)>,
    by_key: HashMap<Key, usize>,
    /// Events in the history.
    pub events: u64,
}

impl Facts {
    pub(crate) fn of(&self, key: &Key) -> Option<usize> {
        self.by_key.get(key).copied()
    }
}

/// A step's piece, regardless of the visit.
type Place = (u32, Arc<str>, Part);

/// A piece that is under way.
struct Open {
    at: usize,
    attempts: u32,
}

/// Reads the facts off a history.
pub(crate) fn facts(
    records: &[RunRecord],
    plan: impl Fn(&DefinitionHash) -> Option<Arc<Plan>>,
) -> Facts {
    let names = records.first().map_or_else(Names::default, |record| Names::own(record.run));
    let mut reader = Reader {
        facts: Facts::default(),
        teller: Teller::default(),
        names,
        visits: HashMap::new(),
        open: HashMap::new(),
        event: 0,
    };
    for record in records {
        for event in &record.events {
            reader.event += 1;
            reader.read(record.at, event);
            reader.teller.follow(event, &plan);
        }
    }
    let Reader { mut facts, event, .. } = reader;
    facts.events = event;
    facts
}

/// What stands in values and is different in each run: ids and the time of the start.
#[derive(Default)]
struct Names(Vec<(String, &'static str)>);

impl Names {
    fn own(run: RunId) -> Self {
        Self(vec![(run.to_string(), "(this run)")])
    }

    fn add(&mut self, name: impl ToString, stands_for: &'static str) {
        /// A run has many children; their ids seldom come into values.
        const MOST: usize = 64;
        if self.0.len() < MOST {
            self.0.push((name.to_string(), stands_for));
        }
    }

    /// The value with other names for what differs by itself.
    fn neutral(&self, value: &Json) -> Json {
        let text = String::from_utf8_lossy(value.bytes());
        let held = |(name, _): &&(String, &str)| text.contains(name.as_str());
        let mut found = self.0.iter().filter(held).peekable();
        if found.peek().is_none() {
            return value.clone();
        }
        let replaced =
            found.fold(text.to_string(), |text, (name, other)| text.replace(name, other));
        Json::stored(Bytes::from(replaced)).unwrap_or_else(|_| value.clone())
    }
}

struct Reader {
    facts: Facts,
    teller: Teller,
    names: Names,
    visits: HashMap<Place, u32>,
    open: HashMap<Place, Open>,
    event: u64,
}

impl Reader {
    fn read(&mut self, at: i64, event: &Event) {
        match event {
            Event::Opened(opening) => self.opened(opening),
            Event::Began { variables } => {
                let began = Timestamp::from_microsecond(at).unwrap_or_default();
                self.names.add(began, "(its start)");
                self.variables(variables);
            }
            Event::FellBack { variables } => {
                self.of_run("fallback", Json::from(json!(true)));
                self.variables(variables);
            }
            Event::LevelFailed { failure } => self.of_run("error", told(failure)),
            Event::CancelRequested { why, compensate, .. } => {
                self.of_run("cancel", Json::from(json!({"why": why, "compensate": compensate})));
            }
            Event::RolledBack { to, .. } => self.of_run("rollback", Json::from(json!(to))),
            Event::Amended(amended) => {
                self.of_run("definition", Json::from(json!(amended.definition.to_string())));
                self.variables(&amended.variables);
            }
            Event::Ended { ending } => self.ended(ending),
            event => self.of_work(event),
        }
    }

    fn opened(&mut self, opening: &Opening) {
        self.of_run("workflow", Json::from(json!(&*opening.name)));
        self.of_run("definition", Json::from(json!(opening.definition.to_string())));
        let inputs = self.names.neutral(&opening.inputs);
        self.of_run("input", inputs);
    }

    fn variables(&mut self, variables: &[(Arc<str>, Json)]) {
        let sorted: BTreeMap<_, _> = variables.iter().map(|(name, value)| (name, value)).collect();
        for (name, value) in sorted {
            let value = self.names.neutral(value);
            self.of_run(format!("variables.{name}"), value);
        }
    }

    fn ended(&mut self, ending: &Ending) {
        let state = |state: &str| Json::from(json!(state));
        match ending {
            Ending::Completed(outputs) => {
                self.of_run("state", state("completed"));
                let outputs = self.names.neutral(outputs);
                self.of_run("outputs", outputs);
            }
            Ending::Failed { failure, step } => {
                self.of_run("state", state("failed"));
                let (kind, message) = (failure.kind.as_str(), &*failure.message);
                let error = json!({"kind": kind, "message": message, "step": step});
                let error = self.names.neutral(&Json::from(error));
                self.of_run("error", error);
            }
            Ending::Cancelled { .. } => self.of_run("state", state("cancelled")),
        }
    }

    fn of_work(&mut self, event: &Event) {
        match event {
            Event::Carried { step, result, .. } => {
                let spot = Spot::whole(*step);
                let (state, output) = match result {
                    Carried::Completed(output) => ("completed", Some(output.clone())),
                    Carried::Skipped => ("skipped", None),
                    Carried::Handled(_) => ("failed", None),
                };
                self.close(spot, state, output.map(|output| ("output", output)));
            }
            Event::Started { spot, input, begun } => self.started(*spot, input.as_ref(), begun),
            Event::Again { spot, begun } => self.asked(*spot, begun),
            Event::Retrying { spot, failure, .. } => {
                self.note(*spot, "error", told(failure));
                self.attempt(*spot);
            }
            Event::Lost { spot, .. } => self.attempt(*spot),
            Event::Decided { spot, decided } => {
                let (by, reason) = (decided.by.to_string(), decided.reason.as_deref());
                let payload = decided.payload.as_ref().map(Json::value);
                let approved = decided.approved;
                let value = json!({
                    "approved": approved, "by": by, "reason": reason, "payload": payload,
                });
                self.note(*spot, "decision", Json::from(value));
            }
            Event::Succeeded { spot, output, .. } => {
                self.close(*spot, "completed", Some(("output", output.clone())));
            }
            Event::Failed { spot, failure, handling } => {
                let handled = match handling {
                    Handling::Skip => "skipped",
                    Handling::Default(_) => "completed",
                    _ => "failed",
                };
                self.close(*spot, handled, Some(("error", told(failure))));
            }
            Event::Skipped { step } => self.close(Spot::whole(*step), "skipped", None),
            Event::Joined { step } => self.close(Spot::whole(*step), "completed", None),
            _ => {}
        }
    }

    fn started(&mut self, spot: Spot, input: Option<&Json>, begun: &Begun) {
        let place = self.place(spot);
        self.begin(place);
        if let Some(input) = input {
            self.note(spot, "input", input.clone());
        }
        self.asked(spot, begun);
    }

    /// What a piece waits for, as far as it is no id and no time.
    fn asked(&mut self, spot: Spot, begun: &Begun) {
        let (what, value) = match begun {
            Begun::Approval(asked) => {
                self.names.add(asked.id, "(its approval)");
                let payload = asked.payload.value();
                ("asked", json!({"question": &*asked.question, "payload": payload}))
            }
            Begun::Child { run } => return self.names.add(run, "(its child)"),
            Begun::Message { topic, .. } | Begun::Emission { topic } => ("topic", json!(&**topic)),
            Begun::Items { count } => ("items", json!(count)),
            Begun::Race { count } => ("racers", json!(count)),
            Begun::Execution | Begun::Timer { .. } => return,
        };
        self.note(spot, what, Json::from(value));
    }

    fn place(&self, spot: Spot) -> Place {
        let level = self.teller.level();
        let step = match spot.part {
            Part::OnFinish => Arc::from("on_finish"),
            Part::OnCancel => Arc::from("on_cancel"),
            _ => self.teller.step(spot.step).unwrap_or_else(|| Arc::from("?")),
        };
        (level, step, spot.part)
    }

    fn begin(&mut self, place: Place) -> usize {
        let visit = self.visits.entry(place.clone()).or_default();
        *visit += 1;
        let (level, step, part) = place.clone();
        let at = self.facts.piece(Key::Work { level, step, part, visit: *visit });
        self.open.insert(place, Open { at, attempts: 1 });
        at
    }

    /// A fact about the work at this spot; it is begun by it where it was not before.
    fn note(&mut self, spot: Spot, what: impl Into<String>, value: Json) {
        let place = self.place(spot);
        let at = match self.open.get(&place) {
            Some(open) => open.at,
            None => self.begin(place),
        };
        let value = self.names.neutral(&value);
        self.facts.add(at, what, value, self.event);
    }

    fn attempt(&mut self, spot: Spot) {
        let place = self.place(spot);
        if let Some(open) = self.open.get_mut(&place) {
            open.attempts += 1;
        }
    }

    fn close(&mut self, spot: Spot, state: &str, last: Option<(&str, Json)>) {
        self.note(spot, "state", Json::from(json!(state)));
        if let Some((what, value)) = last {
            let value = self.without_moments(spot, value);
            self.note(spot, what, value);
        }
        let place = self.place(spot);
        if let Some(open) = self.open.remove(&place)
            && open.attempts > 1
        {
            self.facts.add(open.at, "attempts", Json::from(json!(open.attempts)), self.event);
        }
    }

    /// The output of an approval lists who decided when; that has been told by the decisions.
    fn without_moments(&self, spot: Spot, value: Json) -> Json {
        let open = self.open.get(&self.place(spot));
        let told = open.and_then(|open| self.facts.pieces.get(open.at));
        let asked = told.is_some_and(|(_, facts)| facts.iter().any(|fact| fact.what == "asked"));
        match (asked, value.value()) {
            (true, Value::Object(members)) => {
                let mut members = members.clone();
                members.remove("decisions");
                Json::from(Value::Object(members))
            }
            _ => value,
        }
    }

    fn of_run(&mut self, what: impl Into<String>, value: Json) {
        let at = self.facts.piece(Key::Run);
        self.facts.add(at, what, value, self.event);
    }
}

impl Facts {
    /// Where the facts of this piece are.
    pub(super) fn piece(&mut self, key: Key) -> usize {
        let next = self.pieces.len();
        let at = *self.by_key.entry(key.clone()).or_insert(next);
        if at == next {
            self.pieces.push((key, Vec::new()));
        }
        at
    }

    pub(super) fn add(&mut self, at: usize, what: impl Into<String>, value: Json, event: u64) {
        if let Some((_, facts)) = self.pieces.get_mut(at) {
            facts.push(Fact { what: what.into(), value, event });
        }
    }
}

fn told(failure: &Failure) -> Json {
    Json::from(json!({"kind": failure.kind.as_str(), "message": &*failure.message}))
}
