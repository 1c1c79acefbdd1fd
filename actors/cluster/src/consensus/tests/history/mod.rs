//! A history of leases that are taken, renewed, refused, given back and read while nodes and wires
//! fail is linearizable (Herlihy, Wing 1990): checked by porcupine, which searches for an order.

mod clients;
mod model;

use std::sync::Arc;
use std::time::Duration;

use porcupine_rs::{CheckResult, Operation, check_operations_timeout};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;
use tokio::time::sleep;

use super::world::{CLUSTER, SOON, World, record};
use crate::consensus::GroupId;
use crate::control::{FencingToken, LeaseName, OverseerConfig};
use crate::node::NodeId;
use clients::{Desk, client};
use model::{Asked, OneLease, Request};

const CLIENTS: u32 = 8;
const OPERATIONS: usize = 10_000;
/// Time of the machine, not of the simulation.
const SEARCH: Duration = Duration::from_secs(120);

#[tokio::test(start_paused = true)]
async fn leases_taken_while_nodes_and_wires_fail_have_a_linearizable_history() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let mut world = three_that_vote().await;
    let desk = Arc::new(Desk::default());
    open_doors(&world, &desk);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let rng = ChaCha12Rng::seed_from_u64(rng.random());
            tokio::spawn(client(Arc::clone(&desk), number, rng))
        })
        .collect();
    let mut faults = 0;
    while desk.count() < OPERATIONS {
        sleep(Duration::from_millis(rng.random_range(100..700))).await;
        fail(&mut world, &desk, &mut rng).await;
        faults += 1;
    }
    desk.end();
    for client in clients {
        client.await.unwrap();
    }
    let (history, void) = desk.history();
    let open = history.iter().filter(|one| one.return_time == i64::MAX).count();
    let (count, seed) = (history.len(), seed.value());
    println!("seed {seed}: {count} operations, {open} unanswered, {void} void, {faults} faults");
    assert!(open > 0, "nothing was under way when something failed");
    assert_eq!(check_operations_timeout(&history, SEARCH), CheckResult::Ok);
}

#[test]
fn a_lease_that_two_have_at_once_is_no_linearizable_history() {
    let token = |position| FencingToken { epoch: 1, position };
    let (one, other) = (Asked::Taken(NodeId(1), token(1)), Asked::Taken(NodeId(2), token(2)));
    let twice = [done(1, 2, one.clone()), done(3, 4, other.clone())];
    assert_eq!(check_operations_timeout(&twice, SEARCH), CheckResult::Illegal);
    let given_back = [
        done(1, 2, one.clone()),
        done(3, 6, Asked::GivenBack(token(1))),
        done(4, 5, other.clone()),
    ];
    assert_eq!(check_operations_timeout(&given_back, SEARCH), CheckResult::Ok);
    let stale = [done(1, 2, one), done(3, 4, Asked::Seen(None))];
    assert_eq!(check_operations_timeout(&stale, SEARCH), CheckResult::Illegal);
    let lower = [
        done(1, 2, other),
        done(3, 4, Asked::GivenBack(token(2))),
        done(5, 6, Asked::Taken(NodeId(1), token(1))),
    ];
    assert_eq!(check_operations_timeout(&lower, SEARCH), CheckResult::Illegal);
    let perhaps = [
        done(1, i64::MAX, Asked::PerhapsTaken(NodeId(1))),
        done(2, 3, Asked::Seen(None)),
        done(4, 5, Asked::Seen(Some((NodeId(1), token(7))))),
        done(6, 7, Asked::Held(NodeId(2), NodeId(1))),
    ];
    assert_eq!(check_operations_timeout(&perhaps, SEARCH), CheckResult::Ok);
}

fn done(call_time: i64, return_time: i64, asked: Asked) -> Operation<OneLease> {
    let op = Request { name: LeaseName::parse("one").unwrap(), asked };
    Operation { client_id: None, call_time, return_time, op, metadata: None }
}

/// Three nodes of one cluster, all of which vote in its control group.
async fn three_that_vote() -> World {
    let mut world = World::new();
    world.overseer = Some(OverseerConfig::default());
    let nodes = [world.start(1).await, world.start(2).await, world.start(3).await];
    let founder = &world.node(nodes[0]).control;
    founder.form(CLUSTER, 1, record(nodes[0]), SOON).await.unwrap();
    for node in &nodes[1..] {
        world.node(*node).control.join(nodes[0], record(*node), SOON).await.unwrap();
    }
    world
        .wait("all vote", |world| {
            let views = world.views(GroupId::CONTROL);
            views.iter().all(|view| view.voters.len() == 3)
        })
        .await;
    world
}

fn open_doors(world: &World, desk: &Desk) {
    let doors = world.nodes.values().map(|node| (node.id, node.control.clone()));
    *desk.doors.lock() = doors.collect();
}

/// Something fails for a while, and is well again.
async fn fail(world: &mut World, desk: &Desk, rng: &mut impl Rng) {
    let node = NodeId(rng.random_range(1..=3));
    let other = NodeId(node.0 % 3 + 1);
    let lasts = Duration::from_millis(rng.random_range(300..4_000));
    match rng.random_range(0..6) {
        0 | 1 => {
            desk.doors.lock().remove(&node);
            world.kill(node).await;
            sleep(lasts).await;
            world.start(node.0).await;
            open_doors(world, desk);
        }
        2 => world.wires.isolate(&[node], &world.ids()),
        3 => world.wires.cut_one_way(node, other),
        4 => {
            world.wires.cut_one_way(node, other);
            world.wires.cut_one_way(other, node);
        }
        _ => world.wires.set_delay(Duration::from_millis(rng.random_range(1..40))),
    }
    sleep(lasts).await;
    world.wires.heal();
    world.wires.set_delay(Duration::ZERO);
}
