//! `synod run` and `synod workflows`: what people and scripts see, and the exit codes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::node_process::synod;
use crate::workflows::LINEAR;
use crate::world::World;

/// How a command ended.
pub(crate) struct Ran {
    code: i32,
    pub(crate) out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("an exit code");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// It must have ended so.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

/// A folder with files of a test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// Where the system's folder for temporary files is for the commands of this test.
    fn temporary(&self) -> PathBuf {
        let path = self.0.path().join("tmp");
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }
}

fn alone(args: &[&str]) -> Ran {
    Ran::of(synod().args(args).output().expect("a command"))
}

pub(crate) fn asking(world: &World, args: &[&str]) -> Ran {
    Ran::of(synod().args(args).env("SYNOD_URL", &world.node.url).output().expect("a command"))
}

#[test]
fn a_fault_is_shown_at_its_place_and_a_good_definition_is_praised() {
    let files = Files::new();
    let wrong = files.write(
        "wrong.yaml",
        "name: wrong\nsteps:\n  - id: read\n    agent: echo\n  - id: count\n    agent: echo\n    \
         depends_on: [reed]\n",
    );
    let ran = alone(&["workflows", "check", &wrong]).with(2);
    assert!(ran.out.contains(&format!("{wrong}:7:18: error: ")), "{}", ran.out);
    let lines: Vec<&str> = ran.out.lines().collect();
    let at = lines.iter().position(|line| line.contains("depends_on: [reed]")).expect("the line");
    assert_eq!(lines[at].find("reed"), lines[at + 1].find('^'), "{}", ran.out);
    assert!(ran.out.contains("read"), "what is meant is said: {}", ran.out);
    assert!(!ran.out.contains('\x1b'), "a pipe gets no colours");
    let report = alone(&["workflows", "check", &wrong, "--json"]).with(2).json();
    assert_eq!(report["errors"][0]["line"], 7, "{report}");

    let good = files.write("good.yaml", LINEAR);
    let ran = alone(&["workflows", "check", &good]).with(0);
    assert!(ran.out.contains("can be run: linear 1.2.0, 3 steps"), "{}", ran.out);
    let missing = alone(&["workflows", "check", "nowhere.yaml"]).with(2);
    assert!(missing.err.contains("nowhere.yaml"), "{}", missing.err);
    let ran = alone(&["run", &wrong]).with(2);
    assert!(ran.out.contains("7:18: error"), "{}", ran.out);
}

#[test]
fn a_node_that_is_asked_also_knows_who_is_not_there() {
    let (world, files) = (World::start(""), Files::new());
    let file = files.write("u.yaml", "name: u\nsteps: [{id: a, agent: nobody-here}]\n");
    let alone = alone(&["workflows", "check", &file]).with(0);
    assert!(!alone.out.contains("warning"), "{}", alone.out);
    let told = asking(&world, &["workflows", "check", &file]).with(0);
    assert!(told.out.contains("warning") && told.out.contains("nobody-here"), "{}", told.out);
}

#[test]
fn schema_and_pictures_need_no_node() {
    let files = Files::new();
    let file = files.write("linear.yaml", LINEAR);
    let schema = alone(&["schema", "workflow"]).with(0).json();
    assert!(schema["properties"]["steps"].is_object(), "{schema}");
    assert!(alone(&["workflows", "graph", &file]).with(0).out.starts_with("<svg "));
    let dot = alone(&["workflows", "graph", &file, "--format", "dot"]).with(0).out;
    assert!(dot.contains("p0_0 -> p0_1;"), "{dot}");
    let mermaid = files.0.path().join("m.mmd").display().to_string();
    alone(&["workflows", "graph", &file, "--format", "mermaid", "-o", &mermaid]).with(0);
    assert!(std::fs::read_to_string(&mermaid).expect("written").contains("flowchart LR"));
    alone(&["workflows", "graph", &file, "--format", "gantt"]).with(2);
}

/// Runs on a node of the command's own.
fn embedded(files: &Files, args: &[&str]) -> Command {
    let mut command = synod();
    command.args(args).env("TMPDIR", files.temporary());
    command
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("a folder").next().is_none()
}

#[test]
fn a_workflow_runs_on_a_node_of_its_own_and_leaves_nothing_behind() {
    let files = Files::new();
    let file = files.write("linear.yaml", LINEAR);
    let run = |args: &[&str]| {
        Ran::of(embedded(&files, &[&["run", &file], args].concat()).output().expect("a command"))
    };
    let ran = run(&["--set", "n=41"]).with(0);
    assert_eq!(ran.json(), json!({"sum": 42}), "{}", ran.err);
    assert!(is_empty(&files.temporary()), "its data go with it");
    let told = run(&["--input", "{\"n\": 1}", "--set", "n=2", "--json"]).with(0).json();
    assert_eq!((&told["state"], &told["outputs"]["sum"]), (&json!("completed"), &json!(3)));
    let watched = run(&["--set", "n=1", "--watch"]).with(0).out;
    for word in ["step.started  first", "step.completed  second", "run.completed", "\"sum\": 2"] {
        assert!(watched.contains(word), "{word:?} is not in\n{watched}");
    }
    let wrong = run(&["--set", "n=seven"]).with(2);
    assert!(wrong.err.contains("input") && !wrong.err.contains("--resume"), "{}", wrong.err);
    assert!(is_empty(&files.temporary()), "nothing has begun");
    let failing = files.write("f.yaml", "name: f\nsteps: [{id: a, transform: '${inputs.x.y}'}]\n");
    let failed = Ran::of(embedded(&files, &["run", &failing]).output().expect("a command")).with(1);
    assert!(failed.err.contains("expression_error") && failed.out.is_empty(), "{}", failed.err);
}

#[test]
fn a_run_that_is_interrupted_goes_on_where_it_was() {
    let files = Files::new();
    let file = files.write(
        "long.yaml",
        "name: long\nsteps:\n  - {id: first, agent: echo, input: 7}\n  \
         - {id: wait, wait: {for_s: 3}, depends_on: [first]}\n\
         outputs: {first: '${outputs.first}'}\n",
    );
    let mut command = embedded(&files, &["run", &file, "--watch"]);
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("a command");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let waits = |line: &String| line.contains("step.completed  first");
    lines.by_ref().map(|line| line.expect("text")).find(waits).expect("the first step ends");
    let pid = Pid::from_raw(child.id() as i32).expect("a pid");
    kill_process(pid, Signal::INT).expect("the command could be signalled");
    let interrupted = Ran::of(child.wait_with_output().expect("an end")).with(130);
    let folder = interrupted.err.split("--resume ").nth(1).expect("how to go on");
    let folder = folder.lines().next().expect("a folder").trim();
    assert!(Path::new(folder).is_dir(), "{}", interrupted.err);
    let resumed = embedded(&files, &["run", "--resume", folder]).output();
    let resumed = Ran::of(resumed.expect("a command")).with(0);
    assert_eq!(resumed.json(), json!({"first": 7}));
}

#[test]
fn runs_of_a_node_are_listed_shown_drawn_and_steered() {
    let (world, files) = (World::start(""), Files::new());
    let file =
        files.write("gate.yaml", "name: gate\nsteps:\n  - {id: gate, approval: {ask: Go?}}\n");
    let begun =
        asking(&world, &["run", &file, "--detach", "--json", "--label", "env=test"]).with(0);
    let id = begun.json()["run_id"].as_str().expect("a run").to_owned();
    let page = asking(&world, &["workflows", "list", "--label", "env=test", "--json"]).json();
    assert_eq!(page["runs"][0]["run_id"], *id, "{page}");
    let table = asking(&world, &["workflows", "list"]).with(0).out;
    assert!(table.contains("WORKFLOW") && table.contains(&id), "{table}");
    assert!(table.contains("approval 01"), "what it waits for: {table}");

    asking(&world, &["workflows", "pause", &id]).with(0);
    asking(&world, &["workflows", "resume", &id]).with(0);
    asking(&world, &["workflows", "resume", &id]).with(5);
    let asked = asking(&world, &["workflows", "approvals", "--run", &id, "--json"]).json();
    let approval = asked["approvals"][0]["id"].as_str().expect("an approval").to_owned();
    let yes =
        asking(&world, &["workflows", "approve", &approval, "--by", "ada", "--reason", "fine"])
            .with(0);
    for word in ["approved", "fine", "ada"] {
        assert!(yes.out.contains(word), "{word}: {}", yes.out);
    }
    let decided = asking(&world, &["workflows", "approvals", "--decided"]).with(0).out;
    assert!(decided.contains(&approval), "{decided}");
    asking(&world, &["workflows", "reject", &approval]).with(5);
    asking(&world, &["workflows", "watch", &id]).with(0);

    let shown = asking(&world, &["workflows", "show", &id]).with(0).out;
    assert!(shown.contains("✓ gate") && shown.contains("gate 1.0.0"), "{shown}");
    let history = asking(&world, &["workflows", "history", &id]).with(0).out;
    assert!(history.contains("EVENT") && history.contains("gate"), "{history}");
    let gantt = asking(&world, &["workflows", "graph", &id, "--format", "gantt"]).with(0).out;
    assert!(gantt.contains("gate: completed"), "{gantt}");
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    asking(&world, &["workflows", "show", nobody]).with(4);
    asking(&world, &["workflows", "cancel", &id]).with(5);
    let stats = asking(&world, &["workflows", "stats", "--json"]).json();
    assert_eq!(stats["ledger"]["completed"], 1, "{stats}");
}

#[test]
fn definitions_are_kept_listed_and_forgotten() {
    let (world, files) = (World::start(""), Files::new());
    let file = files.write("linear.yaml", LINEAR);
    let wrong = files.write("wrong.yaml", "name: wrong\nsteps: [{id: a}]\n");
    let told = asking(&world, &["workflows", "define", &wrong]).with(2).out;
    assert!(told.contains("wrong.yaml:2:"), "{told}");
    asking(&world, &["workflows", "define", &file]).with(0);
    let listed = asking(&world, &["workflows", "definitions"]).with(0).out;
    assert!(listed.contains("linear") && listed.contains("1.2.0"), "{listed}");
    asking(&world, &["workflows", "forget", "linear", "1.2.0"]).with(0);
    asking(&world, &["workflows", "forget", "linear", "1.2.0"]).with(4);
    let ran = asking(&world, &["run", &file, "--set", "n=1"]).with(0);
    assert_eq!(ran.json(), json!({"sum": 2}));
}
