//! What Linux says of this process, of the machine and of its disk.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const RAW_SYNCS: usize = 2_000;

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
    let syncs = sorted(syncs.collect());
    (percentile(&syncs, 0.5), percentile(&syncs, 0.99))
}

/// In microseconds.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    let value = sorted.get(index).or(sorted.last());
    value.map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

pub(crate) fn sorted(mut latencies: Vec<Duration>) -> Vec<Duration> {
    latencies.sort_unstable();
    latencies
}

/// CPU time of all threads of this process, ended ones included.
pub(crate) fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of the children that this process has now.
pub(crate) fn children_cpu() -> Duration {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let ticks: u64 = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|process| child_ticks(process, own))
        .sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system time of a process, if it is a child of this one.
fn child_ticks(process: u32, parent: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Fields 4, 14 and 15 of proc_pid_stat(5), counted behind the name, which may hold spaces.
    let fields: Vec<_> = text.rsplit(')').next()?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    (number(1)? == u64::from(parent)).then_some(number(11)? + number(12)?)
}

/// Bytes of memory that the process has.
pub(crate) fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}

pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
