//! What users would run instead, measured elsewhere on the same work, and the ratios to what was
//! measured here just now.

/// What this run of the bench gave; `None` where the table was not asked for.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    /// One in flight, start to end, p50.
    pub(crate) one_ms: Option<f64>,
    pub(crate) python_one_ms: Option<f64>,
    /// Runs a second with 64 in flight.
    pub(crate) many: Option<f64>,
    pub(crate) python_many: Option<f64>,
    /// A fan-out of 100 steps and a join, median.
    pub(crate) fan_ms: Option<f64>,
}

/// A peer's figures: three no-op steps one in flight, p50 in milliseconds; runs a second with 64
/// in flight; a fan-out of 100 in milliseconds.
struct Peer {
    name: &'static str,
    worker: &'static str,
    one_ms: f64,
    many: f64,
    fan_ms: f64,
    /// What survives a power cut.
    durable: &'static str,
}

const fn peer(
    (name, worker): (&'static str, &'static str),
    (one_ms, many, fan_ms): (f64, f64, f64),
    durable: &'static str,
) -> Peer {
    Peer { name, worker, one_ms, many, fan_ms, durable }
}

/// Restate 1.7.12, DBOS 3.4.0, LangGraph 1.2.22, Temporal 1.32, Ray 2.60.0, autogen-core 0.7.5.
const PEERS: [Peer; 8] = [
    peer(("Restate, ctx.run steps", "Node.js"), (4.85, 964.0, 12.9), "log, fdatasync"),
    peer(("Restate, service calls", "Node.js"), (14.9, 315.0, 49.3), "log, fdatasync"),
    peer(
        ("DBOS on PostgreSQL", "the client"),
        (8.09, 166.0, 223.0),
        "a commit for each start, step and end",
    ),
    peer(
        ("LangGraph on SQLite", "the client"),
        (3.23, 186.0, 32.3),
        "a commit for each step; resumes only when called again",
    ),
    peer(
        ("Temporal dev, SQLite file, activities", "Python"),
        (200.0, 22.1, 413.0),
        "a commit for each event",
    ),
    peer(("Temporal dev, memory, activities", "Python"), (200.0, 56.6, 205.0), "nothing"),
    peer(("Ray task", "Python"), (3.29, 773.0, 46.3), "nothing"),
    peer(("autogen-core", "the client"), (0.51, 1_866.0, 12.2), "nothing"),
];

pub(crate) fn print(ours: &Ours) {
    println!("\n## Peers: recorded elsewhere (2 cores, idle, 2026-11-20), not run here\n");
    println!(
        "Ratios are of this run to those records. Here: fdatasync before anything follows from a \
         decision.\n"
    );
    println!(
        "| system | worker | 1 in flight p50 ms | theirs ÷ ours: native | Python | 64 in flight \
         runs/s | ours ÷ theirs: native | Python | fan-out of 100 ms | theirs ÷ ours | survives a \
         power cut |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    for Peer { name, worker, one_ms, many, fan_ms, durable } in PEERS {
        println!(
            "| {name} | {worker} | {one_ms:.2} | {} | {} | {many:.0} | {} | {} | {fan_ms:.1} | {} \
             | {durable} |",
            ratio(ours.one_ms.map(|ours| one_ms / ours)),
            ratio(ours.python_one_ms.map(|ours| one_ms / ours)),
            ratio(ours.many.map(|ours| ours / many)),
            ratio(ours.python_many.map(|ours| ours / many)),
            ratio(ours.fan_ms.map(|ours| fan_ms / ours)),
        );
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"))
}
