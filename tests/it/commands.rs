//! The command line against a running node: answers, forms and exit codes.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::node_process::synod;
use crate::world::World;

impl World {
    /// Runs a command against this node, and gives its exit code, answer and complaint.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        ended(synod().args(args).env("SYNOD_URL", &self.node.url).output().expect("a command"))
    }

    /// The JSON answer of a command that must do what it is asked for.
    fn json(&self, args: &[&str]) -> Value {
        let (code, answer, complaint) = self.run(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{args:?}: {complaint}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{args:?}: {error}: {answer}"))
    }
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn a_task_is_submitted_and_followed_to_its_end() {
    let world = World::start("");
    let (code, answer, complaint) =
        world.run(&["tasks", "submit", "echo", "{\"hello\": \"world\"}", "--wait"]);
    assert_eq!(code, 0, "{complaint}");
    for word in ["completed", "\"hello\": \"world\"", "kind", "echo"] {
        assert!(answer.contains(word), "{word:?} is not in\n{answer}");
    }
    assert!(!answer.contains('\x1b'), "a pipe gets no colours");
}

#[test]
fn what_a_program_gets_is_what_the_node_said() {
    let world = World::start("");
    let accepted = world.json(&["tasks", "submit", "echo", "1", "--priority", "4"]);
    let id = accepted["task_id"].as_str().expect("a task");
    let (code, ..) = world.run(&["tasks", "watch", id, "--json"]);
    assert_eq!(code, 0);
    let task = world.json(&["tasks", "show", id]);
    assert_eq!((&task["state"], &task["priority"]), (&"completed".into(), &"high".into()));
    let page = world.json(&["tasks", "list", "--agent", "nobody"]);
    assert_eq!(page["tasks"], json!([]), "{page}");
    let page = world.json(&["tasks", "list", "--agent", "echo", "--state", "completed"]);
    assert_ne!(page["tasks"], json!([]), "{page}");
    let page = world.json(&["tasks", "list", "--state", "completed", "--kind", "echo"]);
    assert_eq!(page["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.json(&["tasks", "stats"])["ledger"]["completed"], 1);
    assert_eq!(world.json(&["agents", "find", "echo"])["agents"][0]["id"], "echo");
    assert_eq!(world.json(&["status", "--depth", "1"])["node"]["ready"], true);
}

#[test]
fn tables_are_for_people() {
    let world = World::start("");
    let (_, tree, _) = world.run(&["status"]);
    for word in ["state", "ready", "ACTOR", "journal", "running", "└─"] {
        assert!(tree.contains(word), "{word:?} is not in\n{tree}");
    }
    let (_, agents, _) = world.run(&["agents", "list"]);
    assert!(agents.contains("echo@") && agents.contains("active"), "{agents}");
    let (_, none, _) = world.run(&["tasks", "list"]);
    assert_eq!(none, "no such task\n");
}

#[test]
fn each_kind_of_refusal_has_its_exit_code() {
    let world = World::start("");
    let done = world.json(&["tasks", "submit", "echo", "1"]);
    let id = done["task_id"].as_str().expect("a task");
    world.run(&["tasks", "watch", id]);
    let unknown = "01890000-0000-7000-8000-000000000000";
    let cases: [(&[&str], i32, &str); 7] = [
        (&["tasks", "show", unknown], 4, "there is no task"),
        (&["status", "pause", "/nowhere"], 4, "there is no actor"),
        (&["agents", "show", "nobody"], 4, "there is no agent"),
        (&["tasks", "cancel", id], 5, "already ended"),
        (&["tasks", "submit", "never.heard.of"], 5, "no capable agent"),
        (&["tasks", "submit", "echo", "--priority", "soon"], 2, "priority"),
        (&["tasks", "submit", "echo", "no json"], 2, "not JSON"),
    ];
    for (args, expected, said) in cases {
        let (code, answer, complaint) = world.run(args);
        assert_eq!((code, answer.as_str()), (expected, ""), "{args:?}: {complaint}");
        assert!(complaint.contains(said), "{args:?}: {complaint}");
    }
}

#[test]
fn an_agent_comes_is_paused_and_goes() {
    let world = World::start("");
    let card = ["--id", "far", "--endpoint", "http://127.0.0.1:9/", "--capability", "far.away"];
    world.json(&[&["agents", "register"], &card[..]].concat());
    let shown = world.json(&["agents", "set-status", "far", "paused"]);
    assert_eq!(shown["agents"][0]["status"], "paused");
    assert_eq!(world.run(&["agents", "heartbeat", "far"]).0, 0);
    assert_eq!(world.json(&["agents", "retire", "far@1.0.0"])["retired"][0], "far@1.0.0");
    assert_eq!(world.run(&["agents", "heartbeat", "far"]).0, 4);
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let mut command = synod();
    command.args(["config", "show"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a command");
    drop(child.stdout.take());
    let (code, _, complaint) = ended(child.wait_with_output().expect("its end"));
    assert_eq!((code, complaint.as_str()), (0, ""));
}

#[test]
fn without_a_node_the_next_step_is_told() {
    let output = synod().args(["status", "--url", "http://127.0.0.1:1"]).output();
    let (code, _, complaint) = ended(output.expect("a command"));
    assert_eq!(code, 3);
    assert!(complaint.contains("synod node"), "{complaint}");
    let output = synod().args(["status", "--url", "http://127.0.0.1:1", "--json"]).output();
    let (_, _, complaint) = ended(output.expect("a command"));
    let told: Value = serde_json::from_str(&complaint).expect("JSON");
    assert_eq!(told["exit"], 3);
}
