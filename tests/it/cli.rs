//! The command line beyond single answers: forms for people and programs, scripts, configuration,
//! controls, and commands that go on until something happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{echo, slow_echo};
use crate::node_process::{config_file, synod};
use crate::world::World;
use crate::ws_agent::{Outcome, WsAgent, card};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a command ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("an exit code");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A command that asks this node.
fn command(world: &World, args: &[&str]) -> Command {
    let mut command = synod();
    command.args(args).env("SYNOD_URL", &world.node.url);
    command
}

fn run(world: &World, args: &[&str]) -> Ran {
    Ran::of(command(world, args).output().expect("a command"))
}

/// Runs a command that needs no node.
fn alone(args: &[&str]) -> Ran {
    Ran::of(synod().args(args).output().expect("a command"))
}

/// Runs a command with this on its standard input.
fn with_input(world: &World, args: &[&str], input: &str) -> Ran {
    let mut command = command(world, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a command");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    Ran::of(child.wait_with_output().expect("its end"))
}

#[tokio::test]
async fn what_is_piped_is_plain_and_colours_come_when_asked_for() {
    let world = World::start("");
    world.client.done(echo("a")).await;
    let commands: [&[&str]; 5] = [
        &["status"],
        &["agents", "list"],
        &["tasks", "list"],
        &["tasks", "stats"],
        &["config", "show"],
    ];
    for args in commands {
        let plain = run(&world, args);
        assert_eq!(plain.code, 0, "{args:?}: {}", plain.err);
        assert!(!plain.out.contains('\x1b'), "{args:?}: {}", plain.out);
        let coloured = run(&world, &[args, &["--color", "always"]].concat());
        assert!(coloured.out.contains("\x1b["), "{args:?}");
        let mut command = command(&world, args);
        command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
        assert!(!Ran::of(command.output().expect("a command")).out.contains('\x1b'), "{args:?}");
        let json = run(&world, &[args, &["--json", "--color", "always"]].concat());
        assert!(!json.out.contains('\x1b'), "programs get no colours");
        json.json();
    }
}

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = alone(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.err);
        for word in ["demo", "status", "agents", "tasks", "config", "set-status"] {
            assert!(script.out.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(alone(&["completions", "tcsh"]).code, 2);
    let bash = Command::new("bash").arg("--version").output();
    if bash.is_err() {
        return println!("left out: the script in bash, because bash is not installed");
    }
    let mut bash = Command::new("bash");
    bash.args(["-n", "/dev/stdin"]).stdin(Stdio::piped());
    let mut child = bash.spawn().expect("bash");
    let script = alone(&["completions", "bash"]).out;
    child.stdin.take().expect("its input").write_all(script.as_bytes()).expect("it reads");
    assert!(child.wait().expect("its end").success(), "bash can't read it");
}

#[test]
fn a_typo_in_the_configuration_is_told_with_what_was_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("node.toml");
    let path = path.to_str().expect("UTF-8");
    let check = |text: &str| {
        std::fs::write(path, text).expect("written");
        alone(&["config", "check", "--config", path])
    };
    let good = check("[http]\nlisten = \"127.0.0.1:0\"\n");
    assert_eq!((good.code, good.err.as_str()), (0, ""));
    assert!(good.out.contains("valid"), "{}", good.out);
    for (text, place, meant) in [
        ("[htpp]\n", "node.toml:1", "did you mean `http`?"),
        ("[http]\nlisten_on = 1\n", "node.toml:2", "`http.listen_on`"),
        ("[tasks]\n\nmax_queud = 1\n", "node.toml:3", "did you mean `max_queued`?"),
        ("[tasks.retry]\nmax_attemps = 1\n", "node.toml:2", "did you mean `max_attempts`?"),
        ("[tasks]\nmax_queued = -1\n", "node.toml:2", "`tasks.max_queued` is -1"),
        ("[node\n", "node.toml:1:6", "not valid TOML"),
    ] {
        let bad = check(text);
        assert_eq!(bad.code, 2, "{text}: {}", bad.err);
        assert!(bad.err.contains(place) && bad.err.contains(meant), "{text}: {}", bad.err);
        assert_eq!(bad.out, "", "{text}");
    }
    let told = alone(&["config", "check", "--config", path, "--json"]);
    let told: Value = serde_json::from_str(&told.err).expect("JSON");
    assert_eq!(told["exit"], 2, "{told}");
    let fault = &told["errors"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&json!(1), &json!(6)), "{told}");
}

#[test]
fn the_configuration_is_shown_with_where_each_value_comes_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("n.toml");
    std::fs::write(&path, "[node]\nname = \"seven\"\n").expect("written");
    let path = path.to_str().expect("UTF-8");
    let mut command = synod();
    command.args(["config", "show", "--config", path]).env("SYNOD_TASKS__MAX_QUEUED", "9");
    let shown = Ran::of(command.output().expect("a command"));
    for line in [
        &format!("name = \"seven\"  # {path}:2"),
        "max_queued = 9  # environment SYNOD_TASKS__MAX_QUEUED",
        "max_connections = 1024  # default",
    ] {
        assert!(shown.out.contains(line), "{line:?} is not in\n{}", shown.out);
    }
    let json = alone(&["config", "show", "--config", path, "--json"]).json();
    assert_eq!(
        (&json["node"]["name"], &json["http"]["max_connections"]),
        (&json!("seven"), &json!(1024))
    );

    // What is printed as the default is a configuration, and is the default.
    let default = alone(&["config", "show", "--default"]).out;
    std::fs::write(path, default).expect("written");
    let of_file = alone(&["config", "show", "--config", path, "--json"]).json();
    assert_eq!(of_file, alone(&["config", "show", "--json"]).json());
}

#[tokio::test]
async fn a_submission_comes_from_arguments_files_or_standard_input() {
    let world = World::start("");
    let file = world.folder().join("task.json");
    std::fs::write(&file, json!({"kind": "echo", "payload": [1], "priority": "low"}).to_string())
        .expect("written");
    let file = file.to_str().expect("UTF-8");
    let result = |ran: &Ran| {
        assert_eq!(ran.code, 0, "{}", ran.err);
        let last = ran.out.lines().last().expect("lines of JSON");
        serde_json::from_str::<Value>(last).expect("JSON")["result"].take()
    };
    let wait = ["--wait", "--json"];
    let whole = run(&world, &[&["tasks", "submit", "--file", file][..], &wait].concat());
    assert_eq!(result(&whole), json!([1]));
    let piped =
        with_input(&world, &[&["tasks", "submit", "echo", "@-"][..], &wait].concat(), "[2]");
    assert_eq!(result(&piped), json!([2]));
    let request = json!({"kind": "echo", "payload": [3]}).to_string();
    let piped =
        with_input(&world, &[&["tasks", "submit", "--file", "-"][..], &wait].concat(), &request);
    assert_eq!(result(&piped), json!([3]));

    let keyed = ["tasks", "submit", "echo", "1", "--idempotency-key", "k", "--json"];
    let first = run(&world, &keyed).json();
    world.client.until_ended(first["task_id"].as_str().expect("an id")).await;
    let again = run(&world, &keyed).json();
    assert_eq!((&again["duplicate"], &again["task_id"]), (&json!(true), &first["task_id"]));
    let other = run(&world, &["tasks", "submit", "echo", "2", "--idempotency-key", "k"]);
    assert_eq!(other.code, 5, "{}", other.err);
    for args in [
        &["tasks", "submit", "--file", "nowhere.json"][..],
        &["tasks", "submit", "echo", "@nowhere.json"],
        &["tasks", "submit"],
        &["tasks", "show", "no-uuid"],
        &["tasks", "list", "--limit", "0"],
        &["tasks", "list", "--label", "no-pair"],
        &["nonsense"],
    ] {
        assert_eq!(run(&world, args).code, 2, "{args:?}");
    }
}

// The agent goes on while the command is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_that_fails_is_a_failure_of_the_command_that_waits_for_it() {
    let world = World::start("");
    WsAgent::connect(&world.node.url, card("bad", "spoil"))
        .await
        .work(|_| Outcome::Failed("refused"));
    let ran = run(&world, &["tasks", "submit", "spoil", "--wait"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("refused: it is refused (bad@1.0.0)"), "{}", ran.out);
    let id = world.client.accepted(slow_echo(60_000)).await;
    let cancelled = run(&world, &["tasks", "cancel", &id]);
    assert_eq!((cancelled.code, cancelled.out), (0, format!("{id}: cancelled\n")));
    assert_eq!(run(&world, &["tasks", "watch", &id]).code, 1, "it did not complete");
}

/// A command that goes on, and the lines it says.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a command");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut said = out.lines().map_while(Result::ok);
            said.try_for_each(|line| tell.send(line))
        });
        Self { child, lines }
    }

    /// Waits until a line has this in it.
    fn until(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn end(mut self) -> i32 {
        self.child.wait().expect("its end").code().expect("an exit code")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // Ended already is what every test but a failing one comes to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_task_is_watched_from_state_to_state_until_it_ends() {
    let world = World::start("");
    let mut agent = WsAgent::connect(&world.node.url, card("digger", "dig")).await;
    let id = world.client.accepted(json!({"kind": "dig", "payload": 1})).await;
    let order = agent.take().await;
    let watching = Following::start(command(&world, &["tasks", "watch", &id]));
    watching.until("running");
    agent.answer(&order, Outcome::Done(json!({"found": "gold"}))).await;
    watching.until("completed");
    watching.until("\"found\": \"gold\"");
    assert_eq!(watching.end(), 0);
}

#[tokio::test]
async fn an_interrupted_command_says_so_by_its_code() {
    let world = World::start("");
    let id = world.client.accepted(slow_echo(60_000)).await;
    let watching = Following::start(command(&world, &["tasks", "watch", &id]));
    watching.until("running");
    let pid = Pid::from_raw(watching.child.id() as i32).expect("a pid");
    kill_process(pid, Signal::INT).expect("signalled");
    assert_eq!(watching.end(), 130);
    assert_eq!(world.client.task(&id).await["state"], "running", "the task goes on");
}

#[tokio::test]
async fn an_operator_controls_actors_and_drains_the_node() {
    let world = World::start("");
    let echo = "/node/agents/echo@0.1.0";
    for (word, done) in [("pause", "paused"), ("resume", "resumed"), ("restart", "restarted")] {
        let ran = run(&world, &["status", word, echo]);
        assert_eq!((ran.code, ran.out), (0, format!("{echo}: {done}\n")), "{}", ran.err);
    }
    let path = format!("/api/v1/status?path={echo}&depth=0");
    world.client.until(&path, |report| report["tree"]["restarts"] == 1).await;
    let shown = run(&world, &["status", echo]);
    assert!(shown.out.contains("echo@0.1.0") && shown.out.contains("running"), "{}", shown.out);
    let own = run(&world, &["status", "stop", "/node/status"]);
    assert_eq!(own.code, 5, "{}", own.err);
    let part = run(&world, &["status", "pause", "/node/tasks"]);
    assert_eq!(part.code, 5, "{}", part.err);
    assert!(
        part.err.contains("needs it") && part.err.contains("synod status drain"),
        "{}",
        part.err
    );
    let watch = run(&world, &["status", "--watch"]);
    assert_eq!(watch.code, 2, "no terminal, no live view");
    assert!(watch.err.contains("needs a terminal"), "{}", watch.err);

    let drain = run(&world, &["status", "drain"]);
    assert_eq!(drain.code, 0, "{}", drain.err);
    let refused = run(&world, &["tasks", "submit", "echo", "1"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("draining"), "{}", refused.err);
    assert!(run(&world, &["status"]).out.contains("draining"));
}

#[tokio::test]
async fn a_running_node_is_told_to_read_its_file_again() {
    let world = World::start("[tasks]\nmax_queued = 7\n");
    assert_eq!(run(&world, &["config", "reload"]).out, "nothing differs\n");
    let text = std::fs::read_to_string(config_file(world.folder())).expect("a file");
    std::fs::write(config_file(world.folder()), text.replace("= 7", "= 8")).expect("written");
    assert_eq!(run(&world, &["config", "reload"]).out, "tasks.max_queued: 7 -> 8\n");
    std::fs::write(config_file(world.folder()), "[node]\nname = \"other\"\n").expect("written");
    let refused = run(&world, &["config", "reload"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("node.name"), "{}", refused.err);
}

#[test]
fn help_explains_every_command_and_code() {
    let help = alone(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for text in ["demo", "node", "status", "agents", "tasks", "config", "Exit codes", "130"] {
        assert!(help.out.contains(text), "{text} is not in\n{}", help.out);
    }
    let version = alone(&["--version"]);
    assert_eq!((version.code, version.out), (0, format!("synod {}\n", env!("CARGO_PKG_VERSION"))));
    let mut nothing = synod().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it");
    assert_eq!(nothing.wait().expect("its end").code(), Some(2), "and nothing is not enough");
    let mut said = String::new();
    nothing.stderr.take().expect("its complaint").read_to_string(&mut said).expect("text");
    assert!(said.contains("Usage"), "{said}");
}
