//! Clients that are slow, too many, or there when the server stops; over real sockets.

use std::future::pending;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

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
    for _ in 0..2 * TURNED_AWAY_AT_ONCE {
        let refused = all(send(&server, "").await).await;
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
    let idle = Arc::new(Idle::default());
    let (visit, mut told_to_leave) = Visit::new(&idle, slot());
    let work = visit.work().unwrap();
    let answer = work.until_sent(Response::default());
    tokio::time::advance(Duration::from_secs(60)).await;
    let spare = idle.make_room(slot()).unwrap_err();
    drop(answer);
    let spare = idle.make_room(spare).unwrap_err();
    tokio::time::advance(Duration::from_secs(1)).await;
    let given = idle.make_room(spare).unwrap();
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
