//! The lock space: owners who take two locks in opposite order, begin again when they have lost
//! them, die at any time, and a clock that may run at any time.
//!
//! Bounded: at most three owners, who begin at most twice.

use stateright::{Checker as _, Model, Property};
use synod_coordination::lock::{
    Acquire, DeadlockPolicy, Ending, LockInput, LockSetup, LockSpace, Wish,
};
use synod_coordination::{Effects, Moment, Opening, Protocol};
use synod_runtime::Principal;
use uuid::Uuid;

const LOCKS: [&str; 2] = ["x", "y"];

struct Owners {
    policy: DeadlockPolicy,
    count: usize,
    /// How often an owner begins at most.
    tries: u8,
    may_die: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    space: LockSpace,
    now: Moment,
    owners: Vec<Owner>,
    /// A token that has gone stale, and whose it was.
    stale: Option<(usize, u64)>,
    fault: Option<&'static str>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Owner {
    held: Vec<u64>,
    waiting: bool,
    begun: u8,
    is_done: bool,
    is_dead: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Act {
    Ask(usize),
    GiveBack(usize),
    UseStale(usize, u64),
    Die(usize),
    Clock,
}

fn name(owner: usize) -> String {
    format!("o{owner}")
}

impl Owners {
    /// The length of leases and waits: a lease ends a wait, or a wait ends in time for a lease.
    fn times(&self) -> (u64, u64) {
        if self.policy == DeadlockPolicy::Timeout { (3, 2) } else { (2, 3) }
    }

    /// Takes over what the space shows, and compares it with what was.
    fn look(state: &mut State, highest: u64) {
        let view = state.space.view();
        for (at, owner) in state.owners.iter_mut().enumerate() {
            let grants = view.grants.iter().filter(|grant| grant.owner == name(at));
            let held: Vec<u64> = grants.map(|grant| grant.fence).collect();
            if held.iter().any(|fence| !owner.held.contains(fence) && *fence <= highest) {
                state.fault = Some("a token did not rise");
            }
            let lost = owner.held.iter().find(|fence| !held.contains(fence));
            state.stale = lost.map(|fence| (at, *fence)).or(state.stale);
            owner.waiting = view.waits.iter().any(|wait| wait.owner == name(at));
            owner.held = held;
        }
    }

    fn input(&self, state: &State, act: &Act) -> Option<LockInput> {
        match act {
            Act::Ask(at) => {
                let owner = state.owners.get(*at)?;
                let lock = LOCKS[(at + owner.held.len()) % LOCKS.len()];
                let resources = vec![Wish::exclusive(lock)];
                let (lease_ms, wait_ms) = self.times();
                let owner = name(*at);
                Some(LockInput::Acquire(Acquire {
                    owner,
                    resources,
                    lease_ms,
                    wait_ms,
                    priority: 0,
                }))
            }
            Act::GiveBack(at) => {
                let fence = *state.owners.get(*at)?.held.first()?;
                Some(LockInput::Release { owner: name(*at), fence })
            }
            Act::UseStale(at, fence) => {
                Some(LockInput::Release { owner: name(*at), fence: *fence })
            }
            Act::Die(at) => Some(LockInput::OwnerGone { owner: name(*at) }),
            Act::Clock => None,
        }
    }
}

impl Model for Owners {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let setup = LockSetup { policy: self.policy, remember_ms: 2, ..LockSetup::default() };
        let by = Principal::anonymous().clone();
        let opening = Opening { id: Uuid::nil(), now: Moment(0), seed: 0, by };
        let space = LockSpace::open(setup, &opening, &mut Effects::default()).unwrap();
        let owners = vec![Owner::default(); self.count];
        vec![State { space, now: Moment(0), owners, stale: None, fault: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        for (at, owner) in state.owners.iter().enumerate() {
            if owner.is_dead {
                continue;
            }
            let begins = owner.held.is_empty() && !owner.is_done && owner.begun < self.tries;
            if !owner.waiting && (begins || owner.held.len() == 1 && !owner.is_done) {
                actions.push(Act::Ask(at));
            }
            if owner.held.len() == 2 || owner.is_done && !owner.held.is_empty() {
                actions.push(Act::GiveBack(at));
            }
            if self.may_die && (owner.waiting || !owner.held.is_empty()) {
                actions.push(Act::Die(at));
            }
        }
        actions.extend(state.stale.map(|(at, fence)| Act::UseStale(at, fence)));
        actions.extend(state.space.next_wake().map(|_| Act::Clock));
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        let highest = state.space.view().last_fence;
        let mut out = Effects::default();
        let Some(input) = self.input(&state, &act) else {
            state.now = state.space.next_wake()?.max(state.now);
            state.space.wake(state.now, &mut out);
            Self::look(&mut state, highest);
            return Some(state);
        };
        let by = Principal::anonymous();
        let answer = state.space.step(state.now, by, input, &mut out);
        match act {
            Act::UseStale(..) => {
                state.stale = None;
                state.fault = answer.is_ok().then_some("a stale token was accepted");
                return Some(state);
            }
            _ => _ = answer.ok()?,
        }
        match act {
            Act::Ask(at) if state.owners[at].held.is_empty() => state.owners[at].begun += 1,
            Act::GiveBack(at) => state.owners[at].is_done = true,
            Act::Die(at) => state.owners[at].is_dead = true,
            _ => {}
        }
        Self::look(&mut state, highest);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no fault", |_, state: &State| state.fault.is_none()),
            Property::always("no lock is held twice", |_, state: &State| {
                let view = state.space.view();
                LOCKS.iter().all(|lock| {
                    let held = view.grants.iter().filter(|it| it.resources.contains_key(*lock));
                    held.count() <= 1
                })
            }),
            Property::always("no deadlock stays", |model: &Self, state: &State| {
                model.policy == DeadlockPolicy::Timeout || state.space.deadlocked().is_empty()
            }),
            Property::always("every wait and every grant has an end", |_, state: &State| {
                let view = state.space.view();
                let waits = view.waits.iter().map(|it| it.deadline_us);
                let ends = waits.chain(view.grants.iter().map(|it| it.until_us)).min();
                let next = state.space.next_wake();
                ends.is_none_or(|end| next.is_some_and(|next| next.0 <= end && state.now.0 < end))
            }),
            Property::always("the dead hold nothing", |_, state: &State| {
                state.owners.iter().all(|it| !it.is_dead || it.held.is_empty() && !it.waiting)
            }),
            Property::sometimes("all get what they want", |_, state: &State| {
                state.owners.iter().all(|it| it.is_done && it.held.is_empty())
            }),
            Property::sometimes("the policy takes effect", |model: &Self, state: &State| {
                let ended = state.space.view().ledger.ended;
                let forced = match model.policy {
                    DeadlockPolicy::WoundWait => {
                        let recent = state.space.view().recent;
                        return recent.iter().any(|it| it.ending == Ending::Wounded);
                    }
                    DeadlockPolicy::WaitDie => Ending::Died,
                    DeadlockPolicy::Detect => Ending::Victim,
                    DeadlockPolicy::Timeout => Ending::TimedOut,
                };
                ended.contains_key(&forced)
            }),
        ]
    }
}

fn check(policy: DeadlockPolicy) {
    for (count, tries, may_die) in [(2, 1, true), (2, 2, false), (3, 1, false)] {
        let checker = Owners { policy, count, tries, may_die }.checker().spawn_bfs().join();
        checker.assert_properties();
        assert!(checker.is_done());
        assert!(checker.unique_state_count() > 500, "the model is too small to show anything");
    }
}

#[test]
fn wound_wait_holds_in_every_order_of_events() {
    check(DeadlockPolicy::WoundWait);
}

#[test]
fn wait_die_holds_in_every_order_of_events() {
    check(DeadlockPolicy::WaitDie);
}

#[test]
fn detection_holds_in_every_order_of_events() {
    check(DeadlockPolicy::Detect);
}

#[test]
fn timeouts_alone_end_every_wait_in_every_order_of_events() {
    check(DeadlockPolicy::Timeout);
}
