//! The node under measurement: `synod node`, as a user starts it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::calls::get;
use crate::client::Connection;
use crate::system::{self, Cpu};

/// How long it may take to start, to finish its tasks, to end.
const PATIENCE: Duration = Duration::from_secs(60);
const STATS: &str = "/api/v1/orchestration/stats";

/// A running node.
pub(crate) struct Node {
    child: Child,
    agents: Vec<u32>,
    address: SocketAddr,
    ready: Duration,
    idle_mib: f64,
    added: AtomicU64,
}

/// What is told of a node when it has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// From the start of the process until `node.json` was there.
    pub(crate) ready: Duration,
    /// Resident before the first call, and at most.
    pub(crate) idle_mib: f64,
    pub(crate) peak_mib: f64,
    /// The tasks that the client added, and that the node completed.
    pub(crate) tasks: u64,
}

/// The Python to use, if there is one: not a wrapper that would look for it at each start.
pub(crate) fn python() -> Option<PathBuf> {
    let print = "import sys; print(sys.executable)";
    let output = Command::new("python3").args(["-c", print]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().into())
}

impl Node {
    /// Starts a node on an empty folder and waits until it takes work.
    pub(crate) fn start(folder: &Path, python: Option<&Path>) -> Self {
        let node_folder = folder.join("node");
        let _ = fs::remove_dir_all(&node_folder);
        fs::create_dir_all(&node_folder).expect("a folder");
        let file = node_folder.join("node.toml");
        fs::write(&file, configuration(&node_folder, python)).expect("a configuration");
        let log = File::create(node_folder.join("node.log")).expect("a log");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_synod"))
            .args(["node", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the node starts");
        let address = await_ready(&node_folder, &mut child);
        let ready = begun.elapsed();
        // Its agents, a Python among them, start beside it.
        thread::sleep(Duration::from_secs(1));
        let agents = system::children(child.id());
        assert_eq!(agents.len(), usize::from(python.is_some()), "{}", log_of(&node_folder));
        let idle_mib = system::resident_mib(child.id(), "VmRSS");
        Self { child, agents, address, ready, idle_mib, added: AtomicU64::new(0) }
    }

    /// What a request says in its Host header.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) fn cpu(&self) -> Cpu {
        Cpu::now(self.child.id(), &self.agents)
    }

    /// The client has added so many tasks.
    pub(crate) fn added(&self, tasks: u64) {
        self.added.fetch_add(tasks, Ordering::Relaxed);
    }

    /// Waits until no task is open; the ledger then.
    pub(crate) async fn until_idle(&self) -> Value {
        let mut connection = self.connect().await;
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = connection.call(get(&self.host(), STATS)).await;
            let mut stats: Value = serde_json::from_slice(&answer).expect("statistics");
            if stats["ledger"]["open"] == 0 {
                return stats["ledger"].take();
            }
            assert!(Instant::now() < until, "tasks do not end: {stats}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Holds the ledger against the client's count, and stops the node as a user does.
    pub(crate) async fn stop(mut self) -> Ended {
        let ledger = self.until_idle().await;
        let tasks = self.added.load(Ordering::Relaxed);
        assert_eq!(ledger["accepted"], tasks, "what the node accepted, and what the client sent");
        assert_eq!(ledger["completed"], tasks, "{ledger}");
        let peak_mib = system::resident_mib(self.child.id(), "VmHWM");
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "the node ended with {status}");
        Ended { ready: self.ready, idle_mib: self.idle_mib, peak_mib, tasks }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ended already, unless the run was cut short.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The defaults but for three limits that are there for users' safety: a connection for each of
/// 1,024 calls and some to spare, as many lines a second as Python can write, and no line for each
/// request in the log.
fn configuration(folder: &Path, python: Option<&Path>) -> String {
    let node = format!(
        "[node]\ndata_folder = {:?}\n[log]\nlevel = \"warn\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\nmax_connections = 2048\n",
        folder.join("data"),
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/http/echo.py");
    let agent = python.map(|python| {
        format!(
            "[[agents.process]]\nid = \"echo-python\"\ncapabilities = [\"echo.python\"]\n\
             command = {python:?}\nargs = [{script:?}]\nmax_lines_per_s = 1000000\n\
             limits = {{ max_concurrent_tasks = 64 }}\n"
        )
    });
    node + &agent.unwrap_or_default()
}

fn await_ready(folder: &Path, child: &mut Child) -> SocketAddr {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read(folder.join("data/node.json")) {
            let endpoint: Value = serde_json::from_slice(&text).expect("where the node is");
            let url = endpoint["url"].as_str().and_then(|url| url.strip_prefix("http://"));
            return url.and_then(|address| address.parse().ok()).expect("an address");
        }
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none() && Instant::now() < until, "{}", log_of(folder));
        thread::sleep(Duration::from_micros(200));
    }
}

fn log_of(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("node.log")).unwrap_or_default();
    format!("the node did not start as it should; its log:\n{log}")
}
