//! kill -9, and what is left: nothing acknowledged is lost while a majority lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::{Value, json};

use tokio::time::Instant;

use super::{CLUSTER, Nodes, PATIENCE, until};
use crate::client::Client;
use crate::workflows::RUNS;

/// Submits tasks with keys until told to stop; notes each that was acknowledged.
struct Load {
    next: Arc<AtomicU64>,
    known: Arc<Mutex<Vec<String>>>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(clients: Vec<Client>) -> Self {
        let (next, known) = (Arc::new(AtomicU64::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let caller = |client: Client| {
            let (next, known) = (Arc::clone(&next), Arc::clone(&known));
            tokio::spawn(async move {
                while next.load(Ordering::SeqCst) < u64::MAX / 2 {
                    let key = format!("key-{}", next.fetch_add(1, Ordering::SeqCst));
                    let task = json!({"kind": "echo", "payload": {}, "idempotency_key": key});
                    // A refusal or a dead node loses nothing that was acknowledged.
                    if let Ok((status, answer)) = client.submit(task).await
                        && status.is_success()
                        && let Some(id) = answer["task_id"].as_str()
                    {
                        known.lock().push(id.to_owned());
                    }
                }
            })
        };
        let callers = clients.into_iter().map(caller).collect();
        Self { next, known, callers }
    }

    fn acknowledged(&self) -> usize {
        self.known.lock().len()
    }

    /// Waits until so many more were acknowledged.
    async fn until_more(&self, more: usize) {
        let (wanted, until) = (self.acknowledged() + more, Instant::now() + PATIENCE);
        while self.acknowledged() < wanted {
            assert!(Instant::now() < until, "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) -> Vec<String> {
        self.next.store(u64::MAX / 2, Ordering::SeqCst);
        for caller in self.callers {
            caller.await.expect("a caller ends");
        }
        std::mem::take(&mut *self.known.lock())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_goes_on_elsewhere_when_the_leader_is_killed() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let others: Vec<Client> =
        (0..3).filter(|index| *index != leader).map(|index| nodes.client(index)).collect();
    let load = Load::start(others.clone());
    load.until_more(50).await;
    nodes.kill(leader);
    load.until_more(50).await;
    let known = load.stop().await;
    for id in &known {
        let task = others[0].until_ended(id).await;
        assert_eq!(task["state"], "completed", "{task:#}");
    }
    let ledger = others[1].ledger().await;
    assert!(ledger["accepted"].as_u64() >= Some(known.len() as u64), "{ledger}");
    nodes.seats[leader].start();
    nodes.until_whole().await;
    let again = nodes.client(leader).ledger().await;
    assert!(again["accepted"].as_u64() >= Some(known.len() as u64), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_goes_on_under_another_leader() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let definition = "name: patient\nsteps:\n  - {id: a, agent: echo, input: 1}\n  \
                      - {id: ask, approval: {ask: 'go on?'}, depends_on: [a]}\n  \
                      - {id: b, agent: echo, input: 2, depends_on: [ask]}\n";
    let leader = nodes.leader(1).await;
    let (status, run) =
        nodes.client(leader).post(RUNS, json!({"definition": definition, "input": {}})).await;
    assert_eq!(status, 201, "{run:#}");
    let id = run["run_id"].as_str().expect("a run_id").to_owned();
    let open = |page: &Value| page["approvals"].as_array().is_some_and(|all| all.len() == 1);
    nodes.client(leader).until("/api/v1/approvals", open).await;
    nodes.kill(leader);
    let other = nodes.follower_of(leader);
    let page = nodes.client(other).until("/api/v1/approvals", open).await;
    let approval = page["approvals"][0]["id"].as_str().expect("an id").to_owned();
    let decide = format!("/api/v1/approvals/{approval}/decide");
    let (status, said) =
        nodes.client(other).post(&decide, json!({"verdict": "approve", "by": "ann"})).await;
    assert!(status.is_success(), "{said:#}");
    let run = nodes.client(other).run_ended(&id).await;
    assert_eq!(run["state"], "completed", "{run:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_of_three_refuses_and_goes_on_when_one_comes_back() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let task = json!({"kind": "echo", "payload": {}});
    let id = nodes.client(0).accepted(task.clone()).await;
    nodes.kill(1);
    nodes.kill(2);
    until(&nodes.client(0), |view| view["accepts"] == false).await;
    let (status, problem) = nodes.client(0).submit(task.clone()).await.expect("an answer");
    assert_eq!(status, 503, "{problem:#}");
    assert!(problem["next_step"].is_string(), "{problem:#}");
    nodes.seats[1].start();
    until(&nodes.client(0), |view| view["accepts"] == true).await;
    let kept = nodes.client(0).until_ended(&id).await;
    assert_eq!(kept["state"], "completed");
    let more = nodes.client(1).done(task).await;
    assert_eq!(more["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_killed_and_started_again_have_lost_nothing() {
    killed_and_started_again(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_killed_and_started_again_have_lost_nothing() {
    killed_and_started_again(5).await;
}

/// The power of all goes at once; they come back in another order.
async fn killed_and_started_again(count: usize) {
    let mut nodes = Nodes::start(count, |_| String::new()).await;
    let load = Load::start(vec![nodes.client(0), nodes.client(1)]);
    load.until_more(100).await;
    let known = load.stop().await;
    for index in 0..count {
        nodes.kill(index);
    }
    for index in (0..count).rev() {
        nodes.seats[index].start();
    }
    nodes.until_whole().await;
    let client = nodes.client(1);
    for id in &known {
        let task = client.until_ended(id).await;
        assert_eq!(task["state"], "completed", "{task:#}");
    }
    let ledger = client.ledger().await;
    assert_eq!(ledger["open"], 0, "{ledger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leader_is_replaced_and_steps_down_when_it_wakes() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let other = nodes.follower_of(leader);
    let client = nodes.client(other);
    let frozen = nodes.seats[leader].node.as_ref().expect("a node");
    frozen.signal(Signal::STOP);
    let (_, own) = client.get(CLUSTER).await;
    let was = super::led_by(&own, 1);
    until(&client, |view| {
        let now = super::led_by(view, 1);
        now.is_string() && now != was
    })
    .await;
    let task = json!({"kind": "echo", "payload": {}});
    let done = client.done(task.clone()).await;
    assert_eq!(done["state"], "completed");
    frozen.signal(Signal::CONT);
    nodes.until_whole().await;
    let more = nodes.client(leader).done(task).await;
    assert_eq!(more["state"], "completed");
}

impl Nodes {
    /// A node that runs, other than this one.
    fn follower_of(&self, leader: usize) -> usize {
        self.running().map(|(index, _)| index).find(|index| *index != leader).expect("a node")
    }
}
