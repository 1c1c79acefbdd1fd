//! Documents that agents share, on one node: written and read through the API and the command
//! line; a kill loses none of what was answered for, and what is wrong changes nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, assert_field, assert_problem};
use crate::events::Sse;
use crate::node_process::synod;
use crate::world::World;

/// Where shared documents are in the API.
pub(crate) const SHARED: &str = "/api/v1/coordination/shared";

pub(crate) fn set(key: &str, text: &str) -> Value {
    json!({"set": {"key": key, "value": {"text": text}}})
}

pub(crate) fn put(key: &str, text: &str) -> Value {
    json!({"put": {"key": key, "value": {"text": text}}})
}

pub(crate) fn count(key: &str, by: i64) -> Value {
    json!({"count": {"key": key, "by": by}})
}

impl Client {
    /// Changes a document, and gives its fingerprint right after.
    pub(crate) async fn edited(&self, document: &str, edits: Value) -> String {
        let path = format!("{SHARED}/{document}");
        let (status, written) = self.post(&path, json!({"edits": edits})).await;
        assert_eq!(status, StatusCode::OK, "{written:#}");
        written["fingerprint"].as_str().expect("a fingerprint").to_owned()
    }
}

#[tokio::test]
async fn what_was_written_is_still_there_after_a_kill() {
    let mut world = World::start("");
    let client = &world.client;
    client.edited("board", json!([set("goal", "ship"), count("done", 3)])).await;
    let include = json!({"include": {"key": "crew", "member": {"text": "ada"}}});
    let last = client.edited("board", json!([include, count("done", -1)])).await;
    let (_, before) = client.get(&format!("{SHARED}/board")).await;
    let values = json!({
        "goal": {"latest": {"text": "ship"}},
        "done": {"counter": 2},
        "crew": {"set": [{"text": "ada"}]},
    });
    assert_eq!(before["values"], values, "{before:#}");
    assert_eq!(before["fingerprint"], last);
    world.node.kill();
    world.start_again("");
    let client = &world.client;
    let (_, after) = client.get(&format!("{SHARED}/board")).await;
    assert_eq!(before, after);
    client.edited("board", json!([count("done", 1)])).await;
    let (_, one) = client.get(&format!("{SHARED}/board?key=done")).await;
    assert_eq!(one["values"], json!({"done": {"counter": 3}}), "{one:#}");
    let (_, all) = client.get(SHARED).await;
    assert_eq!(all["documents"][0]["document"], "board", "{all:#}");
    assert_eq!((&all["health"]["peers"], &all["next"]), (&json!(0), &Value::Null), "{all:#}");
}

#[tokio::test]
async fn documents_and_their_keys_are_read_page_by_page() {
    let World { client, node: _node, .. } = &World::start("");
    for document in ["a", "b", "c"] {
        client.edited(document, json!([set("1", "x"), set("2", "y"), set("3", "z")])).await;
    }
    let (_, page) = client.get(&format!("{SHARED}?limit=2")).await;
    assert_eq!((page["documents"].as_array().map(Vec::len), &page["next"]), (Some(2), &json!("b")));
    let (_, page) = client.get(&format!("{SHARED}?limit=2&after=b")).await;
    assert_eq!((&page["documents"][0]["document"], &page["next"]), (&json!("c"), &Value::Null));
    let (_, page) = client.get(&format!("{SHARED}/a?limit=2")).await;
    assert_eq!((&page["keys"], &page["next"]), (&json!(3), &json!("2")), "{page:#}");
    let (_, page) = client.get(&format!("{SHARED}/a?after=2")).await;
    assert_eq!(page["values"], json!({"3": {"latest": {"text": "z"}}}), "{page:#}");
}

#[tokio::test]
async fn edits_that_are_wrong_are_named_and_change_nothing() {
    let World { client, node: _node, .. } = &World::start("");
    let post = async |document: &str, edits: Value| {
        client.post(&format!("{SHARED}/{document}"), json!({"edits": edits})).await
    };
    assert_field(&post("board", json!([])).await, "edits", "1 to 1000");
    assert_field(&post("a%20b", json!([count("n", 1)])).await, "document", "A-Z");
    assert_field(&post("board", json!([count("", 1)])).await, "edits[0].key", "1 to 256");
    let long = json!([count("n", 1), set("x", &"x".repeat(65_537))]);
    assert_field(&post("board", long).await, "edits[1]", "65536");
    let (status, strange) = post("board", json!([{"melt": {"key": "n"}}])).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{strange:#}");
    let large: Vec<_> = (0..8).map(|n| set(&n.to_string(), &"x".repeat(60_000))).collect();
    assert_field(&post("board", json!(large)).await, "edits", "262144");
    assert_problem(&client.get(&format!("{SHARED}/board")).await, 404, "not-found");
    client.edited("board", json!([count("n", 1)])).await;
    let other = post("board", json!([count("m", 1), set("n", "text")])).await;
    assert_problem(&other, 409, "conflict");
    let far = post("board", json!([count("n", i64::MAX)])).await;
    assert_problem(&far, 409, "conflict");
    assert_problem(&client.get(&format!("{SHARED}/board?key=m")).await, 404, "not-found");
    let (_, shown) = client.get(&format!("{SHARED}/board")).await;
    assert_eq!(shown["values"], json!({"n": {"counter": 1}}), "{shown:#}");
}

#[tokio::test]
async fn no_more_documents_are_begun_than_the_node_allows() {
    let World { client, node: _node, .. } = &World::start("[shared]\nmax_documents = 1\n");
    client.edited("one", json!([count("n", 1)])).await;
    let two = client.post(&format!("{SHARED}/two"), json!({"edits": [count("n", 1)]})).await;
    assert_problem(&two, 429, "limit-reached");
    client.edited("one", json!([count("n", 1)])).await;
}

#[tokio::test]
async fn each_change_is_told_on_the_stream_with_who_made_it() {
    let World { client, node: _node, .. } = &World::start("");
    let mut reader = Sse::open(client, "type=synod.shared.*", None).await;
    assert_eq!(reader.next().await.expect("an event").kind(), "synod.stream.opened");
    client.edited("board", json!([set("goal", "ship"), count("done", 1)])).await;
    let event = reader.next().await.expect("an event");
    assert_eq!(event.kind(), "synod.shared.changed");
    assert_eq!(event.0["subject"], "coordination/shared/board");
    let changed = &event.0["data"];
    let told = (&changed["document"], &changed["keys"]);
    assert_eq!(told, (&json!("board"), &json!(["done", "goal"])), "{changed:#}");
    assert!(changed["by"].is_string(), "{changed:#}");
}

#[tokio::test]
async fn the_command_line_edits_lists_and_shows() {
    let World { client: _client, node, .. } = &World::start("");
    let run = |arguments: &[&str]| {
        let mut command = synod();
        command.args(["coordinate", "shared"]).args(arguments).env("SYNOD_URL", &node.url);
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let one = count("n", 2).to_string();
    let (ok, out, err) = run(&["edit", "board", &one]);
    assert!(ok && out.contains("fingerprint"), "{out}{err}");
    let (ok, out, err) = run(&["edit", "board", &json!([set("goal", "ship it")]).to_string()]);
    assert!(ok, "{out}{err}");
    let (ok, out, err) = run(&["show", "board"]);
    assert!(ok && out.contains("ship it") && out.contains('2'), "{out}{err}");
    let (ok, out, err) = run(&["list"]);
    assert!(ok && out.contains("board"), "{out}{err}");
    let (ok, out, err) = run(&["show", "nothing"]);
    assert!(!ok && err.contains("nothing"), "{out}{err}");
}
