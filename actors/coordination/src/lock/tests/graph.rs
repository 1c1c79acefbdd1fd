//! The wait-for graph at 100,000 edges: what a new wait costs to look at.

use std::time::Duration;

use proptest::prelude::*;

use super::super::table::{Item, Waiting};
use super::*;

/// Owners who each hold a lock of their own.
fn holders(count: u64) -> (Table, Vec<u64>, Vec<u64>) {
    let mut table = Table::default();
    let (mut owners, mut locks) = (Vec::new(), Vec::new());
    for at in 0..count {
        let owner = table.enrol(&format!("o{at}"), 0, Moment(0), 0);
        let lock = table.resource(&format!("r{at}"));
        let items = vec![Item { resource: lock, amount: 1 << 20, rank: 0 }];
        table.give(owner, items, Moment(i64::MAX));
        owners.push(owner);
        locks.push(lock);
    }
    (table, owners, locks)
}

/// `owner` waits for `lock` from now on; how many edges the search for a circle has seen.
fn wait(table: &mut Table, owner: u64, lock: u64) -> (bool, usize) {
    table.last_ticket += 1;
    let ticket = table.last_ticket;
    let items = vec![Item { resource: lock, amount: 1 << 20, rank: 0 }];
    let (since, deadline, lease) = (Moment(0), Moment(i64::MAX), Duration::from_secs(1));
    table.enqueue(ticket, Waiting { owner, items, since, deadline, lease });
    table.may_close_a_circle(owner)
}

#[test]
fn a_new_wait_in_a_graph_of_100_000_edges_sees_a_few_of_them() {
    let (mut table, owners, locks) = holders(50_000);
    for at in 0..49_999 {
        let (circle, seen) = wait(&mut table, owners[at], locks[at + 1]);
        assert!(!circle && seen < 16, "wait {at} saw {seen} edges");
    }
    let newcomer = table.enrol("newcomer", 0, Moment(0), 0);
    let (circle, seen) = wait(&mut table, newcomer, locks[0]);
    assert!(!circle && seen < 16, "who holds nothing is waited for by nobody: {seen}");
    let (circle, _) = wait(&mut table, owners[49_999], locks[0]);
    assert!(circle);
    let stuck = table.deadlock_of(owners[49_999]);
    assert_eq!(stuck.len(), 50_001, "the newcomer is before the last at its lock");
}

#[test]
fn a_crowd_at_one_lock_is_not_walked_by_who_joins_it() {
    let (mut table, owners, locks) = holders(1);
    assert_eq!(owners.len(), 1);
    for at in 0..50_000 {
        let owner = table.enrol(&format!("w{at}"), 0, Moment(0), 0);
        let (circle, seen) = wait(&mut table, owner, locks[0]);
        assert!(!circle && seen < 16, "wait {at} saw {seen} edges");
    }
}

#[test]
fn a_chain_that_comes_about_in_any_order_costs_n_log_n_edges_in_all() {
    let count = 1 << 12;
    let (mut table, owners, locks) = holders(count as u64);
    let mut total = 0;
    for step in 0..count - 1 {
        let at = (step * 1_597) % count; // 1,597 is odd: each once, in a scattered order.
        if at != count - 1 {
            total += wait(&mut table, owners[at], locks[at + 1]).1;
        }
    }
    assert!(total < count * 12 * 8, "{total} edges");
}

proptest! {
    /// The search is right where each waits for one lock: against walking the chain.
    #[test]
    fn a_circle_is_found_when_there_is_one_and_else_not(
        waits in prop::collection::vec(0_usize..12, 12),
    ) {
        let (mut table, owners, locks) = holders(12);
        let mut target: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, to) in waits.into_iter().enumerate().filter(|(at, to)| at != to) {
            target.insert(at, to);
            let (mut seen, mut here) = (BTreeSet::new(), at);
            while let Some(next) = target.get(&here) && seen.insert(here) {
                here = *next;
            }
            let expected = target.contains_key(&here) && here == at;
            let (circle, _) = wait(&mut table, owners[at], locks[to]);
            let stuck = table.deadlock_of(owners[at]);
            // Who waits behind a circle is stuck too; here circles are broken as they come about.
            prop_assert_eq!(circle, expected);
            prop_assert_eq!(!stuck.is_empty(), expected);
            if expected {
                table.dequeue(table.last_ticket);
                target.remove(&at);
            }
        }
    }
}
