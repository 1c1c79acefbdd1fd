//! Wakes, incarnations, pauses, the end, and messages that expire.

use std::time::Duration;

use tokio::sync::Notify;

use super::*;
use crate::error::{SendError, TrySendError};

#[test]
fn one_wake_covers_a_batch() {
    let rig = Rig::attached(strict());
    for message in 0..100 {
        rig.put(Priority::Normal, message);
    }
    assert_eq!(rig.wakes(), 1);
    let mut batch = rig.inbox.take_batch();
    rest(&mut batch);
    rig.put(Priority::Normal, 100);
    assert_eq!(rig.wakes(), 1, "none while a batch is in hand");
    batch.finish();
    assert_eq!(rig.wakes(), 2, "more is queued");
    rig.drain();
    rig.put(Priority::Normal, 101);
    assert_eq!(rig.wakes(), 3, "the inbox had run dry");
}

#[test]
fn a_renewed_batch_goes_on_without_a_wake() {
    let rig = Rig::attached(strict());
    for message in 0..100 {
        rig.put(Priority::Normal, message);
    }
    let mut batch = rig.inbox.take_batch();
    assert_eq!(rest(&mut batch).len(), 64);
    assert!(batch.is_full() && batch.renew());
    assert_eq!(rest(&mut batch).len(), 36);
    assert!(!batch.is_full() && !batch.renew());
    assert_eq!((rig.wakes(), rig.inbox.depth()), (1, 0));
    rig.put(Priority::Normal, 100);
    assert_eq!(rig.wakes(), 2, "it is over, although it has not been dropped");
    batch.finish();
    assert_eq!(rig.drain(), [100]);
}

#[test]
fn the_queue_waits_for_the_next_incarnation() {
    let rig = Rig::unattached(strict());
    rig.put(Priority::Normal, 1);
    assert_eq!(rig.wakes(), 0);
    assert!(rig.inbox.take_batch().is_empty(), "nobody is there to handle it");
    rig.attach();
    assert_eq!(rig.wakes(), 1);
    let mut batch = rig.inbox.take_batch();
    rig.put(Priority::Normal, 2);
    assert_eq!(batch.pop().map(|delivery| delivery.message), Some(1));
    rig.inbox.detach();
    drop(batch);
    rig.put(Priority::Normal, 3);
    assert_eq!(rig.wakes(), 1);
    rig.attach();
    assert_eq!(rig.wakes(), 2);
    assert_eq!(rig.drain(), [2, 3]);
}

#[test]
fn a_late_end_of_an_old_batch_wakes_the_new_incarnation() {
    let rig = Rig::attached(strict());
    rig.put(Priority::Normal, 1);
    let old = rig.inbox.take_batch();
    rig.inbox.detach();
    rig.attach();
    assert!(rig.inbox.take_batch().is_empty(), "one batch at a time");
    let before = rig.wakes();
    drop(old);
    assert_eq!(rig.wakes(), before + 1);
    assert_eq!(rig.drain(), [1]);
}

#[test]
fn a_paused_inbox_accepts_and_hands_out_nothing() {
    let rig = Rig::attached(strict());
    rig.put(Priority::Normal, 1);
    rig.inbox.pause();
    assert!(rig.inbox.take_batch().is_empty());
    rig.put(Priority::Normal, 2);
    assert_eq!(rig.wakes(), 1);
    rig.inbox.resume();
    assert_eq!(rig.wakes(), 2);
    assert_eq!(rig.drain(), [1, 2]);
}

#[test]
fn the_end_makes_dead_letters_of_what_is_queued_and_of_what_returns() {
    let rig = Rig::attached(strict());
    for message in 0..70 {
        rig.put(Priority::Low, message);
    }
    let permit = rig.address.reserve().unwrap();
    let mut batch = rig.inbox.take_batch();
    batch.pop();
    rig.put(Priority::Low, 70);
    rig.inbox.close();
    assert_eq!(rig.dead(DeadReason::Closed), 1, "what was not in hand");
    drop(batch);
    assert_eq!(rig.dead(DeadReason::Closed), 70, "all but the one that was handled");
    permit.send(500);
    assert_eq!(rig.dead(DeadReason::Closed), 71);
    assert!(matches!(rig.address.try_send(1), Err(TrySendError::Closed(1))));
    assert_eq!(rig.address.reserve().unwrap_err(), SendError::Closed);
    assert!(rig.address.is_closed());
    assert_eq!(rig.inbox.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_waited_beyond_its_time_is_not_handled() {
    let rig = Rig::attached(MailboxConfig { ttl_ms: Some(1000), ..strict() });
    rig.put(Priority::Normal, 1);
    let longer = SendOptions::new().time_to_live(Duration::from_secs(60));
    rig.address.try_send_with(2, longer).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    rig.put(Priority::Normal, 3);
    assert_eq!(rig.drain(), [2, 3]);
    assert_eq!(rig.dead(DeadReason::Expired), 1);
    assert_eq!(rig.inbox.processed(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_is_lost() {
    for _ in 0..300 {
        let inbox: Arc<Inbox<u32>> = Inbox::new(MailboxConfig::default());
        let bell = Arc::new(Notify::new());
        let ringer = Arc::clone(&bell);
        inbox.attach(move || ringer.notify_one());
        for producer in 0..4 {
            let address = Address::of_inbox(Arc::clone(&inbox));
            tokio::spawn(async move {
                for number in 0..250 {
                    address.send(producer * 250 + number).await.unwrap();
                }
            });
        }
        let mut handled = 0;
        while handled < 1000 {
            let rung = tokio::time::timeout(Duration::from_secs(20), bell.notified());
            assert!(rung.await.is_ok(), "lost after {handled}");
            let mut batch = inbox.take_batch();
            handled += rest(&mut batch).len();
            batch.finish();
        }
    }
}
