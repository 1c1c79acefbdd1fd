//! Agents that are programs: real child processes, on the machine's time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use synod_agents::{
    AgentEntry, AgentErrorKind, AgentId, AgentMessage, AgentSelector, AgentStatus, AgentsConfig,
    Assignment, Payload, Performative, ProcessAgentConfig, ProcessFactory, Programs, RetireAgent,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::stage::{PATIENCE, Stage, assignment, call, give, health, healthy, send, tell};

/// Answers `initialize`, then does what the test adds; `$line` is what it reads.
const PREAMBLE: &str = r#"
id_of() { echo "$line" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
reply() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
read -r line; reply "$(id_of)" '@'
"#;

/// A shell script that behaves like an agent at first.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(body: &str) -> Self {
        Self::with(r#"{"protocol":1}"#, body)
    }

    /// One that says this of itself.
    fn with(initialized: &str, body: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let preamble = PREAMBLE.replace('@', initialized);
        std::fs::write(folder.path().join("agent.sh"), format!("{preamble}{body}")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> ProcessAgentConfig {
        let mut config = ProcessAgentConfig::new(AgentId::new("script").unwrap(), "sh")
            .arg("agent.sh")
            .capability("text.count");
        config.working_folder = Some(self.folder.path().to_owned());
        config.stop_grace_ms = 500;
        config
    }
}

/// A stage with short times, and the agent of `config` once it is up.
async fn up(config: ProcessAgentConfig) -> (Stage, AgentEntry) {
    let agents = AgentsConfig { grace_ms: 200, restart_initial_ms: 20, ..Default::default() };
    let stage = Stage::new(agents.clone()).await;
    let id = config.id.clone();
    let factory = ProcessFactory::new(config, Arc::new(agents), Programs::default());
    stage.start(Arc::new(factory)).await.unwrap();
    let entry = stage.until(id.as_str(), AgentStatus::Active).await;
    (stage, entry)
}

/// The number that a file holds, once it holds one.
async fn number_in(path: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(Instant::now() < deadline, "{} was not written", path.display());
        sleep(Duration::from_millis(5)).await;
    }
}

fn signal(number: &str, pid: &str) -> bool {
    Command::new("kill")
        .args([number, pid])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Waits until the process is gone, a zombie counting as gone.
async fn until_dead(pid: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        assert!(Instant::now() < deadline, "process {pid} lives on");
        sleep(Duration::from_millis(5)).await;
    }
}

fn quick(kind: &str) -> Assignment {
    let mut assignment = assignment(kind);
    assignment.deadline = Instant::now() + PATIENCE;
    assignment
}

#[tokio::test]
async fn a_program_in_python_counts_words_and_keeps_its_state() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("left out: there is no python3 on this machine");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut config = ProcessAgentConfig::new(AgentId::new("word-count").unwrap(), "python3")
        .arg("examples/agents/word_count.py")
        .capability("text.count");
    config.working_folder = Some(root);
    let (_stage, agent) = up(config).await;
    let mut state = None;
    for texts in 1..=2 {
        let mut work = quick("count");
        work.payload = Payload::text("one two\nthree");
        work.state = state;
        let performed = give(&agent.address, work).await.unwrap().unwrap().unwrap();
        let counts: serde_json::Value = performed.payload.to_json().unwrap();
        assert_eq!(counts, serde_json::json!({"lines": 2, "words": 3, "characters": 12}));
        state = performed.state;
        let kept: serde_json::Value = serde_json::from_slice(state.as_ref().unwrap()).unwrap();
        assert_eq!(kept["texts"], texts);
    }
    let mut work = quick("count");
    work.payload = Payload::json(&[1, 2]).unwrap();
    let error = give(&agent.address, work).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_program_that_reads_messages_bids_while_it_works() {
    // Takes work and keeps it until it was asked for a bid.
    let body = r#"
id_of() { echo "$line" | sed 's/.*"id":\([0-9]*\),.*/\1/'; }
read -r line; work=$(id_of)
read -r line; bid=$(id_of)
case "$line" in *'"method":"receive"'*'"performative":"cfp"'*) ;; *) exit 3 ;; esac
reply "$bid" '{"answer":{"performative":"propose","content":{"json":{"price":3}}}}'
read -r line; reply "$(id_of)" '{"answer":{"performative":"shout"}}'
read -r line; reply "$(id_of)" '{}'
reply "$work" '{"payload":{"text":"done"}}'
while read -r line; do :; done"#;
    let script = Script::with(r#"{"protocol":1,"receives":true}"#, body);
    let (_stage, agent) = up(script.config()).await;
    let given = give(&agent.address, quick("count"));
    healthy(&agent.address, |health| health.in_hand.len() == 1).await;
    let said = send(&agent.address, call("script", "{}")).await.unwrap().unwrap();
    let said = said.unwrap().unwrap();
    assert_eq!((said.performative, said.sender.as_str()), (Performative::Propose, "script"));
    assert_eq!(said.content.to_json::<serde_json::Value>().unwrap()["price"], 3);
    let strange = send(&agent.address, call("script", "{}")).await.unwrap().unwrap().unwrap_err();
    assert!(strange.message.contains("'shout' is not one of"), "{strange}");
    assert_eq!(send(&agent.address, call("script", "{}")).await.unwrap().unwrap(), Ok(None));
    assert!(given.await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_program_that_said_nothing_of_messages_gets_none() {
    let script = Script::new("while read -r line; do exit 3; done");
    let (_stage, agent) = up(script.config()).await;
    let said = send(&agent.address, call("script", "bid")).await.unwrap().unwrap();
    assert_eq!(said.unwrap().unwrap().performative, Performative::NotUnderstood);
    assert_eq!(health(&agent.address).await.program_restarts, 0);
}

#[tokio::test]
async fn a_message_that_a_program_had_when_it_ended_is_lost() {
    let script = Script::with(r#"{"protocol":1,"receives":true}"#, "read -r line; exit 3");
    let (_stage, agent) = up(script.config()).await;
    let error = send(&agent.address, call("script", "bid")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Lost);
}

#[tokio::test]
async fn requests_are_pipelined_to_one_child() {
    // Reads three orders before it answers any, the last one first.
    let script = Script::new(
        r#"for _ in 1 2 3; do read -r line; ids="$(id_of) $ids"; done
           for id in $ids; do reply "$id" "{\"payload\":{\"json\":$id}}"; done
           while read -r line; do :; done"#,
    );
    let mut config = script.config();
    config.limits.max_concurrent_tasks = 3;
    let (_stage, agent) = up(config).await;
    let given: Vec<_> = (0..3).map(|_| give(&agent.address, quick("count"))).collect();
    for answer in given {
        assert!(answer.await.unwrap().unwrap().is_ok());
    }
}

#[tokio::test]
async fn garbage_is_a_failure_of_the_work_and_its_child_goes_on() {
    let script = Script::new(
        r#"read -r line
           if [ -e once ]; then echo twice; exit; fi; touch once
           echo 'print!'; read -r line
           reply "$(id_of)" '{"payload":{}}'
           while read -r line; do :; done"#,
    );
    let (_stage, agent) = up(script.config()).await;
    let error = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Failed);
    assert!(error.message.contains("not JSON-RPC") && error.message.contains("print!"), "{error}");
    assert!(give(&agent.address, quick("count")).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_program_that_hangs_is_noticed_when_idle_and_killed_with_its_group() {
    let script = Script::new(
        r#"sleep 1000 & echo $! > grandchild.tmp; mv grandchild.tmp grandchild
           echo $$ > child.tmp; mv child.tmp child; sleep 1000"#,
    );
    let mut config = script.config();
    (config.ping_ms, config.ping_timeout_ms) = (50, 100);
    let (_stage, agent) = up(config).await;
    let (child, grandchild) =
        (number_in(&script.path("child")).await, number_in(&script.path("grandchild")).await);
    let unwell = healthy(&agent.address, |health| {
        health.last_error.as_deref().is_some_and(|why| why.contains("hangs"))
    })
    .await;
    assert!(unwell.last_error.is_some());
    until_dead(&child).await;
    until_dead(&grandchild).await;
}

#[tokio::test]
async fn work_that_hangs_ends_at_its_deadline_and_its_child_is_replaced() {
    let script = Script::new(
        r#"read -r line
           if [ -e once ]; then reply "$(id_of)" '{"payload":{}}'; else touch once; sleep 1000; fi
           while read -r line; do :; done"#,
    );
    let (stage, agent) = up(script.config()).await;
    let mut late = quick("count");
    late.deadline = Instant::now() + Duration::from_millis(200);
    let error = give(&agent.address, late).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Timeout);
    stage.until("script", AgentStatus::Disconnected).await;
    let agent = stage.until("script", AgentStatus::Active).await;
    assert!(give(&agent.address, quick("count")).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_off() {
    let script = Script::new(r#"read -r line; yes '{"jsonrpc":"2.0","method":"noise"}'"#);
    let mut config = script.config();
    config.max_lines_per_s = 1_000;
    let (_stage, agent) = up(config).await;
    let error = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Failed);
    assert!(error.message.contains("1000 lines a second"), "{error}");
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let script = Script::new(r#"read -r line; yes | tr -d '\n'"#);
    let mut config = script.config();
    config.max_line_bytes = 65_536;
    let (_stage, agent) = up(config).await;
    let error = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Failed);
    assert!(error.message.contains("65536 bytes"), "{error}");
}

#[tokio::test]
async fn the_death_of_a_program_loses_what_it_had_and_tells_its_last_complaint() {
    let script = Script::new(r#"read -r line; echo 'no memory left' >&2; sleep 0.05; exit 3"#);
    let (_stage, agent) = up(script.config()).await;
    let error = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Lost);
    assert!(error.message.contains("exit status: 3"), "{error}");
    assert!(error.message.contains("no memory left"), "{error}");
}

#[tokio::test]
async fn a_result_written_just_before_the_end_counts() {
    let script = Script::new(r#"read -r line; reply "$(id_of)" '{"payload":{"text":"done"}}'"#);
    let (_stage, agent) = up(script.config()).await;
    let performed = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap();
    assert_eq!(performed.payload, Payload::text("done"));
}

#[tokio::test]
async fn a_program_killed_from_outside_is_lost_and_comes_back() {
    let script = Script::new(
        r#"echo $$ > child.tmp; mv child.tmp child
           while read -r line; do
             if [ -e once ]; then reply "$(id_of)" '{"payload":{}}'; fi
             touch once
           done"#,
    );
    let (stage, agent) = up(script.config()).await;
    let given = give(&agent.address, quick("count"));
    number_in_hand(&agent, 1).await;
    let killed = number_in(&script.path("child")).await;
    assert!(signal("-9", &killed));
    let error = given.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Lost);
    let agent = stage.until("script", AgentStatus::Active).await;
    assert!(give(&agent.address, quick("count")).await.unwrap().unwrap().is_ok());
    assert_eq!(health(&agent.address).await.program_restarts, 1);
    let link = agent.address.path().child("link");
    let shown = stage.system.observe_under(&link, 0, 0).expect("a link");
    assert_eq!(shown.detail.as_deref(), Some("ready"));
    assert_eq!(shown.restarts, 1, "that of the program, for the link itself went on");
    assert!(shown.last_error.is_some());
    let host = stage.system.observe_under(&stage.host.path(), 0, 0).expect("a host");
    assert_eq!(host.detail.as_deref(), Some("1 agent"));
}

async fn number_in_hand(agent: &AgentEntry, wanted: usize) {
    healthy(&agent.address, |health| health.in_hand.len() == wanted).await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_told_and_tried_again() {
    let agents = AgentsConfig::default();
    let stage = Stage::new(agents.clone()).await;
    let config = ProcessAgentConfig::new(AgentId::new("script").unwrap(), "/no/such/program")
        .capability("x");
    let factory = ProcessFactory::new(config, Arc::new(agents), Programs::default());
    let factory = Arc::new(factory);
    let agent = stage.start(factory).await.unwrap();
    let error = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Unavailable);
    let unwell = healthy(&agent.address, |health| health.last_error.is_some()).await;
    assert!(!unwell.healthy);
    healthy(&agent.address, |health| {
        health.last_error.as_deref().is_some_and(|why| why.contains("/no/such/program"))
    })
    .await;
    assert_eq!(health(&agent.address).await.status, AgentStatus::Disconnected);
}

#[tokio::test]
async fn a_program_sees_only_the_environment_it_is_given() {
    let script = Script::new(
        r#"read -r line; words=$(env | cut -d= -f1 | sort | tr '\n' ' ')
           reply "$(id_of)" "{\"payload\":{\"text\":\"$words\"}}"; read -r line"#,
    );
    let mut config = script.config();
    config.env.insert("COLOUR".into(), "blue".into());
    let (_stage, agent) = up(config).await;
    let performed = give(&agent.address, quick("count")).await.unwrap().unwrap().unwrap();
    let seen = performed.payload.to_text().unwrap();
    // A shell sets some variables of its own.
    let given: Vec<_> = seen
        .split_whitespace()
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(given, ["COLOUR", "PATH"]);
}

#[tokio::test]
async fn cancelled_work_is_told_to_the_program() {
    let script = Script::new(
        r#"read -r line; id=$(id_of); read -r line
           printf '%s\n' "$line" > cancelled
           printf '{"jsonrpc":"2.0","id":%s,"error":{"code":1,"message":"stopped"}}\n' "$id"
           while read -r line; do :; done"#,
    );
    let (_stage, agent) = up(script.config()).await;
    let work = quick("count");
    let id = work.work;
    let given = give(&agent.address, work);
    number_in_hand(&agent, 1).await;
    tell(&agent.address, AgentMessage::Cancel { work: id }).await;
    let error = given.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::Cancelled);
    let line = number_in(&script.path("cancelled")).await;
    assert!(line.contains(r#""method":"cancel""#), "{line}");
    assert_eq!(health(&agent.address).await.status, AgentStatus::Active, "the child goes on");
}

#[tokio::test]
async fn a_retired_agent_asks_its_program_to_end_and_kills_who_does_not() {
    let script = Script::new(
        r#"trap 'echo asked > asked' TERM
           echo $$ > child.tmp; mv child.tmp child
           while :; do sleep 0.05; done"#,
    );
    let (stage, _agent) = up(script.config()).await;
    let child = number_in(&script.path("child")).await;
    let agents = AgentSelector::from(AgentId::new("script").unwrap());
    let retire = RetireAgent { agents, reason: "enough".into(), only_removable: false };
    stage.registry.ask(retire, PATIENCE).await.unwrap().unwrap();
    assert_eq!(number_in(&script.path("asked")).await, "asked");
    until_dead(&child).await;
    stage.until_gone("script").await;
}

#[tokio::test]
async fn the_end_of_the_node_is_the_end_of_its_programs() {
    let script = Script::new(
        r#"sleep 1000 & echo $! > grandchild.tmp; mv grandchild.tmp grandchild
           echo $$ > child.tmp; mv child.tmp child
           while read -r line; do :; done"#,
    );
    let (stage, _agent) = up(script.config()).await;
    let child = number_in(&script.path("child")).await;
    let grandchild = number_in(&script.path("grandchild")).await;
    stage.system.stop(PATIENCE).await.unwrap();
    until_dead(&child).await;
    until_dead(&grandchild).await;
}
