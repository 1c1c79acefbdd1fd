//! Agents as a node hosts them: each an actor with a card in the registry and a seat in the engine.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use synod::agents::{StartAgent, factory};
use synod::config::NodeConfig;
use synod::prelude::*;
use synod::tasks::{EngineStats, SubmitTask, TaskState, TaskSubmissionRequest, WaitTask};

use crate::Row;
use crate::stopwatch::{Stopwatch, resident_bytes, runtime};

/// Makes this program measure this and end.
pub(crate) const FLAG: &str = "--live";

pub(crate) const ROWS: [Row; 6] = [
    ("start an agent and register it, wall", "µs", 1),
    ("the same, CPU", "µs", 1),
    ("resident for an idle agent", "bytes", 0),
    ("an agent's first task, which starts its worker, CPU", "µs", 1),
    ("resident that it adds: the worker, and the task that is kept", "bytes", 0),
    ("stop the node with all of them, wall", "ms", 0),
];

/// Agents that are started at the same time, and tasks in flight.
const AT_ONCE: u64 = 256;
const IN_FLIGHT: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(300);

/// One of many.
struct Member(u64);

impl Agent for Member {
    fn card(&self) -> AgentCard {
        AgentCard::new(format!("member-{}", self.0), "1.0.0").capability("work")
    }

    async fn perform(
        &mut self,
        work: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Ok(work.payload)
    }
}

/// Prints the figures of [`ROWS`].
pub(crate) fn child(agents: u64) {
    let folder = crate::folder("live");
    let mut config = NodeConfig::default();
    config.node.data_folder = folder.clone();
    runtime().block_on(measure(config, agents));
    let _ = std::fs::remove_dir_all(folder);
}

async fn measure(config: NodeConfig, agents: u64) {
    let node = NodeBuilder::new().config(config).without_http().start().await;
    let node = Arc::new(node.expect("a node"));
    // What the first of a kind makes once for all does not count.
    start(&node, agents..agents + 1).await;
    work(&node, agents..agents + 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (empty, watch) = (resident_bytes(), Stopwatch::start());
    start_all(&node, agents).await;
    let each = agents as f64;
    let (wall, cpu) = (watch.wall_us() / each, watch.cpu_us() / each);
    // Let the last of them come to rest.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = resident_bytes();
    let watch = Stopwatch::start();
    let tasks = agents / 5;
    work(&node, 0..tasks).await;
    let first = watch.cpu_us() / tasks as f64;
    let worked = (resident_bytes() - idle) / tasks as f64;
    let node = Arc::into_inner(node).expect("nobody else has the node");
    let watch = Stopwatch::start();
    node.stop().await;
    let stop = watch.wall_us() / 1e3;
    println!("{wall} {cpu} {} {first} {worked} {stop}", (idle - empty) / each);
}

async fn start_all(node: &Arc<Node>, agents: u64) {
    let share = agents / AT_ONCE;
    let starters = (0..AT_ONCE).map(|at| {
        let end = if at + 1 == AT_ONCE { agents } else { (at + 1) * share };
        let node = Arc::clone(node);
        tokio::spawn(async move { start(&node, at * share..end).await })
    });
    for starter in starters.collect::<Vec<_>>() {
        starter.await.expect("a starter");
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = node.tasks().ask(EngineStats {}, PATIENCE).await.expect("statistics");
        // The built-in echo and the one before are there too.
        if stats.agents_total == agents + 2 {
            return;
        }
        assert!(Instant::now() < until, "the engine knows {} agents", stats.agents_total);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(node: &Node, numbers: Range<u64>) {
    for number in numbers {
        let factory = factory(move || Member(number));
        let started = node.host().ask(StartAgent { factory }, PATIENCE).await.expect("an answer");
        started.expect("an agent");
    }
}

/// Has each of these agents do a task.
async fn work(node: &Arc<Node>, agents: Range<u64>) {
    let next = Arc::new(AtomicU64::new(agents.start));
    let clients = (0..IN_FLIGHT).map(|_| {
        let (node, next) = (Arc::clone(node), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let agent = next.fetch_add(1, Ordering::Relaxed);
                if agent >= agents.end {
                    return;
                }
                one_task(&node, agent).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client");
    }
}

/// By name: left to itself the engine would rather take those that have shown to be quick.
async fn one_task(node: &Node, agent: u64) {
    let request = TaskSubmissionRequest::new("work").agent(format!("member-{agent}"));
    let submit = SubmitTask { request, principal: Default::default() };
    let accepted = node.tasks().ask(submit, PATIENCE).await.expect("an answer");
    let id = accepted.expect("an acceptance").task_id;
    let ended = node.tasks().ask(WaitTask { id }, PATIENCE).await.expect("an answer");
    assert_eq!(ended.expect("a task").state, TaskState::Completed);
}
