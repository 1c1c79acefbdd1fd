//! Random workflows on a whole engine, the power of whose disk is cut before any change of it: what
//! comes of them is what a naive interpreter says, and nothing is done again whose success is in
//! the journal.

#[path = "../../src/run/tests/reference.rs"]
mod reference;
#[path = "../../src/run/tests/sketches.rs"]
mod sketches;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use synod_agents::{AgentError, Assignment};
use synod_runtime::Principal;
use synod_testkit::Seed;
use synod_workflows::{
    GetRun, HistoryEvent, RunChange, RunId, RunListener, RunOptions, RunSource, RunState,
    RunStatusResponse, StartRun, StepState, StepStatus, WorkflowHealth, WorkflowsConfig,
    WorkflowsMessage,
};

use self::reference::{Fate, Interpreter, Outcome, Sketch, Work, answer, definition, outcome};
use self::sketches::sketch;
use crate::definition::ErrorKind;
use crate::stage::{Ground, Stage};

const ROUNDS: u64 = 120;

/// Power cuts of a run at most; then it may end.
const CUTS: u32 = 8;

/// Looks at a run at most, 20 ms apart; its waits take 3 s each.
const TURNS: u32 = 20_000;

/// What is asked within a node that may be dying.
const SOON: Duration = Duration::from_secs(30);

/// The names of pieces of work whose success is stored.
#[derive(Default)]
struct Done {
    level: usize,
    keys: BTreeSet<String>,
    /// Of these, what was given to an agent again.
    again: Vec<String>,
}

impl Done {
    /// Takes over what is told of an event, by its name, its step and its details.
    fn hear(&mut self, name: &str, step: Option<&str>, details: &Value) {
        match (name, step) {
            ("plan.fallback", _) => self.level += 1,
            ("step.completed", Some(step)) => {
                let level = match self.level {
                    0 => String::new(),
                    depth => format!("fallback{depth}/"),
                };
                let item = details["part"]["item"].as_u64().map(|item| format!("/{item}"));
                self.keys.insert(format!("{level}{step}/1{}", item.unwrap_or_default()));
            }
            _ => {}
        }
    }
}

/// What an agent does by the script of a sketch.
fn perform(
    sketch: &Sketch,
    done: &Mutex<Done>,
    assignment: &Assignment,
    input: &Value,
) -> Result<Value, AgentError> {
    // run/[fallbackN/]step/visit[/item]
    let (_, key) = assignment.idempotency_key.split_once('/').unwrap();
    if done.lock().keys.contains(key) {
        done.lock().again.push(key.to_owned());
    }
    let mut parts = key.split('/').peekable();
    let mut sketch = sketch;
    if let Some(level) = parts.next_if(|part| part.starts_with("fallback")) {
        for _ in 0..level["fallback".len()..].parse::<u32>().unwrap() {
            sketch = sketch.fallback.as_ref().unwrap();
        }
    }
    let step: usize = parts.next().unwrap()[1..].parse().unwrap();
    let item = parts.nth(1).map(|item| item.parse::<usize>().unwrap());
    let script = match (&sketch.steps[step].work, item) {
        (Work::Agent(script), None) => script,
        (Work::Items(scripts) | Work::Race(scripts), Some(item)) => &scripts[item],
        other => panic!("{other:?} is not executed"),
    };
    match script.get(assignment.work.attempt as usize - 1).copied().flatten() {
        None => Ok(answer(input)),
        Some(kind) => Err(fault(kind)),
    }
}

fn fault(kind: ErrorKind) -> AgentError {
    let why = "as the script says";
    match kind {
        ErrorKind::Failed => AgentError::failed(why),
        ErrorKind::Timeout => AgentError::timeout(why),
        ErrorKind::Lost => AgentError::lost(why),
        ErrorKind::ValidationError => AgentError::invalid_input(why),
        ErrorKind::Refused => AgentError::refused(why),
        ErrorKind::CriticalError => AgentError::critical(why),
        other => panic!("no script says {other:?}"),
    }
}

/// Makes a sketch one for an agent and nobody else. To an agent that is not available work is
/// offered until it is: that is no attempt, so such attempts take too long instead. What waits for
/// somebody is a template.
fn rewrite(sketch: &mut Sketch) {
    for step in &mut sketch.steps {
        let scripts = match &mut step.work {
            Work::Agent(script) => std::slice::from_mut(script),
            Work::Items(scripts) | Work::Race(scripts) => &mut scripts[..],
            other => {
                if !matches!(other, Work::Wait(_)) {
                    *other = Work::Transform;
                }
                continue;
            }
        };
        for kind in scripts.iter_mut().flatten().flatten() {
            if *kind == ErrorKind::Unavailable {
                *kind = ErrorKind::Timeout;
            }
        }
    }
    if let Some(fallback) = &mut sketch.fallback {
        rewrite(fallback);
    }
}

/// One run on a disk that outlives its nodes.
struct Play {
    ground: Ground,
    sketch: Arc<Sketch>,
    text: String,
    chance: ChaCha12Rng,
    run: Option<RunId>,
    cuts: u32,
}

impl Play {
    fn new(seed: Seed) -> Self {
        let mut chance = seed.rng();
        let mut sketch = sketch(&mut chance, 24, 2);
        rewrite(&mut sketch);
        let sketch = Arc::new(sketch);
        let text = definition(&sketch).to_string();
        let ground = Ground::seeded(WorkflowsConfig::default(), seed);
        Self { ground, sketch, text, chance, run: None, cuts: 0 }
    }

    /// Lets node after node go on until the run has ended; what is known of it then.
    async fn live(&mut self) -> RunStatusResponse {
        loop {
            if self.cuts < CUTS {
                self.ground.disk.crash_at(self.chance.random_range(1..60));
            }
            self.cuts += 1;
            let ended = match self.ground.try_start().await {
                Ok(stage) => self.go_on(stage).await,
                Err(_) => None,
            };
            assert!(self.cuts < 2 * CUTS, "it does not end");
            if let Some(status) = ended {
                return status;
            }
            // The power is gone, before it was to be, or while the node began.
            self.ground.disk.crash();
        }
    }

    /// Goes on with the run until it has ended or the node can't.
    async fn go_on(&mut self, stage: Stage) -> Option<RunStatusResponse> {
        let done = self.watch(&stage).await;
        let sketch = Arc::clone(&self.sketch);
        let seen = Arc::clone(&done);
        stage.named("ann", "x", move |given, input| perform(&sketch, &seen, given, &input)).await;
        let mut ended = None;
        let mut turns = 0;
        while ended.is_none() && self.is_well(&stage).await {
            turns += 1;
            assert!(turns < TURNS, "{:?} does not end: {:#?}", self.run, self.shown(&stage).await);
            match self.run {
                None => self.run = self.start(&stage).await,
                Some(run) => {
                    let status = stage.workflows.ask(GetRun { id: run }, SOON).await.ok()?;
                    let status = status.expect("what was accepted is known");
                    ended = Some(status).filter(|status| status.summary.state.has_ended());
                }
            }
            assert_eq!(done.lock().again, [""; 0], "done again after their success");
            self.ground.time.pass(Duration::from_millis(20)).await;
        }
        if ended.is_none() {
            stage.cut(&self.ground).await;
        } else {
            stage.stop().await;
        }
        ended
    }

    /// The last that is known of the run.
    async fn shown(&self, stage: &Stage) -> Option<(Vec<StepStatus>, Vec<HistoryEvent>)> {
        let run = self.run?;
        let mut events = stage.history(run).await;
        let last = events.split_off(events.len().saturating_sub(8));
        Some((stage.get(run).await.steps, last))
    }

    async fn is_well(&self, stage: &Stage) -> bool {
        let health = stage.workflows.ask(WorkflowHealth {}, SOON).await;
        health.is_ok_and(|health| health.accepting)
    }

    /// The same start again is the same run.
    async fn start(&self, stage: &Stage) -> Option<RunId> {
        let start = StartRun {
            source: RunSource::Text(self.text.clone()),
            input: Value::Null,
            options: RunOptions { idempotency_key: Some("it".to_owned()), ..Default::default() },
            principal: Principal::user("ada"),
        };
        let accepted = stage.workflows.ask(start, SOON).await.ok()?;
        accepted.ok().map(|accepted| accepted.run_id)
    }

    /// What is stored of successes, now and from now on.
    async fn watch(&self, stage: &Stage) -> Arc<Mutex<Done>> {
        let done = Arc::new(Mutex::new(Done::default()));
        if let Some(run) = self.run
            && self.is_well(stage).await
        {
            for event in stage.history(run).await {
                done.lock().hear(&event.name, event.step.as_deref(), &event.details);
            }
        }
        let told = Arc::clone(&done);
        let listener = RunListener::new(move |change: &RunChange| {
            told.lock().hear(&change.name, change.step.as_deref(), &change.details);
            true
        });
        let subscribe = WorkflowsMessage::Subscribe(listener);
        stage.workflows.send(subscribe).await.expect("a node that has begun");
        done
    }

    /// That the run ended as the interpreter says, and stays so.
    async fn check(&self, status: &RunStatusResponse) -> Vec<HistoryEvent> {
        match outcome(&self.sketch) {
            Outcome::Completed(expected) => assert_eq!(status.outputs.as_ref(), Some(&expected)),
            Outcome::Failed(possible) => {
                let error = status.error.as_ref().expect("an error");
                let found = (error.step.as_deref(), error.kind.as_str());
                let fits =
                    |(step, kind): &(String, ErrorKind)| found == (Some(step), kind.as_str());
                assert!(possible.iter().any(fits), "{error:?} is not among {possible:?}");
            }
        }
        let stage = self.ground.start().await;
        let run = self.run.expect("a run");
        let after = stage.get(run).await;
        assert_eq!((&after.outputs, &after.error), (&status.outputs, &status.error));
        let ledger = stage.stats().await.ledger;
        assert_eq!((ledger.accepted, ledger.open, ledger.balanced), (1, 0, true));
        assert_eq!(ledger.completed + ledger.failed, 1);
        let events = stage.history(run).await;
        stage.stop().await;
        events
    }
}

/// That each step came after those that it depends on, and ended once.
fn check_order(mut sketch: &Sketch, events: &[HistoryEvent]) -> usize {
    let mut ended = BTreeSet::new();
    let mut falls = 0;
    for HistoryEvent { name, step, details, .. } in events {
        if name == "plan.fallback" {
            sketch = sketch.fallback.as_ref().unwrap();
            ended.clear();
            falls += 1;
        }
        // A result that comes after its step was given up decides nothing, whenever it comes.
        if name == "step.late" {
            continue;
        }
        let Some(step) = step.as_deref().filter(|_| details["part"].is_null()) else { continue };
        let at: usize = step[1..].parse().unwrap();
        let ends = match name.as_str() {
            "step.completed" | "step.skipped" => true,
            "step.failed" => details["then"].as_str().is_none_or(|then| !then.contains("fail")),
            _ => false,
        };
        let comes_after = sketch.steps[at].after.iter().all(|before| ended.contains(before));
        assert!(comes_after, "{name} of {step} comes too early");
        assert!(!ended.contains(&at), "{name} of {step} comes after its end");
        if ends {
            ended.insert(at);
        }
    }
    falls
}

/// That each step of a run that completed without its fallback stands as the interpreter says.
fn check_fates(sketch: &Sketch, status: &RunStatusResponse) {
    let mut interpreter = Interpreter::new(sketch);
    for (at, step) in status.steps.iter().enumerate() {
        let fits = match (step.state, interpreter.fate(at)) {
            (StepState::Completed, Fate::Done(output)) => step.output.as_ref() == Some(&output),
            (StepState::Skipped, Fate::Skipped | Fate::Forgiven) => true,
            _ => false,
        };
        assert!(fits, "{} is {:?} with {:?}", step.id, step.state, step.output);
    }
}

#[tokio::test(start_paused = true)]
async fn power_cuts_at_any_write_change_no_outcome_and_repeat_no_success() {
    let seed = Seed::from_env();
    let (mut completed, mut fell, mut cuts) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut play = Play::new(seed.round(round));
        let status = play.live().await;
        let events = play.check(&status).await;
        let falls = check_order(&play.sketch, &events);
        if status.summary.state == RunState::Completed {
            completed += 1;
            if falls == 0 {
                check_fates(&play.sketch, &status);
            }
        }
        (fell, cuts) = (fell + falls, cuts + play.cuts - 1);
    }
    let seen = json!({"completed": completed, "fell": fell, "cuts": cuts});
    assert!(completed > 20 && fell > 3 && cuts > 200, "it was too calm: {seen}");
}
