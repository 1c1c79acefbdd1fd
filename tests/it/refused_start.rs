//! A node that can't run says why, on one line that names what to change, and ends with a code.

use std::net::TcpListener;

use crate::node_process::{NodeProcess, Refused, config_file, data_folder, synod};
use crate::world::World;

/// The exit code for what the operator can set right.
const USAGE: Option<i32> = Some(2);

/// Starts a node with this configuration, which must refuse.
fn refused(extra: &str) -> Refused {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = NodeProcess::refused(folder.path(), extra);
    assert!(!data_folder(folder.path()).join("node.json").exists(), "nobody may be sent there");
    refused
}

fn assert_says(refused: &Refused, code: Option<i32>, all: &[&str]) {
    assert_eq!(refused.code, code, "{}", refused.said);
    for text in all {
        assert!(refused.said.contains(text), "{text:?} is not in: {}", refused.said);
    }
}

/// Runs `synod node` with these arguments and variables; it must refuse.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Refused {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = synod();
    command.arg("node").args(args).current_dir(folder.path()).envs(variables.iter().copied());
    let output = command.output().expect("the binary runs");
    assert!(output.stdout.is_empty(), "errors go to standard error");
    Refused {
        code: output.status.code(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_listener_beyond_loopback_is_refused() {
    for address in ["0.0.0.0:0", "192.168.1.5:7966", "[::]:0", "[2001:db8::1]:80"] {
        let refused = run(&[], &[("SYNOD_HTTP__LISTEN", address)]);
        let reasons = ["http.listen", address, "beyond loopback", "no authentication"];
        assert_says(&refused, USAGE, &reasons);
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("n.toml"), "\n[http]\nlisten = \"0.0.0.0:80\"\n").unwrap();
    let file = folder.path().join("n.toml");
    let refused = run(&["--config", file.to_str().expect("UTF-8")], &[]);
    assert_says(&refused, USAGE, &["n.toml:3", "`http.listen`", "beyond loopback"]);
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let refused = run(&[], &[("SYNOD_HTTP__LISTEN", &address)]);
    assert_says(&refused, USAGE, &[&address, "in use", "http.listen"]);
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    assert_says(
        &run(&["--config", "nowhere.toml"], &[]),
        USAGE,
        &["nowhere.toml", "can't be read"],
    );
    assert_says(&run(&["--config", "."], &[]), USAGE, &["can't be read"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("n.toml");
    let path = path.to_str().expect("UTF-8");
    std::fs::write(path, b"[node]\nname = \"\xff\"\n").unwrap();
    assert_says(&run(&["--config", path], &[]), USAGE, &[path, "can't be read"]);
    std::fs::write(path, "[node]\nname = \n").unwrap();
    assert_says(&run(&["--config", path], &[]), USAGE, &[&format!("{path}:2:"), "not valid TOML"]);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
    let said = refused("[tasks]\nmax_quoued = 5\n");
    assert_says(&said, USAGE, &["node.toml:4", "`tasks.max_quoued`", "did you mean `max_queued`?"]);
    let said = refused("[task]\nmax_queued = 5\n");
    assert_says(&said, USAGE, &["node.toml:3", "`task`", "did you mean `tasks`?"]);
    let said = refused("[[agents.process]]\nid = \"a\"\ncomand = \"b\"\ncapabilities = [\"x\"]\n");
    assert_says(&said, USAGE, &["agents.process[0].comand", "did you mean `command`?"]);
    let said = run(&[], &[("SYNOD_TASKS__MAX_QUOUED", "1")]);
    assert_says(&said, USAGE, &["environment SYNOD_TASKS__MAX_QUOUED", "did you mean"]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let said = refused(
        "max_connections = 0\n[tasks]\nmax_queued = \"many\"\n[log]\nlevel = \"loud\"\n\
         [agents]\nack_ms = 1\n[[agents.http.agent]]\nid = \"a\"\ncapabilities = [\"x\"]\n\
         endpoint = \"http://169.254.169.254/\"\n",
    );
    let keys = [
        "`http.max_connections`",
        "`tasks.max_queued` is \"many\"",
        "`log.level`",
        "`agents.ack_ms`",
        "agents.http.agent[0].endpoint",
        "link-local",
    ];
    assert_says(&said, USAGE, &keys);
}

#[test]
fn a_data_folder_that_can_not_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(data_folder(folder.path()), "a file stands in its way").unwrap();
    let refused = NodeProcess::refused(folder.path(), "");
    assert_says(&refused, USAGE, &["data", "can't be used", "node.data_folder"]);
    assert!(config_file(folder.path()).exists());
}

#[test]
fn a_second_node_on_the_same_data_is_refused_and_the_first_goes_on() {
    let world = World::start("");
    let folder = world.folder().to_owned();
    let data = data_folder(&folder);
    let variables = [
        ("SYNOD_NODE__DATA_FOLDER", data.to_str().expect("UTF-8")),
        ("SYNOD_HTTP__LISTEN", "127.0.0.1:0"),
    ];
    let refused = run(&[], &variables);
    let pid = world.node.id().to_string();
    assert_says(&refused, USAGE, &["in use by process", &pid, "a folder of its own"]);
    assert_eq!(refused.said.matches("in use by process").count(), 1, "once: {}", refused.said);

    let file = std::fs::read_to_string(data.join("node.json")).expect("the first one's");
    assert!(file.contains(&pid), "{file}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(world.client.done(crate::client::echo("a")));
}

#[test]
fn the_lock_of_a_node_that_was_killed_is_no_hindrance() {
    let mut world = World::start("");
    world.node.kill();
    world.start_again("");
}

#[test]
fn a_wrong_option_is_wrong_usage() {
    assert_says(&run(&["--colour"], &[]), USAGE, &["--colour"]);
    assert_says(&run(&["--config"], &[]), USAGE, &["--config"]);
}
