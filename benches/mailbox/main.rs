//! The mailbox against ractor, kameo and tokio's channels, side by side in one run.
//!
//! ```text
//! cargo bench --bench mailbox
//! SYNOD_BENCH_ROUNDS=3 SYNOD_BENCH_MESSAGES=200000 SYNOD_BENCH_ONLY=synod \
//!     cargo bench --bench mailbox   # ractor is always there, as the reference
//! ```
//!
//! Every round runs every contender once, in an order that rotates, so that a busy moment of the
//! machine doesn't fall on the same one each time. CPU time is of the whole process and hardly
//! depends on what else runs; wall-clock figures do, so the load is printed. A ratio is the median
//! over the rounds of (this contender / ractor), both of the same round. Idle actors are measured
//! in a child process per run, by what the kernel says is resident.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement that can't be taken ends the run"
)]

mod channel_peer;
mod contender;
mod idle;
mod kameo_peer;
mod measure;
mod ractor_peer;
mod synod_side;
mod table;

use contender::{Contender, contenders};
use measure::{Sample, load_average};
use table::{Column, Direction, print_table};

/// Round trips per round and contender.
const ROUND_TRIPS: u64 = 30_000;
/// Runs per contender of the measurement of idle actors.
const IDLE_RUNS: usize = 3;
/// Idle actors per run.
const IDLE_ACTORS: u64 = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(position) = arguments.iter().position(|argument| argument == idle::FLAG) {
        return idle::child(&arguments[position + 1], IDLE_ACTORS);
    }
    let rounds = from_env("SYNOD_BENCH_ROUNDS", 11);
    let messages = from_env("SYNOD_BENCH_MESSAGES", 1_000_000);
    println!("# Mailbox: {rounds} rounds, {messages} messages of 24 bytes, 2 worker threads");
    println!("load average at the start: {}\n", load_average());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let only = std::env::var("SYNOD_BENCH_ONLY").unwrap_or_default();
    let mut contenders = contenders();
    let reference = contenders[0].name;
    contenders.retain(|contender| contender.name == reference || contender.name.contains(&only));
    for producers in [1, 4] {
        let samples = run_rounds(&runtime, &contenders, rounds, |contender| {
            Some((contender.flood)(producers, messages))
        });
        let title = format!("{producers} producers, 1 consumer");
        report(&title, &contenders, &samples);
    }
    let samples = run_rounds(&runtime, &contenders, rounds, |contender| {
        contender.round_trip.map(|round_trip| round_trip(ROUND_TRIPS))
    });
    report("ask: request and reply, one at a time", &contenders, &samples);
    drop(runtime);
    idle::report(&contenders, IDLE_RUNS);
    println!("load average at the end: {}", load_average());
}

fn from_env(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Samples by contender and round; none for a contender that does not do this.
fn run_rounds(
    runtime: &tokio::runtime::Runtime,
    contenders: &[Contender],
    rounds: u64,
    measure: impl Fn(&Contender) -> Option<contender::Measuring>,
) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..rounds as usize {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            if let Some(measuring) = measure(&contenders[index]) {
                samples[index].push(
                    runtime
                        .block_on(async { tokio::spawn(measuring).await })
                        .expect("the measurement ends"),
                );
            }
        }
    }
    samples
}

fn report(title: &str, contenders: &[Contender], samples: &[Vec<Sample>]) {
    let cpu = |sample: &Sample| sample.cpu_ns();
    let rate = |sample: &Sample| sample.per_second();
    let wall = |sample: &Sample| sample.wall_ns();
    let columns = [
        Column { name: "CPU ns each", better: Direction::Less, of: &cpu },
        Column { name: "wall ns each", better: Direction::Less, of: &wall },
        Column { name: "per second", better: Direction::More, of: &rate },
    ];
    print_table(title, contenders, samples, &columns);
}
