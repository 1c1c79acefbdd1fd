//! Runs of three no-op steps, so many in flight.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::INPUT_BYTES;
use crate::node::{Node, Worker, python};
use crate::peers::Ours;
use crate::system::{children_cpu, percentile, process_cpu, sorted};

const ROUNDS: usize = 3;
/// Runs before the clock runs.
const WARM: u64 = 100;
/// Numbers in flight, and how many runs are done in each round.
const NATIVE: [(u64, u64); 3] = [(1, 2_000), (64, 40_000), (1_024, 60_000)];
const PYTHON: [(u64, u64); 2] = [(1, 1_000), (64, 15_000)];

/// What one round gave.
struct Line {
    count: u64,
    wall: Duration,
    /// Of this process: the node and its clients.
    cpu: Duration,
    /// Of the agent, where it is another process.
    agent_cpu: Duration,
    log_bytes: u64,
    syncs: u64,
    /// Sorted.
    starts: Vec<Duration>,
    /// Sorted.
    ends: Vec<Duration>,
}

impl Line {
    fn rate(&self) -> f64 {
        self.count as f64 / self.wall.as_secs_f64()
    }
}

pub(crate) fn print_native(runtime: &Runtime, folder: &Path, ours: &mut Ours) {
    println!("## Three no-op steps, an agent in the node\n");
    print_head();
    for (clients, count) in NATIVE {
        let (p50_ms, rate) = print_rounds(runtime, folder, Worker::Native, clients, count);
        match clients {
            1 => ours.one_ms = Some(p50_ms),
            64 => ours.many = Some(rate),
            _ => {}
        }
    }
}

pub(crate) fn print_python(runtime: &Runtime, folder: &Path, ours: &mut Ours) {
    println!("\n## Three no-op steps, a Python process agent (benches/http/echo.py)\n");
    if python().is_none() {
        return println!("there is no Python");
    }
    print_head();
    for (clients, count) in PYTHON {
        let (p50_ms, rate) = print_rounds(runtime, folder, Worker::Python, clients, count);
        match clients {
            1 => ours.python_one_ms = Some(p50_ms),
            _ => ours.python_many = Some(rate),
        }
    }
}

fn print_head() {
    println!(
        "| in flight | runs/s | accepted p50 µs | p99 µs | done p50 µs | p99 µs | CPU µs/run: \
         node and clients | agent | syncs/run | bytes/step |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
}

/// Measures and prints a line: the median of the rounds, and their spread for the throughput.
/// Gives back p50 in milliseconds and the rate.
fn print_rounds(
    runtime: &Runtime,
    folder: &Path,
    worker: Worker,
    clients: u64,
    count: u64,
) -> (f64, f64) {
    let rounds = (0..ROUNDS).map(|round| {
        let folder = folder.join(format!("{}-{clients}-{round}", worker.capability()));
        runtime.block_on(measure(&folder, worker, clients, count))
    });
    let mut rounds: Vec<_> = rounds.collect();
    rounds.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
    let median = &rounds[rounds.len() / 2];
    let each = |total: f64| total / median.count as f64;
    let done = percentile(&median.ends, 0.5);
    println!(
        "| {clients} | {:.0} [{:.0}..{:.0}] | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} \
         | {:.2} | {:.0} |",
        median.rate(),
        rounds[0].rate(),
        rounds[rounds.len() - 1].rate(),
        percentile(&median.starts, 0.5),
        percentile(&median.starts, 0.99),
        done,
        percentile(&median.ends, 0.99),
        each(median.cpu.as_secs_f64() * 1e6),
        each(median.agent_cpu.as_secs_f64() * 1e6),
        each(median.syncs as f64),
        each(median.log_bytes as f64) / 3.0,
    );
    (done / 1e3, median.rate())
}

async fn measure(folder: &Path, worker: Worker, clients: u64, count: u64) -> Line {
    let node = Arc::new(Node::start(folder, worker).await);
    client(Arc::clone(&node), worker, WARM).await;
    let (before, begun) = (node.log().await, Instant::now());
    let (cpu, agent_cpu) = (process_cpu(), children_cpu());
    let share = count / clients;
    let clients = (0..clients).map(|_| tokio::spawn(client(Arc::clone(&node), worker, share)));
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for client in clients.collect::<Vec<_>>() {
        let (own_starts, own_ends) = client.await.expect("a client");
        starts.extend(own_starts);
        ends.extend(own_ends);
    }
    let (wall, cpu) = (begun.elapsed(), process_cpu() - cpu);
    let agent_cpu = children_cpu().saturating_sub(agent_cpu);
    let after = node.log().await;
    Arc::into_inner(node).expect("the clients have ended").stop().await;
    Line {
        count: ends.len() as u64,
        wall,
        cpu,
        agent_cpu,
        log_bytes: after.bytes.saturating_sub(before.bytes),
        syncs: after.syncs - before.syncs,
        starts: sorted(starts),
        ends: sorted(ends),
    }
}

async fn client(node: Arc<Node>, worker: Worker, runs: u64) -> (Vec<Duration>, Vec<Duration>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let (text, input) = (three(worker), json!("x".repeat(INPUT_BYTES - 2)));
    for _ in 0..runs {
        let begun = Instant::now();
        let id = node.begin(&text, input.clone()).await;
        starts.push(begun.elapsed());
        node.end(id).await;
        ends.push(begun.elapsed());
    }
    (starts, ends)
}

/// Three steps one after the other, each of which gives back its input.
fn three(worker: Worker) -> String {
    let step = |id: &str, input: &str, before: &[&str]| -> Value {
        json!({"id": id, "capability": worker.capability(), "input": input, "depends_on": before})
    };
    json!({"name": "three", "steps": [
        step("a", "${inputs}", &[]), step("b", "${outputs.a}", &["a"]),
        step("c", "${outputs.b}", &["b"]),
    ]})
    .to_string()
}
