//! Endpoints of every kind, good and bad, over real sockets.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{Json, Redirect, Response};
use axum::routing::post;
use serde_json::{Value, json};
use synod_agents::{AgentErrorKind, AgentId, Performative, Recipient, WorkId};
use uuid::Uuid;

use super::*;

const LIMIT: usize = 1_024;

async fn endless() -> Response {
    let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("[1,1,1,1,1,1,1]"));
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(pieces))
        .unwrap()
}

async fn echo(request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen =
        |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok().map(str::to_owned));
    Json(json!({
        "body": serde_json::from_slice::<Value>(&bytes).unwrap(),
        "key": seen("idempotency-key"),
        "trace": seen("traceparent"),
        "secret": seen("authorization"),
    }))
}

/// Bids what a call is worth, and says nothing to anything else.
async fn bid(Json(order): Json<Value>) -> Json<Value> {
    let price = order["envelope"]["content"]["json"]["worth"].clone();
    let content = json!({"json": {"price": price}});
    match order["envelope"]["performative"].as_str() {
        Some("cfp") => Json(json!({"answer": {"performative": "propose", "content": content}})),
        Some("request") => Json(json!({"answer": {"performative": "shout"}})),
        _ => Json(json!({})),
    }
}

fn endpoints() -> Router {
    let refuse = |status: u16, name: &'static str, value: &'static str| {
        post(move || async move {
            (StatusCode::from_u16(status).unwrap(), [(name, value)], r#"{"detail":"not now"}"#)
        })
    };
    Router::new()
        .route("/echo", post(echo))
        .route("/costly", post(async || ([("synod-used-tokens", "12")], Json(json!(1)))))
        .route("/messages", post(bid))
        .route("/slow", post(async || pending::<&str>().await))
        .route("/text", post(async || "plain"))
        .route("/broken", post(async || ([("content-type", "application/json")], "{\"a\":")))
        .route("/endless", post(endless))
        .route("/busy", refuse(429, "retry-after", "7"))
        .route("/down", refuse(503, "retry-after", "2"))
        .route("/wrong", refuse(422, "x-none", ""))
        .route("/fault", refuse(500, "x-none", ""))
        .route("/moved", post(async || Redirect::temporary("/echo")))
        .route("/round", post(async || Redirect::temporary("/round")))
        .route("/see", post(async || Redirect::to("/echo")))
        .route("/away", post(async || Redirect::temporary("http://169.254.169.254/latest")))
}

async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, endpoints()).await });
    format!("http://{address}")
}

fn agent(endpoint: &str) -> Result<HttpAgent, HttpAgentError> {
    let card = AgentCard::new("remote", "1.0.0").kind(AgentKind::Http).endpoint(endpoint);
    HttpAgent::new(card, &HttpConfig { max_response_bytes: LIMIT, ..HttpConfig::default() })
}

fn work(within: Duration) -> Assignment {
    Assignment {
        work: WorkId { task: Uuid::nil(), part: 0, attempt: 2, epoch: 1 },
        kind: "count".to_owned(),
        capability: Some("text.count".to_owned()),
        payload: Payload::text("a b"),
        deadline: Instant::now() + within,
        idempotency_key: "task-1".to_owned(),
        correlation: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        labels: BTreeMap::new(),
        state: None,
        watch: Default::default(),
    }
}

async fn perform(agent: &mut HttpAgent) -> Result<Payload, AgentError> {
    let work = work(Duration::from_secs(20));
    let mut ctx = AgentContext::standalone(&work);
    agent.perform(work, &mut ctx).await
}

async fn refused(path: &str) -> AgentError {
    let mut agent = agent(&format!("{}{path}", serve().await)).unwrap();
    perform(&mut agent).await.unwrap_err()
}

#[tokio::test]
async fn work_is_posted_with_its_key_and_trace_and_the_answer_is_the_result() {
    let mut agent = agent(&format!("{}/echo", serve().await)).unwrap();
    let seen: Value = perform(&mut agent).await.unwrap().to_json().unwrap();
    assert_eq!(seen["body"]["work"], format!("{}/0/2@1", Uuid::nil()));
    assert_eq!(seen["body"]["payload"]["text"], "a b");
    assert!(seen["body"]["deadline_ms"].as_u64().unwrap() <= 20_000);
    assert_eq!(seen["key"], "task-1");
    assert_eq!(seen["trace"], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

#[tokio::test]
async fn what_an_endpoint_says_it_used_up_reaches_who_follows_the_work() {
    let mut agent = agent(&format!("{}/costly", serve().await)).unwrap();
    let mut work = work(Duration::from_secs(20));
    work.watch = synod_agents::Watch::new();
    let mut ctx = AgentContext::standalone(&work);
    let watch = work.watch.clone();
    agent.perform(work, &mut ctx).await.unwrap();
    assert_eq!(watch.used().tokens, 12);
}

#[tokio::test]
async fn configured_headers_are_sent() {
    let agent: HttpAgentConfig = serde_json::from_value(json!({
        "id": "remote", "endpoint": format!("{}/echo", serve().await), "capabilities": ["x"],
        "headers": {"Authorization": "Bearer secret"},
    }))
    .unwrap();
    let mut agent = HttpAgent::configured(&agent, &HttpConfig::default()).unwrap();
    let seen: Value = perform(&mut agent).await.unwrap().to_json().unwrap();
    assert_eq!(seen["secret"], "Bearer secret");
}

#[tokio::test]
async fn a_slow_endpoint_times_out_at_the_deadline() {
    let mut agent = agent(&format!("{}/slow", serve().await)).unwrap();
    let work = work(Duration::from_millis(50));
    let mut ctx = AgentContext::standalone(&work);
    let error = agent.perform(work, &mut ctx).await.unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Timeout);
}

#[tokio::test]
async fn cancelling_ends_the_request() {
    let mut agent = agent(&format!("{}/slow", serve().await)).unwrap();
    let work = work(Duration::from_secs(20));
    let mut ctx = AgentContext::standalone(&work);
    ctx.cancelled().cancel();
    let error = agent.perform(work, &mut ctx).await.unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Cancelled);
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_a_failure_that_says_so() {
    for path in ["/text", "/broken"] {
        let error = refused(path).await;
        assert_eq!(error.kind, AgentErrorKind::Failed, "{path}");
        assert!(error.message.contains("expected"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_limit() {
    let error = refused("/endless").await;
    assert!(error.message.contains("at most 1024 bytes"), "{error}");
}

#[tokio::test]
async fn statuses_become_kinds_and_retry_after_is_kept() {
    let busy = refused("/busy").await;
    assert_eq!((busy.kind, busy.retry_after_ms), (AgentErrorKind::RateLimited, Some(7_000)));
    assert!(busy.message.contains("not now"), "{busy}");
    let down = refused("/down").await;
    assert_eq!((down.kind, down.retry_after_ms), (AgentErrorKind::Unavailable, Some(2_000)));
    assert!(!refused("/wrong").await.retryable());
    assert!(refused("/fault").await.retryable());
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = agent(&format!("http://{port}/")).unwrap();
    assert_eq!(perform(&mut agent).await.unwrap_err().kind, AgentErrorKind::Unavailable);
}

#[tokio::test]
async fn redirects_stay_at_the_endpoint() {
    let mut moved = agent(&format!("{}/moved", serve().await)).unwrap();
    let seen: Value = perform(&mut moved).await.unwrap().to_json().unwrap();
    assert_eq!(seen["key"], "task-1", "the request is repeated as it was");
    for (path, reason) in [("/away", "leaves"), ("/see", "307"), ("/round", "too many")] {
        let error = refused(path).await;
        assert_eq!(error.kind, AgentErrorKind::Refused, "{path}");
        assert!(error.message.contains(reason), "{error}");
    }
}

#[test]
fn an_endpoint_at_a_link_local_address_is_no_endpoint() {
    let error = agent("http://169.254.169.254/latest").unwrap_err().to_string();
    assert!(error.contains("expected a loopback, private or public host address"), "{error}");
    let native = HttpAgent::new(AgentCard::new("x", "1.0.0"), &HttpConfig::default());
    assert!(matches!(native, Err(HttpAgentError::Kind(AgentKind::Native))));
}

#[tokio::test]
async fn a_name_is_checked_when_it_is_looked_up() {
    use reqwest::dns::Resolve;
    let checked = super::super::resolver::CheckedResolver;
    assert!(checked.resolve("localhost".parse().unwrap()).await.is_ok());
    // The system's resolver takes a literal for a name, which stands in for a name of that address.
    let error = checked.resolve("169.254.169.254".parse().unwrap()).await.err().unwrap();
    assert!(error.to_string().contains("link-local"), "{error}");
}

/// Stands in for a name server that points a name at a link-local address.
struct Rebinding;

impl reqwest::dns::Resolve for Rebinding {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let refused = super::super::resolver::check(name.as_str(), "fe80::1".parse().unwrap());
        Box::pin(async move { Err(refused.unwrap_err().into()) })
    }
}

#[tokio::test]
async fn a_name_that_points_at_a_forbidden_address_is_refused_for_good() {
    let mut agent = agent("http://agents.example/").unwrap();
    agent.client = Client::builder().no_proxy().dns_resolver(Rebinding).build().unwrap();
    let error = perform(&mut agent).await.unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Refused, "{error}");
    assert!(error.message.contains("agents.example is fe80::1, a link-local address"), "{error}");
}

fn envelope(performative: Performative) -> Envelope {
    let to = Recipient::Agent(AgentId::new("remote").unwrap());
    Envelope::new("contract-net", to, performative, Payload::json(&json!({"worth": 7})).unwrap())
}

async fn receive(agent: &mut HttpAgent, act: Performative) -> Result<Option<Envelope>, AgentError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let id = AgentId::new("remote").unwrap();
    agent.receive(envelope(act), &mut MessageContext::standalone(id, deadline)).await
}

#[tokio::test]
async fn a_message_is_posted_where_the_configuration_says_and_its_answer_comes_back() {
    let base = serve().await;
    let config: HttpAgentConfig = serde_json::from_value(json!({
        "id": "remote", "endpoint": format!("{base}/echo"), "capabilities": ["x"],
        "messages": format!("{base}/messages"), "protocols": ["fipa-contract-net"],
    }))
    .unwrap();
    let mut agent = HttpAgent::configured(&config, &HttpConfig::default()).unwrap();
    assert_eq!(agent.card().protocols, ["fipa-contract-net"]);
    let proposal = receive(&mut agent, Performative::Cfp).await.unwrap().unwrap();
    assert_eq!(proposal.performative, Performative::Propose);
    assert_eq!(proposal.content.to_json::<Value>().unwrap(), json!({"price": 7}));
    assert_eq!(receive(&mut agent, Performative::Inform).await, Ok(None));
    let error = receive(&mut agent, Performative::Request).await.unwrap_err();
    assert!(error.message.contains("'shout' is not one of"), "{error}");
}

#[tokio::test]
async fn without_an_address_for_messages_nothing_is_understood() {
    let mut agent = agent(&format!("{}/echo", serve().await)).unwrap();
    let answer = receive(&mut agent, Performative::Cfp).await.unwrap().unwrap();
    assert_eq!(answer.performative, Performative::NotUnderstood);
    assert_eq!(receive(&mut agent, Performative::Inform).await, Ok(None));
}
