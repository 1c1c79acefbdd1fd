//! Random lives of many tasks, with crashes at random: whatever happens, the ledger holds, every
//! acknowledged task ends exactly once, and a replay gives what was known live.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;
use synod_agents::{AgentCard, AgentError, AgentErrorKind, AgentStatus, WorkId};
use synod_runtime::Priority;
use synod_testkit::Seed;

use super::{World, answer, request};
use synod_coordination::contract_net::Claim;

use crate::bidding::{Said, Unfit};
use crate::machine::{Call, Event, Input, Outcome};
use crate::matching::AgentSlot;
use crate::records::{Decoded, SNAPSHOT_VERSION, decode, decode_snapshot, encode_snapshot};
use crate::{Allocation, TaskId, TaskMode, TaskState, TaskSubmissionRequest, TasksConfig};

const ROUNDS: u64 = 60;
const STEPS: usize = 250;

/// What a client knows: its acknowledgements, and how it heard that each ended.
#[derive(Default)]
struct Client {
    acknowledged: BTreeSet<TaskId>,
    ended: BTreeMap<TaskId, TaskState>,
}

struct Play {
    world: World,
    client: Client,
    chance: ChaCha12Rng,
    present: BTreeSet<&'static str>,
    keys: u32,
    /// Executions that have been answered, or were in hand in a crash.
    answered: Vec<(WorkId, AgentSlot)>,
    /// An agent has answered something twice, so that it may seem to have room that it has not.
    doubled: bool,
}

const AGENTS: [(&str, &[&str], u32); 6] = [
    ("ann", &["x", "y"], 1),
    ("bob", &["x"], 3),
    ("cid", &["y", "z"], 2),
    ("dot", &["judge", "x"], 1),
    ("eve", &["judge", "z"], 1),
    ("fay", &["x", "y", "z"], 1),
];

impl Play {
    fn new(seed: &Seed) -> Self {
        let config = TasksConfig {
            keep_ended: 40,
            max_overtaken: 4,
            max_queued: 60,
            unknown_capability: crate::UnknownCapability::Wait,
            ..TasksConfig::default()
        };
        let mut play = Self {
            world: World::with(config),
            client: Client::default(),
            chance: seed.rng(),
            present: BTreeSet::new(),
            keys: 0,
            answered: Vec::new(),
            doubled: false,
        };
        for agent in 0..AGENTS.len() {
            play.join(agent);
        }
        play
    }

    fn join(&mut self, agent: usize) {
        let (id, capabilities, concurrency) = AGENTS[agent];
        if self.present.insert(id) {
            let card = AgentCard::new(id, "1.0.0").concurrency(concurrency);
            self.world.join(capabilities.iter().fold(card, |card, name| card.capability(*name)));
        }
    }

    fn leave(&mut self, agent: usize) {
        let id = AGENTS[agent].0;
        if self.present.remove(id) {
            self.world.leave(id);
        }
    }

    fn step(&mut self) {
        match self.chance.random_range(0..100) {
            0..30 => self.submit(),
            30..58 => self.finish(),
            58..70 => self.bid(),
            70..76 => self.cancel(),
            76..86 => {
                let ms = self.chance.random_range(0..5_000);
                self.world.advance_ms(ms);
            }
            86..89 => {
                let agent = self.chance.random_range(0..AGENTS.len());
                self.leave(agent);
            }
            89..94 => {
                let agent = self.chance.random_range(0..AGENTS.len());
                self.join(agent);
            }
            94..96 => self.pause(),
            96 => self.answer_again(),
            97 => self.crash_with_a_batch_gathered(),
            98 => self.crash_from_a_snapshot(),
            _ => self.crash(),
        }
        if !self.doubled {
            self.world.assert_capacities();
        }
        self.listen();
    }

    fn listen(&mut self) {
        for task in std::mem::take(&mut self.world.told) {
            let Some((status, ..)) = self.world.machine.status(task) else { continue };
            assert!(status.state.has_ended());
            let before = self.client.ended.insert(task, status.state);
            assert_eq!(before, None, "{task} ended twice");
        }
    }

    fn any_request(&mut self) -> TaskSubmissionRequest {
        let chance = &mut self.chance;
        let mode = *TaskMode::ALL.choose(chance).unwrap();
        let mut request = request("job").mode(mode);
        let allocation = *Allocation::ALL.choose(chance).unwrap();
        if allocation.suits(mode, false).is_ok() {
            request.allocation = allocation;
        }
        let capabilities: &[&str] = match mode {
            TaskMode::Consensus => &["judge"],
            _ => [&["x"][..], &["y"], &["x", "z"], &["x", "y", "z"]].choose(chance).unwrap(),
        };
        request.capabilities = capabilities.iter().map(|name| name.parse().unwrap()).collect();
        request.priority = *Priority::ALL.choose(chance).unwrap();
        request.tenant = Some((*["red", "blue"].choose(chance).unwrap()).to_owned());
        // What is stuck must not be saved by its deadline.
        let timeout_s = if chance.random() { 500_000 } else { chance.random_range(1..60) };
        request.timeout_s = Some(timeout_s);
        request.retry.max_lost = Some(chance.random_range(0..4));
        request.allow_partial = mode == TaskMode::Parallel && chance.random();
        if mode == TaskMode::Consensus {
            request.consensus = Some(crate::ConsensusOptions { voters: 2, ..Default::default() });
        }
        if chance.random_range(0..3) == 0 {
            self.keys += 1;
            request.idempotency_key = Some(format!("key-{}", self.keys));
        }
        request
    }

    fn submit(&mut self) {
        for _ in 0..self.chance.random_range(1..4) {
            let request = self.any_request();
            if let Ok(accepted) = self.world.submit(request.clone()) {
                assert!(self.client.acknowledged.insert(accepted.task_id));
                if request.idempotency_key.is_some() {
                    let existing = match self.world.submit(request) {
                        Ok(again) if again.duplicate => again.task_id,
                        Err(crate::SubmitError::InFlight { existing }) => existing,
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(existing, accepted.task_id);
                }
            }
        }
    }

    /// An agent answers a call, which may be over long ago.
    fn bid(&mut self) {
        let Some(call) = self.world.calls.choose(&mut self.chance) else { return };
        let Call { task, part, round, .. } = *call;
        let Some((agent, label)) = call.asked.choose(&mut self.chance).cloned() else { return };
        let price = Some(self.chance.random_range(-1.0..3.0));
        let said = match self.chance.random_range(0..6) {
            0 => Said::Refused,
            1 => Said::Silent,
            2 => Said::Unfit(Unfit::Malformed),
            3 => Said::Vote(label.to_string()),
            _ => Said::Bid(Claim { price, ..Claim::default() }),
        };
        self.world.step(Input::Heard { task, part, round, agent, said });
        self.world.settle();
    }

    fn finish(&mut self) {
        if self.world.in_hand.is_empty() {
            return;
        }
        let at = self.chance.random_range(0..self.world.in_hand.len());
        let dispatch = self.world.in_hand.swap_remove(at);
        self.answered.push((dispatch.work, dispatch.agent));
        let outcome = match self.chance.random_range(0..20) {
            0..12 => answer(["1", r#"{"vote": "yes"}"#].choose(&mut self.chance).unwrap()),
            12..15 => Outcome::Lost("crashed".to_owned()),
            15 => Outcome::Undelivered,
            16 => Outcome::Overdue,
            _ => {
                let kind = *AgentErrorKind::ALL.choose(&mut self.chance).unwrap();
                Outcome::Error(AgentError::new(kind, "no luck"))
            }
        };
        self.world.finish(dispatch, outcome);
    }

    /// An agent answers what has been answered, or what is older than a crash: nothing changes.
    fn answer_again(&mut self) {
        let Some((work, agent)) = self.answered.choose(&mut self.chance).copied() else { return };
        if self.world.in_hand.iter().any(|dispatch| dispatch.work == work) {
            return;
        }
        let (before, late) = (self.world.log.len(), self.world.machine.stats.late);
        self.doubled = true;
        self.world.step(Input::Finished { work, agent, outcome: answer("7"), ran_us: 1 });
        assert_eq!(self.world.machine.stats.late, late + 1, "{work}");
        self.world.settle();
        // It may have freed its agent for other work, of the same task, too.
        let mut records = self.world.log[before..].iter().map(|record| decode(record).unwrap());
        let accepted = |event: &Event| matches!(event, Event::Succeeded { .. });
        let done = records.any(|record| match record {
            Decoded::Task(record) => record.entries.iter().any(|entry| accepted(&entry.event)),
            Decoded::Engine(_) | Decoded::Saved(_) => false,
        });
        assert!(!done, "{work} was taken twice");
    }

    fn cancel(&mut self) {
        let open = self.client.acknowledged.iter().copied();
        let open: Vec<_> = open.filter(|id| !self.client.ended.contains_key(id)).collect();
        if let Some(task) = open.choose(&mut self.chance) {
            assert_eq!(self.world.cancel(*task), Ok(()));
        }
    }

    fn pause(&mut self) {
        let present: Vec<_> = self.present.iter().copied().collect();
        let Some(id) = present.choose(&mut self.chance) else { return };
        let status = [AgentStatus::Active, AgentStatus::Paused, AgentStatus::Active];
        self.world.set_status(id, *status.choose(&mut self.chance).unwrap());
    }

    fn crash(&mut self) {
        let in_hand = self.world.in_hand.iter();
        self.answered.extend(in_hand.map(|dispatch| (dispatch.work, dispatch.agent)));
        self.world.crash();
    }

    /// What was gathered and not stored was never acknowledged, and is gone.
    fn crash_with_a_batch_gathered(&mut self) {
        let request = self.any_request();
        let unheard = self.world.submit_within_batch(request);
        self.world.crash();
        if let Ok(unheard) = unheard {
            assert!(self.world.machine.status(unheard.task_id).is_none());
        }
    }

    /// A snapshot and the records after it give the same as all records.
    fn crash_from_a_snapshot(&mut self) {
        let bytes = encode_snapshot(self.world.machine.book()).unwrap();
        let at = self.world.log.len();
        for _ in 0..5 {
            self.finish();
        }
        self.listen();
        let mut book = decode_snapshot(SNAPSHOT_VERSION, &bytes).unwrap();
        for record in &self.world.log[at..] {
            book.replay(&decode(record).unwrap()).unwrap();
        }
        let whole = self.world.replayed();
        assert!(self.world.image(&book) == self.world.image(&whole));
        self.world.restart(book);
    }

    /// Everybody comes back, and what is open is done.
    fn bring_to_an_end(&mut self) {
        for (agent, (id, ..)) in AGENTS.iter().enumerate() {
            self.join(agent);
            self.world.set_status(id, AgentStatus::Active);
        }
        for _ in 0..2_000 {
            if self.world.in_hand.is_empty() {
                self.world.advance_ms(2_000);
            }
            if let Some(dispatch) = self.world.in_hand.pop() {
                self.world.finish(dispatch, answer("1"));
            }
            self.listen();
            if self.world.machine.ledger().open == 0 {
                return;
            }
        }
        let book = self.world.machine.book();
        let known = self.client.acknowledged.iter().filter_map(|task| book.task(*task));
        let stuck: Vec<_> = known.filter(|task| task.is_open()).collect();
        panic!("stuck: {stuck:#?}");
    }

    fn check(&self) {
        let ledger = self.world.machine.ledger();
        assert!(ledger.balanced);
        assert_eq!(ledger.accepted, self.client.acknowledged.len() as u64);
        for task in &self.client.acknowledged {
            // Whoever was told knows; the others ask, unless it was forgotten in the meantime.
            let told = self.client.ended.get(task).copied();
            let asked = self.world.machine.status(*task).map(|(status, ..)| status.state);
            match (told, asked) {
                (Some(told), Some(asked)) => assert_eq!(told, asked),
                (None, Some(asked)) => assert!(asked.has_ended(), "{task} is {asked}"),
                (_, None) => {}
            }
        }
        let ended = |wanted| self.client.ended.values().filter(|state| **state == wanted).count();
        assert!(ended(TaskState::Completed) as u64 <= ledger.completed);
        assert!(ended(TaskState::Cancelled) as u64 <= ledger.cancelled);
        assert_eq!(self.world.machine.in_hand(), 0);
        assert_eq!(self.world.machine.held_bytes, 0);
        assert_eq!(self.world.machine.timers.len(), 0);
        assert!(self.world.machine.rounds.knows_nothing());
        assert_eq!(self.world.machine.matching.queued(), [0; 5]);
    }
}

#[test]
fn whatever_happens_every_acknowledged_task_ends_exactly_once_and_the_ledger_holds() {
    let seed = Seed::from_env();
    for round in 0..ROUNDS {
        let mut play = Play::new(&seed.round(round));
        for _ in 0..STEPS {
            play.step();
        }
        play.bring_to_an_end();
        play.world.crash();
        play.listen();
        play.check();
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut play = Play::new(&Seed::fixed(7));
        for _ in 0..STEPS {
            play.step();
        }
        play.world.step(Input::Settle);
        play.world.log.iter().map(|record| record.bytes.clone()).collect::<Vec<_>>()
    };
    assert!(run() == run());
}
