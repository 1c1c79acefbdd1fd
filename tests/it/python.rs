//! The Python interpreter of this machine, where there is one, and files of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The interpreter itself, as a child without our environment needs it; none is said once.
pub(crate) fn python() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let mut asked = Command::new("python3");
        asked.args(["-c", "import sys; print(sys.executable)"]);
        let said = asked.output().ok().filter(|output| output.status.success())?;
        String::from_utf8(said.stdout).ok().map(|path| path.trim().to_owned())
    });
    if found.is_none() {
        eprintln!("left out: agents in Python, because python3 is not installed");
    }
    found.as_deref()
}

/// A file of this repository.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
