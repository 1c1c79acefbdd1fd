//! The status actor by HTTP: the tree, the controls of an operator, draining.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{AGENTS, Client, TASKS, assert_field, assert_problem, echo, slow_echo};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card};

const STATUS: &str = "/api/v1/status";
const DRAIN: &str = "/api/v1/node/drain";
const ECHO: &str = "/node/agents/echo@0.1.0";

/// Every actor of a tree.
fn actors(tree: &Value) -> Vec<&Value> {
    let children = tree["children"].as_array().into_iter().flatten();
    let below = children.flat_map(actors);
    std::iter::once(tree).chain(below).collect()
}

async fn actor(client: &Client, path: &str) -> Value {
    let (status, mut report) = client.get(&format!("{STATUS}?path={path}&depth=0")).await;
    assert_eq!(status, 200, "{report}");
    report["tree"].take()
}

async fn control(client: &Client, control: &str, path: &str) {
    let (status, answer) = client.post(&format!("{STATUS}/{control}"), json!({"path": path})).await;
    let done = json!({"path": path, "control": control});
    assert_eq!((status.as_u16(), answer), (202, done));
}

async fn until_actor(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{STATUS}?path={path}&depth=0");
    client.until(&path, |report| holds(&report["tree"])).await
}

#[tokio::test]
async fn the_tree_shows_every_actor_with_all_that_is_known_of_it() {
    let World { client, node: _node, .. } = &World::start("[node]\nname = \"station-7\"\n");
    client.done(echo("a")).await;
    let (_, report) = client.get(STATUS).await;
    let node = &report["node"];
    assert_eq!((&node["name"], &node["ready"]), (&json!("station-7"), &json!(true)), "{node}");
    assert_eq!(node["ledger"]["completed"], 1, "{node}");
    assert_eq!(node["journal"]["accepting"], true, "{node}");
    let all = actors(&report["tree"]);
    let paths: Vec<_> = all.iter().map(|actor| actor["path"].as_str().expect("a path")).collect();
    for part in ["journal", "registry", "tasks", "agents", "status", "http", "events"] {
        assert!(paths.contains(&format!("/node/{part}").as_str()), "{part} is not in {paths:?}");
    }
    assert!(paths.contains(&ECHO), "{paths:?}");
    for actor in all {
        assert!(actor["kind"].is_string(), "{actor}");
        assert_eq!(actor["state"], "running", "{actor}");
        assert_eq!(actor["restarts"], 0, "{actor}");
        assert_eq!(actor["lanes"].as_array().map(Vec::len), Some(5), "{actor}");
        assert!(actor["processed"].is_u64() && actor["uptime_ms"].is_u64(), "{actor}");
        assert!(actor["busy_ratio"].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)));
        assert!(actor.as_object().expect("an actor").contains_key("last_error"), "{actor}");
    }
    let tasks = actor(client, "/node/tasks").await;
    assert!(tasks["processed"].as_u64() > Some(0), "{tasks}");
    let (_, shallow) = client.get(&format!("{STATUS}?depth=1")).await;
    let deepest = actors(&shallow["tree"]).iter().filter(|one| one["path"] == ECHO).count();
    assert_eq!(deepest, 0, "{shallow}");
    assert_eq!(shallow["tree"]["children"][0]["child_count"], 12, "what is not shown is counted");
    for path in ["/nowhere", "node", ""] {
        let answer = client.get(&format!("{STATUS}?path={path}")).await;
        if answer.0 != 200 {
            assert_problem(&answer, 404, "not-found");
        }
    }
}

#[tokio::test]
async fn a_paused_actor_takes_nothing_until_it_is_resumed() {
    let World { client, node: _node, .. } = &World::start("ask_timeout_ms = 1_000\n");
    control(client, "pause", ECHO).await;
    until_actor(client, ECHO, |actor| actor["state"] == "paused").await;
    let id = client.accepted(json!({"kind": "echo", "payload": 1})).await;
    let queued = until_actor(client, ECHO, |actor| actor["lanes"] != json!([0, 0, 0, 0, 0])).await;
    assert_eq!(queued["tree"]["state"], "paused", "{queued}");
    control(client, "resume", ECHO).await;
    assert_eq!(client.until_ended(&id).await["state"], "completed");

    let ledger = client.ledger().await;
    assert_eq!(ledger["open"], 0, "{ledger}");
}

#[tokio::test]
async fn a_part_that_the_node_needs_is_not_paused_and_the_refusal_says_what_to_do() {
    let World { client, node: _node, .. } = &World::start("");
    for part in ["journal", "registry", "tasks", "agents", "events"] {
        let path = format!("/node/{part}");
        for word in ["pause", "stop"] {
            let answer = client.post(&format!("{STATUS}/{word}"), json!({"path": path})).await;
            assert_problem(&answer, 409, "conflict");
            assert_eq!(answer.1["field"], "path", "{}", answer.1);
            let detail = answer.1["detail"].as_str().expect("a detail");
            assert!(detail.contains(&path) && detail.contains("needs it"), "{detail}");
            let next = answer.1["next_step"].as_str().expect("a next step");
            assert!(next.contains("/api/v1/node/drain") && next.contains("agent"), "{next}");
        }
        assert_eq!(actor(client, &path).await["state"], "running");
        control(client, "resume", &path).await;
    }
    client.done(echo("a")).await;
}

#[tokio::test]
async fn a_restart_is_counted_and_loses_nothing() {
    let World { client, node: _node, .. } = &World::start("");
    let first = client.done(echo("a")).await;
    for path in [ECHO, "/node/tasks", "/node/journal"] {
        let restarts = actor(client, path).await["restarts"].as_u64().expect("a number");
        control(client, "restart", path).await;
        let again = until_restarted(client, path, restarts + 1).await;
        assert_eq!(again["last_error"], Value::Null, "an order is no error: {again}");
        let id = first["task_id"].as_str().expect("an id");
        assert_eq!(client.task(id).await, first, "{path}");
        client.done(json!({"kind": "echo", "payload": path})).await;
    }
    assert_eq!(client.ledger().await["completed"], 4);
}

/// Waits until the actor runs again, in a node that is ready. What is built on a part is started
/// again with it, and so is the server: some requests meet nobody.
async fn until_restarted(client: &Client, path: &str, restarts: u64) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    let path = format!("{STATUS}?path={path}&depth=0");
    loop {
        if let Ok((_, mut report)) = client.call(Method::GET, &path, None).await {
            let actor = &report["tree"];
            let runs = actor["restarts"] == restarts && actor["state"] == "running";
            if runs && report["node"]["ready"] == true {
                return report["tree"].take();
            }
        }
        assert!(Instant::now() < until, "{path} does not come back");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stopped_agent_is_gone_and_the_node_goes_on() {
    let World { client, node, .. } = &World::start("");
    let _agent = WsAgent::connect(&node.url, card("digger", "dig")).await;
    control(client, "stop", "/node/agents/digger@1.0.0").await;
    client.until(&format!("{AGENTS}/digger"), |shown| shown["status"] == 404).await;
    let refused = client.post(TASKS, json!({"kind": "dig"})).await;
    assert_problem(&refused, 422, "no-capable-agent");
    client.done(echo("a")).await;
}

#[tokio::test]
async fn an_operator_can_not_cut_the_branch_he_sits_on() {
    let World { client, node: _node, .. } = &World::start("");
    for (word, path) in [
        ("stop", "/node/status"),
        ("pause", "/node/status"),
        ("stop", "/node/http"),
        ("pause", "/node/http"),
        ("stop", "/node"),
        ("pause", "/node"),
        ("stop", "/"),
        ("restart", "/"),
    ] {
        let answer = client.post(&format!("{STATUS}/{word}"), json!({"path": path})).await;
        assert_problem(&answer, 409, "conflict");
    }
    let answer = client.post(&format!("{STATUS}/pause"), json!({"path": "/nowhere"})).await;
    assert_problem(&answer, 404, "not-found");
    let answer = client.post(&format!("{STATUS}/explode"), json!({"path": ECHO})).await;
    assert_problem(&answer, 404, "not-found");
    let answer = client.post(&format!("{STATUS}/pause"), json!({"road": ECHO})).await;
    assert_field(&answer, "road", "`path`");
    client.done(echo("a")).await;
}

#[tokio::test]
async fn a_draining_node_refuses_new_tasks_and_ends_what_runs() {
    let mut world = World::start("");
    let client = &world.client;
    let running = client.accepted(slow_echo(500)).await;
    client.until_state(&running, "running").await;
    let (status, answer) = client.post(DRAIN, json!({"within_s": 20})).await;
    assert_eq!((status.as_u16(), answer), (202, json!({"draining": true, "within_s": 20})));
    let refused = client.post(TASKS, echo("late")).await;
    assert_problem(&refused, 503, "unavailable");
    assert!(refused.1["detail"].as_str().unwrap().contains("draining"), "{}", refused.1);
    assert_problem(&client.get("/readyz").await, 503, "unavailable");
    assert_eq!(client.until_ended(&running).await["state"], "completed");
    let drained = client.until(STATUS, |report| report["node"]["engine"] == "drained").await;
    assert_eq!(drained["node"]["draining"], true, "{}", drained["node"]);
    assert_eq!(client.ledger().await["accepted"], 1);
    world.restart("");
    world.client.done(echo("late")).await;
}

#[tokio::test]
async fn a_drain_hands_back_what_does_not_end_in_time() {
    let mut world = World::start("[tasks]\nunknown_capability = \"wait\"\n");
    let _digger = WsAgent::connect(&world.node.url, card("digger", "dig")).await;
    let client = &world.client;
    let running = client.accepted(json!({"kind": "dig"})).await;
    client.until_state(&running, "running").await;
    let (status, _) = client.post(DRAIN, json!({"within_s": 0})).await;
    assert_eq!(status, 202);
    client.until(STATUS, |report| report["node"]["engine"] == "drained").await;
    let task = client.task(&running).await;
    assert_ne!(task["state"], "running", "{task}");
    assert_eq!(task["lost"], 0, "{task}");
    let wrong = client.post(DRAIN, json!({"within_s": 86_401})).await;
    assert_field(&wrong, "within_s", "0 to 86400");
    world.restart("");
    let mut digger = WsAgent::connect(&world.node.url, card("digger", "dig")).await;
    let order = digger.take().await;
    digger.answer(&order, Outcome::Done(json!("done"))).await;
    assert_eq!(world.client.until_ended(&running).await["result"], "done");
}

#[tokio::test]
async fn what_is_measured_is_told_in_the_form_of_prometheus() {
    let World { client, node: _node, .. } = &World::start("");
    client.done(echo("a")).await;
    let answer = client.raw(Method::GET, "/metrics").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().expect("ASCII").to_owned();
    assert!(kind.starts_with("text/plain"), "{kind}");
    let text = answer.text().await.expect("text");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("synod_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.contains("_total"), "{text}");
    assert!(text.contains("_seconds_bucket"), "{text}");
}
