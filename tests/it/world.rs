//! A node with a folder and a client of its own: the world of one test.

use std::path::Path;

use tempfile::TempDir;

use crate::client::Client;
use crate::node_process::NodeProcess;

/// A running node, its data and a client.
pub(crate) struct World {
    // Dropped first: a node must not outlive its folder.
    pub(crate) node: NodeProcess,
    pub(crate) client: Client,
    folder: TempDir,
}

impl World {
    /// Starts a node with `extra` in its configuration; see [`NodeProcess::start`].
    pub(crate) fn start(extra: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = NodeProcess::start(folder.path(), extra);
        let client = Client::new(&node.url);
        Self { node, client, folder }
    }

    /// Where configuration, log and data of the node are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the node in order and starts another one on the same data.
    pub(crate) fn restart(&mut self, extra: &str) {
        self.node.stop();
        self.start_again(extra);
    }

    /// Starts a node on the data of the one before, which has ended.
    pub(crate) fn start_again(&mut self, extra: &str) {
        self.node = NodeProcess::start(self.folder.path(), extra);
        self.client = Client::new(&self.node.url);
    }
}
