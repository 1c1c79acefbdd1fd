//! What a durable run costs in process: accepted on disk, its steps given to agents, each end of a
//! step on disk before the next begins.
//!
//! Run with `cargo bench --bench workflows`, or one of its tables alone, such as
//! `cargo bench --bench workflows -- runs`: runs, fan, replay, waiting. So many clients, each of
//! which starts a run of three no-op steps, one after the other, with 256 bytes of JSON, and waits
//! for its end, then the next. A folder under the target folder is written to and removed again, so
//! the figures are of that disk; synced is the log's segment, with fdatasync, once for each group
//! of appends: four times at least in the life of such a run. A durable figure counts only on an
//! otherwise idle disk: the load average and a bare fdatasync are printed beside.
//!
//! The agent is a built-in one in the node; the peers' workers are in other processes, but for Ray,
//! autogen-core and LangGraph. They are quoted from runs on one machine (2 virtual cores,
//! 2026-11-20, tables B and C of the peers' results): compare orders of magnitude, or run both on
//! one machine.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails loudly")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use synod_agents::{AgentHost, AgentsConfig, Echo, HostSettings, RegistryActor, factory};
use synod_journal::{Health, JournalActor, JournalConfig, JournalHealth, JournalMessage};
use synod_runtime::{Address, Principal, System, SystemConfig};
use synod_tasks::{TaskEngine, TasksConfig};
use synod_workflows::{
    GetRun, RunId, RunOptions, RunSource, RunState, StartRun, WaitRun, WorkflowEngine,
    WorkflowStats, WorkflowsConfig, WorkflowsMessage,
};
use tokio::runtime::Runtime;

const LONG: Duration = Duration::from_secs(120);
const ROUNDS: usize = 3;
const INPUT_BYTES: usize = 256;
/// Numbers in flight, and how many runs are done in each round.
const LOADS: [(u64, u64); 3] = [(1, 2_000), (64, 40_000), (1_024, 60_000)];
/// Steps of a fan-out before its join, and how often it is done. With the join, the wider one has
/// as many steps as a definition may have.
const FANS: [(usize, u64); 2] = [(100, 200), (9_999, 3)];
/// Items of the run whose history is replayed: two events each.
const ITEMS: usize = 50_000;
/// Runs that wait at a time.
const WAITING: u64 = 100_000;
const RAW_SYNCS: usize = 2_000;

/// Three steps, 1 in flight p50 in ms; 64 in flight runs/s; fan-out of 100 in ms; what survives.
const PEERS: [(&str, f64, f64, f64, &str); 7] = [
    ("Restate, ctx.run steps", 4.85, 964.0, 12.9, "log, fdatasync"),
    ("Restate, service calls", 14.9, 315.0, 49.3, "log, fdatasync"),
    ("DBOS on PostgreSQL", 8.09, 166.0, 223.0, "a commit for each start, step and end"),
    ("LangGraph on SQLite", 3.23, 186.0, 32.3, "a commit for each step"),
    ("Temporal dev, SQLite, activities", 200.0, 22.1, 413.0, "a commit for each event"),
    ("Ray task", 3.29, 773.0, 46.3, "nothing"),
    ("autogen-core", 0.51, 1_866.0, 12.2, "nothing"),
];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workflows-bench");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    println!("# Durable runs in process, {INPUT_BYTES} bytes of JSON\n");
    println!("load average before: {}", load_average());
    let syncs = raw_syncs(&folder);
    println!("fdatasync of 512 bytes on that disk: p50 {:.0} µs, p99 {:.0} µs\n", syncs.0, syncs.1);
    let runtime = Runtime::new().expect("a runtime");
    if is_wanted("runs") {
        print_runs(&runtime, &folder);
    }
    if is_wanted("fan") {
        print_fans(&runtime, &folder);
    }
    if is_wanted("replay") {
        runtime.block_on(print_replay(&folder.join("replay")));
    }
    if is_wanted("waiting") {
        runtime.block_on(print_waiting(&folder.join("waiting")));
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

/// A node of one measurement.
struct Node {
    system: System,
    journal: Address<JournalMessage>,
    engine: Address<WorkflowsMessage>,
}

impl Node {
    async fn start(folder: &Path) -> Self {
        let system = System::new(SystemConfig::default());
        let journal = JournalActor::spec(JournalConfig::default(), folder);
        let config = Arc::new(AgentsConfig::default());
        let registry = RegistryActor::spec(config.clone(), None);
        let (log, known) = (journal.address(), registry.address());
        let tasks = TaskEngine::spec(TasksConfig::default(), log.clone(), known.clone());
        let workflows = WorkflowsConfig { keep_ended: 5_000, ..WorkflowsConfig::default() };
        let engine = WorkflowEngine::spec(workflows, log.clone(), tasks.address());
        let address = engine.address();
        system.spawn(journal).expect("a journal");
        system.spawn(registry).expect("a registry");
        system.spawn(tasks).expect("a task engine");
        system.spawn(engine).expect("an engine");
        let (agents, kinds) = (vec![factory(Echo::default)], Default::default());
        let programs = Default::default();
        let settings = HostSettings { config, registry: known, agents, kinds, programs };
        system.spawn(AgentHost::spec(settings).expect("a host")).expect("a host");
        Self { system, journal: log, engine: address }
    }

    async fn begin(&self, text: &str, input: Value) -> RunId {
        let source = RunSource::Text(text.to_owned());
        let (options, principal) = (RunOptions::default(), Principal::default());
        let start = StartRun { source, input, options, principal };
        let accepted = self.engine.ask(start, LONG).await.expect("an answer").expect("room");
        accepted.run_id
    }

    /// Waits for the end of a run, unless it is forgotten by now.
    async fn end(&self, id: RunId) {
        let status = self.engine.ask(WaitRun { id }, LONG).await.expect("an answer");
        let state = status.map(|status| status.summary.state);
        assert!(state.is_none_or(|state| state == RunState::Completed), "{state:?}");
    }

    async fn log(&self) -> JournalHealth {
        self.journal.ask(Health {}, LONG).await.expect("an answer")
    }

    async fn stop(self) {
        let stats = self.engine.ask(WorkflowStats {}, LONG).await.expect("an answer");
        assert!(stats.ledger.balanced && stats.ledger.failed == 0, "{:?}", stats.ledger);
        self.system.stop(LONG).await.expect("an orderly end");
    }
}

/// A step that gives back its input.
fn step(id: &str, input: &str, before: &[&str]) -> Value {
    json!({"id": id, "capability": "echo", "input": input, "depends_on": before})
}

/// Three steps one after the other.
fn three() -> String {
    json!({"name": "three", "steps": [
        step("a", "${inputs}", &[]), step("b", "${outputs.a}", &["a"]),
        step("c", "${outputs.b}", &["b"]),
    ]})
    .to_string()
}

/// So many steps at once, and a join.
fn fan(width: usize) -> String {
    let step = |n| json!({"id": format!("s{n}"), "capability": "echo", "input": n});
    let mut steps: Vec<_> = (0..width).map(step).collect();
    let all: Vec<_> = (0..width).map(|n| format!("s{n}")).collect();
    steps.push(json!({"id": "join", "transform": "${outputs.s0}", "depends_on": all}));
    json!({"name": "fan", "max_parallel": 1_000, "steps": steps}).to_string()
}

/// What one round gave.
struct Line {
    count: u64,
    wall: Duration,
    cpu: Duration,
    log_bytes: u64,
    /// Sorted.
    starts: Vec<Duration>,
    /// Sorted.
    ends: Vec<Duration>,
}

fn print_runs(runtime: &Runtime, folder: &Path) {
    println!("## Three no-op steps\n");
    println!(
        "| in flight | runs/s | accepted p50 µs | p99 µs | done p50 µs | p99 µs | CPU µs/run \
         | bytes/step |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (clients, count) in LOADS {
        let rounds = (0..ROUNDS).map(|round| {
            let folder = folder.join(format!("runs-{clients}-{round}"));
            runtime.block_on(measure(&folder, clients, count))
        });
        print_rounds(&clients.to_string(), rounds.collect());
    }
}

async fn measure(folder: &Path, clients: u64, count: u64) -> Line {
    let node = Arc::new(Node::start(folder).await);
    client(Arc::clone(&node), 100).await;
    let before = node.log().await;
    let (begun, cpu) = (Instant::now(), process_cpu());
    let share = count / clients;
    let clients = (0..clients).map(|_| tokio::spawn(client(Arc::clone(&node), share)));
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for client in clients.collect::<Vec<_>>() {
        let (own_starts, own_ends) = client.await.expect("a client");
        starts.extend(own_starts);
        ends.extend(own_ends);
    }
    let (wall, cpu) = (begun.elapsed(), process_cpu() - cpu);
    let log_bytes = node.log().await.bytes.saturating_sub(before.bytes);
    Arc::into_inner(node).expect("the clients have ended").stop().await;
    let count = ends.len() as u64;
    Line { count, wall, cpu, log_bytes, starts: sorted(starts), ends: sorted(ends) }
}

async fn client(node: Arc<Node>, runs: u64) -> (Vec<Duration>, Vec<Duration>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let (text, input) = (three(), json!("x".repeat(INPUT_BYTES - 2)));
    for _ in 0..runs {
        let begun = Instant::now();
        let id = node.begin(&text, input.clone()).await;
        starts.push(begun.elapsed());
        node.end(id).await;
        ends.push(begun.elapsed());
    }
    (starts, ends)
}

/// The median of the rounds, and their spread for the throughput.
fn print_rounds(name: &str, mut rounds: Vec<Line>) {
    let rate = |line: &Line| line.count as f64 / line.wall.as_secs_f64();
    rounds.sort_by(|one, other| rate(one).total_cmp(&rate(other)));
    let median = &rounds[rounds.len() / 2];
    println!(
        "| {name} | {:.0} [{:.0}..{:.0}] | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} |",
        rate(median),
        rate(&rounds[0]),
        rate(&rounds[rounds.len() - 1]),
        percentile(&median.starts, 0.5),
        percentile(&median.starts, 0.99),
        percentile(&median.ends, 0.5),
        percentile(&median.ends, 0.99),
        median.cpu.as_secs_f64() * 1e6 / median.count as f64,
        median.log_bytes as f64 / median.count as f64 / 3.0,
    );
}

fn print_fans(runtime: &Runtime, folder: &Path) {
    println!("\n## Fan-out and join, one at a time\n");
    println!("| steps | median ms | min ms | max ms | CPU ms | µs/step | bytes/step |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (width, times) in FANS {
        let folder = folder.join(format!("fan-{width}"));
        runtime.block_on(print_fan(&folder, width, times));
    }
}

async fn print_fan(folder: &Path, width: usize, times: u64) {
    let node = Node::start(folder).await;
    let text = fan(width);
    let first = node.begin(&text, Value::Null).await;
    node.end(first).await;
    let (before, cpu) = (node.log().await, process_cpu());
    let mut took = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        let id = node.begin(&text, Value::Null).await;
        node.end(id).await;
        took.push(begun.elapsed());
    }
    let cpu = (process_cpu() - cpu).as_secs_f64() * 1e3 / times as f64;
    let bytes = node.log().await.bytes.saturating_sub(before.bytes);
    node.stop().await;
    let took = sorted(took);
    let median = percentile(&took, 0.5);
    println!(
        "| {width} | {:.2} | {:.2} | {:.2} | {cpu:.2} | {:.1} | {:.0} |",
        median / 1e3,
        percentile(&took, 0.0) / 1e3,
        percentile(&took, 1.0) / 1e3,
        median / width as f64,
        bytes as f64 / times as f64 / width as f64,
    );
}

/// Shows a run with a long history, which is read, decoded and replayed for it.
async fn print_replay(folder: &Path) {
    let node = Node::start(folder).await;
    let text = json!({"name": "items", "timeout_s": 3600, "max_parallel": 1000, "steps": [{
        "id": "each",
        "for_each": {"items": "${inputs}", "concurrency": 256, "step": {
            "capability": "echo", "input": "${item}"}},
    }]});
    let items: Vec<usize> = (0..ITEMS).collect();
    let id = node.begin(&text.to_string(), json!(items)).await;
    node.end(id).await;
    let mut took = Vec::new();
    let mut events = 0;
    for _ in 0..10 {
        let begun = Instant::now();
        let shown = node.engine.ask(GetRun { id }, LONG).await.expect("an answer");
        events = shown.expect("a known run").history_events;
        took.push(begun.elapsed());
    }
    let took = sorted(took);
    println!(
        "\n## Replay\n\n{events} events, decoded and replayed to show the run: p50 {:.0} ms, \
         max {:.0} ms",
        percentile(&took, 0.5) / 1e3,
        percentile(&took, 1.0) / 1e3,
    );
    node.stop().await;
}

/// Runs that wait for a message, and what they hold of memory.
async fn print_waiting(folder: &Path) {
    let node = Arc::new(Node::start(folder).await);
    let before = resident();
    let text = r#"{"name": "waits", "timeout_s": 86400, "steps": [
        {"id": "a", "await": {"topic": "go", "match": "message.order == inputs.order"}}]}"#;
    let begun = Instant::now();
    let starts = (0..64).map(|client| {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            for n in 0..WAITING / 64 {
                node.begin(text, json!({"order": client * WAITING + n})).await;
            }
        })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("a client");
    }
    let took = begun.elapsed();
    loop {
        let stats = node.engine.ask(WorkflowStats {}, LONG).await.expect("an answer");
        if stats.active == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let held = resident().saturating_sub(before) as f64 / f64::from(1 << 20);
    println!(
        "\n## Waiting\n\n{WAITING} runs that wait for a message, started in {:.1} s: {held:.0} MiB \
         more resident, no actor",
        took.as_secs_f64()
    );
    Arc::into_inner(node).expect("the clients have ended").stop().await;
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

fn print_peers() {
    println!(
        "\n## Peers, measured 2026-11-20 on 2 cores (each with its worker in another process,"
    );
    println!("## Ray, autogen-core and LangGraph apart)\n");
    println!(
        "| system | 1 in flight p50 ms | 64 in flight runs/s | fan-out of 100 ms | survives a \
         power cut |"
    );
    println!("|---|--:|--:|--:|---|");
    for (name, latency, rate, fan, durability) in PEERS {
        println!("| {name} | {latency:.2} | {rate:.0} | {fan:.1} | {durability} |");
    }
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

/// Bytes of memory that the process has.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
