//! Agents that are programs, in Python: they do work, and whatever they do instead ends the task
//! with a clear error, or another attempt does it.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{TASKS, echo};
use crate::node_process::data_folder;
use crate::python::{here, python};
use crate::world::World;

/// The configuration of one agent that runs a script, with short times.
fn agent(python: &str, id: &str, args: &[&str], limits: &str) -> String {
    let script = here("tests/it/agent.py");
    let args = [&[script.to_str().expect("UTF-8")], args].concat();
    format!(
        "[agents]\nrestart_initial_ms = 10\n[[agents.process]]\nid = \"{id}\"\n\
         command = \"{python}\"\nargs = {args:?}\ncapabilities = [\"think\"]\n\
         max_lines_per_s = 1_000\nmax_line_bytes = 100_000\nping_ms = 60_000\n\
         limits = {{ max_concurrent_tasks = 1, {limits} }}\n"
    )
}

/// A task for the agent that may be tried so often.
fn think(attempts: u32, lost: u32) -> Value {
    let retry = json!({"max_attempts": attempts, "max_lost": lost, "initial_ms": 50});
    json!({"kind": "think", "payload": {"n": 1}, "retry": retry, "timeout_s": 60})
}

#[tokio::test]
async fn the_example_in_python_does_work() {
    let Some(python) = python() else { return };
    let script = here("examples/agents/word_count.py");
    let config = format!(
        "[[agents.process]]\nid = \"word-count\"\ncommand = \"{python}\"\n\
         args = [{script:?}]\ncapabilities = [\"text.count\"]\n"
    );
    let mut world = World::start(&config);
    let count = json!({"kind": "text.count", "payload": "one two\nthree"});
    let task = world.client.done(count.clone()).await;
    let counts = json!({"lines": 2, "words": 3, "characters": 12});
    assert_eq!(task["result"], counts, "{task}");
    let plain = json!({"kind": "text.count", "payload": "a b", "content_type": "text/plain"});
    assert_eq!(world.client.done(plain).await["result"]["words"], 2);
    let task = world.client.done(json!({"kind": "text.count", "payload": 7})).await;
    assert_eq!(task["error"]["kind"], "invalid_input", "{task}");
    assert_eq!(task["attempts"], 1, "what can't help is not tried again: {task}");
    world.restart(&config);
    assert_eq!(world.client.done(count).await["result"], counts);
}

#[tokio::test]
async fn a_program_gets_a_clean_environment() {
    let Some(python) = python() else { return };
    let config = agent(python, "thinker", &["good"], "perform_timeout_s = 20");
    let with_variable = config.replace("ping_ms", "env = { ONLY = \"this\" }\nping_ms");
    let World { client, node: _node, .. } = &World::start(&with_variable);
    let task = client.done(think(1, 0)).await;
    let names: Vec<&str> = task["result"]["environment"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        // What the interpreter sets for itself.
        .filter(|name| !name.starts_with("LC_") && !name.starts_with("__"))
        .collect();
    assert_eq!(names, ["ONLY", "PATH"], "{task}");
}

#[tokio::test]
async fn whatever_a_program_does_instead_ends_the_task_with_a_clear_error() {
    let Some(python) = python() else { return };
    let cases = [
        ("garbage", "failed", "not JSON-RPC"),
        ("binary", "failed", "not UTF-8"),
        ("flood", "failed", "flooded its output: more than 1000 lines a second"),
        ("long", "failed", "a line of more than 100000 bytes"),
        ("wrong", "failed", "the result of the agent"),
        ("hang", "timeout", "the deadline of the work passed"),
        ("die", "lost", "out of tokens"),
        ("shut", "lost", "closed its output"),
    ];
    for (conduct, kind, message) in cases {
        let limits = "perform_timeout_s = 1, grace_ms = 100";
        let world = World::start(&agent(python, "thinker", &[conduct], limits));
        // Lost executions count apart: one may be lost with the program before.
        let task = world.client.done(think(1, 0)).await;
        assert_eq!(task["state"], "failed", "{conduct}: {task}");
        assert_eq!(task["error"]["kind"], kind, "{conduct}: {task}");
        let said = task["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(message), "{conduct}: {said}");
        assert_eq!(task["error"]["agent"], "thinker@1.0.0", "{conduct}: {task}");
    }
}

#[tokio::test]
async fn a_program_that_misbehaves_once_is_started_again_and_does_the_work() {
    let Some(python) = python() else { return };
    for conduct in ["garbage", "flood", "die", "shut", "hang", "refuse", "wrong"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let args = [conduct, mark.to_str().expect("UTF-8")];
        let limits = "perform_timeout_s = 2, grace_ms = 100";
        let world = World::start(&agent(python, "thinker", &args, limits));
        let task = world.client.done(think(10, 5)).await;
        assert_eq!(task["state"], "completed", "{conduct}: {task}");
        assert_eq!(task["result"]["of"], json!({"n": 1}), "{conduct}: {task}");
        // Work that was refused has not been tried.
        let attempts = if conduct == "refuse" { 1 } else { 2 };
        assert!(task["attempts"].as_u64() >= Some(attempts), "{conduct}: {task}");
        assert_eq!(world.client.ledger().await["completed"], 1, "{conduct}");
    }
}

#[tokio::test]
async fn a_cancelled_program_is_killed_when_it_does_not_stop() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let args = ["hang", mark.to_str().expect("UTF-8")];
    let limits = "perform_timeout_s = 300, grace_ms = 100";
    let World { client, node: _node, .. } = &World::start(&agent(python, "thinker", &args, limits));
    let id = client.accepted(think(1, 0)).await;
    let health = "/api/v1/agents/thinker/health";
    client.until(health, |health| health["agents"][0]["health"]["in_hand"][0].is_object()).await;
    let (status, task) = client.delete(&format!("{}/{id}", TASKS)).await;
    assert_eq!((status.as_u16(), &task["state"]), (200, &json!("cancelled")), "{task}");
    // The program is killed, started again, and free for others.
    assert_eq!(client.done(think(10, 5)).await["state"], "completed");
}

#[tokio::test]
async fn a_program_that_is_none_of_ours_is_not_used_and_shows_why() {
    let Some(python) = python() else { return };
    for (config, why) in [
        (agent(python, "thinker", &["stranger"], ""), "version 2 of the protocol"),
        (agent("/nowhere/python", "thinker", &["good"], ""), "can't be started"),
        (agent("/bin/true", "thinker", &[], ""), "it ended"),
    ] {
        let World { client, node: _node, .. } = &World::start(&config);
        let says = |health: &Value| {
            let error = &health["agents"][0]["health"]["last_error"];
            error.as_str().is_some_and(|error| error.contains(why))
        };
        client.until("/api/v1/agents/thinker/health", says).await;
        let mut task = think(2, 0);
        task["timeout_s"] = json!(1);
        let task = client.done(task).await;
        assert_eq!(task["state"], "failed", "{why}: {task}");
        client.done(echo("others-go-on")).await;
    }
}

#[tokio::test]
async fn no_program_outlives_its_node() {
    let Some(python) = python() else { return };
    if !Path::new("/proc").exists() {
        return println!("left out: programs that outlive their node, because /proc is not there");
    }
    for kill in [false, true] {
        let config = agent(python, "thinker", &["good"], "perform_timeout_s = 20");
        let mut world = World::start(&config);
        world.client.done(think(1, 0)).await;
        let children = children_of(world.node.id());
        assert_eq!(children.len(), 1, "one program: {children:?}");
        if kill {
            world.node.kill();
        } else {
            world.node.stop();
        }
        let until = Instant::now() + Duration::from_secs(10);
        while children.iter().any(|pid| is_alive(*pid)) {
            assert!(Instant::now() < until, "{children:?} live on, kill: {kill}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_program_whose_node_was_killed_does_not_work_on_beside_the_next_one() {
    let Some(python) = python() else { return };
    if !Path::new("/proc/sys/kernel/random/boot_id").exists() {
        return println!("left out: programs of a killed node, because /proc is not there");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let args = ["hang", mark.to_str().expect("UTF-8")];
    let config = agent(python, "thinker", &args, "perform_timeout_s = 300");
    let mut world = World::start(&config);
    let id = world.client.accepted(think(1, 5)).await;
    let left = busy_program(&world).await;
    world.node.kill();
    assert!(is_alive(left), "it hears of nothing: that is what is to be tested");

    world.start_again(&config);
    assert!(!is_alive(left), "it is gone before its task is given out again");
    let log = world.node.log();
    assert!(log.contains(&format!("\"pid\":{left}")), "{log}");
    let task = world.client.until_ended(&id).await;
    assert_eq!((&task["state"], &task["lost"]), (&json!("completed"), &json!(1)), "{task}");
    assert_eq!(children_of(world.node.id()).len(), 1, "one program");
    world.node.stop();
    let noted = std::fs::read_dir(data_folder(world.folder()).join("programs"));
    assert_eq!(noted.expect("a folder").count(), 0, "nobody is left to be noted");
}

#[tokio::test]
async fn a_node_that_leaves_at_once_leaves_no_program_behind() {
    let Some(python) = python() else { return };
    if !Path::new("/proc").exists() {
        return println!("left out: programs of a node that leaves, because /proc is not there");
    }
    let config = agent(python, "thinker", &["hang"], "perform_timeout_s = 300");
    let mut world = World::start(&format!("{config}[log]\nlevel = \"info\"\n"));
    world.client.accepted(think(1, 5)).await;
    let left = busy_program(&world).await;
    world.node.signal(Signal::TERM);
    world.node.until_logged("a second signal ends it now");
    world.node.signal(Signal::TERM);
    assert_eq!(world.node.wait().code(), Some(130), "{}", world.node.log());
    let until = Instant::now() + Duration::from_secs(10);
    while is_alive(left) {
        assert!(Instant::now() < until, "{left} lives on");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_program_that_keeps_dying_shows_in_the_tree_how_often_and_why() {
    let config = agent("/bin/false", "thinker", &[], "");
    let World { client, node: _node, .. } = &World::start(&config);
    let dies = |report: &Value| {
        let link = keeper(&report["tree"]);
        link.is_some_and(|link| link["restarts"].as_u64() >= Some(3))
    };
    let report = client.until("/api/v1/status", dies).await;
    let link = keeper(&report["tree"]).expect("a link");
    let said = |member: &str| link[member].to_string();
    assert!(said("last_error").contains("exit status: 1"), "{link}");
    assert!(said("detail").contains("restarting in"), "{link}");
}

/// The actor that keeps a program, in a tree.
fn keeper(actor: &Value) -> Option<&Value> {
    if actor["kind"] == "process link" {
        return Some(actor);
    }
    actor["children"].as_array()?.iter().find_map(keeper)
}

/// The one program of a node, once it has work and heeds no SIGTERM.
async fn busy_program(world: &World) -> u32 {
    let health = "/api/v1/agents/thinker/health";
    let busy = |health: &Value| health["agents"][0]["health"]["in_hand"][0].is_object();
    world.client.until(health, busy).await;
    let children = children_of(world.node.id());
    let [program] = children[..] else { panic!("not one program: {children:?}") };
    program
}

/// State and parent of a process; none when it is gone.
fn process(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets before them, and may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// One that has ended may wait for somebody to take note.
fn is_alive(pid: u32) -> bool {
    process(pid).is_some_and(|(state, _)| state != "Z")
}

/// The processes whose parent this is.
fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux has one").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| process(*pid).is_some_and(|(_, of)| of == parent)).collect()
}
