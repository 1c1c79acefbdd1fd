//! Random workflows, with agents that fail and an engine that is killed between any two stored
//! events, and messages that come before or while they are awaited: what comes of them is what a
//! naive interpreter says.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use synod_testkit::Seed;

use super::World;
use super::checkpoints::restored;
use super::reference::{Fate, Interpreter, Outcome, Sketch, Work, answer, definition, outcome};
use super::sketches::sketch;
use super::world::opening;
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::plan::StepIndex;
use crate::run::{
    Derived, Ending, Event, Execute, Fault, Handling, Input, Part, Run, Ticket, derive,
};

const ROUNDS: u64 = 80;

/// A simulated shell and its agents.
struct Play<'a> {
    world: World,
    sketch: &'a Sketch,
    chance: ChaCha12Rng,
    /// One in so many inputs ends in a kill; 0 is never.
    kills: u32,
    /// Events that were checked.
    checked: usize,
    level: u8,
    ended: BTreeMap<u8, BTreeSet<StepIndex>>,
    succeeded: BTreeSet<(u8, StepIndex, Part)>,
    /// Messages that nobody has taken yet.
    unsent: Vec<i64>,
}

impl<'a> Play<'a> {
    fn new(sketch: &'a Sketch, chance: ChaCha12Rng, kills: u32) -> Self {
        let world = World::opened(definition(sketch), Value::Null);
        Self {
            world,
            sketch,
            chance,
            kills,
            checked: 0,
            level: 0,
            ended: BTreeMap::new(),
            succeeded: BTreeSet::new(),
            unsent: messages(sketch),
        }
    }

    /// Lives the run to its end.
    fn live(&mut self) {
        self.give(Input::Begin);
        let mut turns = 0;
        while !self.world.is_over() {
            turns += 1;
            assert!(turns < 100_000, "it does not end");
            self.turn();
        }
    }

    /// Lets an agent answer, or time pass.
    fn turn(&mut self) {
        if self.world.run.times().1.is_none() {
            return self.give(Input::Begin);
        }
        let soon = self.world.wake.filter(|at| self.is_soon(*at));
        let answers = !self.world.in_hand.is_empty();
        let tells = !self.unsent.is_empty() && self.chance.random_range(0..6) == 0;
        if tells || !answers && soon.is_none() {
            return self.tell();
        }
        match soon {
            Some(at) if !answers || self.chance.random_range(0..8) == 0 => {
                self.world.now = self.world.now.max(at);
                self.world.wake = None;
                self.give(Input::Wake);
            }
            _ => self.answer_one(),
        }
    }

    /// Sends a message, again and again until it is stored that it came.
    fn tell(&mut self) {
        assert!(!self.unsent.is_empty(), "it waits for nothing");
        let one = self.chance.random_range(0..self.unsent.len());
        let number = self.unsent[one];
        let payload = Json::from(json!({"n": number}));
        let key = Some(number.to_string().into());
        let before = self.world.log.len();
        self.give(Input::Message { topic: "news".into(), key, payload });
        let is_kept = |(_, event): &(i64, Event)| match event {
            Event::MessageKept { key: Some(key), .. } => **key == number.to_string(),
            _ => false,
        };
        if self.world.log[before..].iter().any(is_kept) && self.chance.random() {
            self.unsent.swap_remove(one);
        }
    }

    /// Whether a time comes long before the run's own deadline.
    fn is_soon(&self, at: i64) -> bool {
        at - self.world.now < 3_600_000_000
    }

    fn answer_one(&mut self) {
        let one = self.chance.random_range(0..self.world.in_hand.len());
        let execute = self.world.in_hand.swap_remove(one);
        let outcome = match self.end_of(execute.ticket) {
            None => Ok(Json::from(answer(execute.input.value()))),
            Some(kind) => Err(Fault::new(kind, "as the script says")),
        };
        let Execute { ticket, .. } = execute;
        self.world.now += self.chance.random_range(0..20_000);
        let usage = synod_agents::Usage::default();
        self.give(Input::Executed { ticket, outcome, agent: None, ran_us: 1, usage });
    }

    /// How the script says that an attempt ends.
    fn end_of(&self, ticket: Ticket) -> Option<ErrorKind> {
        let mut sketch = self.sketch;
        for _ in 0..ticket.level {
            sketch = sketch.fallback.as_ref().unwrap();
        }
        let script = match (&sketch.steps[ticket.spot.step.at()].work, ticket.spot.part) {
            (Work::Agent(script), _) => script,
            (Work::Items(scripts) | Work::Race(scripts), Part::Item(item)) => {
                &scripts[item as usize]
            }
            other => panic!("{other:?} is not executed"),
        };
        script.get(ticket.attempt as usize - 1).copied().flatten()
    }

    /// Gives an input, and perhaps kills the engine when only some of its events are stored.
    fn give(&mut self, input: Input) {
        let killed = self.kills > 0 && self.chance.random_range(0..self.kills) == 0;
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        self.world.run.decide(self.world.now, input, &mut events, &mut effects).unwrap();
        if killed {
            events.truncate(self.chance.random_range(0..=events.len()));
            self.world.store(events);
            self.crash();
        } else {
            self.world.store(events);
            self.world.carry_out(effects);
        }
        self.check();
    }

    /// Kills the engine, perhaps again while it resumes.
    fn crash(&mut self) {
        loop {
            self.world.in_hand.clear();
            self.world.wake = None;
            self.world.run = self.world.replayed();
            let (mut events, mut effects) = (Vec::new(), Vec::new());
            self.world.run.resume(self.world.now, &mut events, &mut effects);
            if self.chance.random_range(0..4) == 0 {
                events.truncate(self.chance.random_range(0..=events.len()));
                self.world.store(events);
                continue;
            }
            self.world.store(events);
            return self.world.carry_out(effects);
        }
    }

    /// Checks what was stored since the last time.
    fn check(&mut self) {
        for at in self.checked..self.world.log.len() {
            let event = self.world.log[at].1.clone();
            self.check_event(&event);
        }
        self.checked = self.world.log.len();
        for execute in &self.world.in_hand {
            let Ticket { level, spot, .. } = execute.ticket;
            let done = self.succeeded.contains(&(level, spot.step, spot.part));
            assert!(!done, "{:?} is executed again after its success", execute.ticket);
        }
    }

    fn check_event(&mut self, event: &Event) {
        match event {
            Event::Started { spot, .. } => {
                assert!(!self.ended().contains(&spot.step), "{spot:?} begins after its end");
                self.check_order(spot.step);
            }
            Event::Succeeded { spot, .. } | Event::MessageTaken { spot, .. } => {
                let once = self.succeeded.insert((self.level, spot.step, spot.part));
                assert!(once, "{spot:?} succeeds twice");
                if spot.part == Part::Whole {
                    self.end(spot.step);
                }
            }
            Event::Joined { step } | Event::Skipped { step } => self.end(*step),
            Event::Failed { spot, handling, .. }
                if spot.part == Part::Whole && !matches!(handling, Handling::Fail) =>
            {
                self.end(spot.step);
            }
            Event::FellBack { .. } => self.level += 1,
            _ => {}
        }
    }

    fn ended(&mut self) -> &mut BTreeSet<StepIndex> {
        self.ended.entry(self.level).or_default()
    }

    fn end(&mut self, step: StepIndex) {
        self.check_order(step);
        assert!(self.ended().insert(step), "{step:?} ends twice");
    }

    /// All that a step depends on has ended.
    fn check_order(&mut self, step: StepIndex) {
        let plan = self.world.run.plan_of(self.level.into()).unwrap().clone();
        for before in &plan.step(step).depends_on {
            assert!(self.ended().contains(before), "{step:?} comes before {before:?}");
        }
    }

    /// That the run ended as the interpreter says.
    fn compare(&self) {
        match (self.world.run.ending().unwrap(), outcome(self.sketch)) {
            (Ending::Completed(outputs), Outcome::Completed(expected)) => {
                assert_eq!(outputs.value(), &expected);
            }
            (Ending::Failed { failure, step }, Outcome::Failed(possible)) => {
                let found = (step.as_ref().unwrap().to_string(), failure.kind);
                assert!(possible.contains(&found), "{found:?} is not among {possible:?}");
            }
            other => panic!("{other:?}"),
        }
        let mut sketch = self.sketch;
        for level in 0..self.world.run.levels() {
            self.compare_level(sketch, level);
            if let Some(fallback) = &sketch.fallback {
                sketch = fallback;
            }
        }
        let falls = self.world.count(|event| matches!(event, Event::FellBack { .. }));
        assert_eq!(falls, self.world.run.levels() - 1, "a fallback begins once");
    }

    /// That each step that ended did so as the interpreter says.
    fn compare_level(&self, sketch: &Sketch, level: usize) {
        use crate::messages::StepState::{Cancelled, Completed, Failed, Pending, Skipped};
        let mut interpreter = Interpreter::new(sketch);
        for (at, view) in self.world.run.steps(level).enumerate() {
            let fate = interpreter.fate(at);
            let output = view.output.map(|output| output.value());
            let fits = match (view.state, &fate) {
                (Completed, Fate::Done(expected)) => output == Some(expected),
                (Skipped, Fate::Skipped | Fate::Forgiven) | (Failed, Fate::Failed(_)) => true,
                (Pending, _) | (Cancelled, _) => self.fell(level),
                _ => false,
            };
            assert!(fits, "{}: {:?} with {output:?}, expected {fate:?}", view.plan.id, view.state);
        }
    }

    fn fell(&self, level: usize) -> bool {
        level + 1 < self.world.run.levels()
            || matches!(self.world.run.ending(), Some(Ending::Failed { .. }))
    }
}

/// The messages that a sketch and its fallbacks await.
fn messages(sketch: &Sketch) -> Vec<i64> {
    let own = sketch.steps.iter().filter_map(|step| match step.work {
        Work::Message(number) => Some(number),
        _ => None,
    });
    let further = sketch.fallback.as_deref().map(messages).unwrap_or_default();
    own.chain(further).collect()
}

fn play(kills: u32, most: usize) {
    let seed = Seed::from_env();
    let (mut completed, mut fell) = (0, 0);
    for round in 0..ROUNDS {
        let mut chance = seed.round(round).rng();
        let sketch = sketch(&mut chance, most, 2);
        let mut play = Play::new(&sketch, chance, kills);
        play.live();
        play.compare();
        assert_eq!(play.world.replayed().state, play.world.run.state, "a replay differs");
        completed += u32::from(matches!(play.world.run.ending(), Some(Ending::Completed(_))));
        fell += u32::from(play.world.run.levels() > 1);
    }
    assert!(completed > 10 && fell > 0, "{completed} completed, {fell} fell back");
}

#[test]
fn a_random_workflow_comes_out_as_a_naive_interpreter_says() {
    play(0, 40);
    play(0, 200);
}

#[test]
fn kills_between_any_two_stored_events_change_no_outcome_and_repeat_no_success() {
    play(4, 40);
    play(15, 200);
}

#[test]
fn a_cancelled_run_ends_cancelled_whenever_it_is_killed() {
    let seed = Seed::from_env();
    for round in 0..ROUNDS {
        let mut chance = seed.round(round).rng();
        let sketch = sketch(&mut chance, 30, 1);
        let mut play = Play::new(&sketch, chance, 5);
        play.give(Input::Begin);
        for _ in 0..play.chance.random_range(0..20) {
            if !play.world.in_hand.is_empty() {
                play.answer_one();
            }
        }
        let before = play.world.log.len();
        if play.world.is_over() {
            continue;
        }
        let by = play.world.run.opening().principal.clone();
        play.give(Input::Cancel { by, why: "enough".into(), compensate: false });
        let requested = |(_, event): &(i64, Event)| matches!(event, Event::CancelRequested { .. });
        if play.world.log[before..].iter().any(requested) {
            assert!(matches!(play.world.run.ending(), Some(Ending::Cancelled { .. })));
            assert_eq!(play.world.in_hand, []);
        }
    }
}

#[test]
fn every_checkpoint_of_an_ended_run_gives_exactly_what_was_there() {
    let seed = Seed::from_env();
    for round in 0..ROUNDS {
        let mut chance = seed.round(round).rng();
        let sketch = sketch(&mut chance, 60, 0);
        let mut play = Play::new(&sketch, chance, 20);
        let mut then = BTreeMap::new();
        play.give(Input::Begin);
        while !play.world.is_over() {
            let name: std::sync::Arc<str> = format!("c{}", then.len()).into();
            let by = play.world.run.opening().principal.clone();
            let begun = play.world.run.times().1.is_some();
            if begun && then.len() < 64 && play.chance.random_range(0..3) == 0 {
                play.world.give(Input::Checkpoint { name: name.clone(), by }).unwrap();
                then.insert(name, restored(&play.world.run));
            }
            play.turn();
        }
        for (name, expected) in then {
            let plan = play.world.run.plan_of(0).unwrap().clone();
            let opening = opening(&plan, Value::Null);
            let new = Derived { opening, plan: plan.clone(), changed: BTreeSet::new() };
            let events = derive(&play.world.run, Some(&name), new).unwrap();
            let times = events.iter().map(|event| (play.world.now, event));
            let run = Run::replay(|_| Some(plan.clone()), times).unwrap();
            assert_eq!(restored(&run), expected, "{name}");
        }
    }
}

#[test]
fn the_same_seed_decides_the_same() {
    let seed = Seed::from_env();
    let lives = [0, 0].map(|_| {
        let mut chance = seed.rng();
        let sketch = sketch(&mut chance, 60, 1);
        let mut play = Play::new(&sketch, chance, 6);
        play.live();
        json!(play.world.log.len()).to_string() + &format!("{:?}", play.world.log.last())
    });
    assert_eq!(lives[0], lives[1]);
}
