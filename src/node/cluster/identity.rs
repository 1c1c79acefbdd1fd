//! Who this node is: its id, which start of it this is, and its cluster, in
//! `<data>/cluster/node.toml`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use synod_cluster::{ClusterId, Incarnation, NodeId};
use synod_runtime::Entropy;

/// The file's name in the folder of the cluster.
const FILE: &str = "node.toml";

/// The folder of the cluster in that of the node's data.
const FOLDER: &str = "cluster";

/// What is kept. Ids are text, as TOML has no numbers of 64 bits without a sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    id: String,
    incarnation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
}

/// The identity of this start.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    path: PathBuf,
    pub(super) id: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) cluster: Option<ClusterId>,
}

impl Identity {
    /// Reads who this node is, or makes it somebody at its first start, and notes this start.
    ///
    /// # Errors
    /// The file can't be read or written, or is not what a node wrote: nothing was changed then.
    pub(super) fn load(data: &Path, entropy: &dyn Entropy, utc_us: i64) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let path = folder.join(FILE);
        let known = match fs::read_to_string(&path) {
            Ok(text) => Some(parse(&text).map_err(|why| malformed(&path, &why))?),
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            Err(why) => return Err(why),
        };
        let (id, before, cluster) = known.unwrap_or((NodeId(entropy.next_u64()), 0, None));
        // Clocks may go back; starts never do.
        let incarnation = Incarnation(u64::try_from(utc_us).unwrap_or(0).max(before + 1));
        let identity = Self { path, id, incarnation, cluster };
        identity.write()?;
        Ok(identity)
    }

    /// Notes the cluster that this node has become a member of.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn join(&mut self, cluster: ClusterId) -> io::Result<()> {
        if self.cluster == Some(cluster) {
            return Ok(());
        }
        self.cluster = Some(cluster);
        self.write()
    }

    /// Writes beside the file, then puts it in its place: a crash leaves the one or the other.
    fn write(&self) -> io::Result<()> {
        let kept = Kept {
            id: self.id.to_string(),
            incarnation: self.incarnation.0,
            cluster: self.cluster.map(|cluster| cluster.to_string()),
        };
        let text = toml::to_string(&kept).map_err(io::Error::other)?;
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

fn parse(text: &str) -> Result<(NodeId, u64, Option<ClusterId>), String> {
    let kept: Kept = toml::from_str(text).map_err(|why| why.message().to_owned())?;
    let id = kept.id.parse().map_err(|why| format!("id: {why}"))?;
    let cluster = kept.cluster.as_deref().map(parse_cluster).transpose()?;
    Ok((id, kept.incarnation, cluster))
}

fn parse_cluster(text: &str) -> Result<ClusterId, String> {
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_id.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    id.map(ClusterId).ok_or_else(|| "cluster: expected 32 hexadecimal digits".to_owned())
}

fn malformed(path: &Path, why: &str) -> io::Error {
    let path = path.display();
    let advice = "put back what the node wrote; without the file the node is another one, and has \
                  to be removed from its cluster and join anew";
    io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {why}; {advice}"))
}

#[cfg(test)]
mod tests {
    use synod_runtime::SeededEntropy;

    use super::*;

    fn load(folder: &Path, utc_us: i64) -> io::Result<Identity> {
        Identity::load(folder, &SeededEntropy::new(7), utc_us)
    }

    #[test]
    fn a_node_stays_itself_and_each_start_is_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(folder.path(), 1_000).unwrap();
        let second = load(folder.path(), 2_000).unwrap();
        assert_eq!(first.id, second.id);
        assert_eq!(
            (first.incarnation, second.incarnation),
            (Incarnation(1_000), Incarnation(2_000))
        );
        let with_a_clock_set_back = load(folder.path(), 5).unwrap();
        assert_eq!(with_a_clock_set_back.incarnation, Incarnation(2_001));
    }

    #[test]
    fn the_cluster_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut identity = load(folder.path(), 1).unwrap();
        identity.join(ClusterId(u128::MAX - 1)).unwrap();
        assert_eq!(load(folder.path(), 2).unwrap().cluster, Some(ClusterId(u128::MAX - 1)));
    }

    #[test]
    fn a_damaged_file_is_refused_with_advice_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        load(folder.path(), 1).unwrap();
        let path = folder.path().join(FOLDER).join(FILE);
        for text in ["id = 7", "id = \"xyz\"\nincarnation = 1", "id = \"00000000000000", ""] {
            fs::write(&path, text).unwrap();
            let why = load(folder.path(), 2).unwrap_err().to_string();
            assert!(why.contains("node.toml") && why.contains("join anew"), "{why}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
