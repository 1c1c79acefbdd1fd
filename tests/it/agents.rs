//! The registry of agents by HTTP: register, find, pause, drain, retire; several versions side by
//! side; the silent are cleaned up.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{AGENTS, Client, TASKS, assert_field, assert_problem, echo};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card, named};

/// An agent that is an endpoint nobody listens at.
fn web(id: &str, version: &str, capabilities: &[&str]) -> Value {
    json!({"id": id, "version": version, "kind": "http", "endpoint": "http://127.0.0.1:9/",
        "capabilities": capabilities})
}

async fn register(client: &Client, card: Value) {
    let (status, answer) = client.post(AGENTS, card).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

/// The agents of an answer, each as `id@version`.
fn keys(answer: &Value) -> Vec<String> {
    let agents = answer["agents"].as_array().unwrap_or_else(|| panic!("no agents: {answer}"));
    let text = |agent: &Value, field: &str| agent[field].as_str().expect("text").to_owned();
    agents.iter().map(|one| format!("{}@{}", text(one, "id"), text(one, "version"))).collect()
}

async fn set_status(client: &Client, agent: &str, status: &str) {
    let (code, answer) =
        client.patch(&format!("{AGENTS}/{agent}"), json!({"status": status})).await;
    assert_eq!((code.as_u16(), &answer["agents"][0]["status"]), (200, &json!(status)), "{answer}");
}

#[tokio::test]
async fn a_registered_agent_is_shown_as_it_was_given_and_lasts() {
    let mut world = World::start("");
    let mut card = web("reader", "1.2.3", &["page.read"]);
    card["name"] = json!("The reader");
    card["description"] = json!("Reads pages");
    card["metadata"] = json!({"team": "blue"});
    card["limits"] = json!({"max_concurrent_tasks": 7, "perform_timeout_s": 60, "grace_ms": 10});
    card["cost"] = json!(2.5);
    card["capabilities"] = json!([{"name": "page.read", "description": "of the web",
        "input_schema": {"type": "string"}, "output_schema": null}]);
    let request = world.client.raw(Method::POST, AGENTS).json(&card);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let place = answer.headers()["location"].to_str().expect("ASCII").to_owned();
    assert_eq!(place, format!("{AGENTS}/reader@1.2.3"));
    for restart in [false, true] {
        if restart {
            world.node.kill();
            world.start_again("");
        }
        let (_, shown) = world.client.get(&place).await;
        let shown = shown["agents"][0].as_object().expect("an agent").clone();
        for (field, value) in card.as_object().expect("a card") {
            assert_eq!(shown.get(field), Some(value), "{field}, restart: {restart}");
        }
        assert_eq!(shown["status"], "active");
    }
    let again = world.client.post(AGENTS, card).await;
    assert_problem(&again, 409, "conflict");
}

#[tokio::test]
async fn an_input_that_does_not_fit_the_schema_is_refused_before_the_work_begins() {
    let World { client, node, .. } = &World::start("");
    let mut card = card("adder", "add");
    card["capabilities"] = json!([{"name": "add",
        "input_schema": {"type": "array", "items": {"type": "number"}},
        "output_schema": {"type": "number"}}]);
    WsAgent::connect(&node.url, card).await.work(|order| {
        let numbers = order["payload"]["json"].as_array().expect("checked").iter();
        let sum: f64 = numbers.filter_map(Value::as_f64).sum();
        Outcome::Done(if sum < 0.0 { json!("negative") } else { json!(sum) })
    });
    assert_eq!(client.done(json!({"kind": "add", "payload": [1, 2]})).await["result"], 3.0);
    let task = client.done(json!({"kind": "add", "payload": ["1"]})).await;
    assert_eq!(task["error"]["kind"], "invalid_input", "{task}");
    let retry = json!({"max_attempts": 1});
    let task = client.done(json!({"kind": "add", "payload": [-1], "retry": retry})).await;
    assert_eq!(task["error"]["kind"], "failed", "{task}");
}

#[tokio::test]
async fn agents_are_listed_and_found_by_capability_and_version() {
    let World { client, node: _node, .. } = &World::start("");
    register(client, web("a", "1.0.0", &["read"])).await;
    register(client, web("a", "1.10.0", &["read", "write"])).await;
    register(client, web("a", "2.0.0-beta.1", &["read"])).await;
    register(client, web("b", "1.9.0", &["write"])).await;
    let list = async |query: &str| {
        let (status, answer) = client.get(&format!("{AGENTS}?{query}")).await;
        assert_eq!(status, 200, "{query}: {answer}");
        keys(&answer)
    };
    assert_eq!(list("capability=write").await, ["a@1.10.0", "b@1.9.0"]);
    let mut found = list("capability=read&min_version=1.2.0").await;
    found.sort();
    assert_eq!(found, ["a@1.10.0", "a@2.0.0-beta.1"]);
    assert_eq!(list("kind=native").await, ["echo@0.1.0", "moderator@0.1.0"]);
    assert_eq!(list("status=paused").await.len(), 0);
    let (_, a) = client.get(&format!("{AGENTS}/a")).await;
    assert_eq!(keys(&a), ["a@1.0.0", "a@1.10.0", "a@2.0.0-beta.1"], "all its versions");
    let (_, a) = client.get(&format!("{AGENTS}/a@1.10.0")).await;
    assert_eq!(keys(&a), ["a@1.10.0"]);

    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = client.get(&format!("{AGENTS}?limit=2{cursor}")).await;
        assert!(keys(&page).len() <= 2);
        pages.extend(keys(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, list("limit=1000").await, "pages leave nothing out and repeat nothing");
}

#[tokio::test]
async fn several_versions_work_side_by_side_and_a_task_may_ask_for_the_newer() {
    let World { client, node, .. } = &World::start("");
    for version in ["1.0.0", "2.0.0"] {
        let mut card = card("worker", "dig");
        card["version"] = json!(version);
        WsAgent::connect(&node.url, card).await.work(move |_| Outcome::Done(json!(version)));
    }
    for _ in 0..10 {
        let task = json!({"kind": "dig", "capabilities": ["dig@1.5.0"]});
        assert_eq!(client.done(task).await["result"], "2.0.0");
    }
    let newer = json!({"kind": "dig", "capabilities": [{"name": "dig", "min_version": "3.0.0"}]});
    assert_problem(&client.post(TASKS, newer).await, 422, "no-capable-agent");

    let (status, retired) = client.delete(&format!("{AGENTS}/worker@2.0.0")).await;
    assert_eq!((status.as_u16(), &retired), (200, &json!({"retired": ["worker@2.0.0"]})));
    let older = client.done(json!({"kind": "dig"})).await;
    assert_eq!(older["result"], "1.0.0", "{older}");
}

#[tokio::test]
async fn a_paused_agent_gets_no_work_until_it_is_active_again() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("digger", "dig")).await;
    let held = client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let order = agent.take().await;
    set_status(client, "digger", "paused").await;
    let waiting = client.accepted(json!({"kind": "dig", "payload": 2})).await;
    agent.answer(&order, Outcome::Done(json!("held"))).await;
    assert_eq!(client.until_ended(&held).await["result"], "held", "what it has, it finishes");
    // Had it been given the next, it would have it by now: it is the only one, and free.
    client.done(echo("between")).await;
    assert_ne!(client.task(&waiting).await["state"], "running");

    set_status(client, "digger", "active").await;
    let order = agent.take().await;
    assert_eq!(order["payload"]["json"], 2, "{order}");
    agent.answer(&order, Outcome::Done(json!("again"))).await;
    assert_eq!(client.until_ended(&waiting).await["result"], "again");
}

#[tokio::test]
async fn a_draining_agent_ends_what_it_has_and_others_do_the_rest() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("old", "dig")).await;
    let held = client.accepted(json!({"kind": "dig"})).await;
    let order = agent.take().await;
    set_status(client, "old", "draining").await;
    let _new = named(&node.url, "new", "dig").await;
    for _ in 0..5 {
        assert_eq!(client.done(json!({"kind": "dig"})).await["result"]["by"], "new");
    }
    agent.answer(&order, Outcome::Done(json!("by the old"))).await;
    assert_eq!(client.until_ended(&held).await["result"], "by the old");
    let wrong = client.patch(&format!("{AGENTS}/old"), json!({"status": "disconnected"})).await;
    assert_field(&wrong, "status", "`active`, `draining` or `paused`");
    let wrong = client.patch(&format!("{AGENTS}/old"), json!({"status": "asleep"})).await;
    assert_field(&wrong, "status", "active");
}

#[tokio::test]
async fn a_retired_agent_is_forgotten_and_ends_what_it_has() {
    let mut world = World::start("");
    let mut agent = WsAgent::connect(&world.node.url, card("digger", "dig")).await;
    let held = world.client.accepted(json!({"kind": "dig"})).await;
    let order = agent.take().await;
    let (status, _) = world.client.delete(&format!("{AGENTS}/digger")).await;
    assert_eq!(status, StatusCode::OK);
    let refused = world.client.post(TASKS, json!({"kind": "dig"})).await;
    assert_problem(&refused, 422, "no-capable-agent");
    agent.answer(&order, Outcome::Done(json!("the last"))).await;
    assert_eq!(world.client.until_ended(&held).await["result"], "the last");
    while agent.next().await.is_some() {}
    world.restart("");
    let gone = world.client.get(&format!("{AGENTS}/digger")).await;
    assert_problem(&gone, 404, "not-found");
}

#[tokio::test]
async fn who_is_silent_is_cleaned_up_and_who_gives_signs_of_life_is_not() {
    let extra = "[agents]\ninactive_after_s = 1\nsweep_s = 1\n";
    let World { client, node, .. } = &World::start(extra);
    register(client, web("silent", "1.0.0", &["x"])).await;
    register(client, web("lively", "1.0.0", &["x"])).await;
    let _connected = WsAgent::connect(&node.url, card("connected", "y")).await;
    let begun = Instant::now();
    loop {
        let (status, _) = client
            .call(Method::POST, &format!("{AGENTS}/lively/heartbeat"), None)
            .await
            .expect("an answer");
        assert_eq!(status, StatusCode::NO_CONTENT);
        if client.get(&format!("{AGENTS}/silent")).await.0 == StatusCode::NOT_FOUND {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "not before its time");
    let (_, left) = client.get(AGENTS).await;
    let left = keys(&left);
    for stays in ["lively@1.0.0", "echo@0.1.0"] {
        assert!(left.iter().any(|key| key == stays), "{stays} is gone: {left:?}");
    }
}

#[tokio::test]
async fn a_wrong_card_is_refused_with_its_field() {
    let World { client, node: _node, .. } = &World::start("");
    let with = |field: &str, value: Value| {
        let mut card = web("a", "1.0.0", &["x"]);
        card[field] = value;
        card
    };
    for (card, field, expected) in [
        (json!({"capabilities": ["x"]}), "id", "a value"),
        (with("id", json!("Not An Id")), "id", ""),
        (with("version", json!("one")), "version", ""),
        (with("capabilities", json!([])), "capabilities", "1 to 64"),
        (with("capabilities", json!(["Bad Name"])), "capabilities[0].name", "1 to 128"),
        (with("limits", json!({"max_concurrent_tasks": 0})), "limits.max_concurrent_tasks", "1 to"),
        (with("cost", json!(-1)), "cost", "at least 0"),
        (with("colour", json!("red")), "colour", "`id`"),
        (with("kind", json!("robot")), "kind", "native"),
        (with("endpoint", Value::Null), "endpoint", ""),
        (
            with("capabilities", json!([{"name": "x", "input_schema": {"type": 7}}])),
            "capabilities[0].input_schema",
            "JSON Schema",
        ),
    ] {
        let answer = client.post(AGENTS, card.clone()).await;
        assert_eq!(answer.0, 422, "{card}: {}", answer.1);
        assert_eq!(answer.1["field"], field, "{card}: {}", answer.1);
        let said = answer.1["expected"].as_str().unwrap_or_default();
        assert!(said.contains(expected), "{card}: {}", answer.1);
    }
    assert_problem(&client.get(&format!("{AGENTS}/a")).await, 404, "not-found");
}

#[tokio::test]
async fn a_node_has_no_more_agents_than_it_may_have() {
    let World { client, node: _node, .. } = &World::start("[agents]\nmax_agents = 4\n");
    register(client, web("a", "1.0.0", &["x"])).await;
    register(client, web("b", "1.0.0", &["x"])).await;
    let refused = client.post(AGENTS, web("c", "1.0.0", &["x"])).await;
    assert_problem(&refused, 503, "unavailable");
    assert!(refused.1["next_step"].as_str().unwrap().contains("agents.max_agents"));
    client.delete(&format!("{AGENTS}/a")).await;
    let until = Instant::now() + Duration::from_secs(10);
    while client.post(AGENTS, web("c", "1.0.0", &["x"])).await.0 != 201 {
        assert!(Instant::now() < until, "there is room again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
