//! Conversations under load, through kill -9: what was acknowledged is there, a decision that was
//! told once is never another, every conversation ends, and fences never fall.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, RngExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use synod_testkit::Seed;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::node_process::NodeProcess;

const COORDINATION: &str = "/api/v1/coordination";

/// Callers that talk at the same time.
const CALLERS: u64 = 6;

/// Conversations of a protocol that are read again in full after each kill.
const READ_AGAIN: usize = 150;

/// Voters of each ballot, and bidders of each auction.
const PARTIES: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];

/// Nothing that ended is forgotten in the meantime.
const KEPT: &str = "[coordination]\nkeep_ended = 100_000\n";

/// A conversation as its clients know it.
#[derive(Default)]
struct Talk {
    id: Option<String>,
    /// What was said for each party, answered or not, and not refused.
    said: BTreeMap<String, Value>,
    /// What of it was acknowledged.
    taken: BTreeMap<String, Value>,
    outcome: Option<Value>,
}

/// All that clients know.
#[derive(Default)]
struct Known {
    /// By protocol and key.
    talks: Mutex<BTreeMap<(&'static str, String), Talk>>,
    /// Whose each fence is.
    fences: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
}

impl Known {
    fn with<T>(&self, protocol: &'static str, key: &str, change: impl FnOnce(&mut Talk) -> T) -> T {
        change(self.talks.lock().entry((protocol, key.to_owned())).or_default())
    }

    fn is_called(&self, protocol: &'static str, key: &str, shown: &Value) -> String {
        let id = shown["id"].as_str().expect("an id").to_owned();
        let earlier = self.with(protocol, key, |talk| talk.id.replace(id.clone()));
        assert!(earlier.is_none_or(|earlier| earlier == id), "{key} names two conversations");
        id
    }

    /// An outcome that somebody saw stays as it is.
    fn came_to(&self, protocol: &'static str, key: &str, outcome: &Value) {
        if !outcome.is_null() {
            let earlier = self.with(protocol, key, |talk| talk.outcome.replace(outcome.clone()));
            assert!(earlier.is_none_or(|earlier| earlier == *outcome), "{key}: now {outcome:#}");
        }
    }

    fn highest_fence(&self) -> u64 {
        self.fences.lock().last_key_value().map_or(0, |(fence, _)| *fence)
    }

    /// Keys of a protocol with their ids, as far as they were acknowledged.
    fn ids(&self, protocol: &'static str) -> Vec<(String, Option<String>)> {
        let talks = self.talks.lock();
        let of = talks.iter().filter(|((of, _), _)| *of == protocol);
        of.map(|((_, key), talk)| (key.clone(), talk.id.clone())).collect()
    }
}

fn setup(protocol: &str) -> Value {
    let kind = |name: &&str| json!({"name": name, "kind": "user"});
    match protocol {
        "ballot" => json!({
            "question": "Ship it?", "options": ["yes", "no"], "round_ms": 4_000,
            "voters": PARTIES.iter().map(kind).collect::<Vec<_>>(),
        }),
        "auction" => json!({
            "goods": "an hour", "kind": "vickrey", "closes_within_ms": 4_000, "ask_agents": false,
            "bidders": PARTIES.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        }),
        _ => json!({"name": "all"}),
    }
}

fn input(protocol: &str, party: &str, value: &Value) -> Value {
    match protocol {
        "ballot" => json!({"vote": {"voter": party, "ballot": {"choice": value}}}),
        _ => json!({"bid": {"bidder": party, "amount": value}}),
    }
}

/// One client; every answer is none once its node is gone.
struct Caller {
    client: Client,
    known: Arc<Known>,
}

impl Caller {
    async fn post(&self, path: &str, body: Value) -> Option<(StatusCode, Value)> {
        self.client.call(Method::POST, path, Some(body)).await.ok()
    }

    /// Opens by a key, and gives the path of the conversation.
    async fn open(&self, protocol: &'static str, key: &str) -> Option<String> {
        self.known.with(protocol, key, |_| ());
        let request = self.client.raw(Method::POST, &format!("{COORDINATION}/{protocol}"));
        let request = request.header("idempotency-key", key).json(&setup(protocol));
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let shown = answer.json::<Value>().await.ok()?;
        assert!(status.is_success(), "{key}: {status} {shown:#}");
        let id = self.known.is_called(protocol, key, &shown);
        Some(format!("{COORDINATION}/{protocol}/{id}"))
    }

    async fn go_on(self, mut rng: impl Rng) -> Option<()> {
        loop {
            match rng.random_range(0..3) {
                0 => self.talk("ballot", &mut rng).await?,
                1 => self.talk("auction", &mut rng).await?,
                _ => self.lock(&mut rng).await?,
            }
        }
    }

    /// A conversation from its opening on, in which some stay silent.
    async fn talk(&self, protocol: &'static str, rng: &mut impl Rng) -> Option<()> {
        let key = format!("{protocol}-{}", self.known.next.fetch_add(1, Ordering::SeqCst));
        let path = self.open(protocol, &key).await?;
        for party in PARTIES {
            if rng.random_bool(0.2) {
                continue;
            }
            let value = match protocol {
                "ballot" => json!(["yes", "no"][rng.random_range(0..2)]),
                _ => json!(rng.random_range(1..1_000_000)),
            };
            self.say(protocol, &key, &path, party, &value).await?;
            if rng.random_bool(0.2) {
                let other = if value == "yes" { json!("no") } else { json!("yes") };
                let other = if protocol == "ballot" { other } else { json!(2_000_000) };
                let (status, answer) = self.post(&path, input(protocol, party, &other)).await?;
                assert_eq!(status, StatusCode::CONFLICT, "a second time: {answer:#}");
            }
        }
        let (_, shown) = self.client.call(Method::GET, &path, None).await.ok()?;
        self.known.came_to(protocol, &key, &shown["view"]["outcome"]);
        Some(())
    }

    async fn say(
        &self,
        protocol: &'static str,
        key: &str,
        path: &str,
        party: &str,
        value: &Value,
    ) -> Option<()> {
        let whose = party.to_owned();
        self.known.with(protocol, key, |talk| talk.said.insert(whose.clone(), value.clone()));
        let (status, answer) = self.post(path, input(protocol, party, value)).await?;
        if status == StatusCode::OK {
            self.known.with(protocol, key, |talk| talk.taken.insert(whose, value.clone()));
            self.known.came_to(protocol, key, &answer["answer"]["outcome"]);
        } else {
            // It came too late: it was decided before.
            assert_eq!(status, StatusCode::CONFLICT, "{answer:#}");
            self.known.with(protocol, key, |talk| talk.said.remove(&whose));
        }
        Some(())
    }

    /// Takes a lock for a moment, in the one space of all.
    async fn lock(&self, rng: &mut impl Rng) -> Option<()> {
        let path = self.open("lock-space", "all").await?;
        let owner = format!("owner-{}", self.known.next.fetch_add(1, Ordering::SeqCst));
        let name = format!("lock-{}", rng.random_range(0..3));
        let before = self.known.highest_fence();
        let acquire = json!({"owner": owner, "resources": [{"name": name}], "lease_ms": 200});
        let (status, answer) = self.post(&path, json!({"acquire": acquire})).await?;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        let Some(fence) = answer["answer"]["granted"]["fence"].as_u64() else { return Some(()) };
        assert!(fence > before, "fence {fence} after {before}");
        let other = self.known.fences.lock().insert(fence, owner.clone());
        assert_eq!(other, None, "fence {fence} was given twice");
        if rng.random_bool(0.7) {
            let release = json!({"release": {"owner": owner, "fence": fence}});
            let (status, answer) = self.post(&path, release).await?;
            // Its lease may have ended.
            let fits = status == StatusCode::OK || status == StatusCode::CONFLICT;
            assert!(fits, "{status} {answer:#}");
        }
        Some(())
    }
}

fn start_load(url: &str, known: &Arc<Known>, seed: &Seed) -> Vec<JoinHandle<Option<()>>> {
    let caller = |number| {
        let caller = Caller { client: Client::new(url), known: Arc::clone(known) };
        tokio::spawn(caller.go_on(seed.round(number).rng()))
    };
    (0..CALLERS).map(caller).collect()
}

/// Opens everything again by its key: what was opened without an answer is found.
async fn settle(client: &Client, known: &Arc<Known>) {
    let caller = Caller { client: client.clone(), known: Arc::clone(known) };
    for protocol in ["ballot", "auction", "lock-space"] {
        for (key, id) in known.ids(protocol) {
            if id.is_none() {
                caller.open(protocol, &key).await.expect("an answer");
            }
        }
        for (key, _) in known.ids(protocol).into_iter().take(20) {
            caller.open(protocol, &key).await.expect("an answer");
        }
    }
}

/// What was seen before is still so; how each stands.
async fn read_again(client: &Client, known: &Known, most: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for protocol in ["ballot", "auction", "lock-space"] {
        for (key, id) in known.ids(protocol).into_iter().rev().take(most) {
            let Some(id) = id else { continue };
            let (status, shown) = client.get(&format!("{COORDINATION}/{protocol}/{id}")).await;
            assert_eq!(status, StatusCode::OK, "acknowledged and lost: {key}: {shown:#}");
            known.came_to(protocol, &key, &shown["view"]["outcome"]);
            if let Some(last) = shown["view"]["last_fence"].as_u64() {
                assert!(last >= known.highest_fence(), "the last fence is {last}");
            }
            all.push(shown);
        }
    }
    all
}

/// Whether a ballot holds all votes that were acknowledged, and none that nobody cast.
fn check_ballot(talk: &Talk, view: &Value) {
    let ballots = view["ballots"].as_array().expect("ballots");
    let cast = ballots.iter().filter(|one| !one["ballot"].is_null());
    let cast: Vec<_> = cast.map(|one| (&one["voter"], &one["ballot"]["choice"])).collect();
    for (voter, choice) in &talk.taken {
        let of = cast.iter().filter(|(who, _)| *who == voter).map(|(_, choice)| *choice);
        assert_eq!(of.collect::<Vec<_>>(), [choice], "the vote of {voter} in {view:#}");
    }
    for (voter, choice) in cast {
        let said = voter.as_str().and_then(|voter| talk.said.get(voter));
        assert_eq!(said, Some(choice), "nobody cast the vote of {voter}: {view:#}");
    }
}

/// Whether the highest bid wins and pays the next, of those acknowledged and those in doubt.
fn check_auction(talk: &Talk, view: &Value) {
    let (least, most) = (talk.taken.len() as u64, talk.said.len() as u64);
    let bids = view["bids"].as_u64().expect("a count");
    assert!((least..=most).contains(&bids), "{least} to {most} bids were made: {view:#}");
    let amounts = |of: &BTreeMap<String, Value>| {
        let mut all: Vec<_> = of.values().filter_map(Value::as_u64).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all
    };
    let (taken, said) = (amounts(&talk.taken), amounts(&talk.said));
    let Some(winner) = view["outcome"]["sold"]["winners"].get(0) else {
        return assert!(taken.is_empty(), "unsold, with bids: {view:#}");
    };
    let (bid, price) = (winner["bid"].as_u64(), winner["price"].as_u64());
    let whose = talk.said.get(winner["who"].as_str().expect("a name"));
    assert_eq!(whose.and_then(Value::as_u64), bid, "{view:#}");
    assert!(bid >= taken.first().copied() && bid <= said.first().copied(), "{view:#}");
    assert!(price >= Some(taken.get(1).copied().unwrap_or(0)), "{view:#}");
    assert!(price <= Some(said.get(1).copied().unwrap_or(0)), "{view:#}");
}

/// Waits until each conversation has ended, and holds it to what was acknowledged.
async fn check(client: &Client, known: &Known) {
    let mut talks = std::mem::take(&mut *known.talks.lock());
    for ((protocol, key), talk) in &mut talks {
        let id = talk.id.as_ref().expect("all are opened by now");
        let path = format!("{COORDINATION}/{protocol}/{id}");
        if *protocol == "lock-space" {
            let (status, answer) = client.post(&path, json!({"close": {"reason": "done"}})).await;
            assert_eq!(status, StatusCode::OK, "{answer:#}");
        }
        let shown = client.until(&path, |shown| shown["ended_at"].is_string()).await;
        let view = &shown["view"];
        match *protocol {
            "ballot" => check_ballot(talk, view),
            "auction" => check_auction(talk, view),
            _ => {
                let ledger = &view["ledger"];
                assert_eq!(ledger["grants"], ledger["freed"], "{ledger:#}");
                continue;
            }
        }
        assert!(!view["outcome"].is_null(), "{key} ended without an outcome: {view:#}");
        assert!(talk.outcome.as_ref().is_none_or(|seen| *seen == view["outcome"]), "{view:#}");
        talk.outcome = Some(view["outcome"].clone());
    }
    *known.talks.lock() = talks;
}

/// Says something in conversations that are over.
async fn come_late(client: &Client, known: &Known) {
    for protocol in ["ballot", "auction"] {
        for (_, id) in known.ids(protocol).into_iter().take(20) {
            let path = format!("{COORDINATION}/{protocol}/{}", id.expect("an id"));
            let value = if protocol == "ballot" { json!("yes") } else { json!(3_000_000) };
            for party in PARTIES {
                let (status, answer) = client.post(&path, input(protocol, party, &value)).await;
                assert_eq!(status, StatusCode::CONFLICT, "{answer:#}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_and_all_that_was_acknowledged_survive_kills_under_load() {
    let rounds = std::env::var("SYNOD_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let folder = tempfile::tempdir().expect("a folder");
    let known = Arc::new(Known::default());
    for round in 0..rounds.unwrap_or(4) {
        let mut node = NodeProcess::start(folder.path(), KEPT);
        read_again(&Client::new(&node.url), &known, READ_AGAIN).await;
        let load = start_load(&node.url, &known, &seed.round(1_000 * (round + 1)));
        // Real time on purpose: the end must come to a process at work, not to a virtual clock.
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..900))).await;
        node.kill();
        for caller in load {
            caller.await.expect("a caller finds nothing wrong");
        }
    }
    let mut node = NodeProcess::start(folder.path(), KEPT);
    let client = Client::new(&node.url);
    settle(&client, &known).await;
    check(&client, &known).await;
    let before = read_again(&client, &known, usize::MAX).await;
    come_late(&client, &known).await;
    assert_eq!(read_again(&client, &known, usize::MAX).await, before, "late words change nothing");
    node.kill();
    let node = NodeProcess::start(folder.path(), KEPT);
    let after = read_again(&Client::new(&node.url), &known, usize::MAX).await;
    assert_eq!(after, before, "what has ended is the same after a kill");
    println!("{} conversations, fences to {}", before.len(), known.highest_fence());
}
