//! What a durable run costs in process: accepted on disk, its steps given to agents, each end of a
//! step on disk before the next begins.
//!
//! Run with `cargo bench --bench workflows`, or one of its tables alone, such as
//! `cargo bench --bench workflows -- runs`: runs, python, fan, replay, waiting. So many clients,
//! each of which starts a run of three no-op steps, one after the other, with 256 bytes of JSON,
//! and waits for its end, then the next. A folder under the target folder is written to and removed
//! again, so the figures are of that disk; synced is the log's segment, with fdatasync, once for
//! each group of appends. A run of three steps needs four appends, one after the other, and no
//! fewer: its opening with the schedule of the first step; each end of a step with the schedule of
//! the next one; the last end with the end of the run.
//!
//! A durable figure counts only on an otherwise idle disk and machine: the load average and a bare
//! fdatasync are printed beside. On one where others compile, the same build does a third of the
//! runs at twice the CPU time.
//!
//! The agent is a built-in one in the node, or a Python program that the node starts and pipelines
//! to (the table `python`). The peers' workers are in other processes, but for Ray, autogen-core
//! and LangGraph. They are quoted from runs on one machine (2 virtual cores, 2026-11-20, tables B
//! and C of the peers' results), not run here: compare orders of magnitude, or run both on one
//! machine. The ratios say so.
//!
//! What was tried, judged by CPU time a run, as throughput follows the load of the machine:
//! - The product's allocator here too: glibc's took a fifth of the samples, mimalloc an eighth.
//! - The engine itself asks for the executions of a run once their schedule is stored, and the
//!   outcome tells the run's actor that it is (a turn of the actor less for each step), and records
//!   are encoded into memory that is used again: together about a tenth less, hardly more than the
//!   noise of a busy machine. Latency one at a time stays that of four syncs.
//! - Fewer appends: there is none to leave out, see above. Larger groups: at 64 in flight a sync
//!   already has the records of about four runs.
//! - Not done: actors of runs that serve one run after the other. Spawning, ending and burying one
//!   is about a tenth of a run's CPU time; the rest is spread thin over turns and messages.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails loudly")]

mod node;
mod peers;
mod runs;
mod shapes;
mod system;

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::peers::Ours;

/// The allocator of the product's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LONG: Duration = Duration::from_secs(120);
const INPUT_BYTES: usize = 256;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workflows-bench");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    println!("# Durable runs in process, {INPUT_BYTES} bytes of JSON\n");
    println!("load average before: {}; {} cores", system::load_average(), system::cores());
    let syncs = system::raw_syncs(&folder);
    println!("fdatasync of 512 bytes on that disk: p50 {:.0} µs, p99 {:.0} µs", syncs.0, syncs.1);
    println!("every decision is synced before what follows from it is done, told or answered\n");
    let runtime = Runtime::new().expect("a runtime");
    let mut ours = Ours::default();
    if is_wanted("runs") {
        runs::print_native(&runtime, &folder, &mut ours);
    }
    if is_wanted("python") {
        runs::print_python(&runtime, &folder, &mut ours);
    }
    if is_wanted("fan") {
        shapes::print_fans(&runtime, &folder, &mut ours);
    }
    if is_wanted("replay") {
        runtime.block_on(shapes::print_replay(&folder.join("replay")));
    }
    if is_wanted("waiting") {
        runtime.block_on(shapes::print_waiting(&folder.join("waiting")));
    }
    peers::print(&ours);
    println!("\nload average after: {}", system::load_average());
    let _ = fs::remove_dir_all(&folder);
}

/// Whether this table was asked for: all are, unless some are named.
fn is_wanted(table: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|word| word == table)
}
