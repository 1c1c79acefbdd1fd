//! The output of `journalctl` as a stream.

use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program; it prints `2024-01-31T10:00:00+0100 host unit[pid]: message`.
const PROGRAM: &str = "journalctl";
const ARGUMENTS: [&str; 4] = ["--output=short-iso", "--no-pager", "--quiet", "--all"];

/// The command line, for messages.
pub(crate) fn command_line() -> String {
    format!("{PROGRAM} {}", ARGUMENTS.join(" "))
}

/// A running `journalctl`; ended when dropped.
#[derive(Debug)]
pub(crate) struct JournalStream {
    child: Child,
    output: ChildStdout,
}

impl JournalStream {
    /// Starts the program.
    pub(crate) fn open() -> io::Result<Self> {
        let mut child = Command::new(PROGRAM)
            .args(ARGUMENTS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, output })
    }
}

impl Read for JournalStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Drop for JournalStream {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for, so that none is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
