//! So many callers, each of whom asks again as soon as it is answered.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;

use crate::connection::Connection;
use crate::figures::Sample;

/// Load that is not counted, before the part that is.
const WARM: Duration = Duration::from_millis(200);

/// The part of a load that is counted.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    fn of(counted: Duration) -> Self {
        let begin = Instant::now() + WARM;
        Self { begin, end: begin + counted }
    }

    /// Notes a call that began then and has just ended.
    fn note(&self, at: Instant, latencies: &mut Vec<Duration>) {
        let now = Instant::now();
        if (self.begin..self.end).contains(&now) {
            latencies.push(now - at);
        }
    }
}

/// Asks for so long from so many tasks at once.
pub(crate) async fn asking<A, F>(callers: usize, counted: Duration, ask: A) -> Sample
where
    A: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let window = Window::of(counted);
    let caller = |ask: A| async move {
        let (mut latencies, mut at) = (Vec::new(), Instant::now());
        while at < window.end {
            ask().await;
            window.note(at, &mut latencies);
            at = Instant::now();
        }
        latencies
    };
    let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(ask.clone()))).collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await.expect("a caller"));
    }
    Sample::new(latencies, counted)
}

/// What is posted over and over.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
}

/// Posts for so long over so many connections, spread over the addresses; also how many were
/// posted, those counted that the figures leave out. A refusal ends the run.
pub(crate) async fn posting(
    addresses: &[SocketAddr],
    clients: usize,
    counted: Duration,
    post: &Post,
) -> (Sample, u64) {
    let mut connections = Vec::new();
    for address in addresses.iter().cycle().take(clients) {
        connections.push(Connection::open(*address).await.expect("it listens"));
    }
    let window = Window::of(counted);
    let caller = |mut connection: Connection, post: Post| async move {
        let (mut latencies, mut posted, mut at) = (Vec::new(), 0, Instant::now());
        while at < window.end {
            let answer = connection.post(post.path, post.body.clone()).await;
            let (status, body) = answer.expect("an answer");
            assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
            posted += 1;
            window.note(at, &mut latencies);
            at = Instant::now();
        }
        (latencies, posted)
    };
    let callers: Vec<_> =
        connections.into_iter().map(|one| tokio::spawn(caller(one, post.clone()))).collect();
    let (mut latencies, mut posted) = (Vec::new(), 0);
    for caller in callers {
        let (of_one, count) = caller.await.expect("a caller");
        latencies.extend(of_one);
        posted += count;
    }
    (Sample::new(latencies, counted), posted)
}
