//! Everything at once, at random: steps of every kind, people who cancel, pause, go back and
//! decide, messages early and late, budgets, lost children, kills between any two stored events.
//! Whatever happens, the run ends, a replay gives what was known live, and no key is executed again
//! after its success.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use synod_agents::Usage;
use synod_runtime::Principal;
use synod_testkit::Seed;

use super::World;
use super::world::{hash, opening, plan, steps};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::run::{
    Amendment, Decision, Derived, Event, Execute, Fault, Input, Run, WaitView, derive,
};

const ROUNDS: u64 = 500;
const TURNS: usize = 400;

fn work(chance: &mut ChaCha12Rng, grouped: bool) -> Value {
    let retry = json!({"max_attempts": 2, "max_lost": 50, "initial_ms": 50,
        "retry_on": ["failed", "timeout", "child_failed", "approval_rejected"]});
    let mut work = match chance.random_range(0..if grouped { 6 } else { 9 }) {
        0 => json!({"wait": {"for_s": 1}}),
        1 => json!({"approval": {"ask": "?", "deadline_s": 3, "needed": 2,
            "at_deadline": "approve", "escalate": [{"after_s": 1}]}}),
        2 => json!({"workflow": {"name": "inner"}}),
        3 => json!({"emit": {"topic": "t"}}),
        4 => json!({"await": {"topic": "t"}, "timeout": {"finish_s": 2}}),
        5 => json!({"transform": "${inputs}"}),
        6 => json!({"agent": "ann", "budget": {"tokens": 30}}),
        _ => json!({"agent": "ann", "timeout": {"finish_s": 5, "heartbeat_s": 3}}),
    };
    work["retry"] = retry;
    work
}

fn definition(chance: &mut ChaCha12Rng, deep: u32) -> Value {
    let count = chance.random_range(1..14);
    let list = (0..count).map(|at| {
        let mut step = match chance.random_range(0..8) {
            0 => json!({"for_each": {"items": [1, 2, 3], "concurrency": 2,
                "step": work(chance, true)}}),
            1 => json!({"race": [work(chance, true), work(chance, true)]}),
            _ => work(chance, false),
        };
        step["id"] = json!(format!("s{at}"));
        let after: BTreeSet<String> = (0..chance.random_range(0..3))
            .filter(|_| at > 0)
            .map(|_| format!("s{}", chance.random_range(0..at)))
            .collect();
        step["depends_on"] = json!(after);
        if chance.random() {
            step["compensate_with"] = work(chance, true);
        }
        for kind in ["failed", "timeout", "child_failed", "approval_rejected", "budget_exceeded"] {
            let to = format!("s{}", chance.random_range(0..count));
            step["on_error"][kind] = match chance.random_range(0..6) {
                0 => json!({"action": "go_to", "step": to}),
                1 => json!("compensate"),
                2 => json!("fail"),
                _ => json!("skip"),
            };
        }
        step
    });
    let mut definition = steps(list.collect());
    definition["limits"] =
        json!({"history_events": 400, "duration_s": 500, "payload_bytes": 1_024});
    definition["timeout_s"] = json!(100);
    definition["max_parallel"] = json!(chance.random_range(1..5));
    for closing in ["on_finish", "on_cancel"] {
        if chance.random_range(0..3) == 0 {
            definition[closing] = work(chance, true);
        }
    }
    if deep > 0 && chance.random() {
        definition["fallback"] = self::definition(chance, deep - 1);
    }
    definition
}

struct Storm {
    world: World,
    definition: Value,
    chance: ChaCha12Rng,
    /// Keys whose success is stored.
    done: BTreeSet<String>,
    people: bool,
    checkpoints: u32,
}

impl Storm {
    fn new(mut chance: ChaCha12Rng) -> Self {
        let definition = definition(&mut chance, 1);
        let world = World::opened(definition.clone(), json!({"n": 1}));
        let people = chance.random();
        Self { world, definition, chance, done: BTreeSet::new(), people, checkpoints: 0 }
    }

    fn turn(&mut self) {
        match self.chance.random_range(0..100) {
            0..50 if self.world.run.times().1.is_none() => self.give(Input::Begin),
            0..40 => self.answer(),
            40..60 => self.wake(),
            60..68 => self.child(),
            68..76 => self.pass_on(),
            76..82 => self.decide(),
            82..88 => self.tell(),
            88..91 => self.crash(),
            91 => {
                self.give(Input::HandBack);
                self.crash();
            }
            _ if self.people => self.interfere(),
            _ => {}
        }
    }

    /// Tells a topic something, or the same once more.
    fn tell(&mut self) {
        let number = self.chance.random_range(0..1_000);
        let key = self.chance.random::<bool>().then(|| format!("k{}", number % 10).into());
        let payload = Json::from(json!({"n": number, "text": "x".repeat(400)}));
        self.give(Input::Message { topic: "t".into(), key, payload });
    }

    fn usage(&mut self) -> Usage {
        let tokens = if self.chance.random() { self.chance.random_range(0..20) } else { 0 };
        Usage { tokens, money_micros: 0 }
    }

    fn answer(&mut self) {
        if let (0, Some(ticket)) =
            (self.chance.random_range(0..10), self.world.cancelled.last().copied())
        {
            let outcome = Ok(Json::null());
            let usage = self.usage();
            return self.give(Input::Executed { ticket, outcome, agent: None, ran_us: 1, usage });
        }
        if self.world.in_hand.is_empty() {
            return;
        }
        let one = self.chance.random_range(0..self.world.in_hand.len());
        let Execute { ticket, idempotency_key, .. } = self.world.in_hand[one].clone();
        let kinds = [ErrorKind::Failed, ErrorKind::Timeout, ErrorKind::Lost, ErrorKind::Refused];
        let outcome = match self.chance.random_range(0..20) {
            at @ 0..4 => Err(Fault::new(kinds[at], "at random")),
            _ => Ok(Json::from(json!(1))),
        };
        if self.chance.random_range(0..10) == 0 {
            return self.give(Input::Heartbeat { ticket, at: self.world.now });
        }
        self.world.in_hand.remove(one);
        let before = self.world.log.len();
        let usage = self.usage();
        self.give(Input::Executed { ticket, outcome, agent: None, ran_us: 1, usage });
        let mut new = self.world.log[before..].iter().map(|(_, event)| event);
        let first = new.find(|event| !matches!(event, Event::Spent { .. }));
        if matches!(first, Some(Event::Succeeded { spot, .. }) if *spot == ticket.spot) {
            self.done.insert(idempotency_key);
        }
    }

    fn wake(&mut self) {
        if let Some(at) = self.world.wake.take() {
            self.world.now = self.world.now.max(at);
            self.give(Input::Wake);
        }
    }

    fn child(&mut self) {
        let Some(child) = self.world.children.choose(&mut self.chance).cloned() else { return };
        let fault = Fault::new(ErrorKind::ChildFailed, "at random");
        let outcome = if self.chance.random() { Ok(Json::null()) } else { Err(fault) };
        let (run, ticket) = (child.run, child.ticket);
        self.give(Input::ChildEnded { run, ticket, outcome });
    }

    fn pass_on(&mut self) {
        if let Some(emit) = self.world.emitted.choose(&mut self.chance) {
            let ticket = emit.ticket;
            self.give(Input::Emitted { ticket });
        }
    }

    fn decide(&mut self) {
        let asked = self.world.run.waits().find_map(|(_, wait)| match wait {
            WaitView::Approval(id, _) => Some(id),
            _ => None,
        });
        let Some(approval) = asked else { return };
        let by = Principal::user(*["ada", "bob", "cid"].choose(&mut self.chance).unwrap());
        let approved = self.chance.random_range(0..4) != 0;
        let decision =
            Decision { approval, by, roles: Vec::new(), approved, reason: None, payload: None };
        self.give(Input::Decide(Box::new(decision)));
    }

    /// Puts another step before all others, so that they all have other numbers.
    fn amend(&mut self) {
        let number = self.world.plans.len() as u8 + 1;
        let mut definition = self.definition.clone();
        let list = definition["steps"].as_array_mut().unwrap();
        list.insert(0, json!({"id": format!("new{number}"), "transform": number}));
        let plan = plan(definition.clone());
        self.world.plans.insert([number; 32], plan.clone());
        self.definition = definition;
        let amendment = Amendment {
            definition: hash(number),
            plan,
            changed: BTreeSet::new(),
            variables: Vec::new(),
            by: Principal::user("ada"),
            why: "at random".into(),
        };
        self.give(Input::Amend(Box::new(amendment)));
    }

    fn interfere(&mut self) {
        if self.chance.random_range(0..10) == 0 {
            return self.amend();
        }
        let by = Principal::user("ada");
        let why = "at random".into();
        let compensate = self.chance.random();
        let input = match self.chance.random_range(0..20) {
            0 => Input::Cancel { by, why, compensate },
            1..6 => Input::Pause { by },
            6..12 => Input::Resume { by },
            12..16 => {
                self.checkpoints += 1;
                Input::Checkpoint { name: format!("c{}", self.checkpoints).into(), by }
            }
            _ => {
                let names: Vec<_> =
                    self.world.run.checkpoints().map(|(name, ..)| name.clone()).collect();
                let to = names.choose(&mut self.chance).cloned().unwrap_or_default();
                Input::Rollback { to, by, why, compensate }
            }
        };
        self.give(input);
    }

    /// Gives an input, which may be refused; the engine may be killed during it.
    fn give(&mut self, input: Input) {
        let killed = self.chance.random_range(0..12) == 0;
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        let _ = self.world.run.decide(self.world.now, input, &mut events, &mut effects);
        if killed {
            events.truncate(self.chance.random_range(0..=events.len()));
            self.world.store(events);
            return self.crash();
        }
        self.world.store(events);
        self.world.carry_out(effects);
        self.check();
    }

    fn crash(&mut self) {
        self.world.crash();
        self.check();
    }

    fn check(&self) {
        for execute in &self.world.in_hand {
            let key = &execute.idempotency_key;
            assert!(!self.done.contains(key), "{key} is executed again after its success");
        }
    }

    /// Lets everybody do their work until the run ends.
    fn calm(&mut self) {
        for _ in 0..5_000 {
            if self.world.is_over() {
                return;
            }
            let by = Principal::user("ada");
            if self.world.run.times().1.is_none() {
                self.world.give(Input::Begin).unwrap();
            }
            let _ = self.world.give(Input::Resume { by });
            for emit in std::mem::take(&mut self.world.emitted) {
                self.world.give(Input::Emitted { ticket: emit.ticket }).unwrap();
            }
            self.stop_children();
            match self.world.in_hand.pop() {
                Some(execute) => self.world.answer(execute.ticket, Ok(Json::null())),
                None => self.wake(),
            }
        }
        panic!("it does not end: {:?}", self.world.run);
    }

    fn stop_children(&mut self) {
        let mut all: Vec<_> = self.world.run.stopping().collect();
        let waits = self.world.run.waits();
        all.extend(waits.filter_map(|(_, wait)| match wait {
            WaitView::Child(run) => Some(run),
            _ => None,
        }));
        for child in self.world.children.clone() {
            if all.contains(&child.run) {
                let (run, ticket, outcome) = (child.run, child.ticket, Ok(Json::null()));
                self.world.give(Input::ChildEnded { run, ticket, outcome }).unwrap();
            }
        }
        for (run, ticket) in std::mem::take(&mut self.world.told_to_stop) {
            let outcome = Err(Fault::new(ErrorKind::Cancelled, "told to"));
            self.world.give(Input::ChildEnded { run, ticket, outcome }).unwrap();
        }
    }
}

/// No kept message is taken twice, nor after it was dropped.
fn check_messages(log: &[(i64, Event)]) {
    let (mut kept, mut count) = (BTreeSet::new(), 0);
    for (_, event) in log {
        match event {
            Event::MessageKept { .. } => {
                count += 1;
                kept.insert(count);
            }
            Event::MessageDropped => _ = kept.pop_first().expect("there was one"),
            Event::MessageTaken { number, .. } => assert!(kept.remove(number), "{number}"),
            _ => {}
        }
    }
}

/// A new run that goes on from an ended one fits together and ends, too.
fn retry(storm: &Storm) {
    let plan = storm.world.run.plan_of(0).unwrap().clone();
    let opening = opening(&plan, json!({"n": 1}));
    let new = Derived { opening, plan: plan.clone(), changed: BTreeSet::new() };
    let events = derive(&storm.world.run, None, new).unwrap();
    let at = storm.world.now;
    let run = Run::replay(|_| Some(plan.clone()), events.iter().map(|event| (at, event)));
    let mut world = World::empty(run.unwrap(), at);
    world.plans.insert([1; 32], plan.clone());
    world.store(events);
    world.give(Input::Begin).unwrap();
    let (definition, chance) = (Value::Null, storm.chance.clone());
    let mut next =
        Storm { world, definition, chance, done: BTreeSet::new(), people: false, checkpoints: 0 };
    next.calm();
    assert_eq!(next.world.replayed().state, next.world.run.state);
}

#[test]
fn a_run_ends_once_and_replays_alike_whatever_happens_to_it() {
    let seed = Seed::from_env();
    let mut seen = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut storm = Storm::new(seed.round(round).rng());
        for _ in 0..TURNS {
            storm.turn();
            if storm.world.is_over() {
                break;
            }
            if storm.chance.random_range(0..20) == 0 {
                assert_eq!(storm.world.replayed().state, storm.world.run.state);
            }
        }
        storm.calm();
        assert_eq!(storm.world.replayed().state, storm.world.run.state);
        assert_eq!(storm.world.count(|event| matches!(event, Event::Ended { .. })), 1);
        assert!(storm.world.log.len() < 1_500, "{} events", storm.world.log.len());
        assert!(storm.world.in_hand.is_empty(), "what runs was told to stop");
        check_messages(&storm.world.log);
        retry(&storm);
        seen.extend(storm.world.log.iter().map(|(_, event)| name(event)));
    }
    let everything = "Opened Began Started Retrying Again Lost Redispatched HandedBack Succeeded \
        Joined Failed Skipped Decided Escalated LevelFailed FellBack CancelRequested Paused \
        Resumed ChildStopped Late Spent MessageKept MessageDropped MessageTaken Unwound \
        Checkpointed RollbackBegan RolledBack Amended Concluded Ended";
    let missing: Vec<_> =
        everything.split_whitespace().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "it was too calm: no {missing:?}");
}

fn name(event: &Event) -> String {
    let shown = format!("{event:?}");
    shown.split([' ', '(']).next().unwrap_or_default().to_owned()
}
