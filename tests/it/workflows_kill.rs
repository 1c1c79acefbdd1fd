//! kill -9 of a node in the middle of runs: each run that was acknowledged ends right, exactly
//! once, and the ledger agrees with the client's own list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use reqwest::Method;
use serde_json::{Value, json};
use synod_testkit::Seed;

use crate::client::Client;
use crate::node_process::NodeProcess;
use crate::workflows::RUNS;

/// Callers that start runs at the same time.
const CALLERS: u64 = 8;
/// Keys that a round begins at most.
const ROUND: u64 = 400;

/// Echoes side by side, items, a wait, and a sum of them all.
const MIXED: &str = "\
name: mixed
steps:
  - {id: first, agent: echo, input: '${inputs.n}'}
  - {id: left, agent: echo, input: '${outputs.first}', depends_on: [first]}
  - id: right
    depends_on: [first]
    for_each: {items: [1, 2, 3], step: {agent: echo, input: '${item}'}}
  - {id: pause, wait: {for_s: 0.05}, depends_on: [left]}
  - {id: sum, transform: '${outputs.left + outputs.right[2]}', depends_on: [pause, right]}
outputs: {sum: '${outputs.sum}'}
";

/// What the client knows: which run it was given for each number.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_were_acknowledged_end_right_through_kills() {
    let rounds = std::env::var("SYNOD_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let folder = tempfile::tempdir().expect("a folder");
    let known = Acknowledged::default();
    let next = Arc::new(AtomicU64::new(0));
    for round in 1..=rounds.unwrap_or(3) {
        let mut node = NodeProcess::start(folder.path(), "");
        let load = start_load(&node.url, &known, &next, round * ROUND);
        // Real time on purpose: the kill must come to a process at work, not to a virtual clock.
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..600))).await;
        node.kill();
        for caller in load {
            caller.await.expect("a caller ends with its node");
        }
    }
    let node = NodeProcess::start(folder.path(), "");
    let client = Client::new(&node.url);
    // What was accepted without an answer is found by its key.
    for number in 0..next.load(Ordering::SeqCst) {
        let id = start(&client, number).await.expect("an answer");
        note(&known, number, id);
    }
    check(&client, &known).await;
}

/// Callers that start runs until their node is gone; each leaves an unanswered key behind.
fn start_load(
    url: &str,
    known: &Acknowledged,
    next: &Arc<AtomicU64>,
    most: u64,
) -> Vec<tokio::task::JoinHandle<()>> {
    let caller = |_| {
        let (client, known, next) = (Client::new(url), known.clone(), next.clone());
        tokio::spawn(async move {
            while next.load(Ordering::SeqCst) < most {
                let number = next.fetch_add(1, Ordering::SeqCst);
                let Ok(id) = start(&client, number).await else { return };
                note(&known, number, id);
            }
        })
    };
    (0..CALLERS).map(caller).collect()
}

async fn start(client: &Client, number: u64) -> Result<String, reqwest::Error> {
    let request = json!({
        "definition": MIXED, "input": {"n": number}, "idempotency_key": format!("key-{number}"),
    });
    let (status, answer) = client.call(Method::POST, RUNS, Some(request)).await?;
    assert!(status.is_success(), "{answer}");
    Ok(answer["run_id"].as_str().expect("a run_id").to_owned())
}

fn note(known: &Acknowledged, number: u64, id: String) {
    let earlier = known.lock().insert(number, id.clone());
    assert!(earlier.is_none_or(|earlier| earlier == id), "{number} was given two runs");
}

async fn check(client: &Client, known: &Acknowledged) {
    let runs = known.lock().clone();
    assert!(!runs.is_empty(), "no run was accepted");
    for (number, id) in &runs {
        let run = client.run_ended(id).await;
        assert_eq!(run["state"], "completed", "{run:#}");
        assert_eq!(run["outputs"], json!({"sum": number + 3}), "{run:#}");
    }
    let ledger = client.run_ledger().await;
    let of = |key: &str| ledger[key].as_u64();
    assert_eq!(of("accepted"), Some(runs.len() as u64), "{ledger}");
    assert_eq!((of("completed"), of("open")), (of("accepted"), Some(0)), "{ledger}");
    for id in runs.values() {
        once(client, id).await;
    }
}

/// No step runs again after its success is stored: each completed once in the history.
async fn once(client: &Client, id: &str) {
    let (_, page) = client.get(&format!("{RUNS}/{id}/history?limit=1000")).await;
    let events = page["events"].as_array().expect("events");
    for step in ["first", "left", "right", "pause", "sum"] {
        let whole = |event: &Value| event.pointer("/details/part").is_none();
        let ends = |event: &&Value| {
            event["name"] == "step.completed" && event["step"] == step && whole(event)
        };
        assert_eq!(events.iter().filter(ends).count(), 1, "{step}: {page:#}");
    }
}
