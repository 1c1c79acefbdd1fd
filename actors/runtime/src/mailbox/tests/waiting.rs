//! Senders that wait for room.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::error::SendError;

fn small() -> MailboxConfig {
    MailboxConfig { capacity: 4, reserve: 0, ..MailboxConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn senders_that_wait_come_in_first_come_first_served() {
    let rig = Rig::attached(small());
    rig.fill(Priority::Normal);
    let waiting: Vec<_> = (10..13)
        .map(|message| {
            let address = rig.address.clone();
            let mut sending = Box::pin(async move { address.send(message).await });
            assert!((&mut sending).now_or_never().is_none());
            sending
        })
        .collect();
    assert_eq!(rig.inbox.waiting_senders(), 3);
    assert!(!rig.put(Priority::Normal, 99), "nobody slips in before those who wait");
    assert_eq!(rig.drain(), [0, 1, 2, 3, 10, 11, 12]);
    for sending in waiting {
        assert_eq!(sending.await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_waits_no_longer_than_the_mailbox_allows() {
    let rig = Rig::attached(small());
    rig.fill(Priority::Normal);
    let start = Instant::now();
    assert_eq!(rig.address.send(9).await, Err(SendError::Full));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(rig.drain(), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_gives_up_takes_its_message_along() {
    let rig = Rig::attached(small());
    rig.fill(Priority::Normal);
    let mut impatient = Box::pin(rig.address.send(9));
    assert!((&mut impatient).now_or_never().is_none());
    drop(impatient);
    assert_eq!(rig.inbox.waiting_senders(), 0);
    assert_eq!(rig.drain(), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_line_of_waiting_senders_is_bounded() {
    let rig = Rig::attached(MailboxConfig { max_waiting: 1, ..small() });
    rig.fill(Priority::Normal);
    let mut first = Box::pin(rig.address.send(8));
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(rig.address.send(9).now_or_never(), Some(Err(SendError::Full)));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_receiver_lets_waiting_senders_go() {
    let rig = Rig::attached(small());
    rig.fill(Priority::Normal);
    let mut waiting = Box::pin(rig.address.send(9));
    assert!((&mut waiting).now_or_never().is_none());
    rig.inbox.close();
    assert_eq!(waiting.await, Err(SendError::Closed));
    assert_eq!(rig.dead(DeadReason::Closed), 4, "the queued ones; the sender kept the fifth");
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_in_a_full_lane_holds_up_no_other_lane() {
    let config = MailboxConfig { capacity: 10, reserve: 1, ..MailboxConfig::default() };
    let rig = Rig::attached(config);
    rig.fill(Priority::Background);
    let options = SendOptions::new().priority(Priority::Background);
    let mut waiting = Box::pin(rig.address.send_with(9, options));
    assert!((&mut waiting).now_or_never().is_none());
    assert!(rig.put(Priority::Critical, 50));
    assert_eq!(rig.drain()[0], 50);
    assert_eq!(waiting.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_actor_at_full_speed_lets_senders_in_when_there_is_much_room_and_a_slow_one_at_once() {
    let config = MailboxConfig { capacity: 16, reserve: 0, batch: 4, ..MailboxConfig::default() };
    let rig = Rig::attached(config);
    let handle = |count: usize| {
        let mut batch = rig.inbox.take_batch();
        (0..count).for_each(|_| assert!(batch.pop().is_some()));
    };
    rig.fill(Priority::Normal);
    let mut fast = Box::pin(rig.address.send(20));
    assert!((&mut fast).now_or_never().is_none());
    for _ in 0..3 {
        handle(4);
        assert!((&mut fast).now_or_never().is_none(), "a full batch, and more is queued");
    }
    handle(4);
    assert_eq!(fast.await, Ok(()));
    rig.fill(Priority::Normal);
    let mut slow = Box::pin(rig.address.send(21));
    assert!((&mut slow).now_or_never().is_none());
    handle(1);
    assert_eq!(slow.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_was_held_back_is_let_in_when_the_actor_pauses_or_goes() {
    let config = MailboxConfig { capacity: 16, reserve: 0, batch: 4, ..MailboxConfig::default() };
    let ways: [fn(&Rig); 2] = [|rig| rig.inbox.pause(), |rig| rig.inbox.detach()];
    for end in ways {
        let rig = Rig::attached(config);
        rig.fill(Priority::Normal);
        let mut waiting = Box::pin(rig.address.send(20));
        assert!((&mut waiting).now_or_never().is_none());
        rest(&mut rig.inbox.take_batch());
        assert!((&mut waiting).now_or_never().is_none());
        end(&rig);
        assert_eq!(waiting.await, Ok(()));
    }
}
