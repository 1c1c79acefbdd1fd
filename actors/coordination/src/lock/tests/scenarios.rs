//! 10,000 random scenarios: every wait ends by its deadline, nothing is leaked.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::{Ending, Mode, Reentrancy, Semaphore};
use super::*;

const SCENARIOS: u64 = 10_000;
const POLICIES: [DeadlockPolicy; 4] = [
    DeadlockPolicy::WoundWait,
    DeadlockPolicy::WaitDie,
    DeadlockPolicy::Detect,
    DeadlockPolicy::Timeout,
];

/// What a scenario knows beside the space itself.
struct Scenario {
    world: World,
    rng: StdRng,
    owners: u32,
    resources: u32,
    /// The deadline of each wait that has not ended.
    open: BTreeMap<u64, i64>,
    /// Tokens that are known to have been given, and the highest.
    fences: Vec<(String, u64)>,
    highest: u64,
    ended: BTreeMap<Ending, u64>,
    looked_at: usize,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let permits = rng.random_range(1..4);
        let setup = LockSetup {
            policy: POLICIES[(seed % 4) as usize],
            reentrancy: if rng.random() { Reentrancy::Allow } else { Reentrancy::Refuse },
            semaphores: vec![Semaphore { name: "r0".into(), permits }],
            aging_ms: rng.random_range(0..50),
            remember_ms: rng.random_range(0..200),
            ..LockSetup::default()
        };
        let (owners, resources) = (rng.random_range(2..7), rng.random_range(2..6));
        Self {
            world: World::new(setup),
            rng,
            owners,
            resources,
            open: BTreeMap::new(),
            fences: Vec::new(),
            highest: 0,
            ended: BTreeMap::new(),
            looked_at: 0,
        }
    }

    fn owner(&mut self) -> String {
        format!("o{}", self.rng.random_range(0..self.owners))
    }

    fn input(&mut self) -> LockInput {
        let owner = self.owner();
        match self.rng.random_range(0..10) {
            0..6 => LockInput::Acquire(self.request(owner)),
            6..8 => self.fence_of_one().map_or(LockInput::OwnerGone { owner }, |(owner, fence)| {
                LockInput::Release { owner, fence }
            }),
            8 => {
                let lease_ms = self.rng.random_range(1..100);
                let (owner, fence) = self.fence_of_one().unwrap_or((owner, 1));
                LockInput::Renew { owner, fence, lease_ms }
            }
            _ if self.rng.random() => LockInput::OwnerGone { owner },
            _ => {
                let ticket = self.open.keys().next_back().copied().unwrap_or(0);
                LockInput::CancelWait { owner, ticket }
            }
        }
    }

    fn fence_of_one(&mut self) -> Option<(String, u64)> {
        let at = self.rng.random_range(0..self.fences.len().max(1));
        self.fences.get(at).cloned()
    }

    fn request(&mut self, owner: String) -> Acquire {
        let mut resources: Vec<Wish> = Vec::new();
        for no in 0..self.resources {
            if self.rng.random_range(0..3) == 0 {
                let mode = match self.rng.random_range(0..4) {
                    0 => Mode::Shared,
                    1 if no == 0 => Mode::Permits(1),
                    _ => Mode::Exclusive,
                };
                resources.push(Wish { name: format!("r{no}"), mode });
            }
        }
        let lease_ms = self.rng.random_range(1..100);
        let wait_ms = self.rng.random_range(0..100);
        let priority = self.rng.random_range(0..4);
        Acquire { owner, resources, lease_ms, wait_ms, priority }
    }

    /// A step, and what must be so of its answer.
    fn go(&mut self) {
        let input = self.input();
        let asks = match &input {
            LockInput::Acquire(ask) => Some(ask.owner.clone()),
            _ => None,
        };
        let stale = match &input {
            LockInput::Release { fence, .. } | LockInput::Renew { fence, .. } => {
                let until = self.world.space.table.grants.get(fence).map(|it| it.until);
                until.is_none_or(|until| until <= self.world.now())
            }
            _ => false,
        };
        let answer = self.world.step(input);
        assert!(!stale || answer.is_err(), "a stale token was accepted");
        match (&answer, asks) {
            (Ok(LockAnswer::Granted { fence, .. }), Some(owner)) => {
                assert!(*fence > self.highest, "tokens rise");
                self.fences.push((owner, *fence));
            }
            (Ok(LockAnswer::Waiting { ticket, deadline_us, .. }), _) => {
                self.open.insert(*ticket, *deadline_us);
            }
            (Ok(LockAnswer::Died { ending: Ending::Died, .. }), _) => {
                *self.ended.entry(Ending::Died).or_default() += 1;
            }
            _ => {}
        }
        self.look();
    }

    /// Takes note of what has ended since.
    fn look(&mut self) {
        self.highest = self.world.space.table.last_fence;
        for ended in &self.world.endings[self.looked_at..] {
            *self.ended.entry(ended.ending).or_default() += 1;
            let Some(ticket) = ended.ticket else { continue };
            if ended.ending == Ending::Granted {
                self.fences.push((ended.owner.clone(), ended.fence.unwrap()));
            }
            if let Some(deadline) = self.open.remove(&ticket) {
                assert!(ended.at_us <= deadline, "ticket {ticket} ended after its deadline");
            }
        }
        self.looked_at = self.world.endings.len();
        let waiting = &self.world.space.table.waiting;
        assert!(self.open.keys().all(|ticket| waiting.contains_key(ticket)), "a wait is lost");
    }
}

#[test]
fn ten_thousand_scenarios_end_with_every_wait_told_and_no_lock_leaked() {
    let mut ended: BTreeMap<Ending, u64> = BTreeMap::new();
    for seed in 0..SCENARIOS {
        let mut scenario = Scenario::new(seed);
        let steps = scenario.rng.random_range(10..30);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..steps {
                let gap = scenario.rng.random_range(0..20);
                if scenario.rng.random_range(0..4) == 0 {
                    scenario.world.now_ms += gap; // Woken too late, by the next input.
                } else {
                    scenario.world.pass(gap);
                }
                scenario.look();
                scenario.go();
            }
            // Nobody does anything more: the clock ends all.
            scenario.world.pass(1_000);
            scenario.look();
            assert!(scenario.open.is_empty(), "{:?} never ended", scenario.open);
            let view = scenario.world.space.view();
            assert_eq!((view.waiting, view.held, view.owners), (0, 0, 0));
            assert_eq!(view.resources, 1, "only the declared semaphore is left");
            assert_eq!(scenario.world.space.next_wake(), None);
        }));
        assert!(failed.is_ok(), "seed {seed}");
        for (ending, count) in scenario.ended {
            *ended.entry(ending).or_default() += count;
        }
    }
    for ending in [
        Ending::Granted,
        Ending::TimedOut,
        Ending::Cancelled,
        Ending::Wounded,
        Ending::Died,
        Ending::Victim,
        Ending::Expired,
        Ending::Gone,
    ] {
        assert!(ended.get(&ending).is_some_and(|count| *count > 50), "{ending:?}: {ended:?}");
    }
}
