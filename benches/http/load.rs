//! Load: so many calls in flight, or so many a second whatever the answers take.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

use crate::calls::Calls;
use crate::client::Connection;
use crate::node::Node;
use crate::system::Cpu;

/// Load that is not counted, before the part that is.
const WARM: Duration = Duration::from_millis(500);

/// When calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    /// So many callers, each of whom calls again as soon as it is answered: the node is never
    /// idle, and a latency is little else than the inverse of the throughput.
    InFlight(usize),
    /// A call each so often. One that finds all connections taken waits, and the wait counts.
    PerSecond {
        /// Calls a second.
        rate: u32,
        /// Most calls in flight.
        connections: usize,
    },
}

impl Arrivals {
    fn connections(self) -> usize {
        match self {
            Self::InFlight(connections) | Self::PerSecond { connections, .. } => connections,
        }
    }
}

/// What one run of a case gave.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) cpu: Cpu,
    /// Of the calls that ended while it was counted; sorted.
    pub(crate) latencies: Vec<Duration>,
}

/// The part of a run that is counted.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// Runs the load for so long.
pub(crate) async fn measure(
    arrivals: Arrivals,
    calls: Calls,
    node: &Node,
    counted: Duration,
) -> Sample {
    let mut connections = Vec::new();
    for _ in 0..arrivals.connections() {
        connections.push(node.connect().await);
    }
    let begin = Instant::now() + WARM;
    let window = Window { begin, end: begin + counted };
    let (turns, calls) = (Turns::new(arrivals, window), Arc::new(calls));
    let callers: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(caller(connection, calls.clone(), turns.clone(), window)))
        .collect();
    let (wall, cpu) = watch(node, window).await;
    let mut latencies = Vec::new();
    for caller in callers {
        let (made, counted) = caller.await.expect("a caller");
        latencies.extend(counted);
        if calls.add_tasks() {
            node.added(made);
        }
    }
    latencies.sort_unstable();
    Sample { wall, cpu, latencies }
}

async fn watch(node: &Node, window: Window) -> (Duration, Cpu) {
    tokio::time::sleep_until(window.begin.into()).await;
    let (begun, before) = (Instant::now(), node.cpu());
    tokio::time::sleep_until(window.end.into()).await;
    (begun.elapsed(), node.cpu() - before)
}

/// Calls on one connection; how many it made, and the latencies of those that count.
async fn caller(
    mut connection: Connection,
    calls: Arc<Calls>,
    turns: Turns,
    window: Window,
) -> (u64, Vec<Duration>) {
    let (mut made, mut latencies) = (0, Vec::new());
    while let Some(due) = turns.next().await {
        calls.make(&mut connection).await;
        made += 1;
        let now = Instant::now();
        if (window.begin..window.end).contains(&now) {
            latencies.push(now - due);
        }
    }
    (made, latencies)
}

/// Whose turn it is, and since when.
#[derive(Clone)]
enum Turns {
    Always { until: Instant },
    Arriving(Arc<Mutex<mpsc::UnboundedReceiver<Instant>>>),
}

impl Turns {
    fn new(arrivals: Arrivals, window: Window) -> Self {
        match arrivals {
            Arrivals::InFlight(_) => Self::Always { until: window.end },
            Arrivals::PerSecond { rate, .. } => {
                let (sender, receiver) = mpsc::unbounded_channel();
                thread::spawn(move || arrive(rate, window.end, &sender));
                Self::Arriving(Arc::new(Mutex::new(receiver)))
            }
        }
    }

    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Always { until } => {
                let now = Instant::now();
                (now < *until).then_some(now)
            }
            Self::Arriving(receiver) => receiver.lock().await.recv().await,
        }
    }
}

/// A thread of its own, because the runtime's timers tick once a millisecond.
fn arrive(rate: u32, until: Instant, turns: &mpsc::UnboundedSender<Instant>) {
    let interval = Duration::from_secs(1) / rate;
    let mut due = Instant::now();
    while due < until {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if turns.send(Instant::now()).is_err() {
            return;
        }
        due += interval;
    }
}
