//! Nodes as the cluster has admitted them.

use serde::{Deserialize, Serialize};

use crate::consensus::StorageId;
use crate::node::NodeRecord;

/// A node that belongs to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it tells of itself.
    pub record: NodeRecord,
    /// The disk it was admitted with.
    pub storage: StorageId,
    /// When it was admitted, UTC microseconds.
    pub admitted_at_us: i64,
    /// Since when it is down, UTC microseconds; none while it is up.
    pub down_since_us: Option<i64>,
    /// Whether it gives away what it leads and gets no more.
    pub draining: bool,
}

impl Member {
    /// Whether it may lead groups and be given shards.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.down_since_us.is_none() && !self.draining
    }
}
