//! Starting, stopping and what lies between: nothing accepted is lost.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::client::{STATS, TASKS, assert_problem, echo, slow_echo};
use crate::node_process::{Starting, data_folder};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card};

#[tokio::test]
async fn a_node_is_ready_when_it_says_so() {
    let World { client, node, .. } = &World::start("");
    println!("ready after {:?}", node.ready_after);
    assert_eq!(client.get("/healthz").await, (200.try_into().unwrap(), json!({"status": "alive"})));
    assert_eq!(client.get("/readyz").await, (200.try_into().unwrap(), json!({"ready": true})));
    match node.resident_kib() {
        Some(kib) => println!("idle with {} MiB resident", kib / 1_024),
        None => println!("left out: resident memory, because /proc is not there"),
    }
}

#[tokio::test]
async fn a_node_that_says_it_is_ready_has_its_agents() {
    let mut world = World::start("");
    for number in 0..100 {
        let id = format!("a-{number}");
        let card = json!({"id": id, "kind": "http", "endpoint": "http://127.0.0.1:9/",
            "capabilities": [format!("can.{number}")]});
        let (status, answer) = world.client.post("/api/v1/agents", card).await;
        assert_eq!(status, 201, "{answer}");
    }
    world.node.kill();
    world.start_again("");
    // The very first request after the node is ready.
    let task = json!({"kind": "x", "capabilities": ["can.99"], "retry": {"max_attempts": 1}});
    world.client.accepted(task).await;
    let (_, shown) = world.client.get("/api/v1/status?depth=0").await;
    // Those registered, and the two that every node has: echo and moderator.
    assert_eq!(shown["node"]["agents"], 100 + 2, "{shown}");
}

#[tokio::test]
async fn a_node_told_to_stop_lets_running_work_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut world = World::start("");
        let id = world.client.accepted(slow_echo(700)).await;
        world.client.until_state(&id, "running").await;
        world.node.signal(signal);
        assert_eq!(world.node.wait().code(), Some(0), "{}", world.node.log());

        world.start_again("");
        let task = world.client.task(&id).await;
        assert_eq!(task["state"], "completed", "{task}");
        assert_eq!((&task["attempts"], &task["lost"]), (&json!(1), &json!(0)), "{task}");
    }
}

#[tokio::test]
async fn a_node_that_stops_accepts_no_more_and_says_so() {
    let mut world = World::start("");
    let client = &world.client;
    let id = client.accepted(slow_echo(1_500)).await;
    client.until_state(&id, "running").await;
    world.node.signal(Signal::TERM);
    let until = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        let ready = client.get("/readyz").await;
        if ready.0 != 200 {
            break ready;
        }
        assert!(Instant::now() < until, "it is ready while it stops");
    };
    assert_problem(&refused, 503, "unavailable");
    assert!(refused.1["detail"].as_str().unwrap().contains("drain"), "{}", refused.1);
    let refused = client.post(TASKS, echo("late")).await;
    assert_problem(&refused, 503, "unavailable");
    assert!(refused.1["detail"].as_str().unwrap().contains("draining"), "{}", refused.1);
    assert_eq!(client.get("/healthz").await.0, 200, "it is alive all the same");
    assert_eq!(client.task(&id).await["state"], "running", "and can be asked");
    assert_eq!(world.node.wait().code(), Some(0), "{}", world.node.log());

    world.start_again("");
    assert_eq!(world.client.task(&id).await["state"], "completed");
    assert_eq!(world.client.ledger().await["accepted"], 1, "what was refused is not there");
}

#[tokio::test]
async fn work_that_does_not_finish_in_time_is_handed_back_and_goes_on() {
    let mut world = World::start("[node]\nshutdown_s = 0\n");
    let mut agent = WsAgent::connect(&world.node.url, card("worker", "dig")).await;
    let dig = json!({"kind": "dig", "payload": 7, "retry": {"max_attempts": 1, "max_lost": 0}});
    let id = world.client.accepted(dig).await;
    let first = agent.take().await;
    world.client.until_state(&id, "running").await;
    world.node.stop();
    while agent.next().await.is_some() {}

    world.start_again("[node]\nshutdown_s = 0\n");
    let mut agent = WsAgent::connect(&world.node.url, card("worker", "dig")).await;
    let second = agent.take().await;
    assert_ne!(first["work"], second["work"], "it is another execution");
    assert_eq!(first["idempotency_key"], second["idempotency_key"], "of the same work");
    agent.answer(&second, Outcome::Done(json!("done"))).await;
    let task = world.client.until_ended(&id).await;
    assert_eq!(task["result"], "done", "{task}");
    assert_eq!(task["lost"], 0, "handed back is not lost: {task}");
    let (_, stats) = world.client.get(STATS).await;
    assert_eq!(stats["parts"]["returned"], 1, "{stats}");
}

#[tokio::test]
async fn a_node_told_to_stop_while_it_starts_ends_at_once_and_loses_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut world = World::start("");
        let done = world.client.done(echo("a")).await;
        world.node.stop();
        // The last step of the start waits for a reader of this pipe, who never comes.
        let pipe = data_folder(world.folder()).join("node.json.new");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success());
        let mut starting = Starting::spawn(world.folder());
        starting.until_it_has_the_data();
        starting.signal(signal);
        let log = starting.ends_with(0);
        assert!(!log.contains(r#""message":"ready""#), "{log}");
        assert!(!data_folder(world.folder()).join("node.json").exists(), "nobody was sent there");

        fs::remove_file(&pipe).expect("removed");
        world.start_again("");
        let id = done["task_id"].as_str().expect("an id");
        assert_eq!(world.client.task(id).await, done);
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_node_at_once() {
    let mut world = World::start("[node]\nshutdown_s = 60\n[log]\nlevel = \"info\"\n");
    let id = world.client.accepted(slow_echo(60_000)).await;
    world.client.until_state(&id, "running").await;
    world.node.signal(Signal::TERM);
    world.node.until_logged("a second signal ends it now");
    let told = Instant::now();
    world.node.signal(Signal::TERM);
    assert_eq!(world.node.wait().code(), Some(130), "{}", world.node.log());
    println!("gone {:?} after the second signal", told.elapsed());

    world.start_again("");
    let (status, task) = world.client.delete(&format!("{TASKS}/{id}")).await;
    assert_eq!((status.as_u16(), &task["state"]), (200, &json!("cancelled")), "{task}");
}

#[tokio::test]
async fn a_restart_has_everything() {
    let mut world = World::start("[tasks]\nunknown_capability = \"wait\"\n");
    let client = world.client.clone();
    let completed = client.done(echo("a")).await;
    let failed = client.done(json!({"kind": "echo", "labels": {"echo.delay_ms": "x"}})).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    // Large enough to lie in blobs, beside the records.
    let large = json!({"kind": "echo", "payload": "x".repeat(500_000)});
    let large = client.done(large).await;
    let waiting = json!({"kind": "fly", "labels": {"a": "b"}, "payload": "y".repeat(500_000)});
    let waiting = client.accepted(waiting).await;
    let cancelled = client.accepted(json!({"kind": "fly"})).await;
    client.delete(&format!("{TASKS}/{cancelled}")).await;
    let ids = |task: &serde_json::Value| task["task_id"].as_str().expect("an id").to_owned();
    let all = [ids(&completed), ids(&failed), ids(&large), waiting, cancelled];
    let mut before = Vec::new();
    for id in &all {
        before.push(client.task(id).await);
    }
    let ledger = client.ledger().await;
    for kill in [false, true] {
        if kill {
            world.node.kill();
        } else {
            world.node.stop();
        }
        world.start_again("[tasks]\nunknown_capability = \"wait\"\n");
        for (id, before) in all.iter().zip(&before) {
            assert_eq!(world.client.task(id).await, *before);
        }
        assert_eq!(world.client.ledger().await, ledger);
    }
}

#[tokio::test]
async fn a_node_stops_though_clients_hold_on_to_it() {
    let mut world = World::start("shutdown_ms = 300\n");
    let mut agent = WsAgent::connect(&world.node.url, card("idle", "x")).await;
    let stream = world.client.raw(reqwest::Method::GET, "/api/v1/stream/sse").send().await;
    let stream = stream.expect("a stream");
    let waits = world.client.clone();
    let id = waits.accepted(slow_echo(200)).await;
    world.node.stop();
    let told = stream.text().await.expect("it ends in order");
    assert!(told.contains("synod.stream.closed"), "{told}");
    assert!(told.contains(&id), "{told}");
    while agent.next().await.is_some() {}
}
