//! So many callers, each of whom asks again as soon as it is answered.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use hyper::StatusCode;

use crate::connection::Connection;
use crate::figures::Sample;

/// Load that is not counted, before the part that is.
const WARM: Duration = Duration::from_millis(200);
/// How long who was refused waits before it tries again.
const PAUSE: Duration = Duration::from_millis(10);

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

/// What a load of posts came to.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) sample: Sample,
    /// How many were taken, those counted that the figures leave out.
    pub(crate) taken: u64,
    /// How many were refused for the moment (503), as when the leader changes: their time is lost.
    pub(crate) refused: u64,
}

/// Posts for so long over so many connections, spread over the addresses.
pub(crate) async fn posting(
    addresses: &[SocketAddr],
    clients: usize,
    counted: Duration,
    post: &Post,
) -> Posted {
    let mut connections = Vec::new();
    for address in addresses.iter().cycle().take(clients) {
        connections.push(Connection::open(*address).await.expect("it listens"));
    }
    let window = Window::of(counted);
    let caller = |mut connection: Connection, post: Post| async move {
        let (mut latencies, mut taken, mut refused) = (Vec::new(), 0, 0);
        let mut at = Instant::now();
        while at < window.end {
            let answer = connection.post(post.path, post.body.clone()).await;
            let (status, body) = answer.expect("an answer");
            if status == StatusCode::SERVICE_UNAVAILABLE {
                refused += 1;
                tokio::time::sleep(PAUSE).await;
            } else {
                assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
                taken += 1;
                window.note(at, &mut latencies);
            }
            at = Instant::now();
        }
        (latencies, taken, refused)
    };
    let callers: Vec<_> =
        connections.into_iter().map(|one| tokio::spawn(caller(one, post.clone()))).collect();
    let (mut latencies, mut taken, mut refused) = (Vec::new(), 0, 0);
    for caller in callers {
        let (of_one, more, less) = caller.await.expect("a caller");
        latencies.extend(of_one);
        (taken, refused) = (taken + more, refused + less);
    }
    Posted { sample: Sample::new(latencies, counted), taken, refused }
}
