//! Why a node could not be started or stopped.

use std::io;
use std::path::PathBuf;

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
    #[error(transparent)]
    Start(#[from] StartError),
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
