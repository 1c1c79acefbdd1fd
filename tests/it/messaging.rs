//! Messages between agents and topics, from outside: sent, answered, read back, published, kept
//! over a kill, given again, given up and refused.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::client::{Client, assert_field, assert_problem};
use crate::workflows_cli::asking;
use crate::world::World;
use crate::ws_agent::WsAgent;

const COORDINATION: &str = "/api/v1/coordination";
const TALK: &str = "0198c0de-0000-7000-8000-00000000000a";

fn at(path: &str) -> String {
    format!("{COORDINATION}/{path}")
}

/// An agent that reads messages: says its name and what it was asked, or fails when told to.
pub(crate) async fn reader(url: &str, id: &'static str) -> JoinHandle<()> {
    let card = json!({
        "id": id, "version": "1.0.0", "capabilities": ["talk"], "protocols": ["talk"],
    });
    let mut agent = WsAgent::connect(url, card).await;
    tokio::spawn(async move {
        while let Some(frame) = agent.next().await {
            if frame["type"] != "receive" {
                continue;
            }
            let asked = &frame["order"]["envelope"]["content"]["json"];
            let mut said = json!({"type": "answer", "letter": frame["letter"]});
            if *asked == "fail" || asked["content"]["json"] == "poison" {
                said["error"] = json!({"kind": "failed", "message": "it went wrong"});
            } else {
                let content = json!({"json": {"by": id, "of": asked}});
                said["answer"] = json!({"performative": "inform", "content": content});
            }
            agent.send(said).await;
        }
    })
}

fn message(from: &str, to: Value, content: Value) -> Value {
    json!({
        "sender": from, "recipient": to, "performative": "query-ref", "protocol": "talk",
        "content": {"json": content},
    })
}

fn in_talk(mut message: Value) -> Value {
    message["conversation"] = json!(TALK);
    message
}

async fn taken(client: &Client, path: &str, body: Value) -> Value {
    let (status, answer) = client.post(&at(path), body).await;
    assert!(status.is_success(), "{path}: {status} {answer:#}");
    answer
}

async fn published(client: &Client, topic: &str, payload: Value, retain: bool) -> Value {
    taken(client, "topics", json!({"topic": topic, "payload": payload, "retain": retain})).await
}

async fn fetched(client: &Client, name: &str) -> Vec<Value> {
    let page = taken(client, &format!("subscriptions/{name}/fetch?wait=20"), json!({})).await;
    page["messages"].as_array().expect("messages").clone()
}

fn contents(messages: &[Value]) -> Vec<&Value> {
    messages.iter().map(|message| &message["content"]["json"]).collect()
}

#[tokio::test]
async fn two_agents_exchange_messages_that_can_be_read_back() {
    let World { client, node: _node, .. } = &World::start("");
    let _readers = (reader(&client.url, "ada").await, reader(&client.url, "bob").await);
    let to_bob = in_talk(message("ada", json!({"agent": "bob"}), json!("how far?")));
    let sent = taken(client, "messages?within_ms=20000", to_bob).await;
    assert_eq!((&sent["reached"], &sent["undelivered"]), (&json!(1), &json!([])), "{sent:#}");
    let answer = &sent["answers"][0];
    assert_eq!((&answer["sender"], &answer["recipient"]["agent"]), (&json!("bob"), &json!("ada")));
    assert_eq!(answer["content"]["json"], json!({"by": "bob", "of": "how far?"}));
    let to_ada = in_talk(message("bob", json!({"agent": "ada"}), json!("and you?")));
    let sent = taken(client, "messages", to_ada).await;
    assert_eq!(sent["answers"][0]["content"]["json"]["by"], "ada", "{sent:#}");
    let (_, read) = client.get(&at(&format!("conversations/{TALK}?after=1"))).await;
    let said = read["said"].as_array().expect("what was said");
    let who: Vec<_> = said.iter().map(|one| one["envelope"]["sender"].as_str()).collect();
    assert_eq!(who, [Some("bob"), Some("bob"), Some("ada")], "{read:#}");
    let all = json!({"capability": {"name": "talk", "reach": "all"}});
    let sent = taken(client, "messages", message("eve", all, json!("all?"))).await;
    assert_eq!((&sent["reached"], sent["answers"].as_array().map(Vec::len)), (&json!(2), Some(2)));
}

#[tokio::test]
async fn what_is_published_reaches_those_whose_wildcards_match_and_the_last_value_stays() {
    let mut world = World::start("");
    let client = &world.client;
    for (name, filter) in [("one", "plant/+/heat"), ("all", "plant/#"), ("other", "mill/#")] {
        taken(client, "subscriptions", json!({"name": name, "filter": filter})).await;
    }
    let told = published(client, "plant/a/heat", json!(20), true).await;
    assert_eq!((&told["subscribers"], &told["durable"]), (&json!(2), &json!(2)), "{told:#}");
    published(client, "plant/a/heat", json!(21), true).await;
    published(client, "plant/a/b/heat", json!(7), true).await;
    published(client, "plant/a/b/heat", Value::Null, true).await;
    let all = fetched(client, "all").await;
    assert_eq!(contents(&all), [&json!(20), &json!(21), &json!(7), &Value::Null], "{all:#?}");
    let one = fetched(client, "one").await;
    assert_eq!(contents(&one), [&json!(20), &json!(21)], "{one:#?}");
    assert_eq!(one[0]["topic"], "plant/a/heat");
    let (_, other) = client.post(&at("subscriptions/other/fetch"), json!({})).await;
    assert_eq!(other, json!({"messages": []}));
    world.restart("");
    let (_, last) = world.client.get(&at("topics/retained?filter=plant/%23")).await;
    let values = last["values"].as_array().expect("values");
    assert_eq!(contents(values), [&json!(21)], "{last:#}");
}

#[tokio::test]
async fn a_durable_subscription_survives_a_kill_and_gives_again_what_was_not_acknowledged() {
    let mut world = World::start("");
    let client = &world.client;
    let kept = json!({"name": "books", "filter": "orders/+", "terms": {"max_backlog": 100}});
    let first = taken(client, "subscriptions", kept.clone()).await;
    assert_eq!(first["backlog"], 0, "{first:#}");
    for number in 1..=3 {
        published(client, &format!("orders/{number}"), json!(number), false).await;
    }
    let given = fetched(client, "books").await;
    assert_eq!(contents(&given), [&json!(1), &json!(2), &json!(3)]);
    let done = json!({"up_to": given[0]["number"]});
    taken(client, "subscriptions/books/acknowledge", done.clone()).await;
    world.node.kill();
    world.start_again("");
    let client = &world.client;
    assert_eq!(taken(client, "subscriptions", kept.clone()).await["backlog"], 2, "it is the same");
    let again = fetched(client, "books").await;
    assert_eq!(contents(&again), [&json!(2), &json!(3)], "{again:#?}");
    assert_eq!(again[0]["number"], given[1]["number"]);
    taken(client, "subscriptions/books/acknowledge", done).await;
    let last = json!({"up_to": again[1]["number"]});
    taken(client, "subscriptions/books/acknowledge", last).await;
    let (_, stands) = client.get(&at("subscriptions/books")).await;
    assert_eq!((&stands["backlog"], &stands["dead"]), (&json!(0), &json!(0)), "{stands:#}");
    let other = json!({"name": "books", "filter": "orders/#"});
    assert_problem(&client.post(&at("subscriptions"), other).await, 409, "conflict");
    let (gone, _) = client.delete(&at("subscriptions/books")).await;
    assert_eq!(gone, StatusCode::NO_CONTENT);
    assert_problem(&client.get(&at("subscriptions/books")).await, 404, "not-found");
}

#[tokio::test]
async fn what_was_given_as_often_as_may_be_is_a_dead_letter_with_its_reason() {
    let World { client, node: _node, .. } = &World::start("");
    let _reader = reader(&client.url, "ada").await;
    let terms = json!({"max_attempts": 2, "retry_ms": 1});
    let fetches = json!({"name": "mine", "filter": "in/#", "terms": terms});
    let of_ada = json!({"name": "of-ada", "filter": "in/#", "agent": "ada", "terms": terms});
    taken(client, "subscriptions", fetches).await;
    taken(client, "subscriptions", of_ada).await;
    published(client, "in/1", json!("poison"), false).await;
    published(client, "in/2", json!("well"), false).await;
    for attempt in 1..=2 {
        let given = fetched(client, "mine").await;
        assert_eq!((&given[0]["attempt"], given.len()), (&json!(attempt), 2), "{given:#?}");
        let why = json!({"reason": "no form"});
        taken(client, "subscriptions/mine/reject", why).await;
    }
    assert_eq!(contents(&fetched(client, "mine").await), [&json!("well")], "the rest goes on");
    let (_, letters) = client.get(&at("subscriptions/mine/letters")).await;
    let letter = &letters["letters"][0];
    assert_eq!(letter["topic"], "in/1", "{letters:#}");
    assert_eq!(letter["reason"], "given 2 times; at last: no form");
    let read = client.until(&at("subscriptions/of-ada"), |one| one["backlog"] == 0).await;
    assert_eq!(read["dead"], 1, "the agent failed at one and read the other: {read:#}");
    let (_, letters) = client.get(&at("subscriptions/of-ada/letters")).await;
    assert_eq!(letters["letters"].as_array().map(Vec::len), Some(1), "{letters:#}");
    let fetch = at("subscriptions/of-ada/fetch");
    assert_problem(&client.post(&fetch, json!({})).await, 409, "conflict");
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_what_nobody_read_is_listed() {
    let World { client, node: _node, .. } = &World::start("");
    let _reader = reader(&client.url, "ada").await;
    let post = async |path: &str, body: Value| client.post(&at(path), body).await;
    let bad = async |path: &str, body: Value, field: &str| {
        let answer = post(path, body).await;
        assert_problem(&answer, 422, "invalid-field");
        assert_eq!(answer.1["field"], field, "{}", answer.1);
    };
    for filter in ["a/b#", "#/a", "a+", ""] {
        bad("subscriptions", json!({"name": "x", "filter": filter}), "filter").await;
    }
    bad("subscriptions", json!({"name": "No Name", "filter": "a"}), "name").await;
    bad("subscriptions", json!({"name": "x", "filter": "a", "agent": "No One"}), "agent").await;
    bad("topics", json!({"topic": "a/+", "payload": 1}), "topic").await;
    bad("messages", message("No One", json!({"agent": "ada"}), json!(1)), "sender").await;
    assert_field(&client.get(&at("topics/retained?limit=0")).await, "limit", "1 to 1000");
    let long = post("messages?within_ms=90000000", message("x", json!("everyone"), json!(1))).await;
    assert_field(&long, "within_ms", "1 to ");
    assert_problem(&post("subscriptions/none/fetch", json!({})).await, 404, "not-found");

    let unknown = post("messages", message("x", json!({"agent": "nobody"}), json!(1))).await;
    assert_problem(&unknown, 404, "not-found");
    taken(client, "messages", in_talk(message("eve", json!({"agent": "ada"}), json!(1)))).await;
    let forged = in_talk(message("mallory", json!({"agent": "ada"}), json!(1)));
    assert_problem(&post("messages", forged).await, 403, "not-allowed");
    let failed = post("messages", message("x", json!({"agent": "ada"}), json!("fail"))).await.1;
    assert_eq!(failed["reached"], 0, "{failed:#}");
    assert_eq!(failed["undelivered"][0]["agent"], "ada", "{failed:#}");
    let (_, page) = client.get(&at("undelivered")).await;
    let who: Vec<_> = page["undelivered"].as_array().expect("a list").iter().collect();
    assert_eq!((who.len(), &who[0]["recipient"]), (2, &json!("ada")), "{page:#}");
    assert_eq!(who[1]["reason"], "no agent 'nobody'");
    assert_problem(&client.get(&at("conversations/x")).await, 404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_sent_and_topics_read_from_the_command_line() {
    let world = World::start("");
    let _reader = reader(&world.client.url, "ada").await;
    let send = ["coordinate", "send", "ada", "\"hello\"", "--protocol", "talk"];
    let told = asking(&world, &[&send[..], &["--conversation", TALK]].concat()).with(0).out;
    assert!(told.contains("read by 1 agent") && told.contains("hello"), "{told}");
    let said = asking(&world, &["coordinate", "messages", TALK]).with(0).out;
    assert!(said.contains("cli") && said.contains("ada"), "{said}");
    asking(&world, &["coordinate", "subscribe", "mine", "news/#"]).with(0);
    let told = asking(&world, &["coordinate", "publish", "news/a", "{\"x\": 1}"]).with(0).out;
    assert!(told.contains("1 durable"), "{told}");
    let listed = asking(&world, &["coordinate", "subscriptions"]).with(0).out;
    assert!(listed.contains("mine") && listed.contains("news/#"), "{listed}");
    let given = asking(&world, &["coordinate", "fetch", "mine", "--ack", "--json"]).json();
    assert_eq!(given["messages"][0]["content"]["json"]["x"], 1, "{given:#}");
    let given = asking(&world, &["coordinate", "fetch", "mine"]).with(0).out;
    assert!(given.contains("nothing to read"), "{given}");
    asking(&world, &["coordinate", "send", "nobody", "1"]).with(4);
    let listed = asking(&world, &["coordinate", "undelivered"]).with(0).out;
    assert!(listed.contains("no agent 'nobody'"), "{listed}");
    asking(&world, &["coordinate", "unsubscribe", "mine"]).with(0);
    asking(&world, &["coordinate", "fetch", "mine"]).with(4);
}
