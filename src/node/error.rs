//! Why a node could not be started or stopped.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_agents::HostError;
use synod_journal::OpenError;
use synod_runtime::{ActorPath, ConfigFault, ExitReason, StartError};
use synod_security::FileError;

use crate::api::ApiError;

/// Why a node is not running.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration has faults; nothing was started.
    #[error("the configuration is not valid: {}", listed(.0))]
    Config(Vec<ConfigFault>),
    /// The data folder can't be used; nothing was started.
    #[error(
        "the data folder {} can't be used: {source}; {}choose another with `node.data_folder` \
         or SYNOD_NODE__DATA_FOLDER",
        .folder.display(),
        if is_full(source) { "free space on its disk, or " } else { "" }
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
    /// The key or the list of tokens can't be read; nothing was started.
    #[error("the security folder can't be used: {0}")]
    Security(FileError),
    /// The node can't take part in a cluster as it is set up; nothing was started.
    #[error("the cluster: {reason}")]
    Cluster {
        /// Why not.
        reason: String,
    },
    /// The journal in the data folder can't be opened; everything has been stopped again.
    #[error("the journal could not be opened: {source}{}", advice(source, folder))]
    Journal {
        /// The data folder.
        folder: PathBuf,
        /// Why.
        source: Arc<OpenError>,
    },
    /// A part failed to start as often as it was tried; everything has been stopped again.
    #[error("the {} could not be started: {}", .part.name(), plain(.reason))]
    Part {
        /// Which part.
        part: ActorPath,
        /// Its last failure.
        reason: ExitReason,
    },
    /// The tree did not start; everything has been stopped again.
    #[error(transparent)]
    Start(StartError),
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

/// Whether the system refused because the disk or the quota is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What to do about a journal, where its error does not say it.
fn advice(error: &OpenError, folder: &Path) -> String {
    let mend = match error {
        full if full.is_full() => "free space in",
        OpenError::Io { .. } if error.is_lasting() => "let this user read and write all of",
        _ => return String::new(),
    };
    format!(
        "; {mend} {}, or choose another data folder with `node.data_folder` or \
         SYNOD_NODE__DATA_FOLDER",
        folder.display()
    )
}

/// The text of a failure, without how the actor put it.
fn plain(reason: &ExitReason) -> String {
    match reason {
        ExitReason::StartFailed(text) | ExitReason::Error(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: io::ErrorKind) -> String {
        let (action, file) = ("create", "/data/log".into());
        let source = Arc::new(OpenError::Io { action, file, cause: kind.into() });
        NodeError::Journal { folder: "/data".into(), source }.to_string()
    }

    #[test]
    fn a_full_disk_says_where_to_make_room() {
        let told = told(io::ErrorKind::StorageFull);
        assert!(told.contains("free space in /data, or choose another"), "{told}");
    }

    #[test]
    fn a_folder_that_can_not_be_made_on_a_full_disk_says_so() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let told = NodeError::DataFolder { folder: "/data".into(), source }.to_string();
        assert!(told.contains("; free space on its disk, or choose another with"), "{told}");
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let told = NodeError::DataFolder { folder: "/data".into(), source }.to_string();
        assert!(told.contains("; choose another with"), "{told}");
    }

    #[test]
    fn a_folder_that_can_not_be_read_says_for_whom() {
        let told = told(io::ErrorKind::PermissionDenied);
        assert!(told.starts_with("the journal could not be opened: cannot create /data/log"));
        assert!(told.contains("let this user read and write all of /data, or"), "{told}");
    }

    #[test]
    fn a_part_that_failed_is_named_with_the_reason_alone() {
        let told =
            |reason| NodeError::Part { part: "/node/agents/echo".into(), reason }.to_string();
        let expected = "the echo could not be started: gone";
        assert_eq!(told(ExitReason::StartFailed("gone".into())), expected);
        assert_eq!(
            told(ExitReason::StartTimedOut),
            "the echo could not be started: start timed out"
        );
    }
}
