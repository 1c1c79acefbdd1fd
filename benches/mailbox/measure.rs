//! Clocks and counters of the process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What some work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    wall: Duration,
    cpu: Duration,
    count: u64,
}

impl Sample {
    pub(crate) fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.count as f64
    }

    pub(crate) fn wall_ns(&self) -> f64 {
        self.wall.as_nanos() as f64 / self.count as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.wall.as_secs_f64()
    }
}

/// Started before the work.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu() }
    }

    /// The work was done `count` times.
    pub(crate) fn stop(&self, count: u64) -> Sample {
        Sample { wall: self.wall.elapsed(), cpu: process_cpu() - self.cpu, count }
    }
}

/// CPU time of all threads of this process, ended ones included.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident memory of this process in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("statm");
    pages * rustix::param::page_size() as u64
}

/// The machine's load over the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
