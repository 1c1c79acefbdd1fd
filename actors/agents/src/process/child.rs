//! One child process: its group, its pipes, and the task that attends to them until it ends.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use synod_runtime::{Address, Permit};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::actor::ProcessMessage;
use super::config::ProcessAgentConfig;
use super::programs::{Group, Programs};

/// Lines of stderr that are kept, and bytes of each.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 512;
/// Lines of stderr that are logged in a second; the rest is only kept.
const LOGGED_PER_SECOND: f64 = 20.0;
/// Time to read what is left in the pipe after the program has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running child. Dropped, it kills the child and its whole group.
pub(super) struct Running {
    input: mpsc::Sender<String>,
    stop: CancellationToken,
    attendant: AbortOnDropHandle<()>,
}

/// The child does not read what is written to it.
pub(super) struct Jammed;

impl Running {
    /// Starts the program of `config` as child number `run`. Its lines go to `link`; `farewell`
    /// carries its end.
    pub(super) fn spawn(
        config: &Arc<ProcessAgentConfig>,
        programs: &Programs,
        run: u64,
        link: Address<ProcessMessage>,
        farewell: Permit<ProcessMessage>,
    ) -> io::Result<Self> {
        let (child, group) = start(config, programs)?;
        let (input, lines) = mpsc::channel(config.limits.max_concurrent_tasks as usize * 2 + 16);
        let stop = CancellationToken::new();
        let attendant = Attendant {
            config: Arc::clone(config),
            run,
            link,
            child,
            group,
            stop: stop.clone(),
            tail: Arc::default(),
        };
        let attendant = AbortOnDropHandle::new(tokio::spawn(attendant.attend(lines, farewell)));
        Ok(Self { input, stop, attendant })
    }

    /// Writes a line to the child; never waits.
    pub(super) fn write(&self, line: String) -> Result<(), Jammed> {
        match self.input.try_send(line) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Jammed),
            // Closed: its end is on the way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// Asks the child to end, waits for its grace time, then kills its group.
    pub(super) async fn stop(self) {
        drop(self.input);
        self.stop.cancel();
        if let Err(error) = self.attendant.await {
            tracing::debug!(%error, "the attendant of a child process ended early");
        }
    }
}

fn start(
    config: &ProcessAgentConfig,
    programs: &Programs,
) -> io::Result<(tokio::process::Child, Group)> {
    let mut command = Command::new(&config.command);
    command
        .args(&config.args)
        .env_clear()
        .envs(&config.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(path) = config.path.clone().map(Into::into).or_else(|| std::env::var_os("PATH")) {
        command.env("PATH", path);
    }
    if let Some(folder) = &config.working_folder {
        command.current_dir(folder);
    }
    programs.start(&mut command)
}

/// How attending to a child ended.
enum End {
    /// The program ended.
    Ended(String),
    /// It broke a limit and is to be killed.
    Broke(String),
}

/// Attends to one child until it ends.
struct Attendant {
    config: Arc<ProcessAgentConfig>,
    run: u64,
    link: Address<ProcessMessage>,
    child: tokio::process::Child,
    group: Group,
    stop: CancellationToken,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Attendant {
    async fn attend(mut self, lines: mpsc::Receiver<String>, farewell: Permit<ProcessMessage>) {
        let stdin = self.child.stdin.take();
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let writing = async {
            if let Some(stdin) = stdin {
                write_lines(stdin, lines).await;
            }
            std::future::pending().await
        };
        let agent = self.config.id.as_str().to_owned();
        let tail = Arc::clone(&self.tail);
        let silent = CancellationToken::new();
        let mut complaining = std::pin::pin!(async {
            if let Some(stderr) = stderr {
                keep_complaints(stderr, &agent, &tail).await;
            }
            silent.cancel();
            std::future::pending().await
        });
        let end = tokio::select! {
            end = self.watch(stdout) => end,
            never = writing => never,
            never = &mut complaining => never,
        };
        if self.is_gone() {
            // Why it ended may still be in the pipe; a grandchild may keep the pipe open.
            tokio::select! {
                () = silent.cancelled() => {}
                _ = complaining => {}
                () = sleep(LAST_WORDS) => {}
            }
        }
        let run = self.run;
        farewell.send(match end {
            End::Ended(why) => ProcessMessage::Ended { run, why: self.with_complaint(why) },
            End::Broke(why) => ProcessMessage::Broke { run, why: self.with_complaint(why) },
        });
        // The group is killed here: nobody may outlive the program.
    }

    async fn watch(&mut self, stdout: Option<ChildStdout>) -> End {
        let Some(stdout) = stdout else { return End::Ended("it has no output".into()) };
        let (link, config) = (self.link.clone(), Arc::clone(&self.config));
        let mut reading = std::pin::pin!(read_lines(stdout, &config, self.run, &link));
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            broke = &mut reading => match broke {
                Some(why) => End::Broke(why),
                None => self.closed().await,
            },
            status = self.child.wait() => {
                // A result may still be in the pipe; a grandchild may keep the pipe open.
                match timeout(LAST_WORDS, reading).await {
                    Ok(Some(why)) => End::Broke(why),
                    Ok(None) | Err(_) => End::Ended(describe(status)),
                }
            }
            () = stop.cancelled() => self.terminate().await,
        }
    }

    /// It closed its output: it ends, or is of no use any more.
    async fn closed(&mut self) -> End {
        match timeout(LAST_WORDS, self.child.wait()).await {
            Ok(status) => End::Ended(describe(status)),
            Err(_) => End::Ended("it closed its output".into()),
        }
    }

    async fn terminate(&mut self) -> End {
        self.group.signal(Signal::TERM);
        let grace = Duration::from_millis(self.config.stop_grace_ms);
        match timeout(grace, self.child.wait()).await {
            Ok(status) => End::Ended(describe(status)),
            Err(_) => {
                self.group.signal(Signal::KILL);
                End::Ended("it did not end within its grace time and was killed".into())
            }
        }
    }

    fn is_gone(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    fn with_complaint(&self, why: String) -> String {
        match self.tail.lock().back() {
            Some(last) => format!("{why}; it last complained: {last}"),
            None => why,
        }
    }
}

fn describe(status: io::Result<std::process::ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended ({status})"),
        Err(error) => format!("it ended (unknown: {error})"),
    }
}

async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::Receiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        // A closed pipe means that the program has ended; its end is noticed elsewhere.
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Passes lines on until the program closes its output (`None`) or breaks a limit (why).
async fn read_lines(
    stdout: ChildStdout,
    config: &ProcessAgentConfig,
    run: u64,
    link: &Address<ProcessMessage>,
) -> Option<String> {
    let mut reader = BufReader::new(stdout);
    let mut rate = Rate::new(f64::from(config.max_lines_per_s));
    loop {
        let line = match read_line(&mut reader, config.max_line_bytes).await {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(why) => return Some(why),
        };
        if !rate.allows(Instant::now()) {
            let most = config.max_lines_per_s;
            return Some(format!("it flooded its output: more than {most} lines a second"));
        }
        if line.is_empty() {
            continue;
        }
        // Waiting for room here is what slows a busy program down.
        if link.send(ProcessMessage::Line { run, line }).await.is_err() {
            return Some("nobody takes its lines any more".into());
        }
    }
}

async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let mut limited = reader.take(most as u64 + 1);
    let read = limited.read_until(b'\n', &mut bytes).await;
    read.map_err(|error| format!("its output can't be read: {error}"))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() > most {
        return Err(format!("it wrote a line of more than {most} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "it wrote a line that is not UTF-8".into())
}

async fn keep_complaints(stderr: ChildStderr, agent: &str, tail: &Mutex<VecDeque<String>>) {
    let mut reader = BufReader::new(stderr);
    let mut rate = Rate::new(LOGGED_PER_SECOND);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut limited = (&mut reader).take(TAIL_BYTES);
        match limited.read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        if rate.allows(Instant::now()) {
            tracing::info!(agent, "stderr: {line}");
        }
        let mut tail = tail.lock();
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

/// A token bucket that holds one second's worth.
struct Rate {
    per_second: f64,
    tokens: f64,
    since: Option<Instant>,
}

impl Rate {
    fn new(per_second: f64) -> Self {
        Self { per_second, tokens: per_second, since: None }
    }

    fn allows(&mut self, now: Instant) -> bool {
        let passed = self.since.map_or(0.0, |since| (now - since).as_secs_f64());
        self.since = Some(now);
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}
