//! Choosing an agent: what a task costs among few and among many.
//!
//! All cards name one actor, so that only the choice depends on their number: with as many real
//! agents, each task would also wake one that is in no processor's cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use synod::agents::{
    AgentCard, AgentMessage, AgentsConfig, Performed, RegisterAgent, RegistryActor,
};
use synod::journal::{JournalActor, JournalConfig};
use synod::runtime::{
    Actor, ActorError, Address, Context, Spec, Strategy, Supervisor, System, SystemConfig,
};
use synod::tasks::{
    EngineStats, SubmitTask, TaskEngine, TaskState, TaskSubmissionRequest, TasksConfig,
    TasksMessage, WaitTask,
};

use crate::stopwatch::{Stopwatch, runtime};

/// Makes this program measure this and end.
pub(crate) const FLAG: &str = "--choice";

/// Tasks before those that count, those that count, and how many are in flight.
const WARM: u64 = 5_000;
const TASKS: u64 = 40_000;
const IN_FLIGHT: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(300);

/// Stands for all agents.
struct Everyone;

impl Actor for Everyone {
    type Message = AgentMessage;
    const KIND: &'static str = "agent";

    async fn handle(
        &mut self,
        message: AgentMessage,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let AgentMessage::Perform(request) = message {
            let (perform, reply) = request.into_parts();
            reply.send(Ok(Performed { payload: perform.assignment.payload, state: None }));
        }
        Ok(())
    }
}

/// Prints what a task costs that any of so many agents can do, and one that names its agent, in
/// microseconds of CPU time.
pub(crate) fn child(agents: u64) {
    let folder = crate::folder("choice");
    let [any, named] = runtime().block_on(async {
        let system = System::new(SystemConfig::default());
        let tasks = engine(&system, &folder, agents).await;
        let mut figures = [0.0; 2];
        for (figure, by_name) in figures.iter_mut().zip([false, true]) {
            work(&tasks, agents, WARM, by_name).await;
            let watch = Stopwatch::start();
            work(&tasks, agents, TASKS, by_name).await;
            *figure = watch.cpu_us() / TASKS as f64;
        }
        system.stop(PATIENCE).await.expect("an orderly end");
        figures
    });
    println!("{any} {named}");
    let _ = std::fs::remove_dir_all(folder);
}

/// An engine over a real journal that knows so many agents.
async fn engine(
    system: &System,
    folder: &std::path::Path,
    agents: u64,
) -> Arc<Address<TasksMessage>> {
    let journal = JournalActor::spec(JournalConfig::default(), folder);
    let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
    let (log, known) = (journal.address(), registry.address());
    let engine = TaskEngine::spec(TasksConfig::default(), log, known.clone());
    let everyone = Spec::new("everyone", || Everyone);
    let (tasks, agent) = (engine.address(), everyone.address());
    let root = Supervisor::new(Strategy::RestForOne)
        .child(journal)
        .child(registry)
        .child(engine)
        .child(everyone)
        .into_spec("node");
    system.start(root).await.expect("a node");
    for number in 0..agents {
        // Even a few are never busy, so that no task waits for another.
        let card = AgentCard::new(name(number), "1.0.0").capability("work").concurrency(64);
        let register = RegisterAgent::new(card, agent.clone());
        known.ask(register, PATIENCE).await.expect("an answer").expect("a registration");
    }
    until_known(&tasks, agents).await;
    Arc::new(tasks)
}

async fn until_known(tasks: &Address<TasksMessage>, agents: u64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = tasks.ask(EngineStats {}, PATIENCE).await.expect("statistics");
        if stats.agents_total == agents {
            return;
        }
        assert!(Instant::now() < until, "the engine knows {} agents", stats.agents_total);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn name(number: u64) -> String {
    format!("member-{number}")
}

/// Has so many tasks done; by name each one by another agent, in an order far from that of their
/// registration.
async fn work(tasks: &Arc<Address<TasksMessage>>, agents: u64, count: u64, by_name: bool) {
    let next = Arc::new(AtomicU64::new(0));
    let clients = (0..IN_FLIGHT).map(|_| {
        let (tasks, next) = (Arc::clone(tasks), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let request = TaskSubmissionRequest::new("work");
                // Fibonacci hashing (Knuth, TAOCP 6.4).
                let chosen = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
                let request = if by_name { request.agent(name(chosen % agents)) } else { request };
                one_task(&tasks, request).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client");
    }
}

async fn one_task(tasks: &Address<TasksMessage>, request: TaskSubmissionRequest) {
    let submit = SubmitTask { request, principal: Default::default() };
    let accepted = tasks.ask(submit, PATIENCE).await.expect("an answer");
    let id = accepted.expect("an acceptance").task_id;
    let ended = tasks.ask(WaitTask { id }, PATIENCE).await.expect("an answer");
    assert_eq!(ended.expect("a task").state, TaskState::Completed);
}
