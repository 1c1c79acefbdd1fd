//! Why a node could not be started or stopped.

use std::io;
use std::path::{Path, PathBuf};

use synod_agents::HostError;
use synod_runtime::{ConfigFault, StartError};

use crate::api::ApiError;

/// Why a node is not running.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration has faults; nothing was started.
    #[error("the configuration is not valid: {}", listed(.0))]
    Config(Vec<ConfigFault>),
    /// The data folder can't be used; nothing was started.
    #[error(
        "the data folder {} can't be used: {source}; choose another with `node.data_folder` \
         or SYNOD_NODE__DATA_FOLDER",
        .folder.display()
    )]
    DataFolder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An agent of the program or of the configuration is not valid; nothing was started.
    #[error("an agent can't be started: {0}")]
    Agent(#[from] HostError),
    /// The socket can't be opened; nothing was started.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The tree did not start; everything has been stopped again.
    #[error("{}", not_started(source, folder))]
    Start {
        /// The data folder.
        folder: PathBuf,
        /// Which part did not start, and why.
        source: StartError,
    },
    /// The operating system refused what the process needs.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn listed(faults: &[ConfigFault]) -> String {
    let each = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.reason));
    each.collect::<Vec<_>>().join("; ")
}

/// The part that did not start and the reason, without what its supervisors tried.
fn not_started(error: &StartError, folder: &Path) -> String {
    let told = error.to_string();
    let (mut part, mut reason) = ("node", told.as_str());
    // Each supervisor that gave up names its last child and that one's reason.
    while let Some((name, why)) =
        reason.split_once("the last of `").and_then(|(_, last)| last.split_once("`: "))
    {
        (part, reason) = (name, why);
    }
    let reason = ["start failed: ", "error: "]
        .iter()
        .fold(reason, |reason, prefix| reason.strip_prefix(prefix).unwrap_or(reason));
    let failed = if part == "journal" { "opened" } else { "started" };
    let mut told = format!("the {part} could not be {failed}: {reason}");
    if is_full(reason) {
        let folder = folder.display();
        told.push_str(&format!(
            "; free space in {folder}, or choose another data folder with `node.data_folder` or \
             SYNOD_NODE__DATA_FOLDER"
        ));
    }
    told
}

/// Whether the system refused because the disk or the quota is used up. Reasons of actors are
/// texts: they outlive the actor.
fn is_full(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["no space left", "storage full", "quota exceeded"].iter().any(|word| reason.contains(word))
}

#[cfg(test)]
mod tests {
    use synod_runtime::ExitReason;

    use super::*;

    fn told(reason: &str) -> String {
        let source = StartError::Failed(ExitReason::Escalated(reason.to_owned()));
        NodeError::Start { folder: "/data".into(), source }.to_string()
    }

    #[test]
    fn a_start_that_failed_names_the_part_and_the_reason_alone() {
        let reason = "6 failures within 60s, the last of `journal`: start failed: it is locked";
        assert_eq!(told(reason), "the journal could not be opened: it is locked");
        let nested = "6 failures within 60s, the last of `host`: escalated: 3 failures within 5s, \
                      the last of `echo`: start failed: gone";
        assert_eq!(told(nested), "the echo could not be started: gone");
    }

    #[test]
    fn a_full_disk_says_where_to_make_room() {
        let reason = "6 failures within 60s, the last of `journal`: start failed: \
                      No space left on device (os error 28)";
        let told = told(reason);
        assert!(told.contains("free space in /data, or choose another"), "{told}");
    }
}
