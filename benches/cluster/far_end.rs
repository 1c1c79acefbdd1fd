//! This program as another process: it says where it listens, does as it is told line by line, and
//! ends with whoever started it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use synod_cluster::NodeId;

use crate::{bare, links, replica, runtime};

/// In what a process that is the other end finds its role.
const ROLE: &str = "SYNOD_BENCH_FAR_END";

/// The role of this process, when it is the other end: words.
pub(crate) fn role() -> Option<Vec<String>> {
    let role = std::env::var(ROLE).ok()?;
    Some(role.split(' ').map(str::to_owned).collect())
}

/// Is the other end until standard input ends.
pub(crate) fn run(role: &[String]) {
    let role: Vec<&str> = role.iter().map(String::as_str).collect();
    let runtime = runtime();
    match role.as_slice() {
        ["bare"] => runtime.block_on(bare::serve()),
        ["plain"] => runtime.block_on(links::serve(None)),
        ["tls", folder] => runtime.block_on(links::serve(Some(Path::new(folder)))),
        ["replica", id, folder] => {
            let id = NodeId(id.parse().expect("a number"));
            runtime.block_on(replica::serve(id, Path::new(folder)));
        }
        other => panic!("no such role: {other:?}"),
    }
}

/// Says something to whoever started this process.
pub(crate) fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody listens");
}

/// The lines that come in, until the starter has gone.
pub(crate) fn told() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    // Ends with standard input, or with the process.
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Another process of this program.
pub(crate) struct FarEnd {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl FarEnd {
    pub(crate) fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("another process of this program");
        let tell = child.stdin.take().expect("its input");
        let said = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, tell, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The words of its next line.
    pub(crate) fn hear(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it can be heard");
        assert!(!line.is_empty(), "the other process has ended");
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// Tells it something, and waits until it says that it is done.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.tell, "{line}").expect("it listens");
        assert_eq!(self.hear(), ["done"], "{line}");
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
