//! Synod's own actors: five lanes, bounds and supervision included.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, Ask, Context, MailboxConfig, Request, Spec, System, SystemConfig,
};

use crate::contender::{self, Load, Tally};
use crate::measure::{Sample, Stopwatch};

/// Takes the load.
struct Consumer(Arc<Tally>);

impl Actor for Consumer {
    type Message = Load;
    const KIND: &'static str = "consumer";

    async fn start(&mut self, _: &mut Context<Self>) -> Result<(), ActorError> {
        self.0.start();
        Ok(())
    }

    async fn handle(&mut self, _: Load, _: &mut Context<Self>) -> Result<(), ActorError> {
        self.0.count();
        Ok(())
    }
}

struct Echo(u64);

impl Ask for Echo {
    type Reply = u64;
}

struct EchoMessage(Request<Echo>);

impl From<Request<Echo>> for EchoMessage {
    fn from(request: Request<Echo>) -> Self {
        Self(request)
    }
}

/// Answers with what it was asked.
struct Responder;

impl Actor for Responder {
    type Message = EchoMessage;
    const KIND: &'static str = "responder";

    async fn handle(
        &mut self,
        EchoMessage(request): EchoMessage,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let number = request.body.0;
        request.answer(number);
        Ok(())
    }
}

fn consumer(
    system: &System,
    name: &str,
    tally: Arc<Tally>,
    mailbox: MailboxConfig,
) -> Address<Load> {
    let spec = Spec::new(name, move || Consumer(tally.clone())).mailbox(mailbox);
    system.spawn(spec).expect("an actor")
}

async fn stop(system: System) {
    system.stop(Duration::from_secs(5)).await.expect("the system stops");
}

/// The defaults: 1,024 messages, senders wait, every 16th message by age.
pub(crate) async fn flood_bounded(producers: u64, messages: u64) -> Sample {
    let system = System::new(SystemConfig::default());
    let tally = Tally::new(messages);
    let address = consumer(&system, "consumer", tally.clone(), MailboxConfig::default());
    let sample = contender::flood(producers, messages, tally, |count| {
        let address = address.clone();
        async move {
            for number in 0..count {
                address.send([number; 3]).await.expect("a receiver");
            }
        }
    })
    .await;
    stop(system).await;
    sample
}

/// A bound that is never reached, strictly by priority: what the unbounded peers do.
pub(crate) async fn flood_unbounded(producers: u64, messages: u64) -> Sample {
    let system = System::new(SystemConfig::default());
    let tally = Tally::new(messages);
    let roomy = MailboxConfig { fairness: 0, ..MailboxConfig::bounded(1 << 24) };
    let address = consumer(&system, "consumer", tally.clone(), roomy);
    let sample = contender::flood(producers, messages, tally, |count| {
        let address = address.clone();
        async move {
            for number in 0..count {
                address.try_send([number; 3]).expect("room");
                contender::breathe(number).await;
            }
        }
    })
    .await;
    stop(system).await;
    sample
}

pub(crate) async fn round_trip(count: u64) -> Sample {
    let system = System::new(SystemConfig::default());
    let address = system.spawn(Spec::new("responder", || Responder)).expect("an actor");
    let watch = Stopwatch::start();
    for number in 0..count {
        let answer = address.ask(Echo(number), Duration::from_secs(5)).await;
        assert_eq!(answer, Ok(number));
    }
    let sample = watch.stop(count);
    stop(system).await;
    sample
}

pub(crate) async fn spawn(count: u64) -> Box<dyn Send> {
    let system = System::new(SystemConfig::default());
    let tally = Tally::new(1);
    let addresses: Vec<_> = (0..count)
        .map(|number| {
            let name = format!("idle-{number}");
            consumer(&system, &name, tally.clone(), MailboxConfig::default())
        })
        .collect();
    // A spawn returns before its actor has started; the last of them counts.
    while tally.started() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Box::new((system, addresses))
}
