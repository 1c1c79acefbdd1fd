//! The files of `config/workflows`: each is run, and does what its head says.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::Client;
use crate::node_process::synod;
use crate::workflows::{RUNS, step};
use crate::world::World;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/workflows")
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("the file")
}

/// Starts a file with this input.
async fn started(client: &Client, name: &str, input: Value) -> String {
    client.started(json!({"definition": sample(name), "input": input})).await
}

/// Runs a file that must complete, and gives how the run stands.
async fn completed(client: &Client, name: &str, input: Value) -> Value {
    let id = started(client, name, input).await;
    let run = client.run_ended(&id).await;
    assert_eq!(run["state"], "completed", "{name}: {run:#}");
    run
}

#[test]
fn every_file_says_what_it_shows_and_how_it_is_run() {
    let files = std::fs::read_dir(folder()).expect("a folder").flatten();
    let mut files: Vec<_> =
        files.map(|file| file.file_name().into_string().expect("a name")).collect();
    files.sort();
    let shown = [
        "approval.yaml",
        "branches.yaml",
        "fallback.yaml",
        "fan_out.yaml",
        "linear.yaml",
        "log_triage.yaml",
        "long_run.yaml",
        "per_item.yaml",
    ];
    assert_eq!(files, shown, "each file here is run by a test below");
    for name in files {
        let text = sample(&name);
        let head: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let command = format!("#   synod run config/workflows/{name} --");
        assert!(head.iter().any(|line| line.starts_with(&command)), "{name}: {head:#?}");
        assert!(head[0].ends_with(['.', ':']) || head.len() > 3, "{name}: {head:#?}");
    }
}

#[tokio::test]
async fn linear_greets_with_what_each_step_got_from_the_one_before() {
    let World { client, node: _node, .. } = &World::start("");
    let run = completed(client, "linear.yaml", json!({"name": " Ada "})).await;
    let greeting = format!("Hello Ada, this is run {}.", run["run_id"].as_str().expect("an id"));
    assert_eq!(run["outputs"], json!({"greeting": greeting}));
}

#[tokio::test]
async fn fan_out_joins_what_three_steps_saw_at_once() {
    let World { client, node: _node, .. } = &World::start("");
    let run = completed(client, "fan_out.yaml", json!({"text": "to be or not to be"})).await;
    let summary = json!({"words": 6, "characters": 18, "loud": "TO BE OR NOT TO BE"});
    assert_eq!(run["outputs"]["summary"], summary, "{run:#}");
    assert_eq!(step(&run, "join")["depends_on"], json!(["words", "length", "loud"]));
}

#[tokio::test]
async fn branches_does_what_the_severity_asks_for_and_skips_the_rest() {
    let World { client, node: _node, .. } = &World::start("");
    for (severity, done, skipped) in [
        ("high", "page", ["ticket", "note"]),
        ("medium", "ticket", ["page", "note"]),
        ("low", "note", ["page", "ticket"]),
    ] {
        let input = json!({"severity": severity, "host": "db1"});
        let run = completed(client, "branches.yaml", input).await;
        assert_eq!(run["outputs"]["result"]["done_by"], done, "{run:#}");
        let record = run["outputs"]["result"]["record"].to_string();
        assert!(record.contains(&format!("INC db1 ({severity})")), "{record}");
        for other in skipped {
            assert_eq!(step(&run, other)["state"], "skipped", "{severity}: {other}");
        }
    }
}

#[tokio::test]
async fn fallback_asks_the_rules_where_there_is_no_model_and_not_where_there_is_one() {
    let World { client, node: _node, .. } = &World::start("");
    // Five seconds, in which no agent with the capability comes, three times in vain.
    let text = sample("fallback.yaml").replace("start_s: 5", "start_s: 0.2");
    let text = text.replace("initial_ms: 500", "initial_ms: 10");
    assert_ne!(text, sample("fallback.yaml"), "the test waits no longer than it must");
    for (message, label) in [
        ("Please REFUND my order", "refund"),
        ("It came broken", "complaint"),
        ("Where is it? ", "question"),
        ("Thanks", "other"),
    ] {
        let id = client.started(json!({"definition": text, "input": {"message": message}})).await;
        let run = client.run_ended(&id).await;
        assert_eq!(run["state"], "completed", "{run:#}");
        assert_eq!(run["outputs"]["label"], label, "{run:#}");
        assert_eq!(run["outputs"]["by"], "rules");
        assert_eq!(run["fallback"][0]["id"], "rules", "{run:#}");
        let because = run["outputs"]["because"].as_str().expect("a text");
        assert!(because.starts_with("the model failed: "), "{because}");
    }
}

/// The approval of a run, once it is asked for.
async fn asked(client: &Client, run: &str) -> Value {
    let path = format!("/api/v1/approvals?run={run}");
    let page = client.until(&path, |page| page["approvals"][0].is_object()).await;
    page["approvals"][0].clone()
}

#[tokio::test]
async fn approval_deploys_what_was_decided_and_keeps_what_was_suggested() {
    let World { client, node: _node, .. } = &World::start("");
    let input = json!({"service": "shop", "version": "2.1.0"});
    let id = started(client, "approval.yaml", input.clone()).await;
    let approval = asked(client, &id).await;
    assert_eq!(approval["question"], "Deploy shop 2.1.0?", "{approval:#}");
    assert_eq!(approval["payload"]["replicas"], 2, "{approval:#}");
    let path = format!("/api/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
    let decision = json!({
        "verdict": "approve", "by": "ada", "role": "operator", "reason": "looks good",
        "payload": {"service": "shop", "version": "2.1.0", "replicas": 3},
    });
    let (status, answer) = client.post(&path, decision).await;
    assert!(status.is_success(), "{answer:#}");
    let run = client.run_ended(&id).await;
    assert_eq!(run["state"], "completed", "{run:#}");
    assert_eq!(run["outputs"]["deployed"]["replicas"], 3, "{run:#}");
    assert_eq!(step(&run, "agree")["output"]["suggestion"]["replicas"], 2, "{run:#}");

    let id = started(client, "approval.yaml", input).await;
    let approval = asked(client, &id).await;
    let path = format!("/api/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
    let no = json!({"verdict": "reject", "by": "ada", "role": "operator"});
    assert!(client.post(&path, no).await.0.is_success());
    let run = client.run_ended(&id).await;
    assert_eq!(run["error"]["kind"], "approval_rejected", "{run:#}");
    assert_eq!(step(&run, "deploy")["attempts"], 0, "nothing was deployed: {run:#}");
}

#[tokio::test]
async fn long_run_goes_on_after_kill_9_and_settles_once_the_payment_comes() {
    let mut world = World::start("");
    // An hour of patience is a second here; all else is as in the file.
    let text = sample("long_run.yaml").replace("for_s: 3600", "for_s: 1");
    assert_ne!(text, sample("long_run.yaml"));
    let start = json!({"definition": text, "input": {"account": 42}});
    let id = world.client.started(start.clone()).await;
    world.client.run_in(&id, "waiting").await;
    world.node.kill();
    world.start_again("");
    let client = &world.client;
    assert_eq!(client.started(start).await, id, "the account is the key of the run");
    let reminded = |run: &Value| step(run, "remind")["state"] == "completed";
    client.until(&format!("{RUNS}/{id}"), reminded).await;
    let payment =
        |account: u32| json!({"topic": "payments", "payload": {"account": account, "amount": 99}});
    client.post("/api/v1/messages", payment(7)).await;
    let run = client.run(&id).await;
    assert_eq!(step(&run, "payment")["state"], "waiting", "another account's: {run:#}");
    client.post("/api/v1/messages", payment(42)).await;
    let run = client.run_ended(&id).await;
    assert_eq!(run["state"], "completed", "{run:#}");
    let settled = &run["outputs"]["settled"];
    assert_eq!((&settled["paid"], &settled["reminded"]), (&json!(99), &json!(true)), "{run:#}");
    assert_eq!(settled["patience_s"], 86_400, "{run:#}");
}

#[tokio::test]
async fn per_item_runs_a_workflow_of_its_own_for_each_name() {
    let World { client, node: _node, .. } = &World::start("");
    let (status, kept) = client.yaml(&format!("{RUNS}/definitions"), &sample("linear.yaml")).await;
    assert!(status.is_success(), "{kept:#}");
    let input = json!({"names": ["Ada", "Alan", "Grace"]});
    let run = completed(client, "per_item.yaml", input).await;
    let result = &run["outputs"]["result"];
    assert_eq!(result["count"], 3, "{run:#}");
    for (greeting, name) in result["greetings"].as_array().expect("a list").iter().zip([
        "Hello Ada,",
        "Hello Alan,",
        "Hello Grace,",
    ]) {
        assert!(greeting.as_str().expect("a text").starts_with(name), "{greeting}");
    }
    let (_, page) = client.get(&format!("{RUNS}?workflow=linear")).await;
    assert_eq!(page["runs"].as_array().map(Vec::len), Some(3), "each is a run of its own");
}

/// A log in which somebody tries one password after the other.
fn log() -> String {
    let quiet = |n: u32| {
        let (minute, second) = (n / 60, n % 60);
        format!("Mar  4 10:{minute:02}:{second:02} gate sshd[9]: Connection from 10.0.0.{n}\n")
    };
    let tried = |n: u32| {
        format!("Mar  4 10:07:{n:02} gate sshd[9]: Failed password for root from 203.0.113.9\n")
    };
    (0..400).map(quiet).chain((0..50).map(tried)).collect()
}

#[test]
fn log_triage_runs_by_itself_and_reads_what_file_names() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(place.path().join("gate.log"), log()).expect("written");
    let file = folder().join("log_triage.yaml").display().to_string();
    let ran = |set: &str| {
        let mut command = synod();
        command.args(["run", &file, "--set", set, "--json"]).current_dir(place.path());
        command.env("TMPDIR", place.path()).output().expect("a command")
    };
    let output = ran("file=gate.log");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let run: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(run["outputs"]["totals"]["lines"], 450, "{run:#}");
    assert_eq!(run["outputs"]["judged"][0]["finding"]["subject"], "address 203.0.113.9");
    assert_eq!(run["outputs"]["judged"][0]["ballot"]["decision"], "confirm");
    let told = run["outputs"]["account"]["paragraphs"].to_string();
    assert!(told.contains("203.0.113.9"), "{told}");
    let output = ran("file=nowhere.log");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("nowhere.log"), "{told}");
}

#[tokio::test]
async fn a_node_triages_the_logs_that_its_configuration_names_and_no_others() {
    let place = tempfile::tempdir().expect("a folder");
    let logs = place.path().join("logs");
    std::fs::create_dir(&logs).expect("a folder");
    std::fs::write(logs.join("gate.log"), log()).expect("written");
    std::fs::write(place.path().join("secret.log"), log()).expect("written");
    std::os::unix::fs::symlink(place.path().join("secret.log"), logs.join("link.log"))
        .expect("a link");
    let read = format!("[triage]\nread = [{:?}]\n", logs.display().to_string());
    let World { client, node: _node, .. } = &World::start(&read);
    let at = |name: &str| json!({"file": place.path().join(name).display().to_string()});
    let run = completed(client, "log_triage.yaml", at("logs")).await;
    assert_eq!(run["outputs"]["totals"]["lines"], 450, "the link leads outside: {run:#}");
    assert!(run["outputs"]["skipped"].to_string().contains("link.log"), "{run:#}");
    for name in ["secret.log", "logs/../secret.log", "logs/link.log"] {
        let id = started(client, "log_triage.yaml", at(name)).await;
        let run = client.run_ended(&id).await;
        assert_eq!(run["error"]["kind"], "refused", "{name}: {run:#}");
    }
}
