//! In which order messages are handled, and that it survives the return of batches.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[test]
fn the_urgent_overtake_and_each_lane_keeps_its_order() {
    let rig = Rig::attached(strict());
    for message in 0..10 {
        for priority in Priority::ALL.into_iter().rev() {
            assert!(rig.put(priority, message + 100 * priority as u32));
        }
    }
    let expected: Vec<u32> =
        (0..5).flat_map(|lane| (0..10).map(move |message| message + 100 * lane)).collect();
    assert_eq!(rig.drain(), expected);
    assert_eq!(rig.inbox.processed(), 50);
    assert_eq!(rig.inbox.depth(), 0);
}

#[test]
fn every_sixteenth_message_is_the_one_that_has_waited_longest() {
    let rig = Rig::attached(MailboxConfig::default());
    for message in 0..3 {
        rig.put(Priority::Background, message);
    }
    for message in 100..200 {
        rig.put(Priority::Critical, message);
    }
    let handled = rig.drain();
    let served: Vec<usize> = (0..3)
        .map(|message| handled.iter().position(|&handled| handled == message).unwrap())
        .collect();
    assert_eq!(served, [15, 31, 47], "with k older ones, within 16 * (k + 1)");
}

#[test]
fn strict_priority_serves_the_lowest_last() {
    let rig = Rig::attached(strict());
    rig.put(Priority::Background, 0);
    for message in 100..200 {
        rig.put(Priority::Critical, message);
    }
    assert_eq!(rig.drain().last(), Some(&0));
}

#[test]
fn no_lane_starves_while_all_are_kept_full() {
    let rig = Rig::attached(MailboxConfig::default());
    let mut handled = [0_u32; Priority::COUNT];
    for priority in Priority::ALL {
        rig.fill(priority);
    }
    let queued = rig.inbox.depth();
    for _ in 0..2 * 16 * queued / 64 {
        let mut batch = rig.inbox.take_batch();
        while let Some(delivery) = batch.pop() {
            handled[delivery.metadata.priority.lane()] += 1;
        }
        batch.finish();
        for priority in Priority::ALL {
            rig.fill(priority);
        }
    }
    assert!(handled.iter().all(|&count| count >= 64), "{handled:?}");
    assert!(handled[0] > 10 * handled[4], "and the urgent still come first: {handled:?}");
}

#[test]
fn the_urgent_wait_for_at_most_a_batch() {
    let config = MailboxConfig { capacity: 20_000, ..MailboxConfig::default() };
    let rig = Rig::attached(config);
    for message in 0..10_000 {
        assert!(rig.put(Priority::Low, message));
    }
    let mut batch = rig.inbox.take_batch();
    rig.put(Priority::Critical, 77_777);
    assert_eq!(rest(&mut batch).len(), 64);
    batch.finish();
    assert_eq!(rig.inbox.take_batch().pop().map(|delivery| delivery.message), Some(77_777));
}

#[test]
fn a_dropped_batch_returns_to_the_front_in_order() {
    let rig = Rig::attached(strict());
    for message in 0..10 {
        rig.put(Priority::Normal, message);
        rig.put(Priority::High, 100 + message);
    }
    let mut batch = rig.inbox.take_batch();
    for expected in 100..103 {
        assert_eq!(batch.pop().map(|delivery| delivery.message), Some(expected));
    }
    rig.put(Priority::Normal, 10);
    rig.put(Priority::High, 110);
    drop(batch);
    assert_eq!(rig.inbox.lane_depths(), [0, 8, 11, 0, 0]);
    let expected: Vec<u32> = (103..111).chain(0..11).collect();
    assert_eq!(rig.drain(), expected);
}

/// What a test does to an inbox.
#[derive(Debug, Clone)]
enum Step {
    Send(u8),
    /// Takes a batch, pops this many, and drops it.
    Handle(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..5_u8).prop_map(Step::Send),
        1 => (0..80_usize).prop_map(Step::Handle),
    ];
    proptest::collection::vec(step, 0..600)
}

proptest! {
    #[test]
    fn batches_that_come_and_go_lose_nothing_and_keep_each_lane_in_order(
        steps in steps(),
        fairness in 0..20_u32,
    ) {
        let rig = Rig::attached(MailboxConfig { fairness, ..MailboxConfig::default() });
        let mut model: [VecDeque<u32>; 5] = Default::default();
        for (number, step) in (0_u32..).zip(&steps) {
            match step {
                Step::Send(lane) => {
                    let priority = Priority::ALL[usize::from(*lane)];
                    prop_assert!(rig.put(priority, number));
                    model[priority.lane()].push_back(number);
                }
                Step::Handle(count) => {
                    let mut batch = rig.inbox.take_batch();
                    for _ in 0..*count {
                        let Some(delivery) = batch.pop() else { break };
                        let lane = &mut model[delivery.metadata.priority.lane()];
                        prop_assert_eq!(lane.pop_front(), Some(delivery.message));
                    }
                }
            }
            let depths = rig.inbox.lane_depths();
            prop_assert_eq!(depths, std::array::from_fn(|lane| model[lane].len()));
            prop_assert_eq!(rig.inbox.depth(), depths.iter().sum::<usize>());
        }
    }
}

#[test]
fn four_producers_keep_their_order_within_each_lane() {
    const EACH: u32 = 20_000;
    let config = MailboxConfig { capacity: 1 << 17, ..MailboxConfig::default() };
    let rig = Rig::attached(config);
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            let address = rig.address.clone();
            std::thread::spawn(move || {
                for number in 0..EACH {
                    let priority = Priority::ALL[(number % 5) as usize];
                    let options = SendOptions::new().priority(priority);
                    address.try_send_with(producer * EACH + number, options).unwrap();
                }
            })
        })
        .collect();
    let mut last = [[None; 5]; 4];
    let mut handled = 0;
    while handled < 4 * EACH {
        let mut batch = rig.inbox.take_batch();
        // Every third message ends its batch early, as a crash would.
        while let Some(delivery) = batch.pop() {
            let (producer, number) = (delivery.message / EACH, delivery.message % EACH);
            let seen: &mut Option<u32> = &mut last[producer as usize][(number % 5) as usize];
            assert!(*seen < Some(number), "{seen:?} before {number}");
            *seen = Some(number);
            handled += 1;
            if handled % 3 == 0 {
                break;
            }
        }
    }
    for producer in producers {
        producer.join().unwrap();
    }
    assert_eq!(rig.inbox.depth(), 0);
}
