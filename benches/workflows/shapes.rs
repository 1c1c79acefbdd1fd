//! Runs of other shapes: wide ones, long ones, ones that wait.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_workflows::{GetRun, WorkflowStats};
use tokio::runtime::Runtime;

use crate::LONG;
use crate::node::{Node, Worker};
use crate::peers::Ours;
use crate::system::{percentile, process_cpu, resident, sorted};

/// Steps of a fan-out before its join, and how often it is done. With the join, the wider one has
/// as many steps as a definition may have.
const FANS: [(usize, u64); 2] = [(100, 200), (9_999, 3)];
/// Items of the run whose history is replayed: two events each.
const ITEMS: usize = 50_000;
/// Runs that wait at a time.
const WAITING: u64 = 100_000;

/// So many steps at once, and a join.
fn fan(width: usize) -> String {
    let step = |n| json!({"id": format!("s{n}"), "capability": "echo", "input": n});
    let mut steps: Vec<_> = (0..width).map(step).collect();
    let all: Vec<_> = (0..width).map(|n| format!("s{n}")).collect();
    steps.push(json!({"id": "join", "transform": "${outputs.s0}", "depends_on": all}));
    json!({"name": "fan", "max_parallel": 1_000, "steps": steps}).to_string()
}

pub(crate) fn print_fans(runtime: &Runtime, folder: &Path, ours: &mut Ours) {
    println!("\n## Fan-out and join, one at a time\n");
    println!("| steps | median ms | min ms | max ms | CPU ms | µs/step | bytes/step |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (width, times) in FANS {
        let folder = folder.join(format!("fan-{width}"));
        let median_ms = runtime.block_on(print_fan(&folder, width, times));
        if width == 100 {
            ours.fan_ms = Some(median_ms);
        }
    }
}

async fn print_fan(folder: &Path, width: usize, times: u64) -> f64 {
    let node = Node::start(folder, Worker::Native).await;
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
    median / 1e3
}

/// Shows a run with a long history, which is read, decoded and replayed for it.
pub(crate) async fn print_replay(folder: &Path) {
    let node = Node::start(folder, Worker::Native).await;
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
pub(crate) async fn print_waiting(folder: &Path) {
    let node = Arc::new(Node::start(folder, Worker::Native).await);
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
