//! Tasks over HTTP: a real node in a process of its own, this process as its client.
//!
//! ```text
//! cargo bench --bench http
//! SYNOD_BENCH_ROUNDS=1 SYNOD_BENCH_SECONDS=1 cargo bench --bench http
//! ```
//!
//! The work is the peers': an echo of a JSON value of 256 bytes, accepted when it is durable. It is
//! done by the built-in native agent, and by a Python program to which the node pipelines: the
//! peers' workers are processes too. The client is a load generator of one thread over
//! `hyper::client::conn::http1`, a kept-alive connection for each call in flight, and shares the
//! cores with the node. Submit to result is one call, `POST …/tasks?wait=60`, as a user would wait.
//!
//! Every round starts a fresh node on a fresh folder, runs every case, holds the node's ledger
//! against the client's own count, and stops the node. Cells are medians of the rounds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that can't be taken ends the run"
)]

mod calls;
mod case;
mod client;
mod disk;
mod figures;
mod load;
mod node;
mod peers;
mod report;
mod system;

use std::path::Path;
use std::time::Duration;

use case::{CASES, Case, Worker};
use figures::Figures;
use node::Node;

fn main() {
    let rounds = from_env("SYNOD_BENCH_ROUNDS", 3);
    let seconds = Duration::from_secs(from_env("SYNOD_BENCH_SECONDS", 3));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http-bench");
    let python = node::python();
    report::opening(rounds, seconds, python.as_deref());
    let mut disk = Vec::new();
    let mut figures: Vec<Figures> = CASES.iter().map(|_| Figures::default()).collect();
    let mut nodes = Vec::new();
    for _ in 0..rounds {
        disk.extend(disk::sync_times(&folder));
        let node = Node::start(&folder, python.as_deref());
        let runtime = client::runtime();
        for (case, figures) in CASES.iter().zip(&mut figures) {
            if case.worker == Worker::Native || python.is_some() {
                figures.add(&runtime.block_on(measure(case, &node, seconds)));
            }
        }
        nodes.push(runtime.block_on(node.stop()));
    }
    report::disk(&folder, disk);
    report::cases(&figures);
    report::aims(&figures);
    report::beside_peers(&figures);
    report::nodes(&nodes);
    println!("load average at the end: {}", system::load_average());
    let _ = std::fs::remove_dir_all(&folder);
}

async fn measure(case: &Case, node: &Node, seconds: Duration) -> load::Sample {
    let calls = case.calls(node).await;
    let sample = load::measure(case.arrivals, calls, node, seconds).await;
    node.until_idle().await;
    sample
}

fn from_env(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
