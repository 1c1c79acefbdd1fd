//! What it costs to decide together, and what a jury is worth: in process, in this process.
//!
//! ```text
//! cargo bench --bench coordination
//! SYNOD_BENCH_PARTS=ballots,topics SYNOD_BENCH_ROUNDS=1 cargo bench --bench coordination
//! ```
//!
//! Parts: ballots, nets, conflicts, locks, topics, shared, auctions, jury. `SYNOD_BENCH_SHARE` is
//! the percentage of the usual numbers that is done: 1 to see whether it works.
//!
//! What goes through a desk is stored before anybody is told: a folder under the target folder is
//! written to and removed again, so these figures are of that disk; a bare fdatasync is printed
//! beside. *Pure* is the machine alone, without an actor or a disk. Cells are medians of the
//! rounds. CPU time is of the whole process, a piece; it hardly depends on what else runs. The
//! others do, so each row has the machine's load of the last minute.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that can't be taken ends the run"
)]

mod auctions;
mod ballots;
mod conflicts;
mod figures;
mod ground;
mod jury;
mod locks;
mod nets;
mod shared;
mod topics;

use std::path::Path;
use std::time::Duration;

use crate::figures::{load_average, raw_syncs};

/// The allocator of the product's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LONG: Duration = Duration::from_secs(120);

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coordination-bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rounds = figures::rounds();
    println!("# Coordination in process\n");
    println!("load average before: {}; {cores} cores; {rounds} rounds", load_average());
    let (p50, p99) = raw_syncs(&folder);
    println!("fdatasync of 512 bytes on that disk: p50 {p50:.0} µs, p99 {p99:.0} µs");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for part in wanted() {
        match part.as_str() {
            "ballots" => runtime.block_on(ballots::print(&folder)),
            "nets" => runtime.block_on(nets::print(&folder)),
            "conflicts" => runtime.block_on(conflicts::print(&folder)),
            "locks" => runtime.block_on(locks::print(&folder)),
            "topics" => runtime.block_on(topics::print()),
            "shared" => runtime.block_on(shared::print(&folder)),
            "auctions" => auctions::print(),
            "jury" => jury::print(&folder),
            unknown => panic!("SYNOD_BENCH_PARTS: '{unknown}' is no part"),
        }
    }
    println!("\nload average after: {}", load_average());
    let _ = std::fs::remove_dir_all(&folder);
}

/// The parts that were asked for: all are, unless some are named.
fn wanted() -> Vec<String> {
    let all = "ballots,nets,conflicts,locks,topics,shared,auctions,jury";
    let given = std::env::var("SYNOD_BENCH_PARTS").unwrap_or_default();
    let given = if given.is_empty() { all } else { &given };
    given.split(',').map(|part| part.trim().to_owned()).collect()
}
