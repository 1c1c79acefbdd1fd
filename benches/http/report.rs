//! The tables.

use std::path::Path;
use std::time::Duration;

use crate::case::{
    CASES, PYTHON_MANY, PYTHON_ONE, RUN_MANY, RUN_ONE, STATUS_MANY, STATUS_ONE, STATUS_STEADY,
    SUBMIT_MANY, SUBMIT_ONE, SUBMIT_STEADY,
};
use crate::figures::{Figures, Rounds, millis, percentile};
use crate::load::Arrivals;
use crate::node::Ended;
use crate::peers::{PEERS, Peer, SOURCE};
use crate::system;

pub(crate) fn opening(rounds: u64, seconds: Duration, python: Option<&Path>) {
    println!("# Tasks over HTTP: echo of a 256-byte JSON value\n");
    println!("load average before: {}; {} cores", system::load_average(), system::cores());
    println!("{rounds} rounds, each case {} s a round; medians, and min..max", seconds.as_secs());
    match python {
        Some(python) => println!("Python of the process agent: {}", python.display()),
        None => println!("left out: the Python process agent, because python3 is not there"),
    }
}

/// The floor under what is durable.
pub(crate) fn disk(folder: &Path, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!(
        "disk of {}: write of 512 bytes and fdatasync p50 {:.3} ms, p99 {:.3} ms\n",
        folder.display(),
        percentile(&times, 0.5),
        percentile(&times, 0.99),
    );
}

pub(crate) fn cases(figures: &[Figures]) {
    println!("| call | load | per s | p50 ms | p99 ms | CPU ms each: node | client | agent |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for (case, figures) in CASES.iter().zip(figures).filter(|(_, figures)| figures.is_there()) {
        println!(
            "| {} | {} | {} | {} | {} | {:.3} | {:.3} | {:.3} |",
            case.name,
            load(case.arrivals),
            spread(&figures.per_s, 0),
            spread(&figures.p50, 2),
            spread(&figures.p99, 2),
            figures.node.median(),
            figures.client.median(),
            figures.agents.median(),
        );
    }
    println!();
}

fn load(arrivals: Arrivals) -> String {
    match arrivals {
        Arrivals::InFlight(calls) => format!("{calls} in flight"),
        Arrivals::PerSecond { rate, .. } => format!("{rate} a second"),
    }
}

fn spread(rounds: &Rounds, digits: usize) -> String {
    let (least, most) = (rounds.least(), rounds.most());
    format!("{:.digits$} [{least:.digits$}..{most:.digits$}]", rounds.median())
}

/// Whether what was aimed at has been reached.
pub(crate) fn aims(figures: &[Figures]) {
    let aim = |what: &str, case: usize, most: f64| {
        let (p99, load) = (figures[case].p99.median(), load(CASES[case].arrivals));
        let verdict = if p99 < most { "reached" } else { "missed" };
        println!("aim: {what} p99 < {most} ms at {load}: {p99:.2} ms, {verdict}");
    };
    aim("submit", SUBMIT_MANY, 2.0);
    aim("submit", SUBMIT_STEADY, 2.0);
    aim("status", STATUS_MANY, 0.5);
    aim("status", STATUS_STEADY, 0.5);
    println!();
}

/// One of our rows, in the terms of the peers'.
fn ours(figures: &[Figures], name: &'static str, worker: &'static str, run: [usize; 2]) -> Peer {
    let times = |case: usize| (figures[case].p50.median(), figures[case].p99.median());
    let [one, many] = run;
    Peer {
        name,
        kept: "fsync",
        worker,
        latency: times(one),
        per_s: figures[many].per_s.median(),
        cpu_ms: figures[many].cpu_ms(),
        submit: Some(times(SUBMIT_ONE)),
        status: Some(times(STATUS_ONE)),
    }
}

/// Ours and theirs; the ratio is of tasks per second, native and with a worker in another process.
pub(crate) fn beside_peers(figures: &[Figures]) {
    println!(
        "Peers: {SOURCE}, on an idle machine. Their submit and status are one at a time too.\n"
    );
    println!(
        "| system | kept | worker | one in flight p50 / p99 ms | 64 in flight, tasks/s \
         | ours ÷ theirs: native | Python | CPU ms/task \
         | submit p50 / p99 ms | status p50 / p99 ms |"
    );
    println!("|---|---|---|--:|--:|--:|--:|--:|--:|--:|");
    let native = ours(figures, "Synod", "in the node", [RUN_ONE, RUN_MANY]);
    let python = ours(figures, "Synod", "Python process", [PYTHON_ONE, PYTHON_MANY]);
    let rates = [native.per_s, python.per_s];
    row(&native, rates);
    if figures[PYTHON_MANY].is_there() {
        row(&python, rates);
    }
    PEERS.iter().for_each(|peer| row(peer, rates));
    println!();
}

fn row(peer: &Peer, ours: [f64; 2]) {
    let pair = |times: Option<(f64, f64)>| {
        times.map_or("-".to_owned(), |(p50, p99)| format!("{p50:.2} / {p99:.2}"))
    };
    let [native, python] = ours.map(|ours| ours / peer.per_s);
    println!(
        "| {} | {} | {} | {} | {:.0} | {native:.1} | {python:.1} | {:.2} | {} | {} |",
        peer.name,
        peer.kept,
        peer.worker,
        pair(Some(peer.latency)),
        peer.per_s,
        peer.cpu_ms,
        pair(peer.submit),
        pair(peer.status),
    );
}

/// The nodes themselves, and their ledgers.
pub(crate) fn nodes(nodes: &[Ended]) {
    for node in nodes {
        println!(
            "node: ready in {:.0} ms, {:.0} MiB idle, {:.0} MiB at most; \
             {} tasks sent = accepted = completed",
            millis(node.ready),
            node.idle_mib,
            node.peak_mib,
            node.tasks,
        );
    }
}
