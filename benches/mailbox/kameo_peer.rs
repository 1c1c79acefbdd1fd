//! kameo: one boxed message per tell, over tokio's channels.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};

use crate::contender::{self, Load, Tally};
use crate::measure::{Sample, Stopwatch};

struct Consumer(Arc<Tally>);

impl Actor for Consumer {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(consumer: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(consumer)
    }
}

impl Message<Load> for Consumer {
    type Reply = ();

    async fn handle(&mut self, _: Load, _: &mut Context<Self, ()>) {
        self.0.count();
    }
}

impl Message<u64> for Consumer {
    type Reply = u64;

    async fn handle(&mut self, number: u64, _: &mut Context<Self, u64>) -> u64 {
        number
    }
}

pub(crate) async fn flood(capacity: Option<usize>, producers: u64, messages: u64) -> Sample {
    let tally = Tally::new(messages);
    let mailbox = capacity.map_or_else(mailbox::unbounded, mailbox::bounded);
    let actor = Consumer::spawn_with_mailbox(Consumer(tally.clone()), mailbox);
    let sample = contender::flood(producers, messages, tally, |count| {
        let actor = actor.clone();
        async move {
            for number in 0..count {
                actor.tell([number; 3]).await.expect("a receiver");
            }
        }
    })
    .await;
    actor.kill();
    sample
}

pub(crate) async fn round_trip(count: u64) -> Sample {
    let actor = Consumer::spawn_with_mailbox(Consumer(Tally::new(1)), mailbox::bounded(1024));
    let watch = Stopwatch::start();
    for number in 0..count {
        let answer = actor.ask(number).reply_timeout(Duration::from_secs(5)).await;
        assert_eq!(answer.expect("an answer"), number);
    }
    let sample = watch.stop(count);
    actor.kill();
    sample
}

pub(crate) async fn spawn(count: u64) -> Box<dyn Send> {
    let tally = Tally::new(1);
    let actors = (0..count)
        .map(|_| Consumer::spawn_with_mailbox(Consumer(tally.clone()), mailbox::bounded(1024)));
    Box::new(actors.collect::<Vec<_>>())
}
