//! Tasks and executions side by side, at random, with crashes: each asking is answered once, and
//! nothing is left over.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;

use super::*;
use crate::task::Allocation;

const ROUNDS: u64 = 40;
const STEPS: usize = 250;

struct Play {
    world: World,
    chance: ChaCha12Rng,
    /// Executions that wait for their answer, with the attempt that was asked for last.
    asked: BTreeMap<Uuid, u32>,
    next: u128,
}

impl Play {
    fn new(seed: &Seed) -> Self {
        let mut world = World::new();
        for (name, can) in [("a", &["x", "y"][..]), ("b", &["x"]), ("c", &["y"])] {
            world.agent(name, can);
        }
        Self { world, chance: seed.rng(), asked: BTreeMap::new(), next: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.chance.random_range(0..bound)
    }

    fn step(&mut self) {
        match self.below(12) {
            0 => drop(self.world.submit(request(["x", "y"][self.next as usize % 2]))),
            1..=3 => self.execute(),
            4..=7 => self.finish(),
            8 => self.cancel(),
            9 => self.try_again(),
            10 => {
                let ms = self.below(400) as u64;
                self.world.advance_ms(ms);
            }
            _ if self.below(8) == 0 => self.crash(),
            _ => {}
        }
        self.listen();
    }

    fn any_spec(&mut self) -> ExecutionSpec {
        let mode = TaskMode::ALL[self.below(TaskMode::ALL.len())];
        let kind = ["x", "y"][self.below(2)];
        let deadline = Instant::now() + Duration::from_millis(500 + self.below(60_000) as u64);
        let start_within = (self.below(3) == 0).then_some(Duration::from_millis(50));
        let max_lost = self.below(3) as u32;
        let mut allocation = Allocation::ALL[self.below(Allocation::ALL.len())];
        if allocation.suits(mode, false).is_err() {
            allocation = Allocation::default();
        }
        ExecutionSpec { mode, allocation, deadline, start_within, max_lost, ..spec(kind) }
    }

    fn execute(&mut self) {
        self.next += 1;
        let (number, spec) = (self.next, self.any_spec());
        if self.world.ask(number, 1, spec).is_ok() {
            self.asked.insert(id(number), 1);
        }
        if self.below(2) == 0 {
            self.world.settle();
        }
    }

    fn any_asked(&mut self) -> Option<(u128, u32)> {
        let at = self.below(self.asked.len().max(1));
        let (of, attempt) = self.asked.iter().nth(at)?;
        Some((of.as_u128() - id(0).as_u128(), *attempt))
    }

    /// A higher attempt, of which the lower one's end is told.
    fn try_again(&mut self) {
        let Some((number, attempt)) = self.any_asked() else { return };
        let spec = self.any_spec();
        if self.world.ask(number, attempt + 1, spec).is_ok() {
            self.world.settle();
            let superseded = self.world.endings.iter().position(|ending| ending.id == id(number));
            let superseded = self.world.endings.remove(superseded.unwrap());
            assert_eq!(superseded.attempt, attempt);
            self.asked.insert(id(number), attempt + 1);
        }
    }

    fn cancel(&mut self) {
        if let Some((number, attempt)) = self.any_asked() {
            self.world.cancel_execution(number, attempt);
            assert!(self.world.endings.iter().any(|ending| ending.id == id(number)));
        }
    }

    fn finish(&mut self) {
        if self.world.in_hand.is_empty() {
            return;
        }
        let at = self.below(self.world.in_hand.len());
        let dispatch = self.world.in_hand.remove(at);
        let outcome = match self.below(8) {
            0 => Outcome::Lost("a crash".to_owned()),
            1 => Outcome::Error(AgentError::failed("no luck")),
            2 => Outcome::Error(AgentError::unavailable("paused")),
            3 => Outcome::Overdue,
            4 => done("1", ["red", "blue", "green"][self.below(3)]),
            _ => answer("1"),
        };
        let (work, agent) = (dispatch.work, dispatch.agent);
        self.world.step(Input::Finished { work, agent, outcome, ran_us: 1_000 });
        if self.below(2) == 0 {
            self.world.settle();
        }
    }

    /// The keepers ask again under the same names, as nobody told them of an end.
    fn crash(&mut self) {
        self.world.settle();
        self.listen();
        self.world.crash();
        for (of, attempt) in self.asked.clone() {
            // Their agents may not have come back yet.
            let spec = ExecutionSpec { wait_for_agent: true, ..self.any_spec() };
            let number = of.as_u128() - id(0).as_u128();
            self.world.ask(number, attempt, spec).unwrap();
        }
        self.world.settle();
    }

    fn listen(&mut self) {
        for ending in self.world.endings.drain(..) {
            let attempt = self.asked.remove(&ending.id);
            assert_eq!(attempt, Some(ending.attempt), "{ending:?} is answered once");
        }
    }

    fn bring_to_an_end(&mut self) {
        for _ in 0..1_000 {
            self.world.settle();
            self.listen();
            match self.world.in_hand.pop() {
                Some(dispatch) => self.world.finish(dispatch, answer("1")),
                None => self.world.advance_ms(2_000),
            }
            if self.asked.is_empty() && self.world.machine.ledger().open == 0 {
                break;
            }
        }
        let known = |of: &Uuid| self.world.machine.task(*of);
        let stuck: Vec<_> = self.asked.keys().map(known).collect();
        assert!(stuck.is_empty(), "{stuck:#?} {:?} at {:?}", self.asked, self.world.now);
        let [_, open, ..] = self.world.kept();
        assert_eq!(open, 0);
        self.world.in_hand.clear();
        assert_eq!(self.world.machine.in_hand(), 0);
        assert_eq!(self.world.machine.held_bytes, 0);
        assert_eq!(self.world.machine.timers.len(), 0);
        assert!(self.world.machine.rounds.knows_nothing());
        self.world.assert_capacities();
        assert_eq!(self.world.machine.matching.queued(), [0; 5]);
    }
}

#[test]
fn whatever_happens_each_asking_is_answered_once_and_nothing_is_left_over() {
    let seed = Seed::from_env();
    for round in 0..ROUNDS {
        let mut play = Play::new(&seed.round(round));
        for _ in 0..STEPS {
            play.step();
        }
        play.bring_to_an_end();
        play.world.crash();
    }
}
