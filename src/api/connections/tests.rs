//! Clients that are slow, too many, or there when the server stops; over real sockets.

use std::future::pending;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::super::json::{self, BodyLimits};
use super::super::problem::Problem;
use super::*;

struct Server {
    address: std::net::SocketAddr,
    lifeline: Lifeline,
    serving: JoinHandle<()>,
}

async fn server(config: ApiConfig, api: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lifeline = Lifeline::default();
    let connections = Connections::new(&config, api, lifeline.clone());
    Server { address, lifeline, serving: tokio::spawn(connections.serve(listener)) }
}

fn hello() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/never", get(async || pending::<&str>().await))
        .route("/healthz", get(async || "well"))
        .route("/healthz/more", get(async || "more"))
        .route("/", post(read))
}

async fn read(headers: HeaderMap, body: Body) -> Result<String, Problem> {
    let limits = BodyLimits { max_bytes: 4 << 20, within: Duration::from_secs(30) };
    json::read(&headers, body, limits).await.map(|bytes| bytes.len().to_string())
}

async fn send(server: &Server, text: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(text.as_bytes()).await.unwrap();
    client
}

async fn all(mut client: TcpStream) -> String {
    let mut text = String::new();
    let reading = client.read_to_string(&mut text);
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap().unwrap();
    text
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection() {
    let config = ApiConfig { header_timeout_ms: 100, ..Default::default() };
    let server = server(config, hello()).await;
    let client = send(&server, "GET / HTTP/1.1\r\nHost: loc").await;
    assert!(!all(client).await.contains("200 OK"));
    assert!(all(send(&server, GET).await).await.ends_with("hello"));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so_and_the_slot_comes_back() {
    let config = ApiConfig { max_connections: 1, ..Default::default() };
    let server = server(config, hello()).await;
    let holder = send(&server, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let refused = all(send(&server, GET).await).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("retry-after: 1") && refused.contains("max_connections"));
    drop(holder);
    let served = async {
        while !all(send(&server, GET).await).await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap();
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so_before_it_says_anything() {
    let config = ApiConfig { max_connections: 1, ..Default::default() };
    let server = server(config, hello()).await;
    let _holder = send(&server, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut mute = Vec::new();
    for _ in 0..2 * TURNED_AWAY_AT_ONCE {
        mute.push(send(&server, "").await);
    }
    for client in mute {
        let refused = all(client).await;
        assert!(refused.contains("connection: close") && refused.ends_with('}'), "{refused}");
    }
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_out() {
    let config = ApiConfig { max_connections: 2, ..Default::default() };
    let server = server(config, hello()).await;
    let mut mute = Vec::new();
    for _ in 0..3 * TURNED_AWAY_AT_ONCE {
        mute.push(send(&server, "GET / HT").await);
    }
    let served = async {
        while !all(send(&server, GET).await).await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap();
    let first = all(mute.remove(0)).await;
    assert!(!first.contains("200 OK"), "it made room: {first}");
}

#[tokio::test]
async fn a_connection_that_was_served_and_waits_makes_room() {
    let config = ApiConfig { max_connections: 2, ..Default::default() };
    let server = server(config, hello()).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = send(&server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        kept.push(client);
    }
    let served = async {
        while !all(send(&server, GET).await).await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    // Long before the 30 s that a connection may wait when there is room.
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap();
    let first = all(kept.remove(0)).await;
    assert!(first.ends_with("hello"), "it had its answer, and closed: {first}");
}

#[tokio::test]
async fn a_connection_at_work_gives_its_slot_to_nobody_and_waits_again_after_it() {
    let slots = Arc::new(Semaphore::new(3));
    let slot = || Arc::clone(&slots).try_acquire_owned().unwrap();
    tokio::time::pause();
    let awaited = Arc::new(Awaited::default());
    let (visit, mut told_to_leave) = Visit::new(&awaited, slot());
    let work = visit.work().unwrap();
    let answer = work.until_sent(Response::default());
    tokio::time::advance(Duration::from_secs(60)).await;
    let spare = awaited.make_room(slot()).unwrap_err();
    drop(answer);
    let spare = awaited.make_room(spare).unwrap_err();
    tokio::time::advance(Duration::from_secs(1)).await;
    let given = awaited.make_room(spare).unwrap();
    assert!(told_to_leave.try_recv().is_ok());
    assert!(visit.work().is_none(), "its slot is another's by now");
    drop((visit, given));
    assert_eq!(slots.available_permits(), 3);
}

#[tokio::test]
async fn a_stop_lets_the_request_in_hand_finish_and_takes_no_other() {
    let go = Arc::new(tokio::sync::Notify::new());
    let (wait, started) = (Arc::clone(&go), Arc::new(tokio::sync::Notify::new()));
    let mark = Arc::clone(&started);
    let slow = get(async move || {
        mark.notify_one();
        wait.notified().await;
        "late"
    });
    let server = server(ApiConfig::default(), Router::new().route("/", slow)).await;
    let client = send(&server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    started.notified().await;
    server.lifeline.stopping.cancel();
    go.notify_one();
    let answer = all(client).await;
    assert!(answer.ends_with("late"), "{answer}");
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

const SLOW: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n{\"a\": 1";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn bodies_that_hardly_come_keep_nobody_out() {
    let config = ApiConfig { max_connections: 4, ..Default::default() };
    let server = server(config, hello()).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(send(&server, SLOW).await);
    }
    let served = async {
        while !all(send(&server, GET).await).await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    // Long before the 30 s that a body may take when there is room.
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap();
    let first = all(slow.remove(0)).await;
    assert!(first.starts_with("HTTP/1.1 408") && first.contains("4096 bytes"), "{first}");
}

#[tokio::test]
async fn how_the_node_is_can_be_asked_once_beyond_the_limit() {
    let config = ApiConfig { max_connections: 1, ..Default::default() };
    let server = server(config, hello()).await;
    let _holder = send(&server, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = all(send(&server, &HEALTH.repeat(2)).await).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("well"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    for other in [GET.to_owned(), HEALTH.replace("healthz", "healthz/more"), "GET /he".into()] {
        let refused = all(send(&server, &other).await).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    }
}

/// A connection whose body arrives as it is sent here, with its seat.
struct Upload {
    body: axum::body::BodyDataStream,
    sender: tokio::sync::mpsc::UnboundedSender<Bytes>,
    _work: seats::Work,
    _told: oneshot::Receiver<OwnedSemaphorePermit>,
}

impl Upload {
    fn begin(awaited: &Arc<Awaited>, slot: OwnedSemaphorePermit) -> Self {
        let (sender, mut pieces) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let pieces = futures::stream::poll_fn(move |cx| {
            pieces.poll_recv(cx).map(|piece| piece.map(Ok::<_, Infallible>))
        });
        let (visit, told) = Visit::new(awaited, slot);
        let work = visit.work().unwrap();
        let body = Body::new(Arriving::new(Body::from_stream(pieces), work.visit()));
        Self { body: body.into_data_stream(), sender, _work: work, _told: told }
    }

    /// Sends so many bytes, and reads what is there until the body has to be waited for.
    fn bring(&mut self, bytes: usize) -> Option<axum::Error> {
        if bytes > 0 {
            self.sender.send(vec![b'x'; bytes].into()).unwrap();
        }
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(piece)) = self.body.poll_next_unpin(&mut cx) {
            if let Err(why) = piece {
                return Some(why);
            }
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_that_is_furthest_behind_makes_room_and_one_that_keeps_up_never_does() {
    let slots = Arc::new(Semaphore::new(4));
    let slot = || Arc::clone(&slots).try_acquire_owned().unwrap();
    let awaited = Arc::new(Awaited::default());
    let [mut fast, mut slow, mut dead] = [(); 3].map(|()| Upload::begin(&awaited, slot()));
    let mut spare = slot();
    assert!(dead.bring(7).is_none());
    for _ in 0..4 {
        assert!(fast.bring(1_100).is_none() && slow.bring(100).is_none());
        spare = awaited.make_room(spare).expect_err("each has its second of grace");
        tokio::time::advance(Duration::from_millis(249)).await;
    }
    tokio::time::advance(Duration::from_millis(10)).await;
    assert!(fast.bring(1_100).is_none() && slow.bring(100).is_none());
    let given = awaited.make_room(spare).expect("one is overdue");
    assert!(MadeRoom::caused(&dead.bring(100).unwrap()), "it came to a halt first");
    assert!(fast.bring(1_100).is_none() && slow.bring(0).is_none());

    let mut spare = given;
    for _ in 0..400 {
        tokio::time::advance(Duration::from_millis(250)).await;
        assert!(fast.bring(1_100).is_none());
        spare = match awaited.make_room(spare) {
            Ok(slot) | Err(slot) => slot,
        };
    }
    assert!(MadeRoom::caused(&slow.bring(100).unwrap()), "100 bytes a quarter second were too few");
    assert!(fast.bring(1_100).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_large_piece_earns_a_body_no_more_than_its_grace() {
    let slots = Arc::new(Semaphore::new(2));
    let slot = || Arc::clone(&slots).try_acquire_owned().unwrap();
    let awaited = Arc::new(Awaited::default());
    let mut upload = Upload::begin(&awaited, slot());
    assert!(upload.bring(1 << 20).is_none());
    tokio::time::advance(Duration::from_millis(990)).await;
    let spare = awaited.make_room(slot()).unwrap_err();
    tokio::time::advance(Duration::from_millis(20)).await;
    assert!(awaited.make_room(spare).is_ok());
    assert!(upload.bring(0).is_some_and(|why| MadeRoom::caused(&why)));
}
