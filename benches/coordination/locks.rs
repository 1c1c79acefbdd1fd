//! Locks: taken and given back, and who waits for whom.

use std::path::Path;

use futures::future::join_all;
use synod_coordination::conflict::deadlocks;
use synod_coordination::desk::Step;
use synod_coordination::lock::{
    Acquire, DeadlockPolicy, LockAnswer, LockInput, LockSetup, LockSpace, Wish,
};
use synod_coordination::{ConversationId, Effects, Moment, Protocol as _};
use synod_runtime::Principal;

use crate::LONG;
use crate::figures::{
    Round, Stopwatch, each, each_awaited, latencies, latency, rate, rates, rounds, share_of,
};
use crate::ground::{Node, opened};

const CLIENTS: u64 = 64;
/// Each holds a lock and waits for one more: 100,000 edges, two an owner.
const OWNERS: u64 = 50_000;

pub(crate) async fn print(folder: &Path) {
    latencies("Locks: taken and given back, nobody else wants it");
    let node = Node::start(folder, "{}", "").await;
    let space = node.open(LockSetup::default()).await;
    let (mut alone, mut many) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        let turn = async |_| turn(&node, space, 0).await;
        alone.push(each_awaited(share_of(2_000), turn).await);
        many.push(side_by_side(&node, space, share_of(500)).await);
    }
    node.stop().await;
    latency("one client; desk and disk", "", &alone);
    for held in [0, share_of(OWNERS)] {
        let taken: Vec<Round> = (0..rounds()).map(|_| pure(held, share_of(50_000))).collect();
        latency(&format!("{held} others held; pure"), "", &taken);
    }
    print_graph();
    rates("Locks: taken and given back, desk and disk", "locks");
    rate(&format!("{CLIENTS} clients, a lock each"), "", &many);
}

fn acquire(owner: u64, lock: u64, wait_ms: u64) -> LockInput {
    LockInput::Acquire(Acquire {
        owner: format!("owner-{owner}"),
        resources: vec![Wish::exclusive(format!("lock-{lock}"))],
        lease_ms: 600_000,
        wait_ms,
        priority: 0,
    })
}

/// Takes a lock and gives it back.
async fn turn(node: &Node<LockSpace>, id: ConversationId, owner: u64) {
    let by = Principal::default();
    let input = acquire(owner, owner, 0);
    let answer = node.desk.ask(Step { id, by: by.clone(), input }, LONG).await;
    let Ok(Ok(LockAnswer::Granted { fence, .. })) = answer else { panic!("{answer:?}") };
    let input = LockInput::Release { owner: format!("owner-{owner}"), fence };
    let answer = node.desk.ask(Step { id, by, input }, LONG).await;
    assert!(matches!(answer, Ok(Ok(LockAnswer::Freed { grants: 1 }))), "{answer:?}");
}

/// `count` turns of each client.
async fn side_by_side(node: &Node<LockSpace>, id: ConversationId, count: u64) -> Round {
    let watch = Stopwatch::start();
    let client = async |owner| {
        for _ in 0..count {
            turn(node, id, owner).await;
        }
    };
    join_all((0..CLIENTS).map(client)).await;
    watch.stop(Vec::new(), CLIENTS * count)
}

fn step(space: &mut LockSpace, at: u64, input: LockInput) -> LockAnswer {
    // What a desk would take away at once.
    let mut out = Effects::default();
    let now = Moment(i64::try_from(at).unwrap_or(i64::MAX));
    space.step(now, Principal::anonymous(), input, &mut out).expect("it can be done")
}

fn space(policy: DeadlockPolicy) -> LockSpace {
    let setup = LockSetup { policy, max_waiting: 100_000, ..LockSetup::default() };
    opened(setup, &mut Effects::default())
}

fn pure(held: u64, count: u64) -> Round {
    let mut space = space(DeadlockPolicy::Detect);
    for owner in 1..=held {
        step(&mut space, owner, acquire(owner, owner, 0));
    }
    each(count, |at| {
        let answer = step(&mut space, held + at, acquire(0, 0, 0));
        let LockAnswer::Granted { fence, .. } = answer else { panic!("{answer:?}") };
        let owner = "owner-0".to_owned();
        step(&mut space, held + at, LockInput::Release { owner, fence });
    })
}

/// A chain in which everybody waits for the next, and its closing to a circle.
fn print_graph() {
    let owners = share_of(OWNERS).max(3);
    latencies(&format!("Wait-for graph: {} edges, a chain that becomes a circle", 2 * owners));
    let (mut waits, mut closings, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds() {
        let (mut space, inserted) = chain(DeadlockPolicy::Detect, owners);
        waits.push(inserted);
        closings.push(each(1, |_| {
            let answer = step(&mut space, owners, acquire(owners - 1, 0, 60_000));
            assert!(matches!(answer, LockAnswer::Died { .. } | LockAnswer::Waiting { .. }));
        }));
        assert!(deadlocks(&space).is_empty(), "no deadlock stays");
        let (mut space, _) = chain(DeadlockPolicy::Timeout, owners);
        step(&mut space, owners, acquire(owners - 1, 0, 60_000));
        searches.push(each(1, |_| assert_eq!(deadlocks(&space).len(), 1)));
    }
    latency("one more wait (two edges), looked at", "", &waits);
    latency("the wait that closes the circle: found, broken at its victim", "", &closings);
    latency("all deadlocks of the table, with who is in them", "", &searches);
}

/// Owners who each hold a lock, and all but the last wait for that of the next.
fn chain(policy: DeadlockPolicy, owners: u64) -> (LockSpace, Round) {
    let mut space = space(policy);
    for owner in 0..owners {
        step(&mut space, 0, acquire(owner, owner, 0));
    }
    let waits = each(owners - 1, |owner| {
        let answer = step(&mut space, 1, acquire(owner, owner + 1, 60_000));
        assert!(matches!(answer, LockAnswer::Waiting { .. }), "{answer:?}");
    });
    (space, waits)
}
