//! kill -9 under load: what was acknowledged ends exactly once, and the ledger agrees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use serde_json::Value;
use synod_testkit::Seed;

use crate::client::{Client, echo};
use crate::node_process::NodeProcess;

/// Callers that submit at the same time.
const CALLERS: u64 = 16;

/// What the client knows: which task it was given for each key.
#[derive(Default)]
struct Acknowledged(Mutex<BTreeMap<String, String>>);

impl Acknowledged {
    fn note(&self, key: String, id: String) {
        let earlier = self.0.lock().insert(key.clone(), id.clone());
        if let Some(earlier) = earlier {
            assert_eq!(earlier, id, "key {key} was given two tasks");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_ends_exactly_once_through_kills() {
    let rounds: u64 =
        std::env::var("SYNOD_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let folder = tempfile::tempdir().expect("a folder");
    let known = Arc::new(Acknowledged::default());
    let next = Arc::new(AtomicU64::new(0));
    for _ in 0..rounds {
        let mut node = NodeProcess::start(folder.path(), "");
        let load = start_load(&node.url, &known, &next);
        // Real time on purpose: the kill must hit a process, not a virtual clock.
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
        node.kill();
        for caller in load {
            caller.await.expect("a caller ends with its node");
        }
    }
    let node = NodeProcess::start(folder.path(), "");
    let client = Client::new(&node.url);
    settle(&client, &known, next.load(Ordering::SeqCst)).await;
    check(&client, &known).await;
}

/// Callers that submit until their node is gone; each leaves an unanswered key behind.
fn start_load(
    url: &str,
    known: &Arc<Acknowledged>,
    next: &Arc<AtomicU64>,
) -> Vec<tokio::task::JoinHandle<()>> {
    (0..CALLERS)
        .map(|_| {
            let (client, known, next) = (Client::new(url), known.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let key = format!("key-{}", next.fetch_add(1, Ordering::SeqCst));
                    let Ok((status, answer)) = client.submit(echo(&key)).await else { return };
                    if status.is_success() {
                        known.note(key, id_of(&answer));
                    }
                }
            })
        })
        .collect()
}

/// Sends every key again: what was accepted without an answer is found by its key.
async fn settle(client: &Client, known: &Acknowledged, keys: u64) {
    for number in 0..keys {
        let key = format!("key-{number}");
        loop {
            let (status, answer) = client.submit(echo(&key)).await.expect("an answer");
            if status.is_success() {
                known.note(key, id_of(&answer));
                break;
            }
            // Still running from before the kill: the same key answers once it has ended.
            assert_eq!(status.as_u16(), 409, "{answer}");
            tokio::task::yield_now().await;
        }
    }
}

async fn check(client: &Client, known: &Acknowledged) {
    let ids: Vec<String> = known.0.lock().values().cloned().collect();
    assert!(!ids.is_empty(), "no task was accepted");
    for id in &ids {
        let task = client.until_ended(id).await;
        assert_eq!(task["state"], "completed", "{task}");
    }
    let (_, stats) = client.get("/api/v1/orchestration/stats").await;
    let ledger = &stats["ledger"];
    assert_eq!(ledger["accepted"].as_u64(), Some(ids.len() as u64), "{stats}");
    assert_eq!(ledger["completed"], ledger["accepted"], "{stats}");
    assert_eq!(ledger["open"].as_u64(), Some(0), "{stats}");
}

fn id_of(answer: &Value) -> String {
    answer["task_id"].as_str().expect("an answer with a task_id").to_owned()
}
