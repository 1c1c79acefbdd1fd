//! Tasks over HTTP: cancelling, urgency, deadlines, lists, numbers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, STATS, TASKS, echo, slow_echo};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card, named};

const SAMPLE: &str = "/api/v1/orchestration/test/submit-sample-task";

/// The ids on a page.
fn ids(page: &Value) -> Vec<String> {
    let tasks = page["tasks"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    tasks.iter().map(|task| task["task_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_task_is_answered_with_its_place_and_can_be_waited_for() {
    let World { client, node: _node, .. } = &World::start("");
    let request = client.raw(reqwest::Method::POST, TASKS).json(&echo("a"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let place = answer.headers()["location"].to_str().expect("ASCII").to_owned();
    let accepted: Value = answer.json().await.expect("JSON");
    let id = accepted["task_id"].as_str().expect("an id");
    assert_eq!(place, format!("{TASKS}/{id}"));
    let (_, task) = client.get(&format!("{place}?wait=10")).await;
    assert_eq!(task["state"], "completed", "{task}");

    let (status, task) = client.post(&format!("{TASKS}?wait=10"), echo("b")).await;
    assert_eq!((status.as_u16(), &task["state"]), (201, &json!("completed")), "{task}");
    let (status, sample) = client.post(&format!("{SAMPLE}?wait=10"), json!({})).await;
    assert_eq!((status.as_u16(), &sample["state"]), (201, &json!("completed")), "{sample}");
    assert_eq!(sample["result"], json!({"text": "a sample task"}));
    let slow = slow_echo(60_000);
    let (status, running) = client.post(&format!("{TASKS}?wait=1"), slow).await;
    assert_eq!((status.as_u16(), running["result"].is_null()), (201, true), "{running}");
}

#[tokio::test]
async fn payloads_come_back_as_they_went() {
    let World { client, node: _node, .. } = &World::start("");
    let values = [
        json!(null),
        json!({"n": 1.50, "ä": ["日本", "\u{0}", "\u{202e}"], "deep": [[[[{}]]]]}),
        json!("x".repeat(900_000)),
        json!(u64::MAX),
    ];
    for payload in values {
        let task = client.done(json!({"kind": "echo", "payload": payload})).await;
        assert!(task["result"] == payload, "{}", task["state"]);
    }
    let text = json!({"kind": "echo", "payload": "two\nlines", "content_type": "text/plain"});
    assert_eq!(client.done(text).await["result"], "two\nlines");
}

#[tokio::test]
async fn cancelling_really_stops_running_work() {
    let World { client, node: _node, .. } = &World::start("");
    let ids = [client.accepted(slow_echo(60_000)).await, client.accepted(slow_echo(60_000)).await];
    for id in &ids {
        client.until_state(id, "running").await;
        client.delete(&format!("{TASKS}/{id}")).await;
    }
    let health = "/api/v1/agents/echo/health";
    let at_rest = |health: &Value| health["agents"][0]["health"]["in_hand"] == json!([]);
    client.until(health, at_rest).await;
    for id in &ids {
        assert_eq!(client.task(id).await["state"], "cancelled");
    }
    let ledger = client.ledger().await;
    assert_eq!((&ledger["cancelled"], &ledger["open"]), (&json!(2), &json!(0)), "{ledger}");
}

#[tokio::test]
async fn the_more_urgent_goes_first_and_what_is_equal_in_its_order() {
    let World { client, node, .. } = &World::start("");
    let mut agent = WsAgent::connect(&node.url, card("digger", "dig")).await;
    let dig =
        |name: &str, priority: Value| json!({"kind": "dig", "payload": name, "priority": priority});
    client.accepted(dig("held", json!("normal"))).await;
    let mut order = agent.take().await;
    for (name, priority) in [
        ("low", json!("low")),
        ("background", json!(10)),
        ("normal 1", json!(5)),
        ("critical", json!("CRITICAL")),
        ("normal 2", json!("normal")),
        ("high", json!(3)),
    ] {
        client.accepted(dig(name, priority)).await;
    }
    let mut done = Vec::new();
    for _ in 0..6 {
        agent.answer(&order, Outcome::Done(json!(1))).await;
        order = agent.take().await;
        done.push(order["payload"]["json"].as_str().expect("a name").to_owned());
    }
    let expected = ["critical", "high", "normal 1", "normal 2", "low", "background"];
    assert_eq!(done, expected);
}

#[tokio::test]
async fn a_task_that_is_not_done_by_its_deadline_fails() {
    let World { client, node, .. } = &World::start("[agents]\ngrace_ms = 50\n");
    let mut agent = WsAgent::connect(&node.url, card("slow", "dig")).await;
    let id = client.accepted(json!({"kind": "dig", "timeout_s": 1})).await;
    let order = agent.take().await;
    assert!(order["deadline_ms"].as_u64().is_some_and(|left| left <= 1_000), "{order}");
    let task = client.until_ended(&id).await;
    assert_eq!(task["state"], "failed", "{task}");
    assert_eq!(task["error"]["kind"], "deadline_passed", "{task}");
    let frame = agent.frame().await;
    assert_eq!(frame["type"], "cancel", "the agent is told: {frame}");
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let task = json!({"kind": "dig", "deadline": soon.to_string(), "timeout_s": 600});
    let task = client.done(task).await;
    assert_eq!(task["error"]["kind"], "deadline_passed", "whichever comes first: {task}");
}

#[tokio::test]
async fn a_list_is_filtered() {
    let World { client, node, .. } = &World::start("[tasks]\nunknown_capability = \"wait\"\n");
    let _a = named(&node.url, "a", "dig").await;
    let done = client.done(json!({"kind": "dig", "priority": "high", "labels": {"team": "blue"}}));
    let done = done.await["task_id"].as_str().expect("an id").to_owned();
    let pending = client.accepted(json!({"kind": "fly", "tenant": "birds"})).await;
    let racing = json!({"kind": "dig", "mode": "competitive", "agents": ["a"]});
    let raced = client.done(racing).await["task_id"].as_str().expect("an id").to_owned();
    for (query, expected) in [
        ("", vec![&raced, &pending, &done]),
        ("state=completed", vec![&raced, &done]),
        ("state=pending", vec![&pending]),
        ("state=FAILED", vec![]),
        ("kind=dig", vec![&raced, &done]),
        ("priority=high", vec![&done]),
        ("mode=competitive", vec![&raced]),
        ("tenant=birds", vec![&pending]),
        ("label=team%3Dblue", vec![&done]),
        ("label=team%3Dred", vec![]),
        ("kind=dig&state=completed&priority=high", vec![&done]),
        ("limit=1", vec![&raced]),
    ] {
        let (status, page) = client.get(&format!("{TASKS}?{query}")).await;
        assert_eq!(status, 200, "{query}: {page}");
        let found = ids(&page);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

/// All tasks that a query gives, page by page.
async fn all_pages(client: &Client, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = client.get(&format!("{TASKS}?{query}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn pages_leave_nothing_out_and_repeat_nothing_though_tasks_come_meanwhile() {
    let World { client, node: _node, .. } = &World::start("");
    let mut submitted = Vec::new();
    for number in 0..25 {
        submitted.push(client.accepted(json!({"kind": "echo", "payload": number})).await);
    }
    submitted.reverse();
    assert_eq!(all_pages(client, "limit=7").await, submitted, "the newest first");
    let (_, first) = client.get(&format!("{TASKS}?limit=10")).await;
    client.done(echo("late")).await;
    let next = first["next"].as_str().expect("a next page");
    let (_, second) = client.get(&format!("{TASKS}?limit=100&cursor={next}")).await;
    assert_eq!([ids(&first), ids(&second)].concat(), submitted);
    let unique: BTreeSet<_> = submitted.iter().collect();
    assert_eq!(unique.len(), 25);
    assert_eq!(all_pages(client, "limit=3&state=failed").await.len(), 0);
}

#[tokio::test]
async fn the_numbers_have_the_shape_that_is_documented() {
    let World { client, node: _node, .. } = &World::start("");
    client.done(echo("a")).await;
    client.done(json!({"kind": "echo", "labels": {"echo.delay_ms": "x"}})).await;
    client.accepted(slow_echo(60_000)).await;
    let running = |stats: &Value| stats["by_state"]["running"] == 1;
    let stats = client.until(STATS, running).await;
    let ledger = json!({"accepted": 3, "open": 1, "completed": 1, "failed": 1, "cancelled": 0,
        "balanced": true});
    assert_eq!(stats["ledger"], ledger);
    assert_eq!(stats["phase"], "running");
    assert_eq!(stats["by_priority"]["normal"]["accepted"], 3);
    assert_eq!(stats["queue_depth"], 0);
    for times in ["queue", "run", "total"] {
        let times = &stats["latency"][times];
        assert_eq!(times["count"], 2, "{times}");
        for quantile in ["p50_ms", "p90_ms", "p99_ms", "max_ms"] {
            assert!(times[quantile].is_f64(), "{quantile}: {times}");
        }
    }
    for rate in ["accepted", "ended"] {
        assert!(stats["throughput"][rate]["m1"].as_f64() > Some(0.0), "{rate}: {stats}");
    }
    let agent = &stats["agents"][0];
    assert_eq!((&agent["id"], &agent["running"]), (&json!("echo"), &json!(1)), "{agent}");
    assert_eq!(stats["capabilities"]["echo"]["completed"], 1, "{stats}");

    // The document that is made from the code names the same members.
    let (_, document) = client.get("/openapi.json").await;
    let schema = &document["components"]["schemas"]["EngineStatsResponse"]["properties"];
    let named: BTreeSet<_> = schema.as_object().expect("a schema").keys().collect();
    let given: BTreeSet<_> = stats.as_object().expect("numbers").keys().collect();
    assert_eq!(named, given);
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn ended_tasks_are_forgotten_beyond_what_is_kept_and_the_ledger_is_not() {
    let mut world = World::start("[tasks]\nkeep_ended = 5\n");
    let mut last = String::new();
    for number in 0..20 {
        let task = world.client.done(json!({"kind": "echo", "payload": number})).await;
        last = task["task_id"].as_str().expect("an id").to_owned();
    }
    for restart in [false, true] {
        if restart {
            world.restart("[tasks]\nkeep_ended = 5\n");
        }
        // Some more may be there until it is worth a sweep.
        let (_, kept) = world.client.get(TASKS).await;
        let kept = ids(&kept);
        assert!((5..=6).contains(&kept.len()), "{kept:?}");
        assert_eq!(kept.first(), Some(&last), "the newest stay");
        let ledger = world.client.ledger().await;
        assert_eq!((&ledger["accepted"], &ledger["completed"]), (&json!(20), &json!(20)));
    }
}

#[tokio::test]
async fn a_budget_bounds_what_attempts_may_cost() {
    let World { client, node, .. } = &World::start("");
    let mut dear = card("dear", "dig");
    dear["cost"] = json!(2.0);
    WsAgent::connect(&node.url, dear).await.work(|_| Outcome::Failed("failed"));
    let retry = json!({"max_attempts": 9, "initial_ms": 1, "max_ms": 1});
    let task = json!({"kind": "dig", "budget": 5.0, "retry": retry});
    let task = client.done(task).await;
    assert_eq!((&task["state"], &task["attempts"]), (&json!("failed"), &json!(2)), "{task}");
    assert_eq!(task["error"]["kind"], "over_budget", "{task}");
    assert_eq!(task["cost"], 4.0, "{task}");
}
