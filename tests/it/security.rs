//! A node that asks for tokens, and one beyond loopback with TLS: who gets in, who does not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::client::assert_problem;
use crate::node_process::{NodeProcess, config_file, data_folder, synod};

/// How long what is on its way may take.
const PATIENCE: Duration = Duration::from_secs(30);

const AUTH: &str = "auth = \"tokens\"\n";
const TASKS: &str = "/api/v1/orchestration/tasks";
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

/// A node that asks for tokens.
struct Guarded {
    node: NodeProcess,
    folder: TempDir,
    http: reqwest::Client,
}

impl Guarded {
    fn start(extra: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let node = NodeProcess::start(folder.path(), &format!("{AUTH}{extra}"));
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
        Self { node, folder, http: http.expect("a client") }
    }

    /// Makes a token on the node's machine.
    fn token(&self, subject: &str, more: &[&str]) -> String {
        let ran = self.local(&[&["tokens", "issue", subject], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.trim().to_owned()
    }

    fn role(&self, role: &str) -> String {
        self.token(role, &["--role", role])
    }

    /// A command on the node's files.
    fn local(&self, args: &[&str]) -> Ran {
        let mut command = with_files(self.folder.path());
        Ran::of(command.args(args).output().expect("a command"))
    }

    /// A command that asks the node.
    fn remote(&self, token: Option<&str>, args: &[&str]) -> Ran {
        let mut command = synod();
        command.args(args).env("SYNOD_URL", &self.node.url);
        if let Some(token) = token {
            command.env("SYNOD_TOKEN", token);
        }
        Ran::of(command.output().expect("a command"))
    }

    async fn ask(&self, token: Option<&str>, method: &str, path: &str) -> (StatusCode, Value) {
        self.send(token, method, path, None).await
    }

    async fn send(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let method: Method = method.to_uppercase().parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.node.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        // A stream that was opened by mistake would not end.
        if status == StatusCode::OK && path.contains("stream") {
            return (status, Value::Null);
        }
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

fn with_files(folder: &Path) -> Command {
    let mut command = synod();
    command.env("SYNOD_CONFIG", config_file(folder));
    command.env("SYNOD_NODE__DATA_FOLDER", data_folder(folder));
    command
}

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
        serde_json::from_str(&self.out).expect("JSON")
    }
}

fn filled(path: &str) -> String {
    let path = path.replace("{task_id}", NOBODY).replace("{run_id}", NOBODY);
    let path = path.replace("{other}", NOBODY).replace("{token_id}", NOBODY);
    let path = path.replace("{approval_id}", NOBODY).replace("{name}", "nothing");
    path.replace("{agent}", "nobody").replace("{control}", "pause")
}

#[tokio::test]
async fn every_documented_route_refuses_who_has_no_token_or_too_small_a_role() {
    let world = Guarded::start("\n[security]\nmax_failures = 1000000\n");
    let (viewer, agent) = (world.role("viewer"), world.role("agent"));
    let (status, document) = world.ask(Some(&viewer), "GET", "/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let (mut refused, mut open) = (0, Vec::new());
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let about = format!("{method} {path}");
            let path = filled(path);
            let without = world.ask(None, method, &path).await;
            if without.0 != StatusCode::UNAUTHORIZED {
                assert_eq!(without.0, StatusCode::OK, "{about}");
                open.push(path);
                continue;
            }
            assert_problem(&without, 401, "unauthorized");
            let small = world.ask(Some(&agent), method, &path).await;
            let small = match small.0 {
                // What an agent may do, a viewer may not.
                status if status != StatusCode::FORBIDDEN => {
                    world.ask(Some(&viewer), method, &path).await
                }
                _ => small,
            };
            assert_eq!(small.0, StatusCode::FORBIDDEN, "{about}: {}", small.1);
            assert_problem(&small, 403, "role-too-small");
            refused += 1;
        }
    }
    open.sort_unstable();
    assert_eq!(open, ["/healthz", "/readyz"]);
    assert!(refused > 40, "{refused} routes");
    let nowhere = world.ask(None, "GET", "/api/v1/nowhere").await;
    assert_problem(&nowhere, 401, "unauthorized");
}

/// Opens a WebSocket; the status when it is refused.
async fn websocket(
    world: &Guarded,
    path: &str,
    token: Option<&str>,
) -> Result<impl StreamExt<Item = Result<Message, WsError>> + use<>, u16> {
    let url = format!("{}{path}", world.node.url.replace("http", "ws"));
    let mut request = url.into_client_request().expect("a request");
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", value);
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn streams_ask_for_a_token_and_end_with_it() {
    let world = Guarded::start("");
    for path in ["/api/v1/stream", "/api/v1/agents/connect"] {
        assert_eq!(websocket(&world, path, None).await.err(), Some(401), "{path}");
    }
    let (viewer, agent) = (world.role("viewer"), world.role("agent"));
    assert_eq!(websocket(&world, "/api/v1/stream", Some(&agent)).await.err(), Some(403));
    assert_eq!(websocket(&world, "/api/v1/agents/connect", Some(&viewer)).await.err(), Some(403));
    assert!(websocket(&world, "/api/v1/agents/connect", Some(&agent)).await.is_ok());

    let mut socket = websocket(&world, "/api/v1/stream", Some(&viewer)).await.expect("a stream");
    let url = format!("{}/api/v1/stream/sse", world.node.url);
    let events = world.http.get(url).bearer_auth(&viewer).send().await.expect("a stream");
    assert_eq!(events.status(), StatusCode::OK);
    let list = world.local(&["tokens", "list", "--json"]).json();
    let of_viewer = |token: &&Value| token["subject"] == "viewer";
    let token = list["tokens"].as_array().expect("tokens").iter().find(of_viewer);
    let id = token.expect("the viewer's")["token_id"].as_str().expect("an id");
    assert_eq!(world.local(&["tokens", "revoke", id]).code, 0);

    let mut last = String::new();
    while let Some(Ok(message)) = timeout(socket.next()).await {
        if let Message::Close(Some(frame)) = message {
            last = frame.reason.to_string();
        }
    }
    assert!(last.contains("revoked"), "{last}");
    let rest = timeout(events.text()).await.expect("the rest");
    assert!(rest.contains("revoked"), "{rest}");
    let after = world.ask(Some(&viewer), "GET", TASKS).await;
    assert_problem(&after, 401, "unauthorized");
    assert!(after.1["detail"].as_str().expect("a detail").contains("revoked"), "{}", after.1);
}

async fn timeout<T>(of: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, of).await.expect("in time")
}

#[tokio::test]
async fn a_token_ends_by_itself_and_is_good_on_no_other_node() {
    let (here, there) = (Guarded::start("\n[security]\nclock_skew_s = 0\n"), Guarded::start(""));
    let token = here.token("ada", &["--role", "viewer", "--for", "2s"]);
    assert_eq!(here.ask(Some(&token), "GET", TASKS).await.0, StatusCode::OK);
    assert_problem(&there.ask(Some(&token), "GET", TASKS).await, 401, "unauthorized");
    let until = Instant::now() + PATIENCE;
    let refused = loop {
        let answer = here.ask(Some(&token), "GET", TASKS).await;
        if answer.0 != StatusCode::OK {
            break answer;
        }
        assert!(Instant::now() < until, "it does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(refused.1["detail"].as_str().expect("a detail").contains("expired"), "{}", refused.1);
    let bound = here.token("ada", &["--role", "viewer", "--node", "another"]);
    let refused = here.ask(Some(&bound), "GET", TASKS).await;
    assert!(refused.1["detail"].as_str().expect("a detail").contains("another node"));
}

#[tokio::test]
async fn who_fails_too_often_waits_and_the_log_stays_short() {
    let world = Guarded::start("\n[security]\nmax_failures = 3\n");
    for _ in 0..50 {
        world.ask(Some("forged"), "GET", TASKS).await;
    }
    let refused = world.ask(Some("forged"), "GET", TASKS).await;
    assert_problem(&refused, 429, "too-many-failures");
    assert!(refused.1["retry_after_s"].as_u64().is_some_and(|wait| wait <= 60));
    let good = world.role("viewer");
    assert_eq!(world.ask(Some(&good), "GET", TASKS).await.0, StatusCode::OK);
    assert_eq!(world.node.log().matches("access refused").count(), 3);
    let (_, metrics) = {
        let url = format!("{}/metrics", world.node.url);
        let answer = world.http.get(url).bearer_auth(&good).send().await.expect("metrics");
        (answer.status(), answer.text().await.expect("text"))
    };
    let line = metrics.lines().find(|line| line.starts_with("synod_http_denied_total{"));
    assert_eq!(line, Some("synod_http_denied_total{reason=\"malformed\"} 51"));
}

const PAY: &str = "name: pay\nversion: 1.0.0\nsteps:\n  - id: ask\n    \
                   approval: {ask: Pay?, people: [ada], roles: [boss]}\n";

/// Starts a run that asks whether to pay; the approval's id.
async fn asked(world: &Guarded, token: &str) -> String {
    let body = json!({"definition": PAY});
    let started = world.send(Some(token), "POST", "/api/v1/workflows", Some(body)).await;
    assert!(started.0.is_success(), "{}", started.1);
    let run = started.1["run_id"].as_str().expect("a run").to_owned();
    let until = Instant::now() + PATIENCE;
    loop {
        let (_, page) =
            world.ask(Some(token), "GET", &format!("/api/v1/approvals?run={run}")).await;
        if let Some(id) = page["approvals"][0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(Instant::now() < until, "nothing is asked: {page}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_approval_knows_who_decided_by_their_token() {
    let world = Guarded::start("");
    let submitter = world.role("submitter");
    let eve = world.token("eve", &["--role", "approver"]);
    let ada = world.token("ada", &["--role", "approver"]);
    let max = world.token("max", &["--role", "approver", "--group", "boss"]);
    let id = asked(&world, &submitter).await;
    let path = format!("/api/v1/approvals/{id}/decide");
    let decide =
        async |token: &str, body: Value| world.send(Some(token), "POST", &path, Some(body)).await;
    assert_problem(&decide(&submitter, json!({"verdict": "approve"})).await, 403, "role-too-small");
    assert_eq!(decide(&eve, json!({"verdict": "approve"})).await.0, StatusCode::FORBIDDEN);
    let posing = decide(&eve, json!({"verdict": "approve", "by": "ada"})).await;
    assert_problem(&posing, 403, "forbidden");
    assert_eq!(posing.1["field"], "by");
    let claiming = decide(&eve, json!({"verdict": "approve", "role": "boss"})).await;
    assert_eq!(claiming.1["field"], "role", "{}", claiming.1);
    let decided = decide(&ada, json!({"verdict": "approve"})).await;
    assert_eq!(decided.0, StatusCode::OK, "{}", decided.1);
    assert!(decided.1.to_string().contains("ada"), "{}", decided.1);
    let id = asked(&world, &submitter).await;
    let path = format!("/api/v1/approvals/{id}/decide");
    let body = json!({"verdict": "reject", "role": "boss"});
    let decided = world.send(Some(&max), "POST", &path, Some(body)).await;
    assert_eq!(decided.0, StatusCode::OK, "{}", decided.1);
}

#[tokio::test]
async fn an_administrator_manages_tokens_through_the_node() {
    let world = Guarded::start("");
    let admin = world.role("admin");
    let none = world.remote(None, &["tasks", "list"]);
    assert_eq!(none.code, 5, "{}", none.err);
    assert!(none.err.contains("synod tokens issue"), "{}", none.err);
    assert_eq!(world.remote(Some(&admin), &["tasks", "list"]).code, 0);
    let args = ["tokens", "issue", "bob", "--role", "viewer", "--role", "submitter", "--json"];
    let issued = world.remote(Some(&admin), &args).json();
    let (bob, id) = (issued["token"].as_str().unwrap(), issued["token_id"].as_str().unwrap());
    assert_eq!(issued["roles"], json!(["viewer", "submitter"]));
    assert_eq!(world.remote(Some(bob), &["tasks", "submit", "echo", "1"]).code, 0);
    let refused = world.remote(Some(bob), &["tokens", "list"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    let listed = world.remote(Some(&admin), &["tokens", "list"]);
    assert!(
        listed.out.contains("bob") && listed.out.contains("viewer,submitter"),
        "{}",
        listed.out
    );
    assert!(!listed.out.contains(bob), "a token is told once");
    assert_eq!(world.remote(Some(&admin), &["tokens", "revoke", id]).code, 0);
    assert_eq!(world.remote(Some(bob), &["tasks", "list"]).code, 5, "at once");
    assert_eq!(world.remote(Some(&admin), &["tokens", "revoke", NOBODY]).code, 4);
    let wrong = json!({"subject": "x", "roles": ["root"]});
    let wrong = world.send(Some(&admin), "POST", "/api/v1/tokens", Some(wrong)).await;
    assert_problem(&wrong, 422, "invalid-field");
    let long = json!({"subject": "x", "roles": ["viewer"], "valid_s": 99_999_999});
    let long = world.send(Some(&admin), "POST", "/api/v1/tokens", Some(long)).await;
    assert_eq!(long.1["field"], "valid_s", "{}", long.1);
    let task = world.remote(Some(&admin), &["tasks", "list", "--json"]).json();
    assert_eq!(task["tasks"].as_array().map(Vec::len), Some(1));
}

/// An authority, and the files of a node that it issued for 127.0.0.1.
fn certificates(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let run = |args: &[&str]| {
        let ran = Ran::of(synod().current_dir(folder).args(args).output().expect("a command"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran
    };
    run(&["cluster", "certificates", "init", "--cluster", "test"]);
    let issued =
        run(&["cluster", "certificates", "issue", "n1", "--address", "127.0.0.1", "--json"]).json();
    let path = |name: &str| folder.join(issued[name].as_str().expect("a path"));
    (path("certificate"), path("key"), path("authority"))
}

#[tokio::test]
async fn beyond_loopback_a_node_speaks_tls_to_those_with_a_token() {
    let files = tempfile::tempdir().expect("a folder");
    let (certificate, key, ca) = certificates(files.path());
    let folder = tempfile::tempdir().expect("a folder");
    let tls = format!("{AUTH}\n[http.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let mut program = synod();
    program.env("SYNOD_HTTP__LISTEN", "0.0.0.0:0");
    let node = NodeProcess::start_as(program, folder.path(), &tls);
    let url = node.url.replace("0.0.0.0", "127.0.0.1");
    assert!(url.starts_with("https://"), "{url}");
    let issue =
        with_files(folder.path()).args(["tokens", "issue", "me", "--role", "admin"]).output();
    let token = Ran::of(issue.expect("a command")).out;
    let ca = ca.to_str().expect("UTF-8");
    let run = |args: &[&str]| {
        let mut command = synod();
        command.args(args).env("SYNOD_URL", &url).env("SYNOD_TOKEN", token.trim());
        Ran::of(command.output().expect("a command"))
    };
    let submitted = run(&["tasks", "submit", "echo", "1", "--wait", "--ca", ca]);
    assert_eq!(submitted.code, 0, "{}", submitted.err);
    let stranger = run(&["tasks", "list"]);
    assert_eq!(stranger.code, 3, "the authority is not the system's: {}", stranger.err);

    // A client that says nothing, and one that speaks no TLS, keep nobody out.
    let silent = std::net::TcpStream::connect(url.trim_start_matches("https://")).unwrap();
    let plain = url.replace("https", "http");
    assert!(reqwest::get(format!("{plain}/healthz")).await.is_err());
    assert_eq!(run(&["status", "--ca", ca]).code, 0);
    drop(silent);
}

#[test]
fn a_certificate_that_can_not_be_served_keeps_the_node_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let tls = "\n[http.tls]\ncertificate = \"nowhere.pem\"\nkey = \"nowhere.key\"\n";
    let refused = NodeProcess::refused(folder.path(), tls);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    for text in ["nowhere.pem", "http.tls.certificate"] {
        assert!(refused.said.contains(text), "{}", refused.said);
    }
}

#[test]
fn certificates_are_made_once_and_say_what_is_wrong_with_a_request() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let run = |args: &[&str]| {
        let mut command = synod();
        command.current_dir(folder.path()).args(["cluster", "certificates"]).args(args);
        Ran::of(command.output().expect("a command"))
    };
    let again = run(&["init"]);
    assert!(again.code == 2 && again.err.contains("already"), "{}", again.err);
    let wrong = run(&["issue", "Node 1"]);
    assert!(wrong.code == 2 && wrong.err.contains("`name`"), "{}", wrong.err);
    let nowhere = run(&["issue", "n2", "--folder", "nowhere"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("authority.pem"), "{}", nowhere.err);
}
