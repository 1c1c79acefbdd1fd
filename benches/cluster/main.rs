//! Several nodes as one: links, agreement, take-over, and what a crowd of nodes costs.
//!
//! ```text
//! cargo bench --bench cluster
//! SYNOD_BENCH_ROUNDS=1 SYNOD_BENCH_SECONDS=0.3 SYNOD_BENCH_PARTS=links cargo bench --bench cluster
//! ```
//!
//! Parts, all of them by default:
//! - `links`: this program starts itself as the other process, and sends and asks over links, in
//!   plain text and by TLS, beside a bare framed TCP echo of the same bytes.
//! - `commits`: three processes of this program hold one replicated log on disks of their own; the
//!   clients are in a fourth.
//! - `tasks`: three `synod node` processes, beside one that is alone, beside three members of etcd
//!   where `etcd` is found (in the path, or where `SYNOD_BENCH_ETCD` says).
//! - `take-over`: the leader of three such nodes is killed (SIGKILL).
//! - `crowd`: 100 and 500 nodes in this process, over a simulated network in virtual time.
//!
//! All processes share the cores of the machine. Rounds are interleaved; cells are medians.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that can't be taken ends the run"
)]

mod bare;
mod commits;
mod connection;
mod crowd;
mod etcd;
mod far_end;
mod figures;
mod links;
mod load;
mod nodes;
mod replica;
mod system;
mod take_over;
mod tasks;

use std::path::Path;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Each cell, a round.
    pub(crate) counted: Duration,
}

fn main() {
    if let Some(role) = far_end::role() {
        return far_end::run(&role);
    }
    let plan = Plan {
        rounds: from_env("SYNOD_BENCH_ROUNDS", 3.0) as usize,
        counted: Duration::from_secs_f64(from_env("SYNOD_BENCH_SECONDS", 0.8)),
    };
    let parts = std::env::var("SYNOD_BENCH_PARTS").unwrap_or_default();
    let wanted = |part: &str| parts.is_empty() || parts.split(',').any(|wanted| wanted == part);
    let name = format!("cluster-bench-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    println!("# Several nodes as one\n");
    println!("load average before: {}; {} cores", system::load_average(), system::cores());
    println!("{} rounds, each cell {:.1} s a round\n", plan.rounds, plan.counted.as_secs_f64());
    if wanted("links") {
        runtime().block_on(links::measure(plan, &folder));
    }
    if wanted("commits") {
        runtime().block_on(commits::measure(plan, &folder));
    }
    if wanted("tasks") {
        one_thread().block_on(tasks::measure(plan, &folder));
    }
    if wanted("take-over") {
        one_thread().block_on(take_over::measure(&folder));
    }
    if wanted("crowd") {
        crowd::measure();
    }
    println!("load average at the end: {}", system::load_average());
    let _ = std::fs::remove_dir_all(&folder);
}

/// As a node has it.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// One thread for clients that share the cores with the nodes.
fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn from_env(variable: &str, default: f64) -> f64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
