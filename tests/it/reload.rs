//! Reading the configuration again while the node runs: what is live is taken over, all or nothing.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{TASKS, assert_problem};
use crate::node_process::configure;
use crate::world::World;

const RELOAD: &str = "/api/v1/config/reload";

/// A queue of `most`, in a node with this name, that lets tasks wait.
fn queue_of(most: u32, name: &str) -> String {
    format!(
        "[log]\nlevel = \"info\"\n[node]\nname = \"{name}\"\n\
         [tasks]\nunknown_capability = \"wait\"\nmax_queued = {most}\n"
    )
}

/// How many tasks there is room for.
async fn room(world: &World) -> usize {
    let mut accepted = Vec::new();
    loop {
        let (status, answer) = world.client.post(TASKS, json!({"kind": "fly"})).await;
        if status == 429 {
            break;
        }
        assert_eq!(status, 201, "{answer}");
        accepted.push(answer["task_id"].as_str().expect("an id").to_owned());
    }
    for id in &accepted {
        world.client.delete(&format!("{TASKS}/{id}")).await;
    }
    accepted.len()
}

#[tokio::test]
async fn sighup_takes_over_what_is_live() {
    let world = World::start(&queue_of(2, "a"));
    assert_eq!(room(&world).await, 2);
    configure(world.folder(), &queue_of(5, "a"));
    assert_eq!(room(&world).await, 2, "not before it is told");
    world.node.signal(Signal::HUP);
    world.node.until_logged("tasks.max_queued");
    assert_eq!(room(&world).await, 5);
}

#[tokio::test]
async fn a_key_that_needs_a_restart_is_named_and_nothing_is_taken_over() {
    let world = World::start(&queue_of(2, "a"));
    configure(world.folder(), &queue_of(5, "b"));
    world.node.signal(Signal::HUP);
    world.node.until_logged("a restart is needed for `node.name`");
    assert_eq!(room(&world).await, 2, "all or nothing");

    let answer = world.client.post(RELOAD, json!({})).await;
    assert_problem(&answer, 409, "conflict");
    let detail = answer.1["detail"].as_str().expect("a detail");
    assert!(detail.contains("`node.name` (\"a\" -> \"b\")"), "{detail}");
    assert!(!detail.contains("max_queued"), "only what is in the way: {detail}");
    assert_eq!(room(&world).await, 2);
}

#[tokio::test]
async fn a_reload_by_http_tells_what_it_changed() {
    let world = World::start(&queue_of(2, "a"));
    let answer = world.client.post(RELOAD, json!({})).await;
    assert_eq!((answer.0.as_u16(), &answer.1), (200, &json!({"changes": []})));
    configure(world.folder(), &queue_of(3, "a"));
    let (status, answer) = world.client.post(RELOAD, json!({})).await;
    let change = json!({"key": "tasks.max_queued", "from": "2", "to": "3"});
    assert_eq!((status.as_u16(), &answer["changes"]), (200, &json!([change])), "{answer}");
    assert_eq!(room(&world).await, 3);
}

#[tokio::test]
async fn a_faulty_file_is_refused_with_every_fault_and_the_node_goes_on() {
    let world = World::start(&queue_of(2, "a"));
    let faulty = queue_of(5, "a") + "max_keys = 0\nmax_quoued = 1\n";
    configure(world.folder(), &faulty);
    let answer = world.client.post(RELOAD, json!({})).await;
    assert_problem(&answer, 422, "invalid-config");
    let detail = answer.1["detail"].as_str().expect("a detail");
    assert!(detail.contains("tasks.max_quoued") && detail.contains("max_queued"), "{detail}");
    let errors = answer.1["errors"].as_array().expect("a list");
    let of = |field: &str| errors.iter().find(|error| error["field"] == field);
    let keys = of("tasks.max_keys").unwrap_or_else(|| panic!("{}", answer.1));
    assert_eq!((&keys["got"], &keys["expected"]), (&json!("0"), &json!("expected 1 to 100000000")));
    let slip = of("tasks.max_quoued").unwrap_or_else(|| panic!("{}", answer.1));
    assert!(slip["at"].as_str().is_some_and(|at| at.contains("node.toml:")), "{slip}");
    world.node.signal(Signal::HUP);
    world.node.until_logged("the configuration was not reloaded");
    assert_eq!(room(&world).await, 2);
    std::fs::remove_file(world.folder().join("node.toml")).expect("the file was there");
    let answer = world.client.post(RELOAD, json!({})).await;
    assert_problem(&answer, 422, "invalid-config");
    let (_, ready): (_, Value) = world.client.get("/readyz").await;
    assert_eq!(ready, json!({"ready": true}));
}

#[tokio::test]
async fn the_level_of_the_log_changes_while_the_node_runs() {
    let level = |level: &str| format!("[log]\nlevel = \"{level}\"\n");
    let world = World::start(&level("info"));
    configure(world.folder(), &level("error"));
    world.node.signal(Signal::HUP);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        // A foreign origin is told as a warning.
        let before = world.node.log().len();
        let request = world.client.raw(reqwest::Method::GET, "/healthz").header("origin", "null");
        assert_eq!(request.send().await.expect("an answer").status(), 403);
        if world.node.log().len() == before {
            break;
        }
        assert!(std::time::Instant::now() < until, "warnings are still told");
    }
}
