//! How clusters come together, and what it costs.

use std::time::Duration;

use synod_testkit::Seed;

use super::world::{World, record};
use crate::membership::config::MembershipConfig;
use crate::membership::events::Input;
use crate::membership::messages::{MemberChange, Standing};

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn ten_nodes_that_join_at_once_know_each_other_within_two_seconds() {
    let seed = Seed::from_env();
    let mut world = World::joining(&seed, 10);
    let took = world.until(secs(2), World::is_complete);
    println!("10 nodes: {took:?}");
    assert!(world.nodes.iter().all(|node| node.machine.standing() == Standing::Member));
}

#[test]
fn a_hundred_nodes_that_join_at_once_know_each_other_within_five_seconds() {
    let seed = Seed::from_env();
    let mut world = World::joining(&seed, 100);
    let took = world.until(secs(5), World::is_complete);
    println!("100 nodes: {took:?}");
    assert_eq!(world.count(|change| matches!(change, MemberChange::Down(_))), 0);
}

#[test]
fn a_node_joins_when_one_seed_is_left() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 5);
    world.kill(0);
    world.kill(1);
    let late = world.join(record(7, 1));
    world.until(secs(5), |world| world.nodes[late].joined.is_some());
    world.until(secs(10), World::is_complete);
}

#[test]
fn a_node_that_finds_no_seed_goes_on_trying() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, MembershipConfig::default());
    let early = world.join(record(7, 1));
    world.pass(secs(60));
    assert_eq!(world.nodes[early].machine.standing(), Standing::Joining);
    assert!(world.nodes[early].machine.joining.last_error.is_some());
    world.join(record(0, 1));
    world.until(secs(12), World::is_complete);
}

#[test]
fn all_nodes_restarted_at_once_find_each_other_again() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 6);
    (0..6).for_each(|index| world.kill(index));
    world.pass(secs(5));
    for index in 0..6 {
        world.restart(index);
    }
    world.until(secs(5), World::is_complete);
}

#[test]
fn messages_per_node_do_not_grow_with_the_cluster() {
    let seed = Seed::from_env();
    let rate = |count: usize| {
        let mut world = World::complete(&seed, count);
        world.pass(secs(10));
        world.nodes.iter_mut().for_each(|node| node.sent = 0);
        world.pass(secs(30));
        let most = world.nodes.iter().map(|node| node.sent).max().unwrap_or(0);
        let mean = world.nodes.iter().map(|node| node.sent).sum::<u64>() as f64 / count as f64;
        println!("{count} nodes: {:.2} messages/s per node, at most {}", mean / 30.0, most / 30);
        mean / 30.0
    };
    let (few, many) = (rate(10), rate(60));
    assert!(many < few * 1.5 + 1.0, "{few:.2} then {many:.2} messages/s");
}

#[test]
fn one_member_too_many_is_turned_away_and_counted() {
    let seed = Seed::from_env();
    let config = MembershipConfig { max_members: 4, ..MembershipConfig::default() };
    let mut world = World::new(&seed, config);
    (0..8).for_each(|place| {
        world.join(record(place, 1));
    });
    world.pass(secs(20));
    for node in &world.nodes {
        assert!(node.machine.table.rows().count() <= 4);
    }
    let turned_away: u64 =
        world.nodes.iter().map(|node| node.machine.door.lock().turned_away).sum();
    assert!(turned_away > 0);
}

#[test]
fn the_same_seed_gives_the_same_course() {
    let seed = Seed::from_env();
    let run = || {
        let mut world = World::joining(&seed, 12);
        world.loss = 0.1;
        world.pass(secs(5));
        world.kill(3);
        world.pass(secs(15));
        world.trace
    };
    assert_eq!(run(), run());
}

#[test]
fn a_node_alone_is_alone_and_needs_nobody() {
    let seed = Seed::from_env();
    let mut world = World::new(&seed, MembershipConfig::default());
    let own = record(0, 1);
    let only = world.start(own.clone());
    world.input(only, Input::Join(vec![own.address]));
    world.pass(secs(60));
    assert_eq!(world.nodes[only].machine.standing(), Standing::Alone);
    assert_eq!(world.nodes[only].sent, 0);
}
