//! Agents that connect to the node: they register, get work and answer over one socket, and what
//! they held when it drops is done by another.

use serde_json::{Value, json};

use crate::client::{AGENTS, Client, STATS, TASKS};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card, named};

/// Work is delivered again soon.
const IMPATIENT: &str = "[agents]\nack_ms = 50\nmax_deliveries = 3\n";

async fn until_status(client: &Client, agent: &str, status: &str) {
    let path = format!("{AGENTS}/{agent}");
    client.until(&path, |shown| shown["agents"][0]["status"] == status).await;
}

#[tokio::test]
async fn a_program_connects_gets_work_and_answers() {
    let World { client, node, .. } = &World::start("");
    let mut card = card("digger", "dig");
    card["name"] = json!("The digger");
    card["metadata"] = json!({"shift": "night"});
    card["limits"] = json!({"max_concurrent_tasks": 2, "perform_timeout_s": 9});
    let mut agent = WsAgent::connect(&node.url, card).await;
    until_status(client, "digger", "active").await;
    let (_, shown) = client.get(&format!("{AGENTS}/digger")).await;
    let shown = &shown["agents"][0];
    assert_eq!(shown["kind"], "websocket", "{shown}");
    assert_eq!(shown["metadata"]["shift"], "night", "{shown}");
    assert!(shown["last_heartbeat"].is_string(), "{shown}");

    let task = json!({"kind": "dig", "payload": {"deep": 3}, "labels": {"a": "b"}});
    let id = client.accepted(task).await;
    let order = agent.take().await;
    assert_eq!(order["kind"], "dig", "{order}");
    assert_eq!(order["payload"], json!({"json": {"deep": 3}}), "{order}");
    assert_eq!(order["labels"], json!({"a": "b"}), "{order}");
    assert!(order["deadline_ms"].as_u64().is_some_and(|left| left <= 9_000), "{order}");
    let said = json!({"type": "progress", "work": order["work"], "fraction": 0.5, "note": "half"});
    agent.send(said).await;
    let health = format!("{AGENTS}/digger/health");
    let in_hand = |health: &Value| health["agents"][0]["health"]["in_hand"][0]["note"] == "half";
    client.until(&health, in_hand).await;

    agent.answer(&order, Outcome::Done(json!({"found": "gold"}))).await;
    let task = client.until_ended(&id).await;
    assert_eq!(task["result"], json!({"found": "gold"}), "{task}");
    assert_eq!(task["parts"][0]["agent"], "digger@1.0.0", "{task}");
}

#[tokio::test]
async fn what_a_program_held_when_it_dropped_is_done_by_another() {
    let World { client, node, .. } = &World::start("");
    let mut first = WsAgent::connect(&node.url, card("first", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let order = first.take().await;
    let _second = named(&node.url, "second", "dig").await;
    until_status(client, "second", "active").await;
    drop(first);

    let task = client.until_ended(&id).await;
    assert_eq!(task["state"], "completed", "{task}");
    assert_eq!(task["result"]["by"], "second", "{task}");
    assert_eq!((&task["attempts"], &task["lost"]), (&json!(2), &json!(1)), "{task}");
    until_status(client, "first", "disconnected").await;

    // It comes back, and a result of before counts for nothing.
    let mut first = WsAgent::connect(&node.url, card("first", "dig")).await;
    first.answer(&order, Outcome::Done(json!("late"))).await;
    until_status(client, "first", "active").await;
    assert_eq!(client.task(&id).await, task);
}

#[tokio::test]
async fn work_waits_for_a_program_that_drops_and_comes_back() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("only", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let first = agent.take().await;
    drop(agent);
    until_status(client, "only", "disconnected").await;
    assert_ne!(client.task(&id).await["state"], "running");
    let mut agent = WsAgent::connect(&node.url, card("only", "dig")).await;
    let second = agent.take().await;
    assert_ne!(first["work"], second["work"]);
    assert_eq!(first["idempotency_key"], second["idempotency_key"]);
    // Under its old name the work counts for nothing; under its new one it is done.
    agent.answer(&first, Outcome::Done(json!("old"))).await;
    agent.answer(&second, Outcome::Done(json!("new"))).await;
    assert_eq!(client.until_ended(&id).await["result"], "new");
}

#[tokio::test]
async fn work_without_acknowledgement_is_delivered_again_then_queued_again() {
    let World { client, node, .. } = &World::start(IMPATIENT);
    let mut deaf = WsAgent::connect(&node.url, card("deaf", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let mut works = Vec::new();
    for delivery in 1..=3 {
        let frame = deaf.frame().await;
        assert_eq!((&frame["type"], &frame["delivery"]), (&json!("perform"), &json!(delivery)));
        works.push(frame["order"]["work"].clone());
    }
    assert!(works.iter().all(|work| *work == works[0]), "the same work each time: {works:?}");
    let again = deaf.take().await;
    assert_ne!(again["work"], works[0], "then it is another execution");
    deaf.answer(&again, Outcome::Done(json!("heard"))).await;
    let task = client.until_ended(&id).await;
    assert_eq!((&task["result"], &task["lost"]), (&json!("heard"), &json!(1)), "{task}");
}

#[tokio::test]
async fn work_without_acknowledgement_is_a_dead_letter_where_that_is_the_policy() {
    let policy = format!("{IMPATIENT}undelivered = \"dead_letter\"\n");
    let World { client, node, .. } = &World::start(&policy);
    let _deaf = WsAgent::connect(&node.url, card("deaf", "dig")).await;
    let task = client.done(json!({"kind": "dig", "payload": 1})).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("refused")));
    let said = task["error"]["message"].as_str().expect("a message");
    assert!(said.contains("3 deliveries") && said.contains("dead letter"), "{said}");
    let (_, status) = client.get("/api/v1/status?depth=0").await;
    assert_eq!(status["node"]["dead_letters"]["expired"], 1, "{status}");
}

#[tokio::test]
async fn errors_of_a_program_count_against_the_attempts() {
    let World { client, node, .. } = &World::start("");
    let agent = WsAgent::connect(&node.url, card("failing", "dig")).await;
    agent.work(|order| {
        Outcome::Failed(if order["payload"]["json"] == 1 { "failed" } else { "invalid_input" })
    });
    let retry = json!({"max_attempts": 3, "initial_ms": 1, "max_ms": 1});
    let task = client.done(json!({"kind": "dig", "payload": 1, "retry": retry})).await;
    assert_eq!((&task["state"], &task["attempts"]), (&json!("failed"), &json!(3)), "{task}");
    assert_eq!((&task["error"]["kind"], &task["lost"]), (&json!("failed"), &json!(0)), "{task}");
    let task = client.done(json!({"kind": "dig", "payload": 2, "retry": retry})).await;
    assert_eq!((&task["error"]["kind"], &task["attempts"]), (&json!("invalid_input"), &json!(1)));
    let (_, stats) = client.get(STATS).await;
    assert_eq!(stats["parts"]["retried"], 2, "{stats}");
}

#[tokio::test]
async fn a_task_that_loses_its_agents_too_often_fails() {
    let World { client, node, .. } = &World::start("");
    let retry = json!({"max_lost": 2});
    let mut agent = WsAgent::connect(&node.url, card("crashing", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1, "retry": retry})).await;
    for _ in 0..3 {
        agent.take().await;
        drop(agent);
        until_status(client, "crashing", "disconnected").await;
        agent = WsAgent::connect(&node.url, card("crashing", "dig")).await;
    }
    let task = client.until_ended(&id).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("lost")));
    assert_eq!(task["lost"], 3, "{task}");
}

#[tokio::test]
async fn cancelling_a_task_tells_the_program() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("digger", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let order = agent.take().await;
    let (status, task) = client.delete(&format!("{TASKS}/{id}")).await;
    assert_eq!((status.as_u16(), &task["state"]), (200, &json!("cancelled")), "{task}");
    let frame = agent.frame().await;
    assert_eq!((&frame["type"], &frame["work"]), (&json!("cancel"), &order["work"]), "{frame}");
    agent.answer(&order, Outcome::Done(json!("too late"))).await;

    // Whoever was cancelled is free for the next, and the late result changed nothing.
    let next = client.accepted(json!({"kind": "dig", "payload": 2})).await;
    let order = agent.take().await;
    agent.answer(&order, Outcome::Done(json!("in time"))).await;
    assert_eq!(client.until_ended(&next).await["result"], "in time");
    assert_eq!(client.task(&id).await, task);
}

#[tokio::test]
async fn a_newer_connection_of_the_same_agent_takes_its_place() {
    let World { client, node, .. } = &World::start("");
    let mut old = WsAgent::connect(&node.url, card("twin", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    old.take().await;
    let mut new = WsAgent::connect(&node.url, card("twin", "dig")).await;
    let frame = old.frame().await;
    assert_eq!(frame["type"], "closing", "{frame}");
    assert!(old.next().await.is_none(), "and it is closed");
    let order = new.take().await;
    new.answer(&order, Outcome::Done(json!("by the new one"))).await;
    let task = client.until_ended(&id).await;
    assert_eq!((&task["result"], &task["lost"]), (&json!("by the new one"), &json!(1)), "{task}");
}

#[tokio::test]
async fn a_program_that_leaves_is_retired() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("leaver", "dig")).await;
    agent.send(json!({"type": "leave"})).await;
    client.until(&format!("{AGENTS}/leaver"), |shown| shown["status"] == 404).await;
    while agent.next().await.is_some() {}
}

#[tokio::test]
async fn a_program_that_breaks_the_protocol_is_told_why() {
    let World { client, node, .. } = &World::start("");
    for (card, reason) in [
        (json!({"id": "Bad Id", "capabilities": ["x"]}), "id"),
        (json!({"id": "a", "capabilities": []}), "capabilities"),
        (json!({"id": "a", "capabilities": ["x"], "colour": 1}), "colour"),
        (json!({"id": "echo", "version": "0.1.0", "capabilities": ["x"]}), "echo@0.1.0"),
    ] {
        let mut agent = WsAgent::introduce(&node.url, card.clone()).await;
        let frame = agent.frame().await;
        assert_eq!(frame["type"], "rejected", "{card}: {frame}");
        let said = frame["reason"].as_str().unwrap_or_default();
        assert!(said.contains(reason), "{card}: {said}");
        assert!(agent.next().await.is_none(), "and it is closed");
    }
    // Once registered, a frame that is none is answered, and what it names fails.
    let mut agent = WsAgent::connect(&node.url, card("a", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "retry": {"max_attempts": 2}})).await;
    let order = agent.take().await;
    agent.send(json!({"type": "sing"})).await;
    let frame = agent.frame().await;
    assert_eq!((&frame["type"], &frame["work"]), (&json!("error"), &Value::Null), "{frame}");
    agent.send(json!({"type": "sing", "work": order["work"]})).await;
    let frame = agent.frame().await;
    assert_eq!((&frame["type"], &frame["work"]), (&json!("error"), &order["work"]), "{frame}");
    let again = agent.take().await;
    agent.answer(&again, Outcome::Done(json!("a song"))).await;
    let task = client.until_ended(&id).await;
    assert_eq!((&task["result"], &task["lost"]), (&json!("a song"), &json!(0)), "{task}");
    let said = task["parts"][0]["error"]["message"].as_str().expect("its last error");
    assert!(said.contains("sing") && said.contains("expected"), "{said}");
}
