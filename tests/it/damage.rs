//! What happens to the disk from outside: a torn tail is recovered, damage is refused, a full disk
//! stops acceptance; in each case the node says so.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::{Client, STATS, TASKS, assert_problem, echo};
use crate::node_process::{NodeProcess, data_folder, synod};
use crate::world::World;

/// A small log, so that the tests can look at all of it.
const SMALL: &str = "[journal]\nsegment_bytes = 1_048_576\nmax_group_bytes = 262_144\n\
                     max_record_bytes = 65_536\n[tasks]\nmax_collected_bytes = 32_768\n\
                     inline_bytes = 8_192\nmax_payload_bytes = 32_768\n\
                     max_agent_state_bytes = 16_384\n[workflows]\ninline_bytes = 8_192\n";

/// The segments of the log, the oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data_folder(folder).join("log")).expect("a log");
    let files = files.map(|file| file.expect("a file").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    files.sort();
    files
}

/// Where the written part of a segment ends: the rest is zeros.
fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// A stopped node that has done some tasks, and their ids.
async fn stopped_with_tasks(count: usize) -> (World, Vec<String>) {
    let mut world = World::start(SMALL);
    let mut ids = Vec::new();
    for number in 0..count {
        let task = world.client.done(json!({"kind": "echo", "payload": number})).await;
        ids.push(task["task_id"].as_str().expect("an id").to_owned());
    }
    world.node.stop();
    (world, ids)
}

#[tokio::test]
async fn a_byte_flipped_in_the_middle_of_the_log_is_found_and_nothing_is_changed() {
    let (world, ids) = stopped_with_tasks(30).await;
    let segment = segments(world.folder()).remove(0);
    let sound = fs::read(&segment).expect("a segment");
    let end = end_of(&sound);
    for at in [end / 4, end / 2, end * 3 / 4] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x20;
        fs::write(&segment, &damaged).expect("written");
        let _ = fs::remove_file(world.folder().join("node.log"));
        let refused = NodeProcess::refused(world.folder(), SMALL);
        assert_eq!(refused.code, Some(2), "byte {at}: {}", refused.said);
        let error = refused.said.lines().last().expect("an error");
        for text in ["damaged log", ".segment at offset", "record", "backup", "Nothing was changed"]
        {
            assert!(error.contains(text), "byte {at}: {text:?} is not in: {error}");
        }
        let offset = offset_in(error);
        assert!(offset <= at && at - offset < 4_096, "byte {at} is said to be at {offset}");
        assert!(fs::read(&segment).expect("a segment") == damaged, "byte {at}: it was changed");
    }
    fs::write(&segment, &sound).expect("written");
    let node = NodeProcess::start(world.folder(), SMALL);
    let client = Client::new(&node.url);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(client.task(id).await["result"], number, "the sound log is read as before");
    }
}

/// The position that the message gives.
fn offset_in(error: &str) -> usize {
    let after = error.split("at offset ").nth(1).expect("an offset");
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[tokio::test]
async fn an_unfinished_write_is_cut_off_and_the_node_goes_on() {
    let (mut world, ids) = stopped_with_tasks(10).await;
    let segment = segments(world.folder()).remove(0);
    let mut bytes = fs::read(&segment).expect("a segment");
    // What a crash in the middle of a write leaves: the beginning of a record, never acknowledged.
    let end = end_of(&bytes).next_multiple_of(8);
    let begun = bytes[end - 64..end - 20].to_vec();
    bytes[end..end + begun.len()].copy_from_slice(&begun);
    fs::write(&segment, &bytes).expect("written");

    world.start_again(SMALL);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(world.client.task(id).await["result"], number);
    }
    let (_, status) = world.client.get("/api/v1/status?depth=0").await;
    let cut = status["node"]["journal"]["cut_bytes"].as_u64().expect("a number");
    assert!(cut > 0, "it says that something was cut off: {status}");
    world.client.done(echo("after")).await;
    world.restart(SMALL);
    assert_eq!(world.client.ledger().await["completed"], 11);
}

#[tokio::test]
async fn a_log_that_lost_acknowledged_records_is_refused() {
    let (world, _) = stopped_with_tasks(10).await;
    let segment = segments(world.folder()).remove(0);
    let mut bytes = fs::read(&segment).expect("a segment");
    let end = end_of(&bytes);
    bytes[end - 600..end].fill(0);
    fs::write(&segment, &bytes).expect("written");
    let refused = NodeProcess::refused(world.folder(), SMALL);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(refused.said.contains("damaged log"), "{}", refused.said);
    assert!(fs::read(&segment).expect("a segment") == bytes, "it was changed");

    fs::remove_file(&segment).expect("removed");
    let refused = NodeProcess::refused(world.folder(), SMALL);
    assert_eq!(refused.code, Some(2), "a log without its records is no new log");
    assert!(!segment.exists(), "nothing is made in its place");
}

/// Submits until the node refuses; what was accepted, and the refusal.
async fn until_refused(client: &Client) -> (Vec<String>, (reqwest::StatusCode, Value)) {
    let mut accepted = Vec::new();
    loop {
        let answer = client.post(TASKS, filling()).await;
        if answer.0 != 201 {
            return (accepted, answer);
        }
        accepted.push(answer.1["task_id"].as_str().expect("an id").to_owned());
        assert!(accepted.len() < 2_000, "the disk does not fill");
    }
}

#[tokio::test]
async fn a_full_disk_stops_acceptance_and_the_node_says_so() {
    let mut world = World::start(SMALL);
    world.client.done(echo("before")).await;
    // All of the disk is reserved for others: no further segment may be begun.
    let full = SMALL.replace("[journal]", "[journal]\nreserve_bytes = 1_125_899_906_842_624");
    world.restart(&full);
    let client = &world.client;
    let (accepted, refused) = until_refused(client).await;
    assert_problem(&refused, 503, "unavailable");
    let detail = refused.1["detail"].as_str().expect("a detail");
    assert!(detail.contains("disk full"), "{detail}");
    let ready = client.get("/readyz").await;
    assert_problem(&ready, 503, "unavailable");
    assert!(ready.1["detail"].as_str().expect("a detail").contains("disk full"), "{}", ready.1);
    assert_eq!(client.get("/healthz").await.0, 200, "alive, and not to be restarted for it");
    let task = client.task(&accepted[0]).await;
    assert_eq!(task["task_id"], accepted[0].as_str(), "what is stored can be read: {task}");

    // Room again: what was accepted is done, what was refused is not there.
    world.restart(SMALL);
    for id in &accepted {
        assert_eq!(world.client.until_ended(id).await["state"], "completed");
    }
    let (_, stats) = world.client.get(STATS).await;
    assert_eq!(stats["ledger"]["accepted"], accepted.len() + 1, "{stats}");
    for _ in 0..100 {
        world.client.done(filling()).await;
    }
}

/// A task that takes some room in the log.
fn filling() -> Value {
    json!({"kind": "echo", "payload": "x".repeat(8_000)})
}

#[tokio::test]
async fn a_result_whose_file_is_damaged_or_gone_is_told_of_in_the_status_the_log_and_the_terminal()
{
    let world = World::start("[log]\nlevel = \"info\"\n");
    let payload = "x".repeat(200_000);
    let task = world.client.done(json!({"kind": "echo", "payload": payload})).await;
    let id = task["task_id"].as_str().expect("an id");
    let blobs = fs::read_dir(data_folder(world.folder()).join("blobs/tasks")).expect("blobs");
    let blob = blobs.map(|file| file.expect("a file").path()).next().expect("a blob");
    let hash = blob.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let mut bytes = fs::read(&blob).expect("its bytes");
    bytes[1_000] ^= 1;
    for (spoil, reason) in [(Some(bytes), "is damaged in"), (None, "is not there")] {
        match spoil {
            Some(bytes) => fs::write(&blob, bytes).expect("written"),
            None => fs::remove_file(&blob).expect("removed"),
        }
        for query in ["", "?wait=5"] {
            let (status, task) = world.client.get(&format!("{TASKS}/{id}{query}")).await;
            assert_eq!((status.as_u16(), &task["state"]), (200, &json!("completed")), "{task}");
            assert_eq!(
                (&task["result"], &task["result_error"]["blob"]),
                (&Value::Null, &json!(hash))
            );
            let told = task["result_error"]["reason"].as_str().expect("a reason");
            assert!(told.contains(reason) && told.contains(hash), "{told}");
            assert!(task["result_error"]["advice"].as_str().is_some_and(|a| a.contains("backup")));
        }
        for json in [&[][..], &["--json"]] {
            let mut command = synod();
            command.args(["tasks", "show", id]).args(json).env("SYNOD_URL", &world.node.url);
            let output = command.output().expect("a command");
            let out = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{out}");
            assert!(out.contains(hash) && out.contains("backup"), "{out}");
        }
    }
    world.node.until_logged("a result could not be read");
    let (_, document) = world.client.get("/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    assert!(schemas["TaskStatusResponse"]["properties"]["result_error"].is_object());
    assert!(schemas["ResultError"]["properties"]["advice"].is_object());
}
