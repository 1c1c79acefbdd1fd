//! The bound, the reserves, the slots beside them and what happens when they are used up.

use super::*;
use crate::error::{SendError, TrySendError};
use crate::mailbox::Overflow;

fn small(overflow: Overflow) -> MailboxConfig {
    MailboxConfig { capacity: 20, reserve: 2, ..MailboxConfig::default() }.overflow(overflow)
}

#[test]
fn a_full_mailbox_gives_the_message_back() {
    let rig = Rig::attached(small(Overflow::Reject));
    assert_eq!(rig.fill(Priority::Normal), 12, "its reserve of 2 and the shared 10");
    assert!(matches!(rig.address.try_send(99), Err(TrySendError::Full(99))));
    assert_eq!(rig.letters.total(), 0, "the sender knows, so nothing is lost silently");
}

#[test]
fn a_flood_of_background_does_not_shut_out_the_others() {
    let rig = Rig::attached(small(Overflow::Reject));
    rig.fill(Priority::Background);
    for priority in &Priority::ALL[..4] {
        assert_eq!(rig.fill(*priority), 2, "{priority}");
    }
    assert_eq!(rig.inbox.depth(), 20);
}

#[test]
fn what_is_in_hand_counts_until_its_batch_ends() {
    let rig = Rig::attached(small(Overflow::Reject));
    rig.fill(Priority::Normal);
    let mut batch = rig.inbox.take_batch();
    let handled = rest(&mut batch).len();
    assert_eq!(handled, 10, "a batch takes at most half of the capacity");
    assert!(!rig.put(Priority::Normal, 0));
    batch.finish();
    assert_eq!(rig.fill(Priority::Normal), 10);
}

#[test]
fn shedding_takes_the_oldest_of_the_least_urgent() {
    let rig = Rig::attached(small(Overflow::ShedOldest));
    for message in 0..12 {
        rig.put(Priority::Low, message);
    }
    assert!(rig.put(Priority::Low, 12), "a newcomer of the same lane");
    assert!(rig.put(Priority::Critical, 50), "within its own reserve: nothing is shed");
    assert!(rig.put(Priority::Critical, 51));
    assert!(rig.put(Priority::Critical, 52), "beyond it");
    assert_eq!(rig.dead(DeadReason::Shed), 2);
    let expected: Vec<u32> = (50..53).chain(2..13).collect();
    assert_eq!(rig.drain(), expected);
    assert_eq!(rig.inbox.depth(), 0);
}

#[test]
fn the_more_urgent_are_never_shed_for_the_less_urgent() {
    let rig = Rig::attached(small(Overflow::ShedOldest));
    for message in 0..12 {
        assert!(rig.put(Priority::High, message));
    }
    assert!(rig.put(Priority::Low, 100) && rig.put(Priority::Low, 101), "its reserve");
    assert!(rig.put(Priority::Low, 102), "gives way to itself");
    assert_eq!(rig.inbox.lane_depths(), [0, 12, 0, 2, 0]);
    assert_eq!(rig.drain()[12..], [101, 102]);
}

#[test]
fn what_is_in_hand_is_not_shed_and_is_at_most_a_batch() {
    let config = MailboxConfig { batch: 4, ..small(Overflow::ShedOldest) };
    let rig = Rig::attached(config);
    for message in 0..12 {
        rig.put(Priority::Normal, message);
    }
    let mut batch = rig.inbox.take_batch();
    for message in 12..30 {
        assert!(rig.put(Priority::Normal, message), "there is always something to shed");
    }
    assert_eq!(rest(&mut batch), [0, 1, 2, 3]);
    batch.finish();
    assert_eq!(rig.drain(), (22..30).collect::<Vec<_>>());
    assert_eq!(rig.inbox.depth(), 0);
}

#[test]
fn a_permit_holds_a_slot_although_the_mailbox_is_full() {
    let rig = Rig::attached(small(Overflow::ShedOldest));
    let permit = rig.address.reserve().unwrap();
    for message in 0..12 {
        rig.put(Priority::Normal, message);
    }
    permit.send(500);
    for message in 12..24 {
        assert!(rig.put(Priority::Normal, message), "sheds the older ones");
    }
    let expected: Vec<u32> = std::iter::once(500).chain(12..24).collect();
    assert_eq!(rig.drain(), expected, "but never what came through a permit");
    assert_eq!(rig.inbox.depth(), 0);
}

#[test]
fn slots_have_a_limit_and_come_back() {
    let rig = Rig::attached(MailboxConfig { max_reserved: 2, ..MailboxConfig::default() });
    let (first, second) = (rig.address.reserve().unwrap(), rig.address.reserve().unwrap());
    assert_eq!(rig.address.reserve().unwrap_err(), SendError::Full);
    drop(first);
    let third = rig.address.reserve().unwrap();
    second.send(1);
    assert_eq!(rig.address.reserve().unwrap_err(), SendError::Full, "queued, so still taken");
    assert_eq!(rig.drain(), [1]);
    assert!(rig.address.reserve().is_ok());
    drop(third);
    assert_eq!(rig.inbox.depth(), 0);
}

#[test]
fn no_limit_of_the_configuration_is_out_of_reach() {
    let wild = MailboxConfig { capacity: 0, reserve: 9, batch: 0, ..MailboxConfig::default() };
    let rig = Rig::attached(wild.overflow(Overflow::Reject));
    assert_eq!(rig.fill(Priority::Normal), 1);
    assert_eq!(rig.drain(), [0]);
}
