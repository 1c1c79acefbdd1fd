//! Answers of the journal that arrive after the incarnation that asked is gone.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{AgentsConfig, RegistryActor};
use synod_journal::{Append, JournalActor, JournalMessage};
use synod_runtime::{
    Address, Metadata, Principal, Priority, Request, Route, SeededEntropy, SendOptions, Strategy,
    Supervisor, System, TrySendError,
};
use synod_tasks::{SubmitTask, TaskEngine, TaskListener, TasksConfig, TasksMessage};
use synod_testkit::Seed;

use crate::stage::{Ground, Stage, request};

/// What becomes of appends between an engine and its journal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// They are stored, and the answers wait.
    AnswersWait,
    /// They wait themselves.
    Shut,
}

type Waiting = Box<dyn FnOnce() + Send>;

/// Stands between an engine and its journal.
#[derive(Clone)]
struct Between {
    real: Address<JournalMessage>,
    way: Arc<Mutex<Way>>,
    answers: Arc<Mutex<Vec<Waiting>>>,
    kept: Arc<Mutex<Vec<Request<Append>>>>,
}

impl Between {
    fn set(&self, way: Way) {
        *self.way.lock() = way;
    }

    async fn pass(self, request: Request<Append>, way: Way) {
        let (append, reply) = request.into_parts();
        let within = Duration::from_secs(60);
        let options = SendOptions::new().priority(Priority::High);
        let Ok(answer) = self.real.ask_with(append, within, options).await else { return };
        match way {
            Way::AnswersWait => self.answers.lock().push(Box::new(move || reply.send(answer))),
            Way::Open | Way::Shut => reply.send(answer),
        }
    }
}

impl Route<JournalMessage> for Between {
    fn deliver(
        &self,
        message: JournalMessage,
        _: Metadata,
    ) -> Result<(), TrySendError<JournalMessage>> {
        let way = *self.way.lock();
        match message {
            JournalMessage::Append(request) if way == Way::Shut => self.kept.lock().push(request),
            JournalMessage::Append(request) => {
                tokio::spawn(self.clone().pass(request, way));
            }
            other => self.real.try_send(other)?,
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.real.is_closed()
    }
}

/// A node whose engine reaches its journal by a way that the test opens and shuts.
async fn start(ground: &Ground) -> (Stage, Between) {
    let entropy = SeededEntropy::new(Seed::from_env().value());
    let system = System::builder().clock(ground.time.clone()).entropy(entropy).build();
    let journal = JournalActor::simulated(ground.journal.clone(), ground.disk.clone());
    let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
    let (real, agents) = (journal.address(), registry.address());
    let between = Between {
        real: real.clone(),
        way: Arc::new(Mutex::new(Way::Open)),
        answers: Arc::default(),
        kept: Arc::default(),
    };
    let log = Address::routed(real.path(), Arc::new(between.clone()));
    let engine = TaskEngine::spec(ground.config.clone(), log, agents.clone());
    let tasks = engine.address();
    let root = Supervisor::new(Strategy::OneForOne).child(journal).child(registry).child(engine);
    system.start(root.into_spec("node")).await.unwrap();
    (Stage { system, journal: real, registry: agents, tasks }, between)
}

/// Appends of one incarnation and of the next count from different numbers: an answer to one of
/// the former must not pass for an answer to one of the latter, which is not stored.
#[tokio::test(start_paused = true)]
async fn a_late_answer_to_a_former_incarnation_acknowledges_nothing_of_the_next() {
    let ground = Ground::new(TasksConfig::default());
    let (stage, between) = start(&ground).await;
    let _agent = stage.agent("a", "x", 1).await;
    let asked = |key: u32| {
        let request = request("x").idempotency_key(format!("k-{key}"));
        let submit = SubmitTask { request, principal: Principal::user("ada") };
        let tasks = stage.tasks.clone();
        tokio::spawn(async move { tasks.ask(submit, Duration::from_secs(20)).await })
    };
    let fatal = TaskListener::new(|_| panic!("{}", synod_testkit::ON_PURPOSE));
    stage.tasks.send(TasksMessage::Subscribe(fatal)).await.unwrap();
    between.set(Way::AnswersWait);
    for key in 0..8 {
        asked(key);
        ground.time.pass(Duration::from_millis(100)).await;
    }
    // The first answer leads to the end of this incarnation; the others are still on their way.
    let mut late = std::mem::take(&mut *between.answers.lock());
    assert!(late.len() > 2, "{} appends", late.len());
    between.set(Way::Open);
    late.remove(0)();
    ground.time.pass(Duration::from_secs(2)).await;
    asked(8).await.unwrap().unwrap().unwrap();
    between.set(Way::Shut);
    let next: Vec<_> = (9..12).map(asked).collect();
    ground.time.pass(Duration::from_millis(100)).await;
    assert!(!between.kept.lock().is_empty(), "the next incarnation has appends under way");
    late.into_iter().for_each(|answer| answer());
    ground.time.pass(Duration::from_secs(1)).await;
    let acknowledged = next.iter().filter(|asked| asked.is_finished()).count();
    assert_eq!(acknowledged, 0, "nothing of it is stored");
}
