//! Crashes, losses, partitions, freezes: who is taken for dead, and who comes back.

use std::time::Duration;

use synod_testkit::Seed;

use super::world::{World, record};
use crate::membership::messages::{Expulsion, MemberChange, MemberState, Standing};

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn is_down(change: &MemberChange) -> bool {
    matches!(change, MemberChange::Down(_))
}

#[test]
fn a_crash_is_noticed_by_all_and_nobody_else_is_doubted_for_long() {
    let seed = Seed::from_env();
    for (count, limit) in [(3, 6), (10, 8), (60, 12)] {
        let mut world = World::complete(&seed, count);
        world.kill(count - 1);
        let took = world.until(secs(limit), |world| world.all_see(count - 1, MemberState::Down));
        println!("{count} nodes: all know of the crash after {took:?}");
        world.pass(secs(5));
        assert_eq!(world.count(is_down), count - 1);
    }
}

#[test]
fn a_tenth_of_all_messages_lost_kills_nobody() {
    let seed = Seed::from_env();
    let mut world = World::joining(&seed, 20);
    world.loss = 0.1;
    let took = world.until(secs(8), World::is_complete);
    println!("20 nodes with 10 % loss: {took:?}");
    world.pass(secs(120));
    let suspected = world.count(|change| matches!(change, MemberChange::Suspect(_)));
    println!("{suspected} suspicions were told");
    assert_eq!(world.count(is_down), 0, "suspicions are refuted in time");
    world.kill(19);
    world.until(secs(15), |world| world.all_see(19, MemberState::Down));
}

#[test]
fn both_sides_of_a_partition_find_each_other_again() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 10);
    (0..5).for_each(|index| world.side[index] = 1);
    world.until(secs(20), |world| {
        (0..5).all(|at| (5..10).all(|of| world.state(at, of) == Some(MemberState::Down)))
    });
    world.pass(secs(60));
    assert_eq!(world.nodes[0].machine.table.up().count(), 4, "its own side stays");
    world.side.fill(0);
    let took = world.until(secs(12), World::is_complete);
    println!("healed after {took:?}");
    world.pass(secs(20));
    assert!(world.is_complete(), "and they stay");
}

#[test]
fn a_node_cut_off_alone_comes_back() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 5);
    world.side[0] = 1;
    world.until(secs(10), |world| world.all_see_from(1, 0, MemberState::Down));
    assert!(world.all_see_from(1, 0, MemberState::Down));
    world.pass(secs(30));
    assert_eq!(world.nodes[0].machine.standing(), Standing::Alone);
    world.side[0] = 0;
    world.until(secs(12), World::is_complete);
}

#[test]
fn seeds_that_were_all_down_are_found_again_by_the_others() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 6);
    (0..3).for_each(|index| world.kill(index));
    world.until(secs(15), |world| (0..3).all(|of| world.all_see(of, MemberState::Down)));
    let back: Vec<_> = (0..3).map(|index| world.restart(index)).collect();
    let took = world.until(secs(20), World::is_complete);
    println!("seeds are back after {took:?}");
    assert!(back.iter().all(|index| world.nodes[*index].joined.is_some()));
}

#[test]
fn a_flapping_network_leaves_no_scars() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 8);
    for round in 0..20 {
        let side = round % 2;
        (0..4).for_each(|index| world.side[index] = side);
        world.pass(Duration::from_millis(1500));
    }
    world.side.fill(0);
    world.until(secs(20), World::is_complete);
    let told = world.count(|_| true);
    println!("{told} changes were told");
    assert!(told < 8 * 8 * 20 * 4, "changes are bounded by the flaps: {told}");
}

#[test]
fn a_node_that_was_frozen_doubts_nobody_and_comes_back() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 6);
    world.freeze(5);
    world.until(secs(10), |world| world.all_see(5, MemberState::Down));
    world.pass(secs(30));
    world.thaw(5);
    world.until(secs(12), World::is_complete);
    let doubted = world.nodes[5].changes.iter().filter(|(_, change)| is_down(change)).count();
    assert_eq!(doubted, 0, "the others were not silent; this node did not listen");
    assert!(world.nodes[5].machine.foca.identity().rank.renewal > 0);
}

#[test]
fn a_restart_is_told_as_such_before_the_former_start_is_missed() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 4);
    let next = world.restart(3);
    world.until(secs(5), World::is_complete);
    let id = world.nodes[next].record.id;
    for at in 0..3 {
        let last = world.nodes[at].changes.iter().rev().find_map(|(_, change)| match change {
            MemberChange::Up(record) if record.id == id => Some(record.incarnation.0),
            _ => None,
        });
        assert_eq!(last, Some(2));
    }
    world.pass(secs(30));
    assert!(world.is_complete());
}

#[test]
fn of_two_nodes_with_one_id_the_one_started_later_stays() {
    let seed = Seed::from_env();
    let mut world = World::complete(&seed, 5);
    let mut copy = record(4, 9);
    copy.address = "elsewhere:1".into();
    let copied = world.join(copy.clone());
    world.until(secs(10), |world| world.nodes[4].machine.standing() == Standing::Superseded);
    let told = world.nodes[4].changes.iter().find_map(|(_, change)| match change {
        MemberChange::Expelled(Expulsion::Superseded(by)) => Some(by.address.clone()),
        _ => None,
    });
    assert_eq!(told, Some(copy.address));
    // The older process goes on running, and says nothing.
    let sent = world.nodes[4].sent;
    world.pass(secs(30));
    assert_eq!(world.nodes[4].sent, sent);
    world.kill(4);
    assert!(world.is_complete());
    assert_eq!(world.nodes[copied].machine.standing(), Standing::Member);
}

impl World {
    /// Whether all running nodes from `first` on see `of` in this state.
    fn all_see_from(&self, first: usize, of: usize, state: MemberState) -> bool {
        self.running().filter(|at| *at >= first).all(|at| self.state(at, of) == Some(state))
    }
}
