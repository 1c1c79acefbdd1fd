//! What a durable task costs in process: accepted on disk, given to an agent, its result on disk.
//!
//! Run with `cargo bench --bench tasks`, or one of its tables alone, such as
//! `cargo bench --bench tasks -- kept`: durable, kept, crowd. So many clients, each of which
//! submits a task with 256 bytes of JSON and waits for its end, then the next. A folder under the
//! target folder is written to and removed again, so the figures are of that disk; synced is the
//! log's segment, with fdatasync, once for each group of appends. A durable figure counts only on
//! an otherwise idle disk: the load average and a bare fdatasync are printed beside.
//!
//! Of executions that their callers keep (steps of workflows) the engine stores nothing; their row
//! is what matching, dispatch, an agent and the answer cost.
//!
//! The peers are quoted from runs on one machine (2 virtual cores, 2026-11-20, tables A and A2 of
//! the peers' results): compare orders of magnitude, or run both on one machine.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails loudly")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use synod_agents::{
    AgentCard, AgentHost, AgentMessage, AgentsConfig, Echo, HostSettings, Payload, Performed,
    RegisterAgent, RegistryActor, RegistryMessage, factory,
};
use synod_journal::{JournalActor, JournalConfig};
use synod_runtime::{
    Actor, ActorError, Address, Context, MailboxConfig, Principal, Spec, System, SystemConfig,
};
use synod_tasks::{
    EngineStats, Execute, ExecutionSpec, GetTask, SubmitTask, TaskEngine, TaskState,
    TaskSubmissionRequest, TasksConfig, TasksMessage, WaitTask,
};
use tokio::runtime::Runtime;

const LONG: Duration = Duration::from_secs(60);
const ROUNDS: usize = 3;
const INPUT_BYTES: usize = 256;
/// Numbers in flight, and how many tasks are done in each round.
const LOADS: [(u64, u64); 3] = [(1, 4_000), (64, 100_000), (1_024, 200_000)];
/// Numbers of agents among which one is chosen for each task.
const CROWDS: [u32; 3] = [10, 1_000, 100_000];
const RAW_SYNCS: usize = 2_000;

/// No-op task, 1 in flight p50 in ms; 64 in flight tasks/s; what survives a power cut.
const PEERS: [(&str, f64, f64, &str); 7] = [
    ("Restate", 3.22, 1_796.0, "log, fdatasync"),
    ("DBOS on PostgreSQL", 1.24, 841.0, "a commit for each start, step and end"),
    ("Celery on Redis, AOF always", 2.22, 528.0, "fsync before the answer"),
    ("LangGraph on SQLite", 1.99, 333.0, "a commit for each step"),
    ("Ray task", 1.22, 2_169.0, "nothing"),
    ("Ray actor call", 0.66, 4_305.0, "nothing"),
    ("autogen-core", 0.13, 8_235.0, "nothing"),
];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tasks-bench");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    println!("# Durable no-op tasks in process, {INPUT_BYTES} bytes of JSON\n");
    println!("load average before: {}", load_average());
    let syncs = raw_syncs(&folder);
    println!("fdatasync of 512 bytes on that disk: p50 {:.0} µs, p99 {:.0} µs\n", syncs.0, syncs.1);
    let runtime = Runtime::new().expect("a runtime");
    if is_wanted("durable") {
        print_head("in flight");
        print_loads(&runtime, &folder, Kind::Durable);
    }
    if is_wanted("kept") {
        println!("\n## Execute, kept by the caller: nothing is stored\n");
        print_head("in flight");
        print_loads(&runtime, &folder, Kind::Kept);
        let load =
            Load { kind: Kind::Kept, agents: Agents::Crowd(10), clients: 64, count: 100_000 };
        let line = runtime.block_on(measure(&folder.join("kept-crowd"), load));
        print_rounds("64, agents that answer at once", vec![line]);
    }
    if is_wanted("crowd") {
        println!("\n## Engine alone: agents that answer at once, by how many to choose from\n");
        print_head("agents");
        for agents in CROWDS {
            let folder = folder.join(format!("crowd-{agents}"));
            let crowd = Agents::Crowd(agents);
            let load = Load { kind: Kind::Durable, agents: crowd, clients: 64, count: 50_000 };
            print_rounds(&agents.to_string(), vec![runtime.block_on(measure(&folder, load))]);
        }
    }
    print_peers();
    println!("\nload average after: {}", load_average());
    let _ = fs::remove_dir_all(&folder);
}

/// Whether this table was asked for: all are, unless some are named.
fn is_wanted(table: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|word| word == table)
}

fn print_head(first: &str) {
    println!(
        "| {first} | tasks/s | accepted p50 µs | p99 µs | done p50 µs | p99 µs | CPU µs/task |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
}

/// A line for each number in flight.
fn print_loads(runtime: &Runtime, folder: &Path, kind: Kind) {
    for (clients, count) in LOADS {
        let rounds = (0..ROUNDS).map(|round| {
            let folder = folder.join(format!("{kind:?}-{clients}-{round}"));
            let load = Load { kind, agents: Agents::Native, clients, count };
            runtime.block_on(measure(&folder, load))
        });
        print_rounds(&clients.to_string(), rounds.collect());
    }
}

/// What is asked of the engine.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A task: submitted, and waited for.
    Durable,
    /// An execution that the client keeps; its acceptance is not told.
    Kept,
}

/// One round.
#[derive(Clone, Copy)]
struct Load {
    kind: Kind,
    agents: Agents,
    clients: u64,
    count: u64,
}

/// What does the tasks.
#[derive(Clone, Copy)]
enum Agents {
    /// The built-in echo agent: an actor and its workers, as users write them.
    Native,
    /// So many cards, and one actor that answers for all of them.
    Crowd(u32),
}

/// What one round gave.
struct Line {
    count: u64,
    wall: Duration,
    cpu: Duration,
    /// Sorted.
    submits: Vec<Duration>,
    /// Sorted.
    ends: Vec<Duration>,
}

async fn measure(folder: &Path, load: Load) -> Line {
    let Load { kind, agents, clients, count } = load;
    let system = System::new(SystemConfig::default());
    let engine = node(&system, folder, agents).await;
    warm_up(&engine).await;
    let (begun, cpu) = (Instant::now(), process_cpu());
    let share = count / clients;
    let clients = (0..clients).map(|number| match kind {
        Kind::Durable => tokio::spawn(client(engine.clone(), share)),
        Kind::Kept => tokio::spawn(keeper(engine.clone(), share, number)),
    });
    let (mut submits, mut ends) = (Vec::new(), Vec::new());
    for client in clients.collect::<Vec<_>>() {
        let (own_submits, own_ends) = client.await.expect("a client");
        submits.extend(own_submits);
        ends.extend(own_ends);
    }
    let (wall, cpu) = (begun.elapsed(), process_cpu() - cpu);
    let stats = engine.ask(EngineStats {}, LONG).await.expect("an answer");
    assert_eq!(stats.executions.started, stats.executions.completed);
    let ledger = stats.ledger;
    assert!(ledger.balanced && ledger.open == 0 && ledger.failed == 0, "{ledger:?}");
    system.stop(LONG).await.expect("an orderly end");
    Line { count: ends.len() as u64, wall, cpu, submits: sorted(submits), ends: sorted(ends) }
}

async fn node(system: &System, folder: &Path, agents: Agents) -> Address<TasksMessage> {
    let journal = JournalActor::spec(JournalConfig::default(), folder);
    let config = Arc::new(AgentsConfig { max_agents: 200_000, ..AgentsConfig::default() });
    let registry = RegistryActor::spec(config.clone(), None);
    let (log, known) = (journal.address(), registry.address());
    let engine = TaskEngine::spec(TasksConfig::default(), log, known.clone());
    let address = engine.address();
    system.spawn(journal).expect("a journal");
    system.spawn(registry).expect("a registry");
    system.spawn(engine).expect("an engine");
    match agents {
        Agents::Native => {
            let agents = vec![factory(Echo::default)];
            let kinds = Default::default();
            let programs = Default::default();
            let settings = HostSettings { config, registry: known, agents, kinds, programs };
            system.spawn(AgentHost::spec(settings).expect("a host")).expect("a host");
        }
        Agents::Crowd(count) => crowd(system, &known, count).await,
    }
    address
}

async fn crowd(system: &System, registry: &Address<RegistryMessage>, count: u32) {
    let mailbox = MailboxConfig::bounded(1 << 17);
    let crowd = system.spawn(Spec::new("crowd", || Crowd).mailbox(mailbox)).expect("a crowd");
    for number in 0..count {
        let concurrency = (1_024 / count).max(1);
        let card = AgentCard::new(format!("echo-{number}"), "1.0.0").capability("echo");
        let register = RegisterAgent::new(card.concurrency(concurrency), crowd.clone());
        registry.ask(register, LONG).await.expect("an answer").expect("a registration");
    }
}

/// Answers for every agent, at once.
struct Crowd;

impl Actor for Crowd {
    type Message = AgentMessage;

    const KIND: &'static str = "crowd";

    async fn handle(
        &mut self,
        message: AgentMessage,
        _ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let AgentMessage::Perform(request) = message {
            let (perform, reply) = request.into_parts();
            reply.send(Ok(Performed { payload: perform.assignment.payload, state: None }));
        }
        Ok(())
    }
}

/// Waits until the agents are known, and does a few tasks.
async fn warm_up(engine: &Address<TasksMessage>) {
    let begun = Instant::now();
    while engine.ask(submission(), LONG).await.expect("an answer").is_err() {
        assert!(begun.elapsed() < LONG, "no agent has appeared");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client(engine.clone(), 200).await;
}

async fn client(engine: Address<TasksMessage>, tasks: u64) -> (Vec<Duration>, Vec<Duration>) {
    let mut submits = Vec::with_capacity(tasks as usize);
    let mut ends = Vec::with_capacity(tasks as usize);
    for _ in 0..tasks {
        let begun = Instant::now();
        let accepted = engine.ask(submission(), LONG).await.expect("an answer").expect("room");
        submits.push(begun.elapsed());
        let id = accepted.task_id;
        let status = engine.ask(WaitTask { id }, LONG).await.expect("an answer");
        // A task may have been forgotten by the time that it is asked for; then it has ended.
        assert!(status.is_none_or(|status| status.state == TaskState::Completed));
        ends.push(begun.elapsed());
    }
    let last = engine.ask(GetTask { id: uuid::Uuid::nil() }, LONG).await.expect("an answer");
    assert!(last.is_none());
    (submits, ends)
}

/// Asks for one execution after the other, as a run does for its steps.
async fn keeper(
    engine: Address<TasksMessage>,
    count: u64,
    number: u64,
) -> (Vec<Duration>, Vec<Duration>) {
    let mut ends = Vec::with_capacity(count as usize);
    for step in 0..count {
        let begun = Instant::now();
        let deadline = tokio::time::Instant::now() + LONG;
        let input = Payload::new("application/json", format!("\"{}\"", text()));
        let idempotency_key = format!("run-{number}/step/{step}");
        let spec = ExecutionSpec { idempotency_key, ..ExecutionSpec::new("echo", input, deadline) };
        let id = uuid::Uuid::from_u64_pair(number, step);
        let execute = Execute { id, attempt: 1, spec, principal: Principal::default() };
        let executed = engine.ask(execute, LONG * 2).await.expect("an answer").expect("an output");
        assert_eq!(executed.output.bytes.len(), INPUT_BYTES);
        ends.push(begun.elapsed());
    }
    (Vec::new(), ends)
}

fn text() -> String {
    "x".repeat(INPUT_BYTES - 2)
}

fn submission() -> SubmitTask {
    let request = TaskSubmissionRequest::new("echo").payload(&text()).expect("JSON");
    SubmitTask { request, principal: Principal::default() }
}

/// p50 and p99 of a write of 512 bytes and a sync of a preallocated file, in microseconds.
fn raw_syncs(folder: &Path) -> (f64, f64) {
    let file = File::create(folder.join("raw")).expect("a file");
    file.write_all_at(&vec![0; 512 * RAW_SYNCS], 0).expect("room");
    file.sync_all().expect("a sync");
    let syncs = (0..RAW_SYNCS as u64).map(|at| {
        let begun = Instant::now();
        file.write_all_at(&[7; 512], at * 512).expect("a write");
        file.sync_data().expect("a sync");
        begun.elapsed()
    });
    let syncs = sorted(syncs.collect());
    (percentile(&syncs, 0.5), percentile(&syncs, 0.99))
}

/// The median of the rounds, and their spread for the throughput.
fn print_rounds(name: &str, mut rounds: Vec<Line>) {
    let rate = |line: &Line| line.count as f64 / line.wall.as_secs_f64();
    rounds.sort_by(|one, other| rate(one).total_cmp(&rate(other)));
    let median = &rounds[rounds.len() / 2];
    let spread = match rounds.len() {
        1 => String::new(),
        last => format!(" [{:.0}..{:.0}]", rate(&rounds[0]), rate(&rounds[last - 1])),
    };
    println!(
        "| {name} | {:.0}{spread} | {} | {} | {} | {} | {:.1} |",
        rate(median),
        shown(&median.submits, 0.5),
        shown(&median.submits, 0.99),
        shown(&median.ends, 0.5),
        shown(&median.ends, 0.99),
        median.cpu.as_secs_f64() * 1e6 / median.count as f64,
    );
}

fn print_peers() {
    println!(
        "\n## Peers, measured 2026-11-20 on 2 cores (each with its worker in another process,"
    );
    println!("## Ray, autogen-core and LangGraph apart)\n");
    println!("| system | 1 in flight p50 ms | 64 in flight tasks/s | survives a power cut |");
    println!("|---|--:|--:|---|");
    for (name, latency, rate, durability) in PEERS {
        println!("| {name} | {latency:.2} | {rate:.0} | {durability} |");
    }
}

/// A percentile in microseconds; a dash where nothing was measured.
fn shown(sorted: &[Duration], share: f64) -> String {
    if sorted.is_empty() { "-".to_owned() } else { format!("{:.0}", percentile(sorted, share)) }
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    let value = sorted.get(index).or(sorted.last());
    value.map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

fn sorted(mut latencies: Vec<Duration>) -> Vec<Duration> {
    latencies.sort_unstable();
    latencies
}

/// CPU time of all threads of this process, ended ones included.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
