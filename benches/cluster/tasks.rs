//! Durable tasks on three nodes, beside a node that is alone, and beside etcd.

use std::net::SocketAddr;
use std::path::Path;

use crate::Plan;
use crate::etcd::{self, Etcd, RECORDED};
use crate::figures::{Rounds, aim};
use crate::load::{Post, Posted, posting};
use crate::nodes::Nodes;
use crate::system::cpu_of;

/// Clients at once.
pub(crate) const CLIENTS: [usize; 4] = [1, 16, 128, 1_024];

const ALONE: usize = 0;
const LEADER: usize = 1;
const ANY: usize = 2;
const ETCD: usize = 3;
const SYSTEMS: [&str; 4] =
    ["one node, alone", "three nodes, asked at the leader", "three nodes, asked at any", "etcd"];

/// Figures of one system and one kind of call, for each number of clients.
#[derive(Default)]
struct Figures {
    per_s: [Rounds; CLIENTS.len()],
    p50_ms: [Rounds; CLIENTS.len()],
    p99_ms: [Rounds; CLIENTS.len()],
    cpu_ms: [Rounds; CLIENTS.len()],
    /// Of all rounds.
    refused: u64,
}

/// Of each system: accepted, and accepted to completed.
type Table = [[Figures; 2]; SYSTEMS.len()];

pub(crate) async fn measure(plan: Plan, folder: &Path) {
    let mut table = Table::default();
    let program = etcd::program();
    for round in 0..plan.rounds {
        let folder = folder.join(format!("tasks-{round}"));
        let nodes = Nodes::alone(&folder);
        on_nodes(plan, &nodes, &nodes.addresses(), &mut table[ALONE]).await;
        drop(nodes);
        let nodes = Nodes::three(&folder).await;
        let (_, leader) = nodes.leader().await;
        on_nodes(plan, &nodes, &[leader], &mut table[LEADER]).await;
        on_nodes(plan, &nodes, &nodes.addresses(), &mut table[ANY]).await;
        drop(nodes);
        if let Some(program) = &program {
            let etcd = Etcd::start(program, &folder.join("etcd")).await;
            let (addresses, processes) = (&etcd.addresses, etcd.processes());
            cells(plan, addresses, &processes, &etcd::put(), &mut table[ETCD][0], || async {})
                .await;
        }
    }
    report(&table, program.is_some());
}

async fn on_nodes(plan: Plan, nodes: &Nodes, addresses: &[SocketAddr], figures: &mut [Figures; 2]) {
    let processes = nodes.processes();
    let before = nodes.until_idle().await["accepted"].as_u64().unwrap_or(0);
    let mut taken = 0;
    for (figures, path) in figures
        .iter_mut()
        .zip(["/api/v1/orchestration/tasks", "/api/v1/orchestration/tasks?wait=60"])
    {
        let post = Post { path, body: task().into() };
        let idle = || async { drop(nodes.until_idle().await) };
        taken += cells(plan, addresses, &processes, &post, figures, idle).await;
    }
    let ledger = nodes.until_idle().await;
    // What was refused for the moment may have been taken all the same.
    let refused: u64 = figures.iter().map(|figures| figures.refused).sum();
    let completed = ledger["completed"].as_u64().unwrap_or(0);
    let kept = before + taken..=before + taken + refused;
    assert!(kept.contains(&completed), "what was taken, {taken}, and the ledger: {ledger}");
}

/// Measures with each number of clients; how many calls were taken in all.
async fn cells<F: Future<Output = ()>>(
    plan: Plan,
    addresses: &[SocketAddr],
    processes: &[u32],
    post: &Post,
    figures: &mut Figures,
    idle: impl Fn() -> F,
) -> u64 {
    let mut all = 0;
    for (index, clients) in CLIENTS.into_iter().enumerate() {
        let before = cpu_of(processes);
        let Posted { sample, taken, refused } =
            posting(addresses, clients, plan.counted, post).await;
        idle().await;
        let cpu = cpu_of(processes) - before;
        figures.per_s[index].add(sample.per_s());
        figures.p50_ms[index].add(sample.percentile_us(0.5) / 1e3);
        figures.p99_ms[index].add(sample.percentile_us(0.99) / 1e3);
        figures.cpu_ms[index].add(cpu.as_secs_f64() * 1e3 / taken as f64);
        figures.refused += refused;
        all += taken;
    }
    all
}

/// An echo of a JSON value of 256 bytes, as over HTTP elsewhere.
fn task() -> String {
    let payload = format!(r#"{{"data": "{}"}}"#, "x".repeat(256 - r#"{"data": ""}"#.len()));
    format!(r#"{{"kind":"echo","capabilities":["echo"],"payload":{payload}}}"#)
}

fn report(table: &Table, with_etcd: bool) {
    println!("## Durable tasks over HTTP: an echo of 256 bytes\n");
    println!(
        "Each cell: calls a second, p50 / p99 ms. CPU: of all nodes, for each task, with 128 \
         clients, its completion included.\n"
    );
    println!(
        "| what | system | 1 client | 16 | 128 | 1,024 | ÷ alone, 128 | CPU ms \
         | refused |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for (call, what) in ["accepted", "accepted to completed"].into_iter().enumerate() {
        let alone = table[ALONE][call].per_s[2].median();
        for (system, figures) in SYSTEMS.iter().zip(table) {
            row(what, system, &figures[call], alone);
        }
    }
    if !with_etcd {
        let cells = RECORDED.1.map(|(per_s, p50)| format!("{per_s:.0}, {p50:.2}"));
        println!("| put | etcd 3.4.23, {} | {} | | | |", RECORDED.0, cells.join(" | "));
        println!("\nleft out: etcd, which is not on this machine (SYNOD_BENCH_ETCD names it)");
    }
    println!();
    aims(table, with_etcd);
}

fn row(what: &str, system: &str, figures: &Figures, alone: f64) {
    if figures.per_s[0].median().is_nan() {
        return;
    }
    let cell = |index: usize| {
        let (per_s, p50) = (figures.per_s[index].median(), figures.p50_ms[index].median());
        format!("{per_s:.0}, {p50:.2} / {:.2}", figures.p99_ms[index].median())
    };
    println!(
        "| {what} | {system} | {} | {} | {} | {} | {:.2} | {:.3} | {} |",
        cell(0),
        cell(1),
        cell(2),
        cell(3),
        figures.per_s[2].median() / alone,
        figures.cpu_ms[2].median(),
        figures.refused,
    );
}

/// A task that is accepted is on a majority's disks, as a put is: the same promise, but the node
/// goes on to do the task.
fn aims(table: &Table, with_etcd: bool) {
    let ours = &table[LEADER][0];
    let theirs = &table[ETCD][0];
    let [one, many] = match with_etcd {
        true => [theirs.p50_ms[0].median(), theirs.per_s[2].median()],
        false => [RECORDED.1[0].1, RECORDED.1[2].0],
    };
    let (p50, per_s) = (ours.p50_ms[0].median() / one, ours.per_s[2].median() / many);
    aim(&format!("accepted: p50 at most 0.6 of etcd's, one client: {p50:.2}"), p50 <= 0.6);
    aim(&format!("accepted: at least 4 times etcd's a second, 128: {per_s:.2}"), per_s >= 4.0);
    println!();
}
