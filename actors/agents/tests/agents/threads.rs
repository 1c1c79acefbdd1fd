//! Blocking work, on the machine's time, since threads don't wait for a paused clock.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentErrorKind, AgentFactory, AgentMessage,
    AgentsConfig, Assignment, Payload, factory,
};
use synod_runtime::AskError;

use crate::stage::{Stage, assignment, give, healthy, perform, tell};

/// Blocks a thread until it is released, whatever it is told. The end of a test releases all.
struct Blocking {
    release: Arc<Mutex<Receiver<()>>>,
}

impl Agent for Blocking {
    fn card(&self) -> AgentCard {
        AgentCard::new("blocking", "1.0.0").capability("block").concurrency(4)
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let release = Arc::clone(&self.release);
        match work.kind.as_str() {
            "panic" => ctx.blocking(|_| panic!("on purpose")).await,
            "obey" => {
                let stopped = ctx.blocking(|stop| {
                    while !stop.is_cancelled() {
                        std::thread::yield_now();
                    }
                });
                stopped.await.map(|()| Payload::empty())
            }
            "compute" => ctx.blocking(|_| Payload::text("computed")).await,
            _ => ctx.blocking(move |_| release.lock().unwrap().recv()).await.map(|_| work.payload),
        }
    }
}

fn blocking() -> (Arc<dyn AgentFactory>, Sender<()>) {
    let (sender, receiver) = channel();
    let release = Arc::new(Mutex::new(receiver));
    (factory(move || Blocking { release: Arc::clone(&release) }), sender)
}

async fn stage() -> Stage {
    let config = AgentsConfig { grace_ms: 20, max_abandoned_threads: 1, ..AgentsConfig::default() };
    Stage::new(config).await
}

#[tokio::test]
async fn blocking_work_runs_beside_and_stops_when_it_looks_at_its_token() {
    let (factory, _release) = blocking();
    let stage = stage().await;
    let agent = stage.start(factory).await.unwrap().address;
    let performed = perform(&agent, "compute").await.unwrap().unwrap();
    assert_eq!(performed.payload, Payload::text("computed"));
    let obeying = assignment("obey");
    let work = obeying.work;
    let given = give(&agent, obeying);
    healthy(&agent, |health| health.in_hand.len() == 1).await;
    tell(&agent, AgentMessage::Cancel { work }).await;
    assert!(given.await.unwrap().unwrap().is_ok(), "it ended in time, with a result");
    healthy(&agent, |health| health.abandoned_threads == 0).await;
}

#[tokio::test]
async fn a_thread_that_will_not_stop_is_abandoned_counted_and_fenced() {
    let (factory, release) = blocking();
    let stage = stage().await;
    let agent = stage.start(factory).await.unwrap().address;
    let stuck = assignment("block");
    let work = stuck.work;
    let given = give(&agent, stuck);
    healthy(&agent, |health| health.in_hand.len() == 1).await;
    tell(&agent, AgentMessage::Cancel { work }).await;
    let error = given.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Cancelled);
    let unwell = healthy(&agent, |health| health.abandoned_threads == 1).await;
    assert!(!unwell.healthy, "as many threads are abandoned as may be");
    let refused = perform(&agent, "compute").await.unwrap().unwrap_err();
    assert_eq!(refused.kind, AgentErrorKind::Unavailable);
    release.send(()).unwrap();
    healthy(&agent, |health| health.healthy && health.abandoned_threads == 0).await;
    assert!(perform(&agent, "compute").await.unwrap().is_ok());
}

#[tokio::test]
async fn a_panic_of_blocking_work_is_a_panic_of_the_agent() {
    let (factory, _release) = blocking();
    let stage = stage().await;
    let agent = stage.start(factory).await.unwrap().address;
    assert_eq!(perform(&agent, "panic").await, Err(AskError::Unanswered));
    healthy(&agent, |health| health.crashes == 1 && health.abandoned_threads == 0).await;
}
