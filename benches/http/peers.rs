//! What users would run instead, measured on the same work.

/// Where and when the figures below were taken: medians of three fresh starts each.
pub(crate) const SOURCE: &str = "measured 2026-11-20 on 2 cores";

/// A peer's figures. Latencies are p50 and p99 in milliseconds.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// What of a task is on disk when it is acknowledged.
    pub(crate) kept: &'static str,
    /// Where the worker runs.
    pub(crate) worker: &'static str,
    /// One in flight, submit to result.
    pub(crate) latency: (f64, f64),
    /// Tasks per second with 64 in flight.
    pub(crate) per_s: f64,
    /// Server, worker and client together.
    pub(crate) cpu_ms: f64,
    pub(crate) submit: Option<(f64, f64)>,
    pub(crate) status: Option<(f64, f64)>,
}

/// Celery 5.7.0, Restate 1.7.12, DBOS 3.4.0, Ray 2.60.0, autogen-core 0.7.5.
pub(crate) const PEERS: [Peer; 5] = [
    Peer {
        name: "Celery on Redis, AOF always",
        kept: "fsync",
        worker: "Python process",
        latency: (2.22, 3.06),
        per_s: 528.0,
        cpu_ms: 2.42,
        submit: Some((0.85, 1.85)),
        status: Some((0.060, 0.28)),
    },
    Peer {
        name: "Restate",
        kept: "fsync",
        worker: "Node.js process",
        latency: (3.22, 10.2),
        per_s: 1_796.0,
        cpu_ms: 1.00,
        submit: Some((1.12, 2.93)),
        status: Some((0.21, 1.18)),
    },
    Peer {
        name: "DBOS on PostgreSQL",
        kept: "fsync",
        worker: "the client itself",
        latency: (1.24, 1.79),
        per_s: 841.0,
        cpu_ms: 1.33,
        submit: Some((1.16, 3.02)),
        status: Some((0.74, 1.37)),
    },
    Peer {
        name: "Ray actor",
        kept: "memory",
        worker: "Python process",
        latency: (0.66, 1.61),
        per_s: 4_305.0,
        cpu_ms: 0.41,
        submit: None,
        status: None,
    },
    Peer {
        name: "autogen-core",
        kept: "memory",
        worker: "the client itself",
        latency: (0.13, 0.17),
        per_s: 8_235.0,
        cpu_ms: 0.12,
        submit: None,
        status: None,
    },
];
