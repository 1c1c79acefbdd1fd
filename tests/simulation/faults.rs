//! What goes wrong, by seed.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rand::{Rng, RngExt};
use synod_cluster::simulated::Conditions;
use tokio::time::{Instant, sleep};

use crate::world::{World, usual};

/// Lets things go wrong, one after the other and some at once, for so long.
pub(crate) async fn rage(world: &Arc<World>, rng: &mut impl Rng, period: Duration) {
    let until = Instant::now() + period;
    while Instant::now() < until {
        one(world, rng).await;
        sleep(Duration::from_millis(rng.random_range(200..2_500))).await;
    }
}

fn pick(world: &World, rng: &mut impl Rng) -> usize {
    // Whoever leads is hit as often as all others together.
    match world.leader(1) {
        Some(leader) if rng.random_bool(0.4) => leader,
        _ => rng.random_range(0..world.seats.len()),
    }
}

async fn one(world: &Arc<World>, rng: &mut impl Rng) {
    let node = pick(world, rng);
    match rng.random_range(0..12) {
        0..=2 => kill(world, rng, node).await,
        3 => isolate(world, rng, node),
        4 => split(world, rng),
        5 => one_way(world, rng, node),
        6 => flap(world, rng, node),
        7 => rough(world, rng),
        8 => slow(world, rng, node),
        9 => full(world, rng, node),
        10 => jump(world, rng, node),
        _ => cut(world, rng, node),
    }
}

/// Does something after a while.
fn later(world: &Arc<World>, after: Duration, what: impl FnOnce(Arc<World>) + Send + 'static) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(after).await;
        what(world);
    });
}

fn while_of(rng: &mut impl Rng) -> Duration {
    Duration::from_millis(rng.random_range(300..6_000))
}

/// One node, or now and then all of them at once, as when the power of the house goes.
async fn kill(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let all = rng.random_bool(0.1);
    for other in 0..world.seats.len() {
        if all || other == node {
            world.kill(other).await;
            later(world, while_of(rng), move |world| {
                if !world.runs(other) {
                    world.start(other);
                }
            });
        }
    }
}

fn isolate(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    world.note(format!("node {node} is cut off"));
    world.network.isolate(&world.seats[node].address);
    later(world, while_of(rng), move |world| {
        world.note(format!("node {node} is back"));
        world.network.rejoin(&world.seats[node].address);
    });
}

fn split(world: &Arc<World>, rng: &mut impl Rng) {
    let sides: Vec<bool> = world.seats.iter().map(|_| rng.random_bool(0.5)).collect();
    world.note(format!("split into {sides:?}"));
    let side = |wanted: bool| -> Vec<&str> {
        let seats = world.seats.iter().zip(&sides).filter(|(_, side)| **side == wanted);
        seats.map(|(seat, _)| seat.address.as_str()).collect()
    };
    world.network.partition(&side(true), &side(false));
    later(world, while_of(rng), |world| {
        world.note("the split is over");
        world.network.heal();
    });
}

fn one_way(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let to = rng.random_range(0..world.seats.len());
    if to == node {
        return;
    }
    world.note(format!("node {node} does not reach node {to}"));
    world.network.block(&world.seats[node].address, &world.seats[to].address);
    later(world, while_of(rng), move |world| {
        world.note(format!("node {node} reaches node {to}"));
        world.network.unblock(&world.seats[node].address, &world.seats[to].address);
    });
}

fn flap(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let to = (node + 1) % world.seats.len();
    let period = Duration::from_millis(rng.random_range(50..800));
    world.note(format!("node {node} and node {to} come and go"));
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let (left, right) = (&world.seats[node].address, &world.seats[to].address);
        world.network.flap(left, right, period, 5).await;
    });
}

fn rough(world: &Arc<World>, rng: &mut impl Rng) {
    let conditions = Conditions {
        delay: Duration::from_millis(rng.random_range(0..40)),
        jitter: Duration::from_millis(rng.random_range(0..100)),
        loss: rng.random_range(0.0..0.1),
        breakage: rng.random_range(0.0..0.002),
        bytes_per_second: None,
    };
    world.note(format!("rough: {conditions:?}"));
    world.network.set_all(conditions);
    later(world, while_of(rng), |world| {
        world.note("smooth");
        world.network.set_all(usual());
    });
}

fn slow(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let each = Duration::from_millis(rng.random_range(5..400));
    world.note(format!("the disk of node {node} takes {each:?}"));
    *world.seats[node].eye.slow.lock() = each;
    later(world, while_of(rng), move |world| {
        world.note(format!("the disk of node {node} is fast"));
        *world.seats[node].eye.slow.lock() = Duration::ZERO;
    });
}

fn full(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let seat = &world.seats[node];
    match rng.random_bool(0.5) {
        true => seat.disk.set_free_bytes(0),
        false => seat.disk.fail_write(rng.random_range(1..20)),
    }
    world.note(format!("the disk of node {node} is full"));
    later(world, while_of(rng), move |world| {
        world.note(format!("the disk of node {node} has room"));
        world.seats[node].disk.set_free_bytes(1 << 40);
    });
}

fn jump(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let by = SignedDuration::from_millis(rng.random_range(-60_000..60_000));
    world.note(format!("the clock of node {node} jumps by {by}"));
    world.seats[node].time.jump_utc(by);
}

fn cut(world: &Arc<World>, rng: &mut impl Rng, node: usize) {
    let to = rng.random_range(0..world.seats.len());
    world.note(format!("connections of node {node} and node {to} break"));
    world.network.cut(&world.seats[node].address, &world.seats[to].address);
}
