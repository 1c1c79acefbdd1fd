//! Agents that are HTTP endpoints: what a good one gives is the result; a slow, wrong or vanished
//! one ends in a clear error, or another attempt does the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::{AGENTS, Client, TASKS};
use crate::world::World;

/// An endpoint on a free port of loopback, until it is dropped.
struct Endpoint {
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves on a free port whatever `answer` makes of the n-th request, n from 1, its headers and its
/// order.
async fn serve<F, A>(answer: A) -> Endpoint
where
    A: Fn(u32, HeaderMap, Value) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    serve_at(TcpListener::bind("127.0.0.1:0").await.expect("a port"), answer)
}

fn serve_at<F, A>(listener: TcpListener, answer: A) -> Endpoint
where
    A: Fn(u32, HeaderMap, Value) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let url = format!("http://{}/perform", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicU32::new(0));
    let handler = move |headers: HeaderMap, body: Bytes| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        answer(number, headers, serde_json::from_slice(&body).expect("an order in JSON"))
    };
    let routes = Router::new().route("/perform", post(handler.clone()));
    let routes = routes.route("/moved", post(handler));
    let serving = async { axum::serve(listener, routes).await.expect("it can serve") };
    Endpoint { url, serving: tokio::spawn(serving) }
}

/// Registers an agent of kind `http` with one second for an assignment.
async fn register(client: &Client, endpoint: &str) {
    let card = json!({"id": "web", "kind": "http", "endpoint": endpoint, "capabilities": ["read"],
        "limits": {"perform_timeout_s": 1, "grace_ms": 100}});
    let (status, answer) = client.post(AGENTS, card).await;
    assert_eq!(status, 201, "{answer}");
}

/// A task that may be tried so often.
fn read(attempts: u32, lost: u32) -> Value {
    let retry = json!({"max_attempts": attempts, "max_lost": lost, "initial_ms": 1, "max_ms": 10});
    json!({"kind": "read", "payload": "a page", "retry": retry})
}

fn answered(json: Value) -> Response {
    axum::Json(json).into_response()
}

#[tokio::test]
async fn an_endpoint_gets_the_work_and_its_answer_is_the_result() {
    let endpoint = serve(async |_, headers: HeaderMap, order: Value| {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        answered(json!({
            "of": order["payload"]["json"],
            "key_is_a_header": header("idempotency-key") == order["idempotency_key"].as_str(),
            "traced": header("traceparent").is_some(),
        }))
    })
    .await;
    let mut world = World::start("");
    register(&world.client, &endpoint.url).await;
    let result = json!({"of": "a page", "key_is_a_header": true, "traced": true});
    assert_eq!(world.client.done(read(1, 0)).await["result"], result);
    world.restart("");
    let task = world.client.done(read(1, 0)).await;
    assert_eq!(task["result"], result, "what was registered comes back with the node");
}

#[tokio::test]
async fn an_endpoint_of_the_configuration_gets_its_secret_headers() {
    let endpoint = serve(async |_, headers: HeaderMap, _| {
        answered(json!(headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap())))
    })
    .await;
    let World { client, node, .. } = &World::start(&format!(
        "[[agents.http.agent]]\nid = \"web\"\nendpoint = \"{}\"\ncapabilities = [\"read\"]\n\
         headers = {{ authorization = \"Bearer of-news\" }}\n",
        endpoint.url
    ));
    assert_eq!(client.done(read(1, 0)).await["result"], "Bearer of-news");
    // Configuration would bring it back.
    let (status, refused) = client.delete(&format!("{AGENTS}/web")).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["next_step"].as_str().is_some_and(|next| next.contains("pause")), "{refused}");
    for path in [&format!("{AGENTS}/web"), "/api/v1/status", "/metrics"] {
        let answer = client.raw(reqwest::Method::GET, path).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        assert!(!text.contains("of-news"), "{path} gives the secret away");
    }
    assert!(!node.log().contains("of-news"));
}

#[tokio::test]
async fn whatever_an_endpoint_does_instead_ends_the_task_with_a_clear_error() {
    /// Path, answer, the error's kind, and a part of its text.
    type Case = (&'static str, fn() -> Response, &'static str, &'static str);
    let cases: [Case; 7] = [
        ("text", || "fine".into_response(), "failed", "application/json"),
        (
            "broken",
            || ([(header::CONTENT_TYPE, "application/json")], "{").into_response(),
            "failed",
            "expected JSON",
        ),
        ("large", || answered(json!("x".repeat(70_000))), "failed", "too large"),
        ("500", || StatusCode::INTERNAL_SERVER_ERROR.into_response(), "failed", "500"),
        (
            "422",
            || (StatusCode::UNPROCESSABLE_ENTITY, "no such page").into_response(),
            "invalid_input",
            "no such page",
        ),
        ("404", || StatusCode::NOT_FOUND.into_response(), "refused", "404"),
        (
            "away",
            || Redirect::temporary("http://169.254.169.254/").into_response(),
            "refused",
            "not followed",
        ),
    ];
    let extra = "[agents.http]\nmax_response_bytes = 65_536\n";
    for (name, answer, kind, message) in cases {
        let endpoint = serve(move |_, _, _| async move { answer() }).await;
        let World { client, node: _node, .. } = &World::start(extra);
        register(client, &endpoint.url).await;
        let task = client.done(read(1, 0)).await;
        assert_eq!((&task["state"], &task["attempts"]), (&json!("failed"), &json!(1)), "{task}");
        assert_eq!(task["error"]["kind"], kind, "{name}: {task}");
        let said = task["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(message), "{name}: {said}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_slow_times_out_and_another_attempt_does_it() {
    let endpoint = serve(async |number, _, _| {
        if number == 1 {
            std::future::pending::<()>().await;
        }
        answered(json!(number))
    })
    .await;
    let World { client, node: _node, .. } = &World::start("");
    register(client, &endpoint.url).await;
    let task = client.done(read(2, 0)).await;
    assert_eq!((&task["result"], &task["attempts"]), (&json!(2), &json!(2)), "{task}");
    let error = &task["parts"][0]["error"];
    assert_eq!(error["kind"], "timeout", "{task}");
}

#[tokio::test]
async fn an_endpoint_that_fails_for_a_while_is_tried_again() {
    let endpoint = serve(async |number, _, _| match number {
        1 | 2 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        3 => Redirect::temporary("/moved").into_response(),
        _ => answered(json!(number)),
    })
    .await;
    let World { client, node: _node, .. } = &World::start("");
    register(client, &endpoint.url).await;
    let task = client.done(read(3, 0)).await;
    assert_eq!((&task["result"], &task["attempts"]), (&json!(4), &json!(3)), "{task}");
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_for_now_is_asked_again_when_it_says() {
    let endpoint = serve(async |number, _, _| match number {
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        2 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response(),
        _ => answered(json!(number)),
    })
    .await;
    let World { client, node: _node, .. } = &World::start("");
    register(client, &endpoint.url).await;
    let asked = Instant::now();
    let task = client.done(read(1, 0)).await;
    assert_eq!((&task["result"], &task["attempts"]), (&json!(3), &json!(1)), "{task}");
    assert!(asked.elapsed() >= Duration::from_secs(1), "not before it said");
}

#[tokio::test]
async fn work_waits_for_an_endpoint_that_is_gone_but_not_beyond_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let World { client, node: _node, .. } = &World::start("");
    register(client, &format!("http://{address}/perform")).await;
    let mut hurried = read(1, 0);
    hurried["timeout_s"] = json!(1);
    let task = client.done(hurried).await;
    assert_eq!((&task["state"], &task["lost"]), (&json!("failed"), &json!(0)), "{task}");
    assert_eq!(task["error"]["kind"], "deadline_passed", "{task}");
    let said = task["error"]["message"].as_str().expect("a message");
    assert!(said.contains("can't be reached"), "it says what stood in its way: {said}");
    let (_, health) = client.get(&format!("{AGENTS}/web/health")).await;
    let said = health["agents"][0]["health"]["last_error"].as_str().expect("an error");
    assert!(said.contains("can't be reached"), "{said}");

    let id = client.accepted(read(1, 0)).await;
    let listener = TcpListener::bind(address).await.expect("the port again");
    let _endpoint = serve_at(listener, async |_, _, _| answered(json!("back")));
    let task = client.until_ended(&id).await;
    assert_eq!((&task["result"], &task["attempts"]), (&json!("back"), &json!(1)), "{task}");
}

#[tokio::test]
async fn an_endpoint_that_vanishes_in_the_middle_is_lost_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let vanishing = tokio::spawn(async move {
        // Three times the connection breaks with the request half read, then with half an answer.
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.read_exact(&mut [0; 40]).await.expect("the beginning of a request");
        }
    });
    let World { client, node: _node, .. } = &World::start("");
    register(client, &url).await;
    let task = client.done(read(1, 2)).await;
    assert_eq!((&task["state"], &task["lost"]), (&json!("failed"), &json!(3)), "{task}");
    assert_eq!(task["error"]["kind"], "lost", "{task}");
    vanishing.await.expect("it was asked three times");
}

#[tokio::test]
async fn cancelling_a_task_closes_the_connection_to_its_endpoint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let World { client, node: _node, .. } = &World::start("");
    register(client, &url).await;
    let id = client.accepted(read(1, 0)).await;
    let (mut stream, _) = listener.accept().await.expect("a connection");
    // Cancelled any sooner, the connection may close before the request is on its way.
    let mut begun = [0; 15];
    stream.read_exact(&mut begun).await.expect("the beginning of a request");
    assert_eq!(&begun, b"POST / HTTP/1.1");
    client.delete(&format!("{}/{id}", TASKS)).await;
    stream.read_to_end(&mut Vec::new()).await.expect("the node closes the connection");
}

#[tokio::test]
async fn an_endpoint_that_hangs_up_is_called_again_after_waits_and_is_unhealthy_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let hanging_up = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 1_024]).await;
        }
    });
    let World { client, node: _node, .. } = &World::start("");
    register(client, &format!("http://{address}/perform")).await;
    let begun = Instant::now();
    let mut task = read(1, 2);
    task["retry"] = json!({"max_lost": 2, "initial_ms": 100, "jitter": 0.0});
    let task = client.done(task).await;
    assert_eq!((&task["error"]["kind"], &task["lost"]), (&json!("lost"), &json!(3)), "{task}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}: {task}", begun.elapsed());
    let (_, health) = client.get(&format!("{AGENTS}/web/health")).await;
    let health = &health["agents"][0]["health"];
    assert_eq!(health["healthy"], false, "{health}");
    assert!(health["last_error"].as_str().is_some_and(|why| why.contains("broke")), "{health}");

    hanging_up.abort();
    let _ = hanging_up.await;
    let listener = TcpListener::bind(address).await.expect("the same port");
    let _endpoint = serve_at(listener, async |_, _, _| answered(json!("back")));
    assert_eq!(client.done(read(3, 5)).await["result"], "back");
    let (_, health) = client.get(&format!("{AGENTS}/web/health")).await;
    assert_eq!(health["agents"][0]["health"]["healthy"], true, "{health}");
}
