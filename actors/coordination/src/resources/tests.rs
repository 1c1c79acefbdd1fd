//! Grants, leases and fences of a ledger.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::protocol::{Moment, Refusal};

const LEASE: Duration = Duration::from_secs(10);

fn gpu(gpu_millis: u64) -> ResourceUnits {
    ResourceUnits { gpu_millis, ..ResourceUnits::default() }
}

fn want(holder: &str, units: ResourceUnits) -> Want {
    Want { holder: holder.to_owned(), units }
}

#[test]
fn units_are_given_and_taken_back() {
    let mut ledger = Ledger::new(gpu(1_000));
    let grants = ledger.grant(Moment(0), &[want("a", gpu(600))], LEASE).unwrap();
    assert_eq!(ledger.free(), gpu(400));
    let refusal = ledger.grant(Moment(0), &[want("b", gpu(401))], LEASE).unwrap_err();
    assert_eq!(refusal.to_string(), "401 of gpu_millis are wanted by 'b', 400 are free");
    ledger.give_back(Moment(1), "a", grants[0].fence).unwrap();
    assert_eq!(ledger.free(), gpu(1_000));
    // Given back twice, nothing more comes free.
    let again = ledger.give_back(Moment(1), "a", grants[0].fence);
    assert!(matches!(again, Err(Refusal::Conflict(_))));
    let next = ledger.grant(Moment(2), &[want("b", gpu(401))], LEASE).unwrap();
    assert!(next[0].fence > grants[0].fence);
}

#[test]
fn several_wants_are_granted_together_or_not_at_all() {
    let mut ledger = Ledger::new(gpu(1_000));
    let before = ledger.clone();
    let wants = [want("a", gpu(600)), want("b", gpu(600))];
    assert!(matches!(ledger.grant(Moment(0), &wants, LEASE), Err(Refusal::Full(_))));
    assert_eq!(ledger, before);
}

#[test]
fn a_lease_ends_by_itself_unless_it_is_renewed() {
    let mut ledger = Ledger::new(gpu(1_000));
    let wants = [want("a", gpu(500)), want("b", gpu(500))];
    let grants = ledger.grant(Moment(0), &wants, LEASE).unwrap();
    let (a, b) = (grants[0].fence, grants[1].fence);
    ledger.renew(Moment(5_000_000), "b", b, LEASE).unwrap();
    assert_eq!(ledger.next_end(), Some(Moment(10_000_000)));
    // The lease is over: the holder can neither use nor renew nor give back, woken or not.
    let end = Moment(10_000_000);
    assert!(matches!(ledger.held(end, "a", a), Err(Refusal::TooLate(_))));
    assert!(matches!(ledger.renew(end, "a", a, LEASE), Err(Refusal::TooLate(_))));
    assert!(matches!(ledger.give_back(end, "a", a), Err(Refusal::TooLate(_))));
    assert_eq!(ledger.take_back(end), [grants[0].clone()]);
    assert_eq!((ledger.free(), ledger.next_end()), (gpu(500), Some(Moment(15_000_000))));
}

#[test]
fn nobody_gives_back_what_another_holds_and_bad_wants_are_refused() {
    let mut ledger = Ledger::new(gpu(1_000));
    let fence = ledger.grant(Moment(0), &[want("a", gpu(1))], LEASE).unwrap()[0].fence;
    assert!(matches!(ledger.give_back(Moment(0), "b", fence), Err(Refusal::Conflict(_))));
    for bad in [want("", gpu(1)), want("a", gpu(0)), want(&"x".repeat(256), gpu(1))] {
        let refusal = ledger.grant(Moment(0), &[bad], LEASE).unwrap_err().to_string();
        assert!(refusal.starts_with("wants[0]."), "{refusal}");
    }
    for lease in [Duration::ZERO, Duration::MAX] {
        let refusal = ledger.grant(Moment(0), &[want("a", gpu(1))], lease).unwrap_err();
        assert!(refusal.to_string().starts_with("lease: "), "{refusal}");
    }
}

#[test]
fn no_more_grants_are_held_than_the_bound() {
    let mut ledger = Ledger::new(gpu(1_000_000));
    let wants = vec![want("a", gpu(1)); 100_000];
    ledger.grant(Moment(0), &wants, LEASE).unwrap();
    let refusal = ledger.grant(Moment(0), &wants[..1], LEASE);
    assert!(matches!(refusal, Err(Refusal::Full(_))));
}

proptest! {
    #[test]
    fn free_and_granted_add_up_to_the_capacity_whatever_happens(
        acts in prop::collection::vec((0..4_u8, 0..800_u64, 0..12_u64, 0..3_000_000_i64), 0..80),
    ) {
        let capacity = ResourceUnits { tokens: 50, ..gpu(2_000) };
        let mut ledger = Ledger::new(capacity);
        let (mut now, mut last) = (Moment(0), 0);
        for (act, amount, fence, wait) in acts {
            now.0 += wait;
            match act {
                0 | 1 => {
                    let units = ResourceUnits { tokens: amount % 20, ..gpu(amount) };
                    if let Ok(grants) = ledger.grant(now, &[want("a", units)], LEASE) {
                        prop_assert!(grants[0].fence > last);
                        last = grants[0].fence;
                    }
                }
                2 => drop(ledger.give_back(now, "a", fence)),
                _ => drop(ledger.take_back(now)),
            }
            let mut sum = ledger.free();
            for grant in ledger.grants() {
                sum = sum.checked_add(&grant.units).unwrap();
            }
            prop_assert_eq!(sum, capacity);
        }
        ledger.take_back(Moment(i64::MAX));
        prop_assert_eq!(ledger.free(), capacity);
    }
}
