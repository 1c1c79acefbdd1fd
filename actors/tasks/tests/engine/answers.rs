//! A log that answers in another order than it was asked, as a replicated one may.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{AgentsConfig, RegistryActor};
use synod_journal::{Append, AppendError, JournalActor, JournalMessage, SimulatedDisk};
use synod_runtime::{
    ActorPath, Address, Metadata, Principal, Request, Route, Strategy, Supervisor, System,
    SystemConfig, TrySendError,
};
use synod_tasks::{SubmitError, SubmitTask, TaskEngine, TaskSubmissionRequest, TasksConfig};
use synod_testkit::Seed;

/// Keeps the first append of a task without an answer, and refuses the next as no owner does.
struct LosesItsLeader {
    log: Address<JournalMessage>,
    kept: Mutex<Option<Request<Append>>>,
}

impl Route<JournalMessage> for LosesItsLeader {
    fn deliver(
        &self,
        message: JournalMessage,
        _: Metadata,
    ) -> Result<(), TrySendError<JournalMessage>> {
        let accepts = |append: &Append| {
            append.records.iter().any(|record| record.kind.as_str().starts_with("task."))
        };
        match message {
            JournalMessage::Append(request) if accepts(&request.body) => {
                let mut kept = self.kept.lock();
                match &*kept {
                    None => *kept = Some(request),
                    Some(_) => request.answer(Err(AppendError::NotOwner)),
                }
                Ok(())
            }
            message => self.log.try_send(message),
        }
    }
}

fn submission(n: u64) -> SubmitTask {
    let request = TaskSubmissionRequest::new("echo").payload(&n).unwrap();
    SubmitTask { request, principal: Principal::default() }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_refused_append_is_not_said_to_be_undone() {
    let system = System::new(SystemConfig::default());
    let disk = SimulatedDisk::new(Seed::from_env().value());
    let journal = JournalActor::simulated(Default::default(), disk);
    let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
    let route = Arc::new(LosesItsLeader { log: journal.address(), kept: Mutex::new(None) });
    let log = Address::routed(ActorPath::new("/log"), Arc::clone(&route) as Arc<_>);
    let config = TasksConfig {
        unknown_capability: synod_tasks::UnknownCapability::Wait,
        ..TasksConfig::default()
    };
    let engine = TaskEngine::spec(config, log, registry.address());
    let tasks = engine.address();
    let root = Supervisor::new(Strategy::RestForOne).child(journal).child(registry).child(engine);
    system.start(root.into_spec("node")).await.unwrap();
    let within = Duration::from_secs(5);
    let first = tokio::spawn({
        let tasks = tasks.clone();
        async move { tasks.ask(submission(1), within).await.unwrap() }
    });
    while route.kept.lock().is_none() {
        tokio::task::yield_now().await;
    }
    let second = tasks.ask(submission(2), within).await.unwrap();
    for outcome in [first.await.unwrap(), second] {
        let Err(SubmitError::Unavailable { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("the outcome is unknown"), "{reason}");
    }
}
