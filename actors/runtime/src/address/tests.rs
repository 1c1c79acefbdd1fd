//! Tests of addresses, asks, replies and permits against an inbox without an actor.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::clock::SystemClock;
use crate::correlation::Correlation;
use crate::dead_letters::{DeadLetters, DeadReason};
use crate::entropy::SeededEntropy;
use crate::error::AskError;
use crate::interceptor::{Interceptor, Verdict};
use crate::mailbox::{Delivery, MailboxConfig};
use crate::message::{Ask, Request};
use crate::metadata::Metadata;
use crate::principal::Principal;
use crate::priority::Priority;
use crate::scope::{Scope, Scoped};
use crate::services::Services;

const SECOND: Duration = Duration::from_secs(1);

struct Double(u32);

impl Ask for Double {
    type Reply = u32;
}

#[derive(Debug)]
enum Message {
    Note(u32),
    Double(Request<Double>),
    Doubled(Result<u32, AskError>),
}

impl std::fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Double({})", self.0)
    }
}

crate::requests!(Message { Double(Double) });

fn node() -> Arc<Services> {
    Arc::new(Services::new(Arc::new(SystemClock), Arc::new(DeadLetters::new(16))))
}

fn receiver(
    config: MailboxConfig,
    node: &Arc<Services>,
) -> (Arc<Inbox<Message>>, Address<Message>) {
    let inbox = Inbox::new(config);
    inbox.bind("/receiver".into(), Arc::clone(node));
    inbox.attach(|| ());
    (Arc::clone(&inbox), Address::of_inbox(inbox))
}

fn next(inbox: &Arc<Inbox<Message>>) -> Option<Delivery<Message>> {
    inbox.take_batch().pop()
}

fn next_request(inbox: &Arc<Inbox<Message>>) -> Request<Double> {
    match next(inbox).map(|delivery| delivery.message) {
        Some(Message::Double(request)) => request,
        other => panic!("expected a request, found {other:?}"),
    }
}

fn outcomes(inbox: &Arc<Inbox<Message>>) -> Vec<Result<u32, AskError>> {
    let deliveries = std::iter::from_fn(|| next(inbox));
    deliveries
        .map(|delivery| match delivery.message {
            Message::Doubled(outcome) => outcome,
            other => panic!("expected an outcome, found {other:?}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_straight_to_the_asker() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let mut asking = pin!(address.ask(Double(21), SECOND));
    assert!((&mut asking).now_or_never().is_none());
    let request = next_request(&inbox);
    assert_eq!(request.deadline() - Instant::now(), SECOND);
    let answer = request.body.0 * 2;
    request.answer(answer);
    assert_eq!(asking.await, Ok(42));
}

#[tokio::test(start_paused = true)]
async fn an_ask_ends_at_its_deadline_and_the_request_is_skipped() {
    let node = node();
    let (inbox, address) = receiver(MailboxConfig::default(), &node);
    let start = Instant::now();
    assert_eq!(address.ask(Double(1), SECOND).await, Err(AskError::Deadline));
    assert_eq!(start.elapsed(), SECOND);
    assert!(next(&inbox).is_none());
    let letter = &node.dead_letters.recent()[0];
    assert_eq!(letter.reason, DeadReason::Expired);
    assert!(letter.kind.ends_with("Double"), "{}", letter.kind);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_a_wait_that_no_clock_overflows() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let (asker, replies) = receiver(MailboxConfig::default(), &node());
    let mut asking = pin!(address.ask(Double(21), Duration::MAX));
    assert!((&mut asking).now_or_never().is_none());
    next_request(&inbox).answer(42);
    assert_eq!(asking.await, Ok(42));

    address.ask_into(Double(1), Duration::MAX, &replies, Message::Doubled);
    next_request(&inbox).answer(2);
    assert_eq!(outcomes(&asker), [Ok(2)]);

    let without_end = SendOptions::new().time_to_live(Duration::MAX);
    address.try_send_with(Message::Note(1), without_end).unwrap();
    let noted = next(&inbox).map(|delivery| delivery.message);
    assert!(matches!(noted, Some(Message::Note(1))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_is_an_error_at_once() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let mut asking = pin!(address.ask(Double(1), SECOND));
    assert!((&mut asking).now_or_never().is_none());
    drop(next_request(&inbox));
    assert_eq!(asking.now_or_never(), Some(Err(AskError::Unanswered)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_sees_that_nobody_waits_any_more() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let mut asking = Box::pin(address.ask(Double(1), SECOND));
    assert!((&mut asking).now_or_never().is_none());
    let request = next_request(&inbox);
    assert!(!request.is_expired());
    drop(asking);
    assert!(request.is_expired());
}

#[tokio::test(start_paused = true)]
async fn asking_oneself_is_an_error_and_no_deadlock() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let inside = pin!(address.ask(Double(1), SECOND));
    let asked = Scoped::new(Scope::of_actor(inbox.id()), inside).await;
    assert_eq!(asked, Err(AskError::SelfAsk));
    assert_eq!(inbox.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_handling_inherits() {
    let (inbox, address) = receiver(MailboxConfig::default(), &node());
    let trace = Correlation::new(&SeededEntropy::new(5));
    let options = SendOptions::new()
        .priority(Priority::High)
        .principal(Principal::user("ada"))
        .correlation(trace);
    address.try_send_with(Message::Note(1), options).unwrap();
    let first = next(&inbox).unwrap().metadata;
    let other = receiver(MailboxConfig::default(), &node());
    let sending = pin!(async {
        Scope::turn_to(&first);
        other.1.send(Message::Note(2)).await.unwrap();
        let background = SendOptions::new().priority(Priority::Background);
        other.1.try_send_with(Message::Note(3), background).unwrap();
    });
    Scoped::new(Scope::of_actor(inbox.id()), sending).await;
    for priority in [Priority::High, Priority::Background] {
        let inherited = next(&other.0).unwrap().metadata;
        assert_eq!(inherited.priority, priority);
        assert_eq!(inherited.principal(), &Principal::user("ada"));
        assert_eq!(inherited.correlation(), Some(trace));
        assert_eq!(inherited.expires, None, "a deadline is not inherited");
    }
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_request_reaches_its_asker_as_one_message() {
    let node = node();
    let (inbox, address) = receiver(MailboxConfig::default(), &node);
    let (askers, asker) = receiver(MailboxConfig::default(), &node);
    let ask = |within| address.ask_into(Double(4), within, &asker, Message::Doubled);

    ask(SECOND);
    next_request(&inbox).answer(8);
    assert_eq!(outcomes(&askers), [Ok(8)]);
    assert_eq!(node.deadlines.open(), 0, "a reply takes its deadline out");

    ask(SECOND);
    drop(next_request(&inbox));
    assert_eq!(outcomes(&askers), [Err(AskError::Unanswered)]);

    ask(SECOND);
    let late = next_request(&inbox);
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(outcomes(&askers), [Err(AskError::Deadline)]);
    assert!(late.is_expired());
    late.answer(8);
    assert_eq!(outcomes(&askers), [], "the late answer has nowhere to go");

    inbox.close();
    ask(SECOND);
    assert_eq!(outcomes(&askers), [Err(AskError::Closed)]);
    assert_eq!(askers.depth(), 0);
    assert_eq!(node.deadlines.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_sees_that_the_actor_that_asked_has_ended() {
    let node = node();
    let (inbox, address) = receiver(MailboxConfig::default(), &node);
    let (askers, asker) = receiver(MailboxConfig::default(), &node);
    address.ask_into(Double(1), SECOND, &asker, Message::Doubled);
    let (_, reply) = next_request(&inbox).into_parts();
    askers.detach();
    assert!(!reply.is_closed(), "it may be between two incarnations");
    askers.close();
    assert!(reply.is_closed());
}

#[tokio::test(start_paused = true)]
async fn deadlines_come_in_their_order_whatever_the_order_of_the_requests() {
    let node = node();
    let (_inbox, address) = receiver(MailboxConfig::default(), &node);
    let (askers, asker) = receiver(MailboxConfig::default(), &node);
    for seconds in [30_u32, 10, 20] {
        address.ask_into(Double(seconds), SECOND * seconds, &asker, move |outcome| {
            Message::Doubled(outcome.or(Ok(seconds)))
        });
    }
    for seconds in [10, 20, 30] {
        tokio::time::sleep(SECOND * 10 + Duration::from_millis(1)).await;
        assert_eq!(outcomes(&askers), [Ok(seconds)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_receiver_and_a_full_asker_both_answer_full() {
    let node = node();
    let tiny = MailboxConfig { capacity: 1, reserve: 0, ..MailboxConfig::default() };
    let (_inbox, address) = receiver(tiny, &node);
    let one_slot = MailboxConfig { max_reserved: 1, ..MailboxConfig::default() };
    let (askers, asker) = receiver(one_slot, &node);
    address.try_send(Message::Note(0)).unwrap();
    address.ask_into(Double(1), SECOND, &asker, Message::Doubled);
    assert_eq!(outcomes(&askers), [Err(AskError::Full)]);

    let held = asker.reserve().unwrap();
    address.ask_into(Double(1), SECOND, &asker, Message::Doubled);
    assert_eq!(outcomes(&askers), [Err(AskError::Full)]);
    drop(held);
    assert_eq!(askers.depth(), 0);
}

struct NoNotes(Mutex<Vec<String>>);

impl Interceptor for NoNotes {
    fn on_send(&self, to: &ActorPath, metadata: &Metadata) -> Verdict {
        self.0.lock().push(format!("{to} {}", metadata.priority));
        Verdict::Refuse("no notes today")
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_refuses_by_metadata_and_leaves_a_dead_letter() {
    let node = node();
    let (inbox, address) = receiver(MailboxConfig::default(), &node);
    let interceptor = Arc::new(NoNotes(Mutex::default()));
    node.interceptors.add(Arc::clone(&interceptor) as _);
    let refused = address.send(Message::Note(1)).await;
    assert_eq!(refused, Err(SendError::Refused("no notes today")));
    assert_eq!(address.ask(Double(1), SECOND).await, Err(AskError::Refused));
    assert_eq!(*interceptor.0.lock(), ["/receiver normal", "/receiver normal"]);
    assert_eq!(node.dead_letters.count(DeadReason::Refused), 2);
    assert_eq!(inbox.depth(), 0);
}

struct Wire(Mutex<Vec<(u32, Priority)>>);

impl Route<Message> for Wire {
    fn deliver(&self, message: Message, metadata: Metadata) -> Result<(), TrySendError<Message>> {
        match message {
            Message::Note(0) => Err(TrySendError::Full(message)),
            Message::Note(number) => {
                self.0.lock().push((number, metadata.priority));
                Ok(())
            }
            Message::Double(request) => {
                let doubled = request.body.0 * 2;
                request.answer(doubled);
                Ok(())
            }
            Message::Doubled(_) => Err(TrySendError::Closed(message)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_elsewhere_looks_like_one_here() {
    let wire = Arc::new(Wire(Mutex::default()));
    let address = Address::routed("/far".into(), Arc::clone(&wire) as _);
    assert_eq!(address.send(Message::Note(7)).await, Ok(()));
    let urgent = SendOptions::new().priority(Priority::Critical);
    assert!(address.try_send_with(Message::Note(8), urgent).is_ok());
    assert_eq!(*wire.0.lock(), [(7, Priority::Normal), (8, Priority::Critical)]);
    assert_eq!(address.send(Message::Note(0)).await, Err(SendError::Full));
    assert_eq!(address.ask(Double(4), SECOND).await, Ok(8));
    let (askers, asker) = receiver(MailboxConfig::default(), &node());
    address.ask_into(Double(5), SECOND, &asker, Message::Doubled);
    assert_eq!(outcomes(&askers), [Ok(10)]);
    assert_eq!(address.clone(), address);
    assert_ne!(asker, address);
}
