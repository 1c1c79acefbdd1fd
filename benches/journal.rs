//! What a durable append costs: so many clients, each with one append of one record in flight.
//!
//! Run with `cargo bench --bench journal`. A folder under the target folder is written to and
//! removed again, so the figures are of that disk. What is synced is the log's segment, with
//! fdatasync, once for each group of appends; the mark beside it is written and not synced. The
//! raw line is one write of as many bytes and one fdatasync of a preallocated file, by one thread.
//! A durable figure counts only on an otherwise idle disk.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails loudly")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use synod_journal::{
    Append, Epoch, Expected, Health, JournalActor, JournalConfig, JournalMessage, Partition,
    Record, RecordKind, Stream,
};
use synod_runtime::{Address, System, SystemConfig};

const STREAM: Stream = Stream::new("bench");
const KIND: RecordKind = RecordKind::new("bench.happened");
const PAYLOAD_BYTES: usize = 300;
/// What a record takes in the log: payload, head and names.
const RECORD_BYTES: usize = PAYLOAD_BYTES + 52 + 5 + 14;
const RAW_WRITES: u64 = 2_000;
/// For each number in flight, how many appends are measured.
const LOADS: [(u64, u64); 3] = [(1, 5_000), (64, 150_000), (1_024, 300_000)];
const LONG: Duration = Duration::from_secs(60);

/// What one line of the table tells.
struct Line {
    name: String,
    count: u64,
    wall: Duration,
    cpu: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
    syncs: u64,
    bytes: u64,
}

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal-bench");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    println!("# Durable appends of {PAYLOAD_BYTES} bytes\n");
    println!("load average before: {}", load_average());
    println!("disk of {}; synced: the segment, fdatasync per group\n", folder.display());
    println!("| in flight | appends/s | p50 µs | p99 µs | appends/sync | MB/s | CPU µs/append |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for records in [1, 64] {
        raw(&folder, records).print();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for (clients, appends) in LOADS {
            measure(&folder.join(clients.to_string()), clients, appends).await.print();
        }
        opening(&folder).await;
    });
    let _ = fs::remove_dir_all(&folder);
}

/// Writes and syncs so many records at a time without a journal.
fn raw(folder: &Path, records: usize) -> Line {
    let group = vec![7_u8; RECORD_BYTES * records];
    let file = File::create(folder.join("raw")).expect("a file");
    let zeros = vec![0; group.len()];
    (0..RAW_WRITES).for_each(|at| {
        file.write_all_at(&zeros, at * group.len() as u64).expect("room");
    });
    file.sync_all().expect("a sync");
    let (begun, cpu) = (Instant::now(), process_cpu());
    let latencies = (0..RAW_WRITES).map(|at| {
        let begun = Instant::now();
        file.write_all_at(&group, at * group.len() as u64).expect("a write");
        file.sync_data().expect("a sync");
        begun.elapsed()
    });
    let latencies = sorted(latencies.collect());
    Line {
        name: format!("raw, {records} at a time"),
        count: RAW_WRITES * records as u64,
        wall: begun.elapsed(),
        cpu: process_cpu() - cpu,
        latencies,
        syncs: RAW_WRITES,
        bytes: RAW_WRITES * group.len() as u64,
    }
}

async fn measure(folder: &Path, clients: u64, appends: u64) -> Line {
    let system = System::new(SystemConfig::default());
    let spec = JournalActor::spec(JournalConfig::default(), folder);
    let journal = system.spawn(spec).expect("a journal");
    // The first answer also waits for the start.
    append(&journal).await;
    let (begun, cpu) = (Instant::now(), process_cpu());
    let tasks = (0..clients).map(|_| tokio::spawn(client(journal.clone(), appends / clients)));
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await.expect("a client"));
    }
    let (wall, cpu) = (begun.elapsed(), process_cpu() - cpu);
    let health = journal.ask(Health {}, LONG).await.expect("an answer");
    system.stop(LONG).await.expect("an orderly end");
    Line {
        name: clients.to_string(),
        count: health.appends - 1,
        wall,
        cpu,
        latencies: sorted(latencies),
        syncs: health.syncs - 1,
        bytes: (health.appends - 1) * RECORD_BYTES as u64,
    }
}

async fn client(journal: Address<JournalMessage>, appends: u64) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(appends as usize);
    for _ in 0..appends {
        let begun = Instant::now();
        append(&journal).await;
        latencies.push(begun.elapsed());
    }
    latencies
}

async fn append(journal: &Address<JournalMessage>) {
    let append = Append {
        partition: Partition::default(),
        stream: STREAM,
        expected: Expected::Any,
        epoch: Epoch(0),
        records: vec![Record::new(KIND, 1, vec![7; PAYLOAD_BYTES])],
    };
    journal.ask(append, LONG).await.expect("an answer").expect("an append");
}

/// How long it takes until journals of the sizes just written answer.
async fn opening(folder: &Path) {
    println!("\n| log | MB | until the first answer, ms |");
    println!("|---|--:|--:|");
    let paths = LOADS.map(|(clients, _)| folder.join(clients.to_string()));
    let logs = paths.into_iter().chain([folder.join("new")]);
    for path in logs.collect::<Vec<PathBuf>>() {
        let begun = Instant::now();
        let system = System::new(SystemConfig::default());
        let spec = JournalActor::spec(JournalConfig::default(), &path);
        let journal = system.spawn(spec).expect("a journal");
        let health = journal.ask(Health {}, LONG).await.expect("an answer");
        let millis = begun.elapsed().as_secs_f64() * 1e3;
        system.stop(LONG).await.expect("an orderly end");
        println!("| {} records | {:.1} | {millis:.1} |", health.last, health.bytes as f64 / 1e6);
    }
}

impl Line {
    fn print(&self) {
        let seconds = self.wall.as_secs_f64();
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.2} |",
            self.name,
            self.count as f64 / seconds,
            self.percentile(0.5),
            self.percentile(0.99),
            self.count as f64 / self.syncs.max(1) as f64,
            self.bytes as f64 / seconds / 1e6,
            self.cpu.as_secs_f64() * 1e6 / self.count as f64,
        );
    }

    fn percentile(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share) as usize;
        let latency = self.latencies.get(index).or(self.latencies.last());
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

fn sorted(mut latencies: Vec<Duration>) -> Vec<Duration> {
    latencies.sort_unstable();
    latencies
}

/// CPU time of all threads of this process, ended ones included.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
