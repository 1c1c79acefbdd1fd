//! tokio's own channels with a task behind them: what is left without an actor's services.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::contender::{self, Load, Tally};
use crate::measure::{Sample, Stopwatch};

pub(crate) async fn flood_bounded(producers: u64, messages: u64) -> Sample {
    let (sender, mut receiver) = mpsc::channel::<Load>(1024);
    let tally = Tally::new(messages);
    let consumer = tally.clone();
    tokio::spawn(async move {
        while receiver.recv().await.is_some() {
            consumer.count();
        }
    });
    contender::flood(producers, messages, tally, |count| {
        let sender = sender.clone();
        async move {
            for number in 0..count {
                sender.send([number; 3]).await.expect("a receiver");
            }
        }
    })
    .await
}

pub(crate) async fn flood_unbounded(producers: u64, messages: u64) -> Sample {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Load>();
    let tally = Tally::new(messages);
    let consumer = tally.clone();
    tokio::spawn(async move {
        while receiver.recv().await.is_some() {
            consumer.count();
        }
    });
    contender::flood(producers, messages, tally, |count| {
        let sender = sender.clone();
        async move {
            for number in 0..count {
                sender.send([number; 3]).expect("a receiver");
                contender::breathe(number).await;
            }
        }
    })
    .await
}

pub(crate) async fn round_trip(count: u64) -> Sample {
    let (sender, mut receiver) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(1024);
    tokio::spawn(async move {
        while let Some((number, reply)) = receiver.recv().await {
            let _ = reply.send(number);
        }
    });
    let watch = Stopwatch::start();
    for number in 0..count {
        let (reply, answer) = oneshot::channel();
        sender.send((number, reply)).await.expect("a receiver");
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        assert_eq!(answer.expect("in time").expect("an answer"), number);
    }
    watch.stop(count)
}

pub(crate) async fn spawn(count: u64) -> Box<dyn Send> {
    let senders: Vec<_> = (0..count)
        .map(|_| {
            let (sender, mut receiver) = mpsc::channel::<Load>(1024);
            tokio::spawn(async move { while receiver.recv().await.is_some() {} });
            sender
        })
        .collect();
    Box::new(senders)
}
