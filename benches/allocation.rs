//! What the ways of choosing an agent are worth: makespan and success of heterogeneous tasks.
//!
//! Run with `cargo bench --bench allocation`, or with fewer tasks: `cargo bench --bench allocation
//! -- 50`. Everything is in virtual time over a simulated disk, so a run takes no longer than the
//! machine needs for it, and the same seeds give the same figures on an idle and on a busy machine.
//!
//! Twelve agents of capacity 1 to 3 have one capability in common, and each its own speed (a
//! factor of 1/4 to 4) and reliability (0.6 to 1) for each of four kinds of work. Tasks of random
//! kind and size come at random times, at about half of what all agents could do. An execution
//! that fails is tried again, four times at most. A third of the agents lie when they are asked:
//! they promise a tenth of the time and certain success; the others tell what they expect.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails loudly")]

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use synod_agents::{
    AgentCard, AgentError, AgentMessage, AgentsConfig, Payload, Perform, Performative, Performed,
    Receive, RegisterAgent, RegistryActor,
};
use synod_journal::{JournalActor, JournalConfig, SimulatedDisk};
use synod_runtime::{
    Actor, ActorError, Address, Context, Principal, Request, SeededEntropy, Spec, System,
};
use synod_tasks::{
    Allocation, BiddingConfig, EngineStats, RetryOptions, SubmitTask, TaskEngine, TaskState,
    TaskStatusResponse, TaskSubmissionRequest, TasksConfig, TasksMessage, WaitTask,
};
use synod_testkit::VirtualTime;
use tokio::time::{Instant, sleep, sleep_until};

const LONG: Duration = Duration::from_secs(3_600);
const AGENTS: usize = 12;
const KINDS: usize = 4;
const SEEDS: u64 = 5;
const TASKS: usize = 1_000;
/// Mean time between two tasks.
const BETWEEN_MS: f64 = 18.0;

/// What is compared: the name, the allocation and the weight of what agents say of themselves.
const WAYS: [(&str, Allocation, f64); 8] = [
    ("random", Allocation::Random, 0.2),
    ("least loaded", Allocation::LeastLoaded, 0.2),
    ("load balancing", Allocation::LoadBalancing, 0.2),
    ("measured (default)", Allocation::Measured, 0.2),
    ("contract net, self-reported bids", Allocation::ContractNet, 1.0),
    ("contract net, measured bids", Allocation::ContractNet, 0.2),
    ("contract net, history alone", Allocation::ContractNet, 0.0),
    ("vote of the candidates (silent)", Allocation::Consensus, 0.2),
];

fn main() {
    let given = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let tasks = given.unwrap_or(TASKS);
    println!("# {tasks} heterogeneous tasks, {AGENTS} agents of which a third lie\n");
    println!("Virtual time, mean of {SEEDS} seeds.\n");
    println!("| way | makespan s | in the system mean s | p95 s | first try succeeded | failed |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, allocation, bid_weight) in WAYS {
        let runs: Vec<Run> =
            (1..=SEEDS).map(|seed| run(allocation, bid_weight, tasks, seed)).collect();
        print(name, &runs);
    }
}

/// What one run gave.
struct Run {
    makespan: Duration,
    /// Times from submission to end, sorted.
    times: Vec<Duration>,
    first_try: usize,
    failed: usize,
}

fn run(allocation: Allocation, bid_weight: f64, tasks: usize, seed: u64) -> Run {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(measure(allocation, bid_weight, tasks, seed))
}

async fn measure(allocation: Allocation, bid_weight: f64, tasks: usize, seed: u64) -> Run {
    let field = Arc::new(Field::new(seed));
    let bidding = BiddingConfig { bid_weight, ..BiddingConfig::default() };
    let (system, engine) =
        node(TasksConfig { bidding, ..TasksConfig::default() }, &field, seed).await;
    let mut chance = StdRng::seed_from_u64(seed ^ 0xa221);
    let begun = Instant::now();
    let mut due = begun;
    let mut waiting = Vec::with_capacity(tasks);
    for number in 0..tasks {
        due += Duration::from_secs_f64(-(1.0 - chance.random::<f64>()).ln() * BETWEEN_MS / 1e3);
        let kind = chance.random_range(0..KINDS);
        let size = 4_f64.powf(chance.random_range(-1.0..1.0));
        let work = Work { number, kind, size };
        waiting.push(tokio::spawn(client(engine.clone(), allocation, work, due)));
    }
    let mut run = Run { makespan: Duration::ZERO, times: Vec::new(), first_try: 0, failed: 0 };
    for client in waiting {
        let (time, status) = client.await.expect("a client");
        run.times.push(time);
        run.failed += usize::from(status.state != TaskState::Completed);
        run.first_try += usize::from(status.parts[0].errors == 0);
    }
    run.makespan = begun.elapsed();
    run.times.sort_unstable();
    let stats = engine.ask(EngineStats {}, LONG).await.expect("an answer");
    assert!(stats.ledger.balanced && stats.ledger.open == 0, "{:?}", stats.ledger);
    system.stop(LONG).await.expect("an orderly end");
    run
}

/// Submits one task when it is due, and waits for its end.
async fn client(
    engine: Address<TasksMessage>,
    allocation: Allocation,
    work: Work,
    due: Instant,
) -> (Duration, TaskStatusResponse) {
    sleep_until(due).await;
    let begun = Instant::now();
    let retry = RetryOptions { max_attempts: Some(5), ..RetryOptions::default() };
    let request = TaskSubmissionRequest::new("work").payload(&work).expect("JSON");
    let request =
        TaskSubmissionRequest { retry, ..request.allocation(allocation).timeout_s(3_600) };
    let submit = SubmitTask { request, principal: Principal::default() };
    let id = engine.ask(submit, LONG).await.expect("an answer").expect("room").task_id;
    let status = engine.ask(WaitTask { id }, LONG).await.expect("an answer").expect("a task");
    (begun.elapsed(), status)
}

async fn node(
    config: TasksConfig,
    field: &Arc<Field>,
    seed: u64,
) -> (System, Address<TasksMessage>) {
    let entropy = SeededEntropy::new(seed);
    let system = System::builder().clock(VirtualTime::new()).entropy(entropy).build();
    let journal = JournalActor::simulated(JournalConfig::default(), SimulatedDisk::new(seed));
    let registry = RegistryActor::spec(AgentsConfig::default().into(), None);
    let (log, known) = (journal.address(), registry.address());
    let engine = TaskEngine::spec(config, log, known.clone());
    let address = engine.address();
    system.spawn(journal).expect("a journal");
    system.spawn(registry).expect("a registry");
    system.spawn(engine).expect("an engine");
    for agent in 0..AGENTS {
        let id = format!("agent-{agent}");
        let worker = Worker { agent, field: field.clone() };
        let spec = Spec::new(id.clone(), move || worker.clone());
        let worker = system.spawn(spec).expect("a worker");
        let card = AgentCard::new(id, "1.0.0").capability("work");
        let card = card.concurrency(field.capacities[agent]);
        known
            .ask(RegisterAgent::new(card, worker), LONG)
            .await
            .expect("an answer")
            .expect("a seat");
    }
    (system, address)
}

/// A piece of work.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Work {
    number: usize,
    kind: usize,
    size: f64,
}

/// What the agents are like.
struct Field {
    capacities: Vec<u32>,
    /// How much longer than usual each takes, by kind.
    slowness: Vec<[f64; KINDS]>,
    success: Vec<[f64; KINDS]>,
}

impl Field {
    fn new(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let capacities = (0..AGENTS).map(|_| chance.random_range(1..=3)).collect();
        let slowness = (0..AGENTS)
            .map(|_| std::array::from_fn(|_| 4_f64.powf(chance.random_range(-1.0..1.0))))
            .collect();
        let success =
            (0..AGENTS).map(|_| std::array::from_fn(|_| chance.random_range(0.6..1.0))).collect();
        Self { capacities, slowness, success }
    }

    fn lies(agent: usize) -> bool {
        agent.is_multiple_of(3)
    }

    fn expected_ms(&self, agent: usize, work: Work) -> f64 {
        100.0 * work.size * self.slowness[agent][work.kind]
    }
}

/// An agent. What it does with a task depends on the task, on itself and on nothing else.
#[derive(Clone)]
struct Worker {
    agent: usize,
    field: Arc<Field>,
}

impl Actor for Worker {
    type Message = AgentMessage;

    const KIND: &'static str = "bench-worker";

    async fn handle(
        &mut self,
        message: AgentMessage,
        _ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            AgentMessage::Perform(request) => self.perform(request),
            AgentMessage::Receive(request) => self.bid(request),
            _ => {}
        }
        Ok(())
    }
}

impl Worker {
    fn perform(&self, request: Request<Perform>) {
        let (Perform { assignment }, reply) = request.into_parts();
        let work: Work = assignment.payload.to_json().expect("work");
        let attempt = u64::from(assignment.work.attempt);
        let mixed = (work.number as u64) << 16 | (self.agent as u64) << 8 | attempt;
        let mut chance = StdRng::seed_from_u64(mixed);
        let time = self.field.expected_ms(self.agent, work) * chance.random_range(0.8..1.2);
        let good = chance.random::<f64>() < self.field.success[self.agent][work.kind];
        tokio::spawn(async move {
            sleep(Duration::from_secs_f64(time / 1e3)).await;
            reply.send(match good {
                true => Ok(Performed { payload: Payload::text("done"), state: None }),
                false => Err(AgentError::failed("no luck")),
            });
        });
    }

    fn bid(&self, request: Request<Receive>) {
        #[derive(Deserialize)]
        struct Call {
            input: Work,
        }
        let (Receive { envelope }, reply) = request.into_parts();
        if envelope.performative != Performative::Cfp {
            return reply.send(Ok(None));
        }
        let Call { input } = envelope.content.to_json().expect("a call");
        let honest = self.field.expected_ms(self.agent, input);
        let (time_ms, quality) = match Field::lies(self.agent) {
            true => (honest / 10.0, 1.0),
            false => (honest, self.field.success[self.agent][input.kind]),
        };
        let bid = serde_json::json!({"time_ms": time_ms, "quality": quality});
        let bid = Payload::json(&bid).expect("JSON");
        reply.send(Ok(Some(envelope.answer(Performative::Propose, bid))));
    }
}

fn print(name: &str, runs: &[Run]) {
    let mean = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let seconds = |time: &Duration| time.as_secs_f64();
    let in_system = |run: &Run| run.times.iter().map(seconds).sum::<f64>() / run.times.len() as f64;
    let late = |run: &Run| seconds(&run.times[run.times.len() * 95 / 100]);
    let first = |run: &Run| run.first_try as f64 / run.times.len() as f64;
    println!(
        "| {name} | {:.1} | {:.3} | {:.3} | {:.1} % | {:.1} |",
        mean(&|run| seconds(&run.makespan)),
        mean(&in_system),
        mean(&late),
        mean(&first) * 100.0,
        mean(&|run| run.failed as f64),
    );
}
