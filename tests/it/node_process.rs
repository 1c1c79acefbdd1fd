//! A `synod node` child process in a folder of its own, found by the `node.json` it writes.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a node may take to start or to end before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// A running node; killed when the test is over.
pub(crate) struct NodeProcess {
    child: Child,
    folder: PathBuf,
    /// `http://127.0.0.1:PORT`, on a port that the system chose.
    pub(crate) url: String,
    /// From the start of the process until it could be asked.
    pub(crate) ready_after: Duration,
}

/// How a node ended that could not be started.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the process ended with.
    pub(crate) code: Option<i32>,
    /// What it said on standard error.
    pub(crate) said: String,
}

impl NodeProcess {
    /// Starts a node on `folder`, with `extra` appended to its configuration, which is in the
    /// section `http` by then.
    pub(crate) fn start(folder: &Path, extra: &str) -> Self {
        Self::start_as(synod(), folder, extra)
    }

    /// Starts the node of another program than ours.
    pub(crate) fn start_as(program: Command, folder: &Path, extra: &str) -> Self {
        let begun = Instant::now();
        let mut child = spawn(program, folder, extra);
        let url = await_ready(folder, &mut child);
        Self { child, folder: folder.to_path_buf(), url, ready_after: begun.elapsed() }
    }

    /// Starts a node that must refuse to run.
    pub(crate) fn refused(folder: &Path, extra: &str) -> Refused {
        let status = wait_for(&mut spawn(synod(), folder, extra), folder);
        Refused { code: status.code(), said: log(folder) }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing of the process runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the node could be killed");
        self.child.wait().expect("the node could be reaped");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a pid");
        kill_process(pid, signal).expect("the node could be signalled");
    }

    /// Waits until the node has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for(&mut self.child, &self.folder)
    }

    /// SIGTERM, and the end it must lead to.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "log:\n{}", self.log());
    }

    /// What the node wrote to its log so far.
    pub(crate) fn log(&self) -> String {
        log(&self.folder)
    }

    /// Waits until the log says `text`.
    pub(crate) fn until_logged(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "never said {text:?}; log:\n{}", self.log());
            thread::sleep(LOOK);
        }
    }

    /// Resident memory in KiB, where the system tells it.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("log of the node:\n{}", self.log());
        }
        // Already gone is what most tests end with.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that does not come to the end of its start.
pub(crate) struct Starting {
    child: Child,
    folder: PathBuf,
}

impl Starting {
    /// Starts the process and waits for nothing; its log tells what it does.
    pub(crate) fn spawn(folder: &Path) -> Self {
        let _ = std::fs::remove_file(folder.join("node.log"));
        let child = spawn(synod(), folder, "[log]\nlevel = \"info\"\n");
        Self { child, folder: folder.to_path_buf() }
    }

    /// Waits until it holds the lock of its data, so that it has begun and listens to signals.
    pub(crate) fn until_it_has_the_data(&mut self) {
        let (until, pid) = (Instant::now() + PATIENCE, self.child.id().to_string());
        let lock = data_folder(&self.folder).join("LOCK");
        while std::fs::read_to_string(&lock).is_ok_and(|held| held.trim() != pid) {
            assert!(Instant::now() < until, "it has not begun; log:\n{}", log(&self.folder));
            thread::sleep(LOOK);
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a pid");
        kill_process(pid, signal).expect("the node could be signalled");
    }

    /// Waits for its end, which has this exit code; its log.
    pub(crate) fn ends_with(&mut self, code: i32) -> String {
        let status = wait_for(&mut self.child, &self.folder);
        let log = log(&self.folder);
        assert_eq!(status.code(), Some(code), "log:\n{log}");
        log
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // Already gone is what it should be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder that a node of these tests keeps its data in.
pub(crate) fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Where the configuration of a node of these tests stands.
pub(crate) fn config_file(folder: &Path) -> PathBuf {
    folder.join("node.toml")
}

/// Writes the configuration: a free port, and whatever else the test wants.
pub(crate) fn configure(folder: &Path, extra: &str) {
    let text = format!("[http]\nlisten = \"127.0.0.1:0\"\n{extra}");
    std::fs::write(config_file(folder), text).expect("the configuration could be written");
}

/// Our binary, with nothing of the environment that would configure it.
pub(crate) fn synod() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_synod")))
}

/// A program, with nothing of the environment that would configure a node.
pub(crate) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("SYNOD_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// Starts the process without waiting for it to be ready.
fn spawn(mut command: Command, folder: &Path, extra: &str) -> Child {
    configure(folder, extra);
    let _ = std::fs::remove_file(data_folder(folder).join("node.json"));
    let log = OpenOptions::new().create(true).append(true).open(folder.join("node.log"));
    // The environment goes over the file, so a test that sets the level has it to itself.
    if !extra.contains("[log]") {
        command.env("SYNOD_LOG__LEVEL", "warn");
    }
    command
        .arg("node")
        .arg("--config")
        .arg(config_file(folder))
        .env("SYNOD_NODE__DATA_FOLDER", data_folder(folder))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("the log could be opened"))
        .spawn()
        .expect("the node could be started")
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("node.log")).unwrap_or_default()
}

fn wait_for(child: &mut Child, folder: &Path) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("the node could be waited for") {
            return status;
        }
        assert!(Instant::now() < until, "the node did not end; log:\n{}", log(folder));
        thread::sleep(LOOK);
    }
}

fn await_ready(folder: &Path, child: &mut Child) -> String {
    let file = data_folder(folder).join("node.json");
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(url) = url_of(&file, child.id()) {
            return url;
        }
        let ended = child.try_wait().expect("the node could be waited for");
        assert!(ended.is_none(), "the node ended with {ended:?}; log:\n{}", log(folder));
        assert!(Instant::now() < until, "the node is not ready; log:\n{}", log(folder));
        thread::sleep(LOOK);
    }
}

fn url_of(file: &Path, pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    (value["pid"].as_u64()? == u64::from(pid)).then(|| value["url"].as_str().map(String::from))?
}
