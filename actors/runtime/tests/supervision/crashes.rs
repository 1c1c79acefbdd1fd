//! What a crash does to messages: the one in hand, the queue, and those who ask.

use std::time::Duration;

use synod_runtime::{AskError, DeadReason, Priority, SendOptions, Strategy};

use super::world::{Act, BACKOFF, Handled, LONG, Order, Perform, SHUTDOWN, World};

#[tokio::test(start_paused = true)]
async fn the_message_in_hand_is_never_handled_twice_and_becomes_a_dead_letter() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    let urgent = SendOptions::new().priority(Priority::Critical);
    worker.send_with(Order::Act(Act::Panic), urgent).await.unwrap();
    assert_eq!(world.after(LONG).await, ["start w"], "one crash, one restart");
    let letters = world.system.dead_letters().recent();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].reason, letters[0].priority), (DeadReason::Crash, Priority::Critical));
    assert_eq!(letters[0].to.as_str(), "/root/w");
    assert!(letters[0].kind.ends_with("Order"));
}

#[tokio::test(start_paused = true)]
async fn an_ask_to_an_actor_that_crashes_over_it_errs_at_once() {
    for act in [Act::Fail, Act::Panic] {
        let world = World::new();
        let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
        let began = tokio::time::Instant::now();
        assert_eq!(worker.ask(Perform(act), LONG).await, Err(AskError::Unanswered));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ask_behind_the_one_that_crashes_is_answered_by_the_next_incarnation() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(worker.ask(Handled, LONG).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn an_ask_in_the_hands_of_a_killed_actor_errs_when_it_is_killed() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    let asking = tokio::spawn(async move { worker.ask(Perform(Act::Hang), LONG).await });
    world.now().await;
    let began = tokio::time::Instant::now();
    let (stopped, asked) = tokio::join!(world.system.stop(LONG), asking);
    assert_eq!((stopped, asked.unwrap()), (Ok(()), Err(AskError::Unanswered)));
    assert_eq!(began.elapsed().as_secs(), SHUTDOWN.as_secs());
    assert_eq!(world.system.dead_letters().count(DeadReason::Crash), 1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_batch_keeps_the_order_of_the_rest() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    for text in ["1", "2"] {
        worker.send(Order::Note(text)).await.unwrap();
    }
    worker.send(Order::Act(Act::Fail)).await.unwrap();
    for text in ["3", "4"] {
        worker.send(Order::Note(text)).await.unwrap();
    }
    let log = world.after(BACKOFF * 2).await;
    assert_eq!(log, ["w 1", "w 2", "stop w error: on purpose", "start w", "w 3", "w 4"]);
}

#[tokio::test(start_paused = true)]
async fn many_crashes_lose_nothing_but_the_messages_in_hand() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    for number in 0..300 {
        let order = if number % 10 == 0 { Order::Act(Act::Panic) } else { Order::Note("x") };
        worker.send(order).await.unwrap();
    }
    let log = world.after(LONG).await;
    assert_eq!(log.iter().filter(|line| *line == "w x").count(), 270);
    assert_eq!(log.iter().filter(|line| *line == "start w").count(), 30);
    assert_eq!(world.system.dead_letters().count(DeadReason::Crash), 30);
}
