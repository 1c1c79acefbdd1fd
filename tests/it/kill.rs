//! The end of a node under load, by kill -9 or in order: what was acknowledged ends exactly once,
//! and the ledger agrees.

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

/// How a node comes to its end under load.
#[derive(Clone, Copy)]
enum End {
    /// SIGKILL at some time.
    Killed,
    /// SIGKILL once it has dropped segments that a snapshot covers.
    KilledLater,
    /// SIGTERM at some time.
    Told,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_ends_exactly_once_through_kills() {
    let rounds = std::env::var("SYNOD_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    // A hundred rounds end more tasks than a node keeps, unless it is told to.
    let kept = "[tasks]\nkeep_ended = 1_000_000\n";
    survive(rounds.unwrap_or(4), kept, End::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_ends_exactly_once_through_stops() {
    survive(2, "", End::Told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_ends_exactly_once_through_snapshots_and_dropped_segments() {
    let small = "[journal]\nsegment_bytes = 262_144\nmax_group_bytes = 131_072\n\
                 max_record_bytes = 65_536\n[tasks]\nkeep_ended = 1_000_000\n\
                 max_collected_bytes = 32_768\n\
                 snapshot_records = 1_000\nsnapshot_bytes = 1_048_576\ninline_bytes = 1_024\n\
                 max_agent_state_bytes = 16_384\n[workflows]\ninline_bytes = 8_192\n";
    survive(3, small, End::KilledLater).await;
}

/// Ends nodes under load, and holds the last one to what was acknowledged by all of them.
async fn survive(rounds: u64, config: &str, end: End) {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let folder = tempfile::tempdir().expect("a folder");
    let known = Arc::new(Acknowledged::default());
    let next = Arc::new(AtomicU64::new(0));
    for _ in 0..rounds {
        let mut node = NodeProcess::start(folder.path(), config);
        let load = start_load(&node.url, &known, &next);
        if matches!(end, End::KilledLater) {
            until_dropped(&node.url).await;
        }
        // Real time on purpose: the end must come to a process at work, not to a virtual clock.
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
        match end {
            End::Killed | End::KilledLater => node.kill(),
            End::Told => node.stop(),
        }
        for caller in load {
            caller.await.expect("a caller ends with its node");
        }
    }
    let node = NodeProcess::start(folder.path(), config);
    let client = Client::new(&node.url);
    settle(&client, &known, next.load(Ordering::SeqCst)).await;
    check(&client, &known).await;
}

/// Waits until the node has dropped segments of its log.
async fn until_dropped(url: &str) {
    let (client, status) = (Client::new(url), "/api/v1/status?depth=0");
    let first = |status: &Value| status["node"]["journal"]["first"].as_u64();
    let (_, begun) = client.get(status).await;
    client.until(status, |now| first(now) > first(&begun)).await;
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
