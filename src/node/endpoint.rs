//! `node.json` in the data folder: how a program on this machine finds the running node.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What `node.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The node's process.
    pub pid: u32,
    /// Where it listens: `http://127.0.0.1:7966`.
    pub url: String,
}

/// The file while the node runs; removed when this is dropped.
#[derive(Debug)]
pub(super) struct EndpointFile(PathBuf);

impl EndpointFile {
    /// Writes the file in one step: a reader sees all of it or none.
    pub(super) fn write(folder: &Path, url: &str) -> io::Result<Self> {
        let file = folder.join("node.json");
        let draft = folder.join("node.json.new");
        let endpoint = Endpoint { pid: std::process::id(), url: url.to_owned() };
        std::fs::write(&draft, serde_json::to_vec(&endpoint)?)?;
        std::fs::rename(&draft, &file)?;
        Ok(Self(file))
    }
}

impl Drop for EndpointFile {
    fn drop(&mut self) {
        // A file that stays names a process that is gone; its reader finds that out by asking.
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "node.json could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_the_process_and_its_address_and_goes_with_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let file = EndpointFile::write(folder.path(), "http://127.0.0.1:1").unwrap();
        let text = std::fs::read(folder.path().join("node.json")).unwrap();
        let endpoint: Endpoint = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            endpoint,
            Endpoint { pid: std::process::id(), url: "http://127.0.0.1:1".into() }
        );
        drop(file);
        assert!(!folder.path().join("node.json").exists());
    }
}
