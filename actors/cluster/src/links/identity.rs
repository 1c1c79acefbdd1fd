//! Which cluster a node belongs to: nothing yet, or one for good.

use tokio::sync::watch;

use crate::node::ClusterId;

/// The cluster of this node, shared by all who need to know. A node that joins has none until it
/// is told.
#[derive(Debug)]
pub struct ClusterIdentity {
    id: watch::Sender<Option<ClusterId>>,
}

/// The node belongs to another cluster already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node belongs to cluster {0} already")]
pub struct OtherCluster(pub ClusterId);

impl ClusterIdentity {
    /// The identity as it was kept.
    #[must_use]
    pub fn new(id: Option<ClusterId>) -> Self {
        Self { id: watch::Sender::new(id) }
    }

    /// The cluster, once there is one.
    #[must_use]
    pub fn id(&self) -> Option<ClusterId> {
        *self.id.borrow()
    }

    /// Becomes a member of `id`, for good.
    ///
    /// # Errors
    /// [`OtherCluster`] when it is a member of another one.
    pub fn adopt(&self, id: ClusterId) -> Result<(), OtherCluster> {
        let mut other = None;
        self.id.send_if_modified(|known| match *known {
            None => {
                *known = Some(id);
                true
            }
            Some(known) => {
                other = (known != id).then_some(OtherCluster(known));
                false
            }
        });
        other.map_or(Ok(()), Err)
    }

    /// Follows the identity.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<ClusterId>> {
        self.id.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_belongs_to_one_cluster_for_good() {
        let identity = ClusterIdentity::new(None);
        assert_eq!(identity.adopt(ClusterId(7)), Ok(()));
        assert_eq!(identity.adopt(ClusterId(7)), Ok(()));
        assert_eq!(identity.adopt(ClusterId(8)), Err(OtherCluster(ClusterId(7))));
        assert_eq!(identity.id(), Some(ClusterId(7)));
    }
}
