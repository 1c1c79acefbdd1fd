//! `synod demo` on a small invented log: all modes at work, one agent crashed on purpose, nothing
//! lost.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::AGENTS;
use crate::node_process::synod;
use crate::world::World;

/// How long the demo may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine's log of some minutes: the usual noise, a login that is tried again and again, a
/// sudden storm of errors, and one line like no other.
fn log() -> String {
    let mut log = String::new();
    let mut line = |second: u32, text: &str| {
        let (minute, second) = (second / 60, second % 60);
        writeln!(log, "Mar  4 10:{minute:02}:{second:02} gate {text}").expect("text");
    };
    for second in 0..1_200 {
        let (pid, net, port) = (900 + second % 9, second % 200, 1_024 + second * 7 % 50_000);
        line(second, &format!("sshd[{pid}]: Connection from 10.0.{net}.7 port {port}"));
        if second % 3 == 0 {
            let job = second % 12;
            line(second, &format!("cron[77]: (root) CMD (run-parts /etc/cron.d/{job})"));
        }
        if (300..420).contains(&second) {
            let from = format!("203.0.113.9 port {port} ssh2");
            line(second, &format!("sshd[31]: Failed password for invalid user admin from {from}"));
        }
        if (700..720).contains(&second) {
            let failed = "kernel: ERROR ata1.00: failed command: READ FPDMA";
            (0..20).for_each(|tag| line(second, &format!("{failed} tag {tag}")));
        }
    }
    line(1_200, "kernel: EXT4-fs error (device sda1): remounting filesystem read-only");
    log
}

/// Runs the demo with these arguments, in a folder of its own.
fn demo(folder: &Path, args: &[&str]) -> Output {
    let mut command = synod();
    command.arg("demo").args(args).current_dir(folder).stdin(Stdio::null());
    command.output().expect("the demo runs")
}

/// The report of a demo that must succeed.
fn report(folder: &Path, args: &[&str]) -> Value {
    let output = demo(folder, &[args, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn folder_with_log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gate.log"), log()).expect("written");
    folder
}

#[test]
fn a_log_is_triaged_by_all_modes_though_an_agent_is_crashed() {
    let folder = folder_with_log();
    let report = report(folder.path(), &["--input", "gate.log"]);
    let lines = log().lines().count();
    assert_eq!(report["totals"]["lines"], lines, "{report:#}");
    let modes = report["modes"].as_array().expect("modes").iter();
    let mut modes: Vec<_> = modes.map(|mode| mode["mode"].as_str().expect("a name")).collect();
    modes.sort_unstable();
    let all = ["competitive", "consensus", "parallel", "pipeline", "sequential"];
    for mode in all {
        assert!(modes.contains(&mode), "{mode} is not in {modes:?}");
    }
    let crash = &report["crash"];
    assert_eq!(crash["recovered"], true, "{crash}");
    assert!(crash["lost_executions"].as_u64() >= Some(1), "{crash}");
    assert!(crash["done_by_attempt"].as_u64() >= Some(2), "{crash}");
    assert_ledger(&report);
}

/// All that was accepted has ended, and nothing is lost.
fn assert_ledger(report: &Value) {
    let ledger = &report["ledger"];
    let number = |name: &str| ledger[name].as_u64().expect("a number");
    assert_eq!(number("open"), 0, "{ledger}");
    assert!(number("accepted") > 0, "{ledger}");
    let ended = number("completed") + number("failed") + number("cancelled");
    assert_eq!((number("accepted"), number("acknowledged")), (ended, ended), "{ledger}");
}

#[test]
fn what_stands_out_is_found_with_its_evidence() {
    let folder = folder_with_log();
    let report = report(folder.path(), &["--input", "gate.log", "--no-crash"]);
    assert_eq!(report["crash"], Value::Null, "none was asked for");
    assert_ledger(&report);
    let findings = report["findings"].as_array().expect("findings");
    let told = findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    for evidence in ["203.0.113.9", "remounting filesystem read-only", "failed command: READ FPDMA"]
    {
        assert!(
            told.iter().any(|one| one.contains(evidence)),
            "{evidence:?} is not found: {told:#?}"
        );
    }
    for finding in findings {
        assert!(finding["severity"].is_string(), "{finding:#}");
        assert!(finding["votes"].as_array().is_some_and(|votes| !votes.is_empty()), "{finding:#}");
    }
}

#[test]
fn the_same_log_gives_the_same_findings_crash_or_not() {
    let folder = folder_with_log();
    let ids = |args: &[&str]| {
        let report = report(folder.path(), args);
        let findings = report["findings"].as_array().expect("findings").iter();
        findings
            .map(|finding| finding["id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    let crashed = ids(&["--input", "gate.log"]);
    assert_eq!(crashed, ids(&["--input", "gate.log", "--no-crash"]));
    assert!(!crashed.is_empty());
}

#[test]
fn a_folder_or_standard_input_will_do_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("logs")).expect("a folder");
    let text = log();
    let (first, second) = text.split_at(text.len() / 2);
    std::fs::write(folder.path().join("logs/a.log"), first).expect("written");
    std::fs::write(folder.path().join("logs/b.log"), second).expect("written");
    let of_folder = report(folder.path(), &["--input", "logs", "--no-crash"]);
    assert_eq!(of_folder["totals"]["files"], 2, "{of_folder:#}");

    let mut command = synod();
    command.args(["demo", "--input", "-", "--no-crash", "--json"]).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the demo runs");
    let mut stdin = child.stdin.take().expect("its input");
    let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("its end");
    writing.join().expect("written").expect("it reads all");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["totals"]["lines"], log().lines().count(), "{report:#}");
    assert_ledger(&report);
}

#[test]
fn people_get_a_report_with_the_ledger_and_the_crash() {
    let folder = folder_with_log();
    let output = demo(folder.path(), &["--input", "gate.log"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!report.contains('\x1b'), "a pipe gets no colours");
    for word in ["accepted", "lost 0", "restart", "203.0.113.9"] {
        assert!(report.contains(word), "{word:?} is not in\n{report}");
    }
    assert!(report.lines().all(|line| line.chars().count() <= 120), "{report}");
}

#[test]
fn nothing_to_read_is_a_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("empty.log"), "").expect("written");
    std::fs::write(folder.path().join("binary.log"), [0_u8, 159, 146, 150].repeat(500))
        .expect("written");
    std::fs::create_dir(folder.path().join("nothing")).expect("a folder");
    for input in ["empty.log", "binary.log", "nothing", "nowhere.log"] {
        let output = demo(folder.path(), &["--input", input]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{input}: {said}");
        assert!(output.stdout.is_empty(), "{input}");
        assert!(said.contains(input), "{input} is not named: {said}");
        assert!(said.contains("--input"), "{input}: it says how to give some: {said}");
        assert!(said.lines().count() <= 3, "{input}: {said}");
    }
    let output = demo(folder.path(), &["--input", "-"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "an empty standard input: {said}");
}

#[test]
fn the_data_go_with_the_demo_unless_they_are_to_be_kept() {
    let folder = folder_with_log();
    let kept = folder.path().join("kept");
    let of_system = folder.path().join("temporary");
    std::fs::create_dir(&of_system).expect("a folder");
    let mut command = synod();
    command.args(["demo", "--input", "gate.log", "--json"]).current_dir(folder.path());
    let output = command.env("TMPDIR", &of_system).output().expect("the demo runs");
    assert_eq!(output.status.code(), Some(0));
    let left = std::fs::read_dir(&of_system).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left behind");

    report(folder.path(), &["--input", "gate.log", "--data", "kept"]);
    assert!(kept.join("log").is_dir(), "what is to be kept is kept");
    // A second run on the same data: its ledger is its own.
    assert_ledger(&report(folder.path(), &["--input", "gate.log", "--data", "kept"]));
}

#[test]
fn a_demo_that_is_told_to_stop_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = synod();
        // It waits for standard input, which stays open.
        command.args(["demo", "--input", "-"]).env("TMPDIR", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the demo runs");
        let until = Instant::now() + PATIENCE;
        // The node of the demo is up when its log of records is there.
        while !holds_a_log(folder.path()) {
            assert!(Instant::now() < until, "the demo does not begin");
            std::thread::sleep(Duration::from_millis(2));
        }
        let pid = Pid::from_raw(child.id() as i32).expect("a pid");
        kill_process(pid, signal).expect("signalled");
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{signal:?}");
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 0, "{signal:?}: something is left behind");
    }
}

/// Bytes that a process has read so far.
fn has_read(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn a_demo_that_was_killed_goes_on_where_it_was_when_its_data_were_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = log().repeat(100);
    std::fs::write(folder.path().join("gate.log"), &text).expect("written");
    let args = ["demo", "--input", "gate.log", "--data", "kept", "--json"];
    let mut command = synod();
    command.args(args).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the demo runs");
    let until = Instant::now() + PATIENCE;
    let some = text.len() as u64 / 3;
    while has_read(child.id()) < some {
        assert!(Instant::now() < until, "the demo does not read");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    assert!(!child.wait().expect("its end").success(), "it was not done yet");

    let again = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let again = again.expect("a time").as_millis();
    let report = report(folder.path(), &["--input", "gate.log", "--data", "kept"]);
    assert_eq!(report["totals"]["lines"], text.lines().count(), "{:#}", report["totals"]);
    assert_ledger(&report);
    let run: uuid::Uuid = report["run"].as_str().expect("a run").parse().expect("an id");
    let begun = run.as_u128() >> 80;
    assert!(begun < again, "it is the run that was killed: {begun} {again}");
}

/// Whether the data of a node lie in a folder below this one.
fn holds_a_log(folder: &Path) -> bool {
    let mut below = std::fs::read_dir(folder).expect("a folder").flatten();
    below.any(|entry| entry.path().join("log/mark").exists())
}

#[tokio::test]
async fn a_node_that_serves_has_no_agent_that_opens_files() {
    let World { client, node: _node, .. } = &World::start("");
    for capability in ["log.read", "log.mine", "log.cite"] {
        let (_, found) = client.get(&format!("{AGENTS}?capability={capability}")).await;
        assert_eq!(found["agents"], serde_json::json!([]), "{capability}: {found}");
    }
}
