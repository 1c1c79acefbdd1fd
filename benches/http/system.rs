//! What Linux says of processes and of the machine.

use std::fs;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Processor time of the processes that take part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) node: Duration,
    pub(crate) client: Duration,
    /// The node's children: process agents.
    pub(crate) agents: Duration,
}

impl Cpu {
    /// What has been used so far.
    pub(crate) fn now(node: u32, agents: &[u32]) -> Self {
        let agents = agents.iter().map(|agent| of(*agent)).fold(Duration::ZERO, Add::add);
        Self { node: of(node), client: of(std::process::id()), agents }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            node: self.node - earlier.node,
            client: self.client - earlier.client,
            agents: self.agents.saturating_sub(earlier.agents),
        }
    }
}

/// User and system time of a process; zero when it is gone.
fn of(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Fields 14 and 15 of proc_pid_stat(5), counted behind the name, which may hold spaces.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(1).take(1).any(|field| field.parse() == Ok(parent))
    };
    numbers.filter(is_child).collect()
}

/// A line of `/proc/PID/status` in MiB: `VmRSS` now, `VmHWM` at most.
pub(crate) fn resident_mib(process: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// The machine's load over the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// How many processors there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
