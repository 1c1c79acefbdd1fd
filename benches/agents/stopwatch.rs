//! Clocks and counters of the process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Started before the work.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu() }
    }

    pub(crate) fn wall_us(&self) -> f64 {
        self.wall.elapsed().as_secs_f64() * 1e6
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        (process_cpu() - self.cpu).as_secs_f64() * 1e6
    }
}

/// CPU time of all threads of this process, ended ones included.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident memory of this process in bytes.
pub(crate) fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("statm");
    (pages * rustix::param::page_size() as u64) as f64
}

/// The machine's load over the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Two threads whatever the machine has, so that figures of different machines compare.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}
