//! `synod config check` tells every fault of a file and the environment at once, each in its place.

use serde_json::{Value, json};

use crate::node_process::synod;

#[test]
fn every_fault_of_file_and_environment_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("node.toml");
    let text = "[http]\nlisten_on = 1\nmax_streams = \"few\"\nmax_wait_s = 9999\n\
                [tasks]\n max_queud = 1\nmax_keys = -1\n";
    std::fs::write(&path, text).expect("written");
    let path = path.to_str().expect("UTF-8");
    let check = |more: &[&str]| {
        let mut command = synod();
        command.args(["config", "check", path]).args(more).env("SYNOD_NODE__SHUTDOWN_S", "soon");
        let output = command.output().expect("a command");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let told = check(&[]);
    for fault in [
        "node.toml:2:1: `http.listen_on`: there is no such key",
        "node.toml:3:1: `http.max_streams` is \"few\": expected a whole number",
        "node.toml:4:1: `http.max_wait_s` is 9999: expected 0 to 3600",
        "node.toml:6:2: `tasks.max_queud`: there is no such key",
        "did you mean `max_queued`?",
        "node.toml:7:1: `tasks.max_keys` is -1",
        "environment SYNOD_NODE__SHUTDOWN_S: `node.shutdown_s` is \"soon\"",
    ] {
        assert!(told.contains(fault), "{fault:?} is not in\n{}", told);
    }
    assert_eq!(told.lines().count(), 6, "{}", told);

    let list = check(&["--json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let errors = list["errors"].as_array().expect("a list");
    let keys: Vec<_> = errors.iter().filter_map(|error| error["key"].as_str()).collect();
    let expected = [
        "http.listen_on",
        "http.max_streams",
        "http.max_wait_s",
        "tasks.max_queud",
        "tasks.max_keys",
        "node.shutdown_s",
    ];
    assert_eq!(keys, expected, "{list}");
    assert_eq!(errors[3]["advice"], "did you mean `max_queued`?", "{list}");
    assert_eq!((&errors[3]["line"], &errors[3]["column"]), (&json!(6), &json!(2)), "{list}");
    assert_eq!((&errors[1]["found"], &errors[2]["found"]), (&json!("\"few\""), &json!("9999")));
    assert_eq!(errors[5]["variable"], "SYNOD_NODE__SHUTDOWN_S", "{list}");
    assert!(errors.iter().all(|error| error["expected"].is_string()), "{list}");
}
