//! ractor as it is: an unbounded first-in-first-out mailbox, without span propagation.

use std::sync::Arc;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::contender::{self, Load, Tally};
use crate::measure::{Sample, Stopwatch};

/// Takes the load.
struct Consumer;

impl Actor for Consumer {
    type Msg = Load;
    type State = Arc<Tally>;
    type Arguments = Arc<Tally>;

    async fn pre_start(
        &self,
        _: ActorRef<Load>,
        tally: Arc<Tally>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(tally)
    }

    async fn handle(
        &self,
        _: ActorRef<Load>,
        _: Load,
        tally: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        tally.count();
        Ok(())
    }
}

async fn consumer(tally: Arc<Tally>) -> ActorRef<Load> {
    Actor::spawn(None, Consumer, tally).await.expect("an actor").0
}

/// Answers with what it was asked.
struct Responder;

impl Actor for Responder {
    type Msg = (u64, RpcReplyPort<u64>);
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        (): (),
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (number, reply): Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(number)?)
    }
}

pub(crate) async fn flood(producers: u64, messages: u64) -> Sample {
    let tally = Tally::new(messages);
    let actor = consumer(tally.clone()).await;
    let sample = contender::flood(producers, messages, tally, |count| {
        let actor = actor.clone();
        async move {
            for number in 0..count {
                actor.cast([number; 3]).expect("a receiver");
                contender::breathe(number).await;
            }
        }
    })
    .await;
    actor.stop(None);
    sample
}

pub(crate) async fn round_trip(count: u64) -> Sample {
    let (actor, _) = Actor::spawn(None, Responder, ()).await.expect("an actor");
    let watch = Stopwatch::start();
    for number in 0..count {
        let within = Some(Duration::from_secs(5));
        let answer = actor.call(|reply| (number, reply), within).await;
        assert!(matches!(answer, Ok(CallResult::Success(echo)) if echo == number));
    }
    let sample = watch.stop(count);
    actor.stop(None);
    sample
}

pub(crate) async fn spawn(count: u64) -> Box<dyn Send> {
    let tally = Tally::new(1);
    let mut actors = Vec::new();
    for _ in 0..count {
        actors.push(consumer(tally.clone()).await);
    }
    Box::new(actors)
}
