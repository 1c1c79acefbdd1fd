//! One `traceparent`, followed from the request through task and agents to the stream, the log and
//! the journal.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Client, TASKS};
use crate::events::Sse;
use crate::node_process::data_folder;
use crate::python::{here, python};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

/// An endpoint that answers with the context it was called in.
async fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let answer = async |headers: HeaderMap| {
        let context = headers.get("traceparent").and_then(|value| value.to_str().ok());
        axum::Json(json!({ "traceparent": context }))
    };
    let routes = Router::new().route("/", post(answer));
    tokio::spawn(async { axum::serve(listener, routes).await });
    url
}

/// A node that logs everything, with an agent of each kind that answers with the context it was
/// called in; and the names of the agents.
async fn world() -> (World, String, Vec<&'static str>) {
    let mut config = format!(
        "[log]\nformat = \"json\"\nlevel = \"warn,synod=debug,synod_agents=debug,\
         synod_tasks=debug\"\n[[agents.http.agent]]\nid = \"web\"\nendpoint = \"{}\"\n\
         capabilities = [\"read\"]\n",
        endpoint().await
    );
    let mut agents = vec!["web", "caller"];
    if let Some(python) = python() {
        let script = here("tests/it/agent.py");
        config += &format!(
            "[[agents.process]]\nid = \"thinker\"\ncommand = \"{python}\"\n\
             args = [{script:?}, \"good\"]\ncapabilities = [\"think\"]\n"
        );
        agents.push("thinker");
    }
    let world = World::start(&config);
    let caller = WsAgent::connect(&world.node.url, card("caller", "call")).await;
    caller.work(|order| Outcome::Done(json!({"traceparent": order["traceparent"]})));
    (world, config, agents)
}

/// Submits a task for all of the agents within our trace: its id, and the span of the request as
/// the node answers it.
async fn submit(client: &Client, agents: &[&str]) -> (String, String) {
    let task = json!({"kind": "trace", "mode": "parallel", "agents": agents, "payload": 1});
    let request = client
        .raw(reqwest::Method::POST, TASKS)
        .header("traceparent", format!("00-{TRACE}-{CLIENT_SPAN}-01"))
        .header("tracestate", "vendor=opaque")
        .json(&task);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let header = |name: &str| answer.headers()[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header("x-correlation-id"), TRACE);
    let span = span_in(&header("traceresponse"));
    assert_ne!(span, CLIENT_SPAN, "the request is a span of the node's");
    let accepted: Value = answer.json().await.expect("JSON");
    (accepted["task_id"].as_str().expect("an id").to_owned(), span)
}

/// The span of a context that belongs to our trace.
fn span_in(context: &str) -> String {
    let rest = context.strip_prefix(&format!("00-{TRACE}-"));
    let span = rest.and_then(|rest| rest.strip_suffix("-01"));
    span.unwrap_or_else(|| panic!("not of our trace: {context}")).to_owned()
}

/// The spans in which the agents were called, each its own.
fn called_in(task: &Value, agents: usize) -> BTreeSet<String> {
    let results = task["result"]["results"].as_array();
    let results = results.unwrap_or_else(|| panic!("nothing collected: {task}"));
    let context = |part: &Value| part["output"]["traceparent"].as_str().map(span_in);
    let spans: BTreeSet<_> = results.iter().filter_map(context).collect();
    assert_eq!(spans.len(), agents, "each attempt is a span of its own: {task}");
    spans
}

/// Reads the stream up to the end of the task; each of its events names the span of the request.
async fn follow(stream: &mut Sse, id: &str, span: &str) {
    loop {
        let event = stream.next().await.expect("the stream goes on");
        if event.0["subject"] != format!("tasks/{id}") {
            continue;
        }
        assert_eq!(event.0["traceparent"], format!("00-{TRACE}-{span}-01"), "{}", event.0);
        assert_eq!(event.0["data"]["trace_id"], TRACE, "{}", event.0);
        if event.kind() == "synod.task.completed" {
            return;
        }
    }
}

/// The lines of the log that belong to our trace; all of them are JSON of one form.
fn lines_of_our_trace(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str(line).expect(line));
    let lines: Vec<Value> = lines.collect();
    for line in &lines {
        for member in ["timestamp", "level", "target", "message"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
    }
    lines.into_iter().filter(|line| line["trace_id"] == TRACE).collect()
}

/// The spans, or whatever else this member tells, of the lines that say this.
fn told(lines: &[Value], message: &str, member: &str) -> BTreeSet<String> {
    let saying = lines.iter().filter(|line| line["message"] == message);
    saying.map(|line| line[member].as_str().unwrap_or_default().to_owned()).collect()
}

/// Whether a file below `folder` holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one"));
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let text = std::fs::read(&path).expect("a file that can be read");
        text.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn one_trace_goes_from_the_request_through_task_and_agents_to_stream_log_and_journal() {
    let (mut world, config, agents) = world().await;
    let mut stream = Sse::open(&world.client, "type=synod.task.*", None).await;
    let (id, request_span) = submit(&world.client, &agents).await;
    let task = world.client.until_ended(&id).await;
    assert_eq!((&task["state"], &task["trace_id"]), (&json!("completed"), &json!(TRACE)), "{task}");
    let attempts = called_in(&task, agents.len());
    assert!(!attempts.contains(&request_span) && !attempts.contains(CLIENT_SPAN), "{attempts:?}");
    follow(&mut stream, &id, &request_span).await;
    drop(stream);

    // Stopped in order, so that the log has its last line.
    world.node.stop();
    let lines = lines_of_our_trace(&world.node.log());
    let request = lines.iter().find(|line| line["message"] == "request answered");
    let request = request.expect("the request is told");
    let expected = json!({"span": "http.request", "method": "POST", "route": TASKS, "status": 201,
        "span_id": request_span, "parent_span_id": CLIENT_SPAN});
    for (member, value) in expected.as_object().expect("members") {
        assert_eq!(&request[member], value, "{member}: {request}");
    }
    for decision in ["task accepted", "part dispatched", "part done", "task ended"] {
        let of = told(&lines, decision, "task_id");
        assert_eq!(of, BTreeSet::from([id.clone()]), "{decision}: {lines:#?}");
    }
    assert_eq!(told(&lines, "attempt ended", "span_id"), attempts);
    let above = told(&lines, "attempt ended", "parent_span_id");
    assert_eq!(above, BTreeSet::from([request_span]), "{lines:#?}");
    let by: Vec<_> = agents.iter().map(|agent| format!("{agent}@")).collect();
    for agent in told(&lines, "attempt ended", "agent") {
        assert!(by.iter().any(|name| agent.starts_with(name)), "{agent}");
    }

    let trace = u128::from_str_radix(TRACE, 16).expect("hexadecimal").to_be_bytes();
    assert!(holds(&data_folder(world.folder()), &trace), "the trace is not in the journal");
    world.start_again(&config);
    let again = world.client.task(&id).await;
    assert_eq!((&again["trace_id"], &again["result"]), (&json!(TRACE), &task["result"]), "{again}");
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_log_with_its_task_and_trace() {
    let config = "[log]\nformat = \"json\"\nlevel = \"warn,synod_tasks=debug\"\n";
    let mut world = World::start(config);
    let agent = WsAgent::connect(&world.node.url, card("digger", "dig")).await;
    agent.work(|_| Outcome::Failed("failed"));
    let task = json!({"kind": "dig", "retry": {"max_attempts": 2, "initial_ms": 1, "max_ms": 1}});
    let task = world.client.done(task).await;
    world.node.stop();
    let log = world.node.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).expect(line));
    let lines: Vec<Value> = lines.filter(|line: &Value| line["task_id"].is_string()).collect();
    for told in ["part to be retried", "part queued again", "part failed", "task ended"] {
        let line = lines.iter().find(|line| line["message"] == told);
        let line = line.unwrap_or_else(|| panic!("{told}: {lines:#?}"));
        assert_eq!((&line["task_id"], &line["trace_id"]), (&task["task_id"], &task["trace_id"]));
    }
    let failed = lines.iter().find(|line| line["message"] == "part failed").expect("found before");
    assert_eq!((&failed["part"], &failed["error"]), (&json!(0), &json!("it is failed")));
    assert_eq!(told(&lines, "task ended", "state"), BTreeSet::from(["failed".to_owned()]));
    let dispatched = lines.iter().filter(|line| line["message"] == "part dispatched");
    let attempts: Vec<_> = dispatched.map(|line| &line["attempt"]).collect();
    assert_eq!(attempts, [&json!(1), &json!(2)]);
}

#[tokio::test]
async fn a_traceparent_that_is_not_valid_is_as_good_as_none() {
    let World { client, node: _node, .. } = &World::start("");
    let malformed = [
        "nonsense".to_owned(),
        format!("00-{}-{CLIENT_SPAN}-01", "0".repeat(32)),
        format!("ff-{TRACE}-{CLIENT_SPAN}-01"),
        format!("00-{}-{CLIENT_SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{CLIENT_SPAN}-01-more"),
    ];
    for given in malformed {
        let request = client.raw(reqwest::Method::POST, TASKS).header("traceparent", &given);
        let answer = request.json(&json!({"kind": "echo"})).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{given}");
        let trace = answer.headers()["x-correlation-id"].to_str().expect("ASCII").to_owned();
        assert!(trace.len() == 32 && trace != TRACE, "{given}: {trace}");
        let accepted: Value = answer.json().await.expect("JSON");
        let task = client.task(accepted["task_id"].as_str().expect("an id")).await;
        assert_eq!(task["trace_id"], trace, "{given}");
    }
}
