//! Times, CPU time, the machine's load, and the tables of them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const RAW_SYNCS: usize = 1_000;

/// What one round gave.
pub(crate) struct Round {
    /// How long each piece took.
    pub(crate) times: Vec<Duration>,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// How many pieces there were, where that is not how many times there are.
    pub(crate) pieces: u64,
}

/// Runs since it was made.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu() }
    }

    /// A round of so many pieces.
    pub(crate) fn stop(self, times: Vec<Duration>, pieces: u64) -> Round {
        Round { times, wall: self.wall.elapsed(), cpu: process_cpu() - self.cpu, pieces }
    }
}

/// Does something so many times; takes the time of each.
pub(crate) fn each(count: u64, mut act: impl FnMut(u64)) -> Round {
    let watch = Stopwatch::start();
    let times = (0..count).map(|at| {
        let begun = Instant::now();
        act(at);
        begun.elapsed()
    });
    let times = times.collect();
    watch.stop(times, count)
}

/// The same, one after the other, of what has to be waited for.
pub(crate) async fn each_awaited(count: u64, mut act: impl AsyncFnMut(u64)) -> Round {
    let watch = Stopwatch::start();
    let mut times = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for at in 0..count {
        let begun = Instant::now();
        act(at).await;
        times.push(begun.elapsed());
    }
    watch.stop(times, count)
}

/// Opens a table of latencies.
pub(crate) fn latencies(title: &str) {
    println!("\n## {title}\n");
    println!("| what | p50 µs | p99 µs | aim, p50 | CPU µs each | load |");
    println!("|---|--:|--:|--:|--:|--:|");
}

/// A row of one; `aim` is in words.
pub(crate) fn latency(what: &str, aim: &str, rounds: &[Round]) {
    let p50 = median(rounds, |round| percentile(&round.times, 0.5));
    let p99 = median(rounds, |round| percentile(&round.times, 0.99));
    let cpu = median(rounds, cpu_us);
    println!("| {what} | {} | {} | {aim} | {} | {} |", us(p50), us(p99), us(cpu), load());
}

/// Opens a table of rates; `piece` is what is counted.
pub(crate) fn rates(title: &str, piece: &str) {
    println!("\n## {title}\n");
    println!("| what | {piece}/s | aim | CPU µs each | load |");
    println!("|---|--:|--:|--:|--:|");
}

/// A row of one.
pub(crate) fn rate(what: &str, aim: &str, rounds: &[Round]) {
    let rate = median(rounds, |round| round.pieces as f64 / round.wall.as_secs_f64());
    let cpu = median(rounds, cpu_us);
    println!("| {what} | {rate:.0} | {aim} | {cpu:.3} | {} |", load());
}

fn cpu_us(round: &Round) -> f64 {
    round.cpu.as_secs_f64() * 1e6 / round.pieces.max(1) as f64
}

fn us(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 1_000.0) };
    format!("{value:.digits$}")
}

/// The middle of what the rounds have; of an even number the lower of the two.
pub(crate) fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// In microseconds.
pub(crate) fn percentile(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let value = sorted.get((sorted.len() as f64 * share) as usize).or(sorted.last());
    value.map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

/// How many rounds.
pub(crate) fn rounds() -> u64 {
    from_env("SYNOD_BENCH_ROUNDS", 3).max(1)
}

/// So much of `usual` as was asked for; at least 1.
pub(crate) fn share_of(usual: u64) -> u64 {
    (usual * from_env("SYNOD_BENCH_SHARE", 100) / 100).max(1)
}

fn from_env(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// p50 and p99 of a write of 512 bytes and a sync of a preallocated file, in microseconds.
pub(crate) fn raw_syncs(folder: &Path) -> (f64, f64) {
    let file = File::create(folder.join("raw")).expect("a file");
    file.write_all_at(&vec![0; 512 * RAW_SYNCS], 0).expect("room");
    file.sync_all().expect("a sync");
    let syncs = (0..RAW_SYNCS as u64).map(|at| {
        let begun = Instant::now();
        file.write_all_at(&[7; 512], at * 512).expect("a write");
        file.sync_data().expect("a sync");
        begun.elapsed()
    });
    let syncs: Vec<Duration> = syncs.collect();
    (percentile(&syncs, 0.5), percentile(&syncs, 0.99))
}

/// CPU time of all threads of this process, ended ones included.
pub(crate) fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The machine's load over the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Over the last minute.
pub(crate) fn load() -> String {
    load_average().split(' ').next().unwrap_or_default().to_owned()
}
