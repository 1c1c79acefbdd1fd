//! Leaving, removing, and coming back.

use std::time::Duration;

use synod_testkit::Seed;

use super::world::World;
use crate::membership::config::MembershipConfig;
use crate::membership::events::Input;
use crate::membership::messages::{Expulsion, MemberChange, MemberState, Standing};

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn who_leaves_has_left_and_is_not_taken_for_dead() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 12);
    world.input(11, Input::Leave);
    let took = world.until(secs(3), |world| world.all_see(11, MemberState::Left));
    println!("all know after {took:?}");
    world.kill(11);
    world.pass(secs(30));
    assert!(world.all_see(11, MemberState::Left));
    assert_eq!(world.count(|change| matches!(change, MemberChange::Down(_))), 0);
}

#[test]
fn who_left_may_join_again() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 5);
    world.input(4, Input::Leave);
    world.until(secs(3), |world| world.all_see(4, MemberState::Left));
    world.pass(secs(20));
    assert_eq!(world.nodes[4].machine.standing(), Standing::Left);
    world.input(4, Input::Join(World::seeds()));
    world.until(secs(5), World::is_complete);
}

#[test]
fn who_was_removed_learns_of_it_and_stays_out_until_it_restarts() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 6);
    let id = world.nodes[5].record.id;
    world.input(0, Input::Remove(id));
    world.until(secs(5), |world| world.nodes[5].machine.standing() == Standing::Removed);
    let told = world.count(|change| *change == MemberChange::Expelled(Expulsion::Removed));
    assert_eq!(told, 1);
    world.pass(secs(60));
    assert!(world.all_see(5, MemberState::Left));
    world.restart(5);
    world.until(secs(8), World::is_complete);
}

#[test]
fn a_node_that_was_removed_while_it_was_cut_off_learns_of_it_when_it_is_back() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 5);
    world.side[4] = 1;
    world.until(secs(15), |world| (0..4).all(|at| world.state(at, 4) == Some(MemberState::Down)));
    let id = world.nodes[4].record.id;
    world.input(0, Input::Remove(id));
    world.pass(secs(10));
    world.side[4] = 0;
    world.until(secs(15), |world| world.nodes[4].machine.standing() == Standing::Removed);
    assert!((0..4).all(|at| world.state(at, 4) == Some(MemberState::Left)));
}

#[test]
fn who_is_gone_for_long_is_forgotten() {
    let seed = Seed::from_env();
    let config = MembershipConfig { forget_s: 30, ..MembershipConfig::default() };
    let mut world = World::new(&seed, config);
    (0..4).for_each(|place| {
        world.join(super::world::record(place, 1));
    });
    world.until(secs(5), World::is_complete);
    world.kill(3);
    world.until(secs(10), |world| world.all_see(3, MemberState::Down));
    world.pass(secs(60));
    assert!((0..3).all(|at| world.state(at, 3).is_none()));
    let id = world.nodes[3].record.id;
    assert_eq!(world.count(|change| *change == MemberChange::Forgotten(id)), 3);
}
