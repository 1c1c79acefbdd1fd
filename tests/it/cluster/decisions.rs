//! Decisions of a cluster: one and the same at every node, whoever leads and whoever dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{CLUSTER, Nodes, PATIENCE, led_by, until};
use crate::client::{AGENTS, Client};

const BALLOT: &str = "/api/v1/coordination/ballot";

fn proposal(voters: &[&str]) -> Value {
    let kind = |name: &str| if name.starts_with("juror") { "agent" } else { "user" };
    let voters: Vec<_> =
        voters.iter().map(|name| json!({"name": name, "kind": kind(name)})).collect();
    json!({"question": "Ship it?", "options": ["yes", "no"], "voters": voters})
}

/// Opens by a key; the path of the ballot.
async fn opened(client: &Client, key: &str, voters: &[&str]) -> String {
    let request = client.raw(Method::POST, BALLOT).header("idempotency-key", key);
    let answer = request.json(&proposal(voters)).send().await.expect("an answer");
    let status = answer.status();
    let shown: Value = answer.json().await.expect("JSON");
    assert!(status.is_success(), "{shown:#}");
    format!("{BALLOT}/{}", shown["id"].as_str().expect("an id"))
}

fn vote(voter: &str, option: &str) -> Value {
    json!({"vote": {"voter": voter, "ballot": {"choice": option}}})
}

/// Votes until it is known that the vote was taken, at a cluster that may be between two leaders.
async fn voted(client: &Client, path: &str, voter: &str, option: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, answer) = client.post(path, vote(voter, option)).await;
        match status {
            StatusCode::OK => return,
            // An attempt before this one was taken, though nobody heard so.
            StatusCode::CONFLICT => return,
            _ => assert!(Instant::now() < until, "the vote of {voter} is not taken: {answer:#}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What each voter is for, once the ballot has ended.
fn choices(shown: &Value) -> BTreeMap<&str, &Value> {
    let ballots = shown["view"]["ballots"].as_array().expect("ballots");
    ballots
        .iter()
        .map(|one| (one["voter"].as_str().expect("a name"), &one["ballot"]["choice"]))
        .collect()
}

/// The outcome of a ballot at each node that runs, which must be the same.
async fn outcome_everywhere(nodes: &Nodes, path: &str) -> Value {
    let mut seen = Vec::new();
    for (_, seat) in nodes.running() {
        let ended = |shown: &Value| shown["ended_at"].is_string();
        seen.push(seat.client().until(path, ended).await);
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:#?}");
    seen.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ballot_whose_leader_is_killed_comes_to_one_outcome_at_every_node() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let leader = nodes.leader(1).await;
    let others: Vec<_> = (0..3).filter(|index| *index != leader).collect();
    let (left, right) = (nodes.client(others[0]), nodes.client(others[1]));
    let voters = ["ada", "bob", "cyd", "dan", "eve"];
    let path = opened(&left, "release", &voters).await;
    for (client, voter, option) in [(&left, "ada", "yes"), (&right, "bob", "no")] {
        let (status, answer) = client.post(&path, vote(voter, option)).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
    }
    nodes.kill(leader);
    voted(&left, &path, "cyd", "no").await;
    // What was acknowledged before is known to the new leader, and stands.
    for (voter, option) in [("ada", "no"), ("bob", "yes")] {
        let (status, answer) = right.post(&path, vote(voter, option)).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer:#}");
    }
    assert_eq!(opened(&right, "release", &voters).await, path);
    voted(&right, &path, "dan", "no").await;
    let shown = outcome_everywhere(&nodes, &path).await;
    assert_eq!(shown["view"]["outcome"]["chosen"]["option"], "no", "{shown:#}");
    let (yes, no) = (json!("yes"), json!("no"));
    let cast: BTreeMap<_, _> =
        choices(&shown).into_iter().filter(|(_, choice)| !choice.is_null()).collect();
    let expected = [("ada", &yes), ("bob", &no), ("cyd", &no), ("dan", &no)];
    assert_eq!(cast, BTreeMap::from(expected), "{shown:#}");
    nodes.seats[leader].start();
    nodes.until_whole().await;
    let late = nodes.client(leader).post(&path, vote("eve", "yes")).await;
    assert_eq!(late.0, StatusCode::CONFLICT, "{:#}", late.1);
    assert_eq!(outcome_everywhere(&nodes, &path).await, shown);
}

/// An agent in a process of its own, as nodes see it: it takes messages by HTTP.
struct Juror {
    url: String,
    /// How often it was asked for its vote.
    asked: Arc<AtomicU32>,
    /// Whether it may answer yet.
    open: tokio::sync::watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Drop for Juror {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Bench = (Arc<AtomicU32>, tokio::sync::watch::Receiver<bool>);

async fn answer(State((asked, mut open)): State<Bench>, Json(order): Json<Value>) -> Json<Value> {
    if order["envelope"]["performative"] != "query-ref" {
        return Json(json!({}));
    }
    asked.fetch_add(1, Ordering::SeqCst);
    // Its end is that of the test.
    let _ = open.wait_for(|open| *open).await;
    let content = json!({"json": {"choice": "yes", "reason": "read it"}});
    Json(json!({"answer": {"performative": "inform", "content": content}}))
}

impl Juror {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, (open, opens)) =
            (Arc::new(AtomicU32::new(0)), tokio::sync::watch::channel(false));
        let routes = Router::new().route("/messages", post(answer));
        let routes = routes.with_state((Arc::clone(&asked), opens));
        let serving = async { axum::serve(listener, routes).await.expect("it can serve") };
        Self { url, asked, open, serving: tokio::spawn(serving) }
    }

    fn config(&self, index: usize) -> String {
        let url = &self.url;
        format!(
            "[[agents.http.agent]]\nid = \"juror-{index}\"\nversion = \"1.0.0\"\n\
             capabilities = [\"judge\"]\nendpoint = \"{url}/perform\"\n\
             messages = \"{url}/messages\"\n"
        )
    }

    async fn until_asked(&self) {
        let until = Instant::now() + PATIENCE;
        while self.asked.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < until, "it is not asked");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_other_nodes_are_asked_and_their_votes_count_though_the_leader_dies() {
    let jurors = [Juror::start().await, Juror::start().await, Juror::start().await];
    let mut nodes = Nodes::start(3, |index| jurors[index].config(index)).await;
    let all = |page: &Value| {
        let agents = page["agents"].as_array().cloned().unwrap_or_default();
        let is_there = |index: usize| {
            agents.iter().any(|it| it["id"] == format!("juror-{index}") && it["status"] == "active")
        };
        (0..3).all(is_there)
    };
    for index in 0..3 {
        nodes.client(index).until(&format!("{AGENTS}?limit=100"), all).await;
    }
    let leader = nodes.leader(1).await;
    let others: Vec<_> = (0..3).filter(|index| *index != leader).collect();
    let names: Vec<_> = others.iter().map(|index| format!("juror-{index}")).collect();
    let voters = [names[0].as_str(), names[1].as_str(), "ada", "bob", "cyd"];
    let path = opened(&nodes.client(others[0]), "jury", &voters).await;
    for index in &others {
        jurors[*index].until_asked().await;
    }
    nodes.kill(leader);
    for index in &others {
        jurors[*index].open.send(true).expect("it serves");
    }
    voted(&nodes.client(others[1]), &path, "ada", "no").await;
    voted(&nodes.client(others[0]), &path, "bob", "yes").await;
    let shown = outcome_everywhere(&nodes, &path).await;
    assert_eq!(shown["view"]["outcome"]["chosen"]["option"], "yes", "{shown:#}");
    let choices = choices(&shown);
    assert!(names.iter().all(|name| choices.get(name.as_str()) == Some(&&json!("yes"))));
}

/// Opens ballots and votes in them, at one node after the other; any refusal fails the test.
async fn steady(clients: Vec<Client>, over: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let mut paths = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let of = |turn: usize| &clients[(paths.len() + turn) % clients.len()];
        let path = opened(of(0), &format!("key-{}", paths.len()), &["ada", "bob"]).await;
        for (turn, voter) in [(1, "ada"), (2, "bob")] {
            let (status, answer) = of(turn).post(&path, vote(voter, "yes")).await;
            assert_eq!(status, StatusCode::OK, "{answer:#}");
        }
        let (_, shown) = of(3).get(&path).await;
        assert_eq!(shown["view"]["outcome"]["chosen"]["option"], "yes", "{shown:#}");
        paths.push(path);
        done.fetch_add(1, Ordering::SeqCst);
    }
    paths
}

async fn until_more(load: &JoinHandle<Vec<String>>, done: &AtomicU64, more: u64) {
    let (wanted, until) = (done.load(Ordering::SeqCst) + more, Instant::now() + PATIENCE);
    while done.load(Ordering::SeqCst) < wanted {
        assert!(!load.is_finished(), "a request failed");
        assert!(Instant::now() < until, "nothing is decided any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_of_the_leader_fails_no_word_of_a_ballot() {
    let nodes = Nodes::start(3, |_| String::new()).await;
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients = (0..3).map(|index| nodes.client(index)).collect();
    let load = tokio::spawn(steady(clients, Arc::clone(&over), Arc::clone(&done)));
    for _ in 0..2 {
        until_more(&load, &done, 10).await;
        let leader = nodes.leader(1).await;
        let client = nodes.client(leader);
        let (_, view) = client.get(CLUSTER).await;
        let (id, name) = (&view["node"]["id"], view["node"]["name"].as_str().expect("a name"));
        let path = format!("{CLUSTER}/members/{name}/drain");
        let drain = async |is: bool| {
            let (status, answer) = client.post(&path, json!({"draining": is})).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{answer:#}");
        };
        drain(true).await;
        until(&client, |now| led_by(now, 1).is_string() && led_by(now, 1) != *id).await;
        until_more(&load, &done, 10).await;
        drain(false).await;
    }
    over.store(true, Ordering::SeqCst);
    let paths = load.await.expect("no request failed");
    for path in paths.iter().rev().take(20) {
        outcome_everywhere(&nodes, path).await;
    }
}
