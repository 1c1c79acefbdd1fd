//! Two runs beside each other, by HTTP and on the command line.

use serde_json::{Value, json};

use crate::client::{Client, assert_problem};
use crate::node_process::synod;
use crate::workflows::{LINEAR, RUNS};
use crate::world::World;

async fn run(client: &Client, n: u64) -> String {
    let id = client.started(json!({"definition": LINEAR, "input": {"n": n}})).await;
    client.run_ended(&id).await;
    id
}

#[tokio::test]
async fn two_runs_are_compared_by_what_they_did_and_the_first_difference_is_named() {
    let World { client, node, .. } = &World::start("");
    let (a, b, c) = (run(client, 1).await, run(client, 2).await, run(client, 1).await);
    let (_, same) = client.get(&format!("{RUNS}/{a}/diff/{c}")).await;
    assert_eq!((&same["same"], &same["first"]), (&json!(true), &Value::Null), "{same:#}");
    assert_eq!(same["counts"]["same"], 3, "{same:#}");

    let (_, diff) = client.get(&format!("{RUNS}/{a}/diff/{b}")).await;
    assert_eq!(diff["same"], false, "{diff:#}");
    let first = &diff["first"];
    assert_eq!(
        (&first["difference"]["what"], &first["difference"]["at"]),
        (&json!("input"), &json!("/n")),
        "{first:#}"
    );
    let steps = diff["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["verdict"] == "different"), "{steps:#?}");

    let shown = synod()
        .args(["workflows", "diff", &a, &b])
        .env("SYNOD_URL", &node.url)
        .output()
        .expect("a command");
    let shown = String::from_utf8(shown.stdout).expect("text");
    for word in ["first difference", "the runs themselves: input at /n", "≠", "3 different"] {
        assert!(shown.contains(word), "{word:?} is not in\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "a pipe gets no colours");
    let told = synod()
        .args(["workflows", "diff", &a, &b, "--json"])
        .env("SYNOD_URL", &node.url)
        .output()
        .expect("a command");
    assert_eq!(serde_json::from_slice::<Value>(&told.stdout).expect("JSON"), diff);
}

#[tokio::test]
async fn a_run_that_nobody_knows_is_named_by_its_place() {
    let World { client, node: _node, .. } = &World::start("");
    let known = run(client, 1).await;
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    for path in [format!("{known}/diff/{nobody}"), format!("{nobody}/diff/{known}")] {
        let answer = client.get(&format!("{RUNS}/{path}")).await;
        assert_problem(&answer, 404, "not-found");
        assert!(answer.1["detail"].as_str().unwrap_or_default().contains(nobody), "{}", answer.1);
    }
    let answer = client.get(&format!("{RUNS}/{known}/diff/x")).await;
    assert_problem(&answer, 404, "not-found");
    assert_eq!(answer.1["field"], "other", "{}", answer.1);
}
