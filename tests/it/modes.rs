//! The modes of collaboration over HTTP, with connected agents.

use serde_json::{Value, json};

use crate::client::{Client, TASKS, assert_problem};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card};

/// Connects an agent that does this to every order.
async fn join(
    world: &World,
    id: &str,
    capability: &str,
    does: impl Fn(&Value) -> Outcome + Send + 'static,
) {
    WsAgent::connect(&world.node.url, card(id, capability)).await.work(does);
    let path = format!("/api/v1/agents/{id}");
    world.client.until(&path, |shown| shown["agents"][0]["status"] == "active").await;
}

/// What an order has as its input.
fn input(order: &Value) -> Value {
    order["payload"]["json"].clone()
}

/// Connects agents that append their name to the text they get.
async fn scribes(world: &World, ids: &'static [&'static str]) {
    for id in ids {
        let appends = move |order: &Value| {
            let text = input(order).as_str().expect("text").to_owned();
            Outcome::Done(json!(format!("{text}{id}")))
        };
        join(world, id, &format!("write.{id}"), appends).await;
    }
}

/// The outputs of the parts of a collected result, in their order.
fn outputs(task: &Value) -> Vec<&Value> {
    let results = task["result"]["results"].as_array();
    let results = results.unwrap_or_else(|| panic!("nothing collected: {task}"));
    results.iter().map(|part| &part["output"]).collect()
}

fn named(mode: &str, agents: &[&str]) -> Value {
    json!({"kind": "write", "mode": mode, "agents": agents, "payload": ">",
        "retry": {"max_attempts": 1}})
}

#[tokio::test]
async fn sequential_asks_each_in_order_with_the_same_input() {
    let world = World::start("");
    scribes(&world, &["a", "b", "c"]).await;
    let task = world.client.done(named("sequential", &["c", "a", "b"])).await;
    assert_eq!(task["state"], "completed", "{task}");
    assert_eq!(outputs(&task), [">c", ">a", ">b"], "{task}");
    let times = |part: &Value| (part["started_at"].to_string(), part["ended_at"].to_string());
    let parts: Vec<_> = task["parts"].as_array().expect("parts").iter().map(times).collect();
    for pair in parts.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "one after the other: {parts:?}");
    }
    join(&world, "bad", "spoil", |_| Outcome::Failed("failed")).await;
    let task = world.client.done(named("sequential", &["a", "bad", "b"])).await;
    assert_eq!((&task["state"], &task["error"]["part"]), (&json!("failed"), &json!(1)), "{task}");
    assert_eq!(task["parts"].as_array().map(Vec::len), Some(2), "the third is not begun: {task}");
}

#[tokio::test]
async fn a_pipeline_hands_each_output_to_the_next() {
    let world = World::start("");
    scribes(&world, &["a", "b", "c"]).await;
    let task = world.client.done(named("pipeline", &["b", "c", "a", "b"])).await;
    assert_eq!((&task["state"], &task["result"]), (&json!("completed"), &json!(">bcab")), "{task}");
    let by_capability = json!({"kind": "write", "mode": "pipeline", "payload": "",
        "capabilities": ["write.c", "write.a"]});
    assert_eq!(world.client.done(by_capability).await["result"], "ca");
}

#[tokio::test]
async fn a_pipeline_goes_on_after_a_kill_with_the_stage_that_was_lost() {
    let mut world = World::start("");
    scribes(&world, &["a"]).await;
    let mut slow = WsAgent::connect(&world.node.url, card("b", "write.b")).await;
    let id = world.client.accepted(named("pipeline", &["a", "b"])).await;
    let order = slow.take().await;
    assert_eq!(input(&order), ">a", "the first stage is done");
    world.node.kill();
    world.start_again("");
    // The first stage is not asked again: its agent is not even there.
    let mut slow = WsAgent::connect(&world.node.url, card("b", "write.b")).await;
    let order = slow.take().await;
    assert_eq!(input(&order), ">a");
    slow.answer(&order, Outcome::Done(json!(">ab"))).await;
    let task = world.client.until_ended(&id).await;
    assert_eq!((&task["result"], &task["lost"]), (&json!(">ab"), &json!(1)), "{task}");
}

#[tokio::test]
async fn parallel_asks_all_at_once_and_collects() {
    let world = World::start("");
    let mut agents = Vec::new();
    for id in ["a", "b", "c"] {
        agents.push(WsAgent::connect(&world.node.url, card(id, "write")).await);
    }
    let id = world.client.accepted(named("parallel", &["a", "b", "c"])).await;
    let mut orders = Vec::new();
    for agent in &mut agents {
        orders.push(agent.take().await);
    }
    // All three have it before any has answered.
    for (number, (agent, order)) in agents.iter_mut().zip(&orders).enumerate().rev() {
        agent.answer(order, Outcome::Done(json!(number))).await;
    }
    let task = world.client.until_ended(&id).await;
    assert_eq!(outputs(&task), [0, 1, 2], "in the order of the request: {task}");
}

#[tokio::test]
async fn parallel_is_all_or_nothing_unless_partial_results_are_allowed() {
    let world = World::start("");
    let mut good = WsAgent::connect(&world.node.url, card("good", "write")).await;
    join(&world, "bad", "write", |_| Outcome::Failed("refused")).await;
    let id = world.client.accepted(named("parallel", &["good", "bad"])).await;
    let order = good.take().await;
    let task = world.client.until_ended(&id).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("refused")));
    let frame = good.frame().await;
    assert_eq!((&frame["type"], &frame["work"]), (&json!("cancel"), &order["work"]), "{frame}");
    good.answer(&order, Outcome::Failed("cancelled")).await;

    let mut partial = named("parallel", &["good", "bad"]);
    partial["allow_partial"] = json!(true);
    let id = world.client.accepted(partial).await;
    let order = good.take().await;
    good.answer(&order, Outcome::Done(json!("alone"))).await;
    let task = world.client.until_ended(&id).await;
    assert_eq!(task["state"], "completed", "{task}");
    assert_eq!(task["result"]["results"][0]["output"], "alone", "{task}");
    assert_eq!(task["result"]["results"][1]["error"]["kind"], "refused", "{task}");
}

/// A ballot among these voters.
fn ballot(voters: &[&str], consensus: Value) -> Value {
    json!({"kind": "judge", "mode": "consensus", "agents": voters, "consensus": consensus,
        "retry": {"max_attempts": 1}})
}

/// Agents that vote: three for yes, two for no, one who abstains, one who fails.
async fn voters(world: &World) {
    for (id, vote) in [("y1", "yes"), ("y2", "yes"), ("y3", "yes"), ("n1", "no"), ("n2", "no")] {
        let votes = move |_: &Value| Outcome::Done(json!({"vote": vote, "reason": id}));
        join(world, id, "judge", votes).await;
    }
    join(world, "abstains", "judge", |_| Outcome::Done(json!({"abstain": true}))).await;
    join(world, "fails", "judge", |_| Outcome::Failed("invalid_input")).await;
}

async fn decided(client: &Client, voters: &[&str], consensus: Value) -> Value {
    client.done(ballot(voters, consensus)).await
}

#[tokio::test]
async fn consensus_decides_by_ballot() {
    let world = World::start("");
    voters(&world).await;
    let client = &world.client;
    let task = decided(client, &["y1", "n1", "y2", "abstains", "fails"], json!({})).await;
    assert_eq!(task["result"]["decision"], "yes", "{task}");
    assert_eq!(task["result"]["decided_by"], "votes", "{task}");
    assert_eq!(task["result"]["electorate"], 5, "{task}");

    let tied = decided(client, &["y1", "n1"], json!({"threshold": "plurality"})).await;
    assert_eq!(tied["result"]["decision"], Value::Null, "things stay as they are: {tied}");
    assert_eq!(tied["result"]["decided_by"], "status_quo", "{tied}");
    let first = json!({"threshold": "plurality", "tie": "first"});
    let tied = decided(client, &["y1", "n1"], first).await;
    assert_eq!(tied["result"]["decided_by"], "tie", "{tied}");

    let unanimous = json!({"threshold": "unanimous"});
    let task = decided(client, &["y1", "y2", "n1"], unanimous).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("no_majority")));
    let quorum = json!({"quorum": {"voters": 3}});
    let task = decided(client, &["y1", "y2", "fails"], quorum).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("no_quorum")));
}

#[tokio::test]
async fn consensus_finds_its_voters_by_capability() {
    let world = World::start("");
    voters(&world).await;
    let task = json!({"kind": "judge", "mode": "consensus", "consensus": {"voters": 7},
        "retry": {"max_attempts": 1}});
    let task = world.client.done(task).await;
    assert_eq!(task["result"]["decision"], "yes", "{task}");
    assert_eq!(task["parts"].as_array().map(Vec::len), Some(7), "{task}");
    let many = json!({"kind": "judge", "mode": "consensus", "consensus": {"voters": 8}});
    let answer = world.client.post(TASKS, many).await;
    assert_problem(&answer, 422, "no-capable-agent");
}

#[tokio::test]
async fn the_first_success_wins_a_race_and_the_others_are_really_cancelled() {
    let world = World::start("");
    let mut slow = WsAgent::connect(&world.node.url, card("slow", "race")).await;
    let mut quick = WsAgent::connect(&world.node.url, card("quick", "race")).await;
    join(&world, "bad", "race", |_| Outcome::Failed("failed")).await;
    let id = world.client.accepted(named("competitive", &["bad", "slow", "quick"])).await;
    let (beaten, order) = (slow.take().await, quick.take().await);
    quick.answer(&order, Outcome::Done(json!("first"))).await;
    let task = world.client.until_ended(&id).await;
    assert_eq!((&task["state"], &task["result"]), (&json!("completed"), &json!("first")), "{task}");
    let frame = slow.frame().await;
    assert_eq!((&frame["type"], &frame["work"]), (&json!("cancel"), &beaten["work"]), "{frame}");
    assert_eq!(task["parts"][1]["state"], "cancelled", "{task}");

    let task = world.client.done(named("competitive", &["bad"])).await;
    assert_eq!((&task["state"], &task["error"]["kind"]), (&json!("failed"), &json!("failed")));
}

#[tokio::test]
async fn a_smallest_team_does_what_no_single_agent_can() {
    let world = World::start("");
    scribes(&world, &["a", "b"]).await;
    let task = json!({"kind": "write", "payload": ">", "capabilities": ["write.a", "write.b"]});
    let task = world.client.done(task).await;
    assert_eq!(task["state"], "completed", "{task}");
    let agents: Vec<_> =
        task["parts"].as_array().expect("parts").iter().map(|part| &part["agent"]).collect();
    assert_eq!(agents, ["a@1.0.0", "b@1.0.0"], "{task}");
    assert_eq!(outputs(&task), [">a", ">b"], "{task}");
    let impossible = json!({"kind": "write", "capabilities": ["write.a", "write.z"]});
    let answer = world.client.post(TASKS, impossible).await;
    assert_problem(&answer, 422, "no-capable-agent");
    assert!(answer.1["detail"].as_str().unwrap().contains("write.z"), "{}", answer.1);
}

#[tokio::test]
async fn of_the_agents_named_the_first_that_is_free_does_it() {
    let world = World::start("");
    let mut first = WsAgent::connect(&world.node.url, card("first", "write")).await;
    scribes(&world, &["second"]).await;
    let held = world.client.accepted(named("single", &["first", "second"])).await;
    let order = first.take().await;
    let next = world.client.done(named("single", &["first", "second"])).await;
    assert_eq!(next["result"], ">second", "{next}");
    first.answer(&order, Outcome::Done(json!("first"))).await;
    assert_eq!(world.client.until_ended(&held).await["result"], "first");
}
