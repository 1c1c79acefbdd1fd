//! The stream of changes: every change once and in order, resumable, and no reader without bound.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::client::{Client, TASKS, assert_field, echo};
use crate::events::{Event, Sse, Ws};
use crate::world::World;
use crate::ws_agent::{WsAgent, card};

/// Tasks done one after the other; their ids.
async fn tasks(client: &Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let task = client.done(json!({"kind": "echo", "payload": number})).await;
        ids.push(task["task_id"].as_str().expect("an id").to_owned());
    }
    ids
}

/// What a task that goes well goes through.
const STATES: [&str; 4] = ["pending", "queued", "running", "completed"];

/// What each of these tasks goes through.
fn expected(ids: &[String]) -> Vec<(String, String)> {
    let all = ids.iter().flat_map(|id| STATES.map(|state| (id, state)));
    all.map(|(id, state)| (format!("tasks/{id}"), format!("synod.task.{state}"))).collect()
}

fn told(events: &[Event]) -> Vec<(String, String)> {
    let tell = |event: &Event| {
        (event.0["subject"].as_str().expect("a subject").to_owned(), event.kind().to_owned())
    };
    events.iter().map(tell).collect()
}

/// Reads so many events after the one that opens the stream.
async fn read(stream: &mut Sse, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        let event = stream.next().await.expect("the stream goes on");
        if event.kind() != "synod.stream.opened" {
            events.push(event);
        }
    }
    events
}

#[tokio::test]
async fn every_change_is_told_once_and_in_order_by_both_ways() {
    let World { client, node: _node, .. } = &World::start("");
    let mut sse = Sse::open(client, "type=synod.task.*", None).await;
    let mut ws = Ws::open(client, "type=synod.task.*").await;
    let opened = ws.next().await.expect("an event");
    assert_eq!(opened.kind(), "synod.stream.opened");
    let ids = tasks(client, 5).await;
    let by_sse = read(&mut sse, 20).await;
    assert_eq!(told(&by_sse), expected(&ids));
    let mut by_ws = Vec::new();
    for _ in 0..20 {
        by_ws.push(ws.next().await.expect("an event"));
    }
    assert_eq!(told(&by_ws), expected(&ids));
    let of = |events: &[Event]| events.iter().map(|event| event.0.clone()).collect::<Vec<_>>();
    assert_eq!(of(&by_sse), of(&by_ws), "they are the same events");

    let event = &by_sse[3].0;
    assert_eq!(event["specversion"], "1.0", "{event}");
    assert_eq!(event["source"], "/nodes/synod", "{event}");
    assert_eq!(event["datacontenttype"], "application/json", "{event}");
    assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    assert_eq!(event["data"]["task_id"], ids[0].as_str(), "{event}");
    let ids: BTreeSet<_> = by_sse.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(ids.len(), 20, "each event has an id of its own");
}

#[tokio::test]
async fn a_reader_resumes_from_any_event_without_loss_or_duplicate() {
    let World { client, node: _node, .. } = &World::start("");
    let mut first = Sse::open(client, "type=synod.task.*", None).await;
    let mut ids = tasks(client, 4).await;
    let before = read(&mut first, 16).await;
    drop(first);
    ids.extend(tasks(client, 3).await);
    for from in [0, 3, 9, 15] {
        let after = before[from].id().to_owned();
        let by_header = Sse::open(client, "type=synod.task.*", Some(&after)).await;
        let query = format!("type=synod.task.*&after={after}");
        let by_query = Sse::open(client, &query, None).await;
        for mut resumed in [by_header, by_query] {
            let rest = read(&mut resumed, 28 - from - 1).await;
            assert_eq!(told(&rest), expected(&ids)[from + 1..]);
        }
        let mut resumed = Ws::open(client, &query).await;
        let opened = resumed.next().await.expect("an event");
        let own = opened.id().strip_prefix(&after).expect("it stands where it was");
        assert!(own.starts_with('.'), "and is another event: {}", opened.id());
        let next = resumed.next().await.expect("an event");
        assert_eq!(told(&[next])[0], expected(&ids)[from + 1]);
    }
}

#[tokio::test]
async fn a_list_says_from_where_to_read_so_as_to_miss_nothing() {
    let World { client, node: _node, .. } = &World::start("");
    tasks(client, 2).await;
    for path in [TASKS, "/api/v1/agents"] {
        let answer = client.raw(reqwest::Method::GET, path).send().await.expect("an answer");
        let cursor = answer.headers()["synod-stream-cursor"].to_str().expect("ASCII").to_owned();
        let later = tasks(client, 1).await;
        let query = format!("type=synod.task.*&after={cursor}");
        let mut stream = Sse::open(client, &query, None).await;
        assert_eq!(told(&read(&mut stream, 4).await), expected(&later));
    }
}

#[tokio::test]
async fn a_reader_may_want_one_task_or_one_agent_alone() {
    let World { client, node, .. } = &World::start("");
    let cursor = Sse::open(client, "", None).await.next().await.expect("an event").id().to_owned();
    let ids = tasks(client, 3).await;
    let query = format!("task={}&after={cursor}", ids[1]);
    let mut stream = Sse::open(client, &query, None).await;
    assert_eq!(told(&read(&mut stream, 4).await), expected(&ids[1..2]));

    let query = format!("agent=digger&after={cursor}");
    let mut stream = Sse::open(client, &query, None).await;
    let agent = WsAgent::connect(&node.url, card("digger", "dig")).await;
    let is_active = |shown: &serde_json::Value| shown["agents"][0]["status"] == "active";
    client.until("/api/v1/agents/digger", is_active).await;
    drop(agent);
    let gone = |shown: &serde_json::Value| shown["agents"][0]["status"] == "disconnected";
    client.until("/api/v1/agents/digger", gone).await;
    client.delete("/api/v1/agents/digger").await;
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "synod.agent.left") {
        kinds.push(read(&mut stream, 1).await.remove(0).kind().to_owned());
    }
    assert_eq!(kinds[0], "synod.agent.joined", "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind == "synod.agent.status_changed"), "{kinds:?}");
}

#[tokio::test]
async fn what_becomes_of_an_actor_is_told_step_by_step_however_fast_it_goes() {
    let World { client, node, .. } = &World::start("");
    let mut stream = Sse::open(client, "type=synod.actor.*", None).await;
    assert_eq!(stream.next().await.expect("an event").kind(), "synod.stream.opened");
    let _digger = WsAgent::connect(&node.url, card("digger", "dig")).await;
    let path = "/node/agents/digger@1.0.0";
    // All that is told of the actor, up to an event of this kind.
    let mut until = async |last: &str| {
        let mut told = Vec::new();
        loop {
            let event = read(&mut stream, 1).await.remove(0);
            if event.0["subject"] == format!("actors{path}") {
                told.push(event.kind().trim_start_matches("synod.actor.").to_owned());
                if told.last().is_some_and(|kind| kind == last) {
                    return (told, event.0["data"].clone());
                }
            }
        }
    };
    let control = async |word: &str| {
        let answer = client.post(&format!("/api/v1/status/{word}"), json!({"path": path})).await;
        assert_eq!(answer.0, 202, "{}", answer.1);
    };
    assert_eq!(until("started").await.0, ["started"]);
    for word in ["pause", "resume", "restart"] {
        control(word).await;
    }
    let (told, data) = until("restarted").await;
    assert_eq!(told, ["paused", "resumed", "stopped", "restarted"]);
    let expected =
        json!({"kind": "agent", "state": "running", "restarts": 1, "reason": "shutdown"});
    assert_eq!(data, expected);
    control("stop").await;
    assert_eq!(until("ended").await.0, ["stopped", "ended"]);
}

#[tokio::test]
async fn a_cursor_that_can_not_be_resumed_from_is_told_so() {
    let mut world = World::start("stream_buffer = 16\n");
    let stream = |query: &str| format!("/api/v1/stream/sse?{query}");
    for cursor in ["nonsense", "0", "1zz"] {
        let answer = world.client.get(&stream(&format!("after={cursor}"))).await;
        assert_field(&answer, "after", "the id of an event");
    }
    let mut reader = Sse::open(&world.client, "", None).await;
    let old = reader.next().await.expect("an event").id().to_owned();
    drop(reader);
    tasks(&world.client, 10).await;
    let reason = |event: &Event| event.0["data"]["reason"].as_str().expect("a reason").to_owned();
    for (restart, why) in [(false, "no longer kept"), (true, "another boot")] {
        if restart {
            world.restart("");
        }
        let mut resumed = Sse::open(&world.client, "", Some(&old)).await;
        let mut last = resumed.next().await.expect("an event");
        while let Some(event) = resumed.next().await {
            last = event;
        }
        assert_eq!(last.kind(), "synod.stream.reset", "it is the last word");
        assert!(reason(&last).contains(why), "{}", last.0);
        // As it says: list again, then read on after the id of this event.
        let mut again = Sse::open(&world.client, "type=synod.task.*", Some(last.id())).await;
        let ids = tasks(&world.client, 1).await;
        assert_eq!(told(&read(&mut again, 4).await), expected(&ids));
    }
    let (place, _) = old.split_once('.').expect("the number of a notice");
    let future = format!("{}ffffffffffffffff", &place[..place.len() - 16]);
    let mut resumed = Ws::open(&world.client, &format!("after={future}")).await;
    let mut last = None;
    let code = loop {
        match resumed.next().await {
            Ok(event) => last = Some(event),
            Err(code) => break code,
        }
    };
    assert_eq!(last.expect("an event").kind(), "synod.stream.reset");
    assert_eq!(code, Some(1013), "try again later");
}

#[tokio::test]
async fn a_reader_that_speaks_is_cut_off() {
    let World { client, node: _node, .. } = &World::start("");
    let mut stream = Ws::open(client, "").await;
    stream.say("hello").await;
    let code = loop {
        if let Err(code) = stream.next().await {
            break code;
        }
    };
    assert_eq!(code, Some(1003), "this stream only sends");
}

#[tokio::test]
async fn a_slow_reader_costs_nothing_and_is_told_what_it_missed() {
    let World { client, node, .. } = &World::start("stream_buffer = 64\n");
    let address: SocketAddr = client.url.trim_start_matches("http://").parse().expect("host:port");
    let socket = TcpSocket::new_v4().expect("a socket");
    // The less the system takes in for it, the sooner the reader is behind.
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut reader = socket.connect(address).await.expect("a connection");
    let head = "GET /api/v1/stream/sse HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    reader.write_all(head.as_bytes()).await.expect("the node listens");
    reader.read_exact(&mut [0; 15]).await.expect("the stream is open");

    let before = node.resident_kib();
    let labels = json!({"large": "x".repeat(250)});
    let many = (0..40).map(|_| async {
        for _ in 0..75 {
            let task = json!({"kind": "echo", "labels": labels, "tenant": "t".repeat(64)});
            client.accepted(task).await;
        }
    });
    futures::future::join_all(many).await;
    client.until("/api/v1/orchestration/stats", |stats| stats["ledger"]["open"] == 0).await;
    println!(
        "{before:?} KiB before, {:?} KiB with a reader 12,000 events behind",
        node.resident_kib()
    );

    let mut text = String::new();
    reader.read_to_string(&mut text).await.expect("the node ends the stream");
    let sequences: Vec<u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok().map(Event))
        .map(|event| event.sequence())
        .collect();
    assert!(sequences.len() < 12_000, "it was never behind");
    let told = &sequences[1..sequences.len() - 1];
    assert!(told.windows(2).all(|pair| pair[1] == pair[0] + 1), "nothing is left out silently");
    assert!(text.contains("event: synod.stream.reset"), "the gap is told");
    client.done(echo("a")).await;
}
