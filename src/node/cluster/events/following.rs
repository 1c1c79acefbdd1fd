//! Where a reader of another node's outbox stands, and whether it may have missed something. Pure.

use synod_cluster::NodeId;

/// What is known of one outbox.
#[derive(Debug)]
pub(super) struct Following {
    node: NodeId,
    /// The boot and the sequence of the last event seen.
    at: Option<(u64, u64)>,
    /// Whether its node may have told something since it was last heard: it led the work.
    led: bool,
}

impl Following {
    /// Nothing is known of the outbox of `node` yet.
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, at: None, led: false }
    }

    /// After which event to read on.
    pub(super) fn after(&self) -> Option<(u64, u64)> {
        self.at
    }

    /// The outbox was read up to `at`; `missed` when it says that events before are not kept.
    /// True when changes may be unknown here.
    pub(super) fn heard(&mut self, at: (u64, u64), missed: bool, leader: Option<NodeId>) -> bool {
        let leads = leader == Some(self.node);
        let is_missing = match self.at {
            // What it told before it was first asked is not known.
            None => leads,
            // A start of it that never led had nothing to tell.
            Some((boot, _)) if missed && boot != at.0 => self.led || leads,
            Some(_) => missed,
        };
        let moved = self.at.is_some_and(|before| before != at);
        self.led = leads || moved && self.led;
        self.at = Some(at);
        is_missing
    }

    /// It gave no answer. True when its changes will not be known: another node leads.
    pub(super) fn silent(&mut self, leader: Option<NodeId>) -> bool {
        self.led |= leader == Some(self.node);
        let is_over = self.led && leader.is_some_and(|leader| leader != self.node);
        if is_over {
            (self.led, self.at) = (false, None);
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITS: Option<NodeId> = Some(NodeId(1));
    const OTHER: Option<NodeId> = Some(NodeId(2));

    #[test]
    fn a_leader_that_dies_leaves_a_gap_which_is_told_once() {
        let mut following = Following::new(NodeId(1));
        assert!(following.heard((5, 0), false, ITS), "what was told before is not known");
        assert!(!following.heard((5, 9), false, ITS));
        assert!(!following.silent(ITS), "it may come back");
        assert!(!following.silent(None));
        assert!(following.silent(OTHER));
        assert!(!following.silent(OTHER));
        assert_eq!(following.after(), None);
        assert!(!following.heard((6, 0), false, OTHER));
    }

    #[test]
    fn a_leader_that_is_reached_again_is_read_on_without_a_gap() {
        let mut following = Following::new(NodeId(1));
        following.heard((5, 0), false, ITS);
        following.silent(ITS);
        assert_eq!(following.after(), Some((5, 0)));
        assert!(!following.heard((5, 3), false, ITS));
        assert!(following.heard((5, 90), true, ITS), "the outbox has moved on");
    }

    #[test]
    fn another_start_leaves_a_gap_only_when_the_node_led() {
        let mut following = Following::new(NodeId(1));
        assert!(!following.heard((5, 0), false, OTHER));
        following.silent(OTHER);
        assert!(!following.heard((6, 0), true, OTHER));
        assert!(!following.heard((6, 4), false, ITS));
        following.silent(None);
        assert!(following.heard((7, 0), true, None));
    }

    #[test]
    fn work_that_is_handed_over_in_order_leaves_no_gap() {
        let mut following = Following::new(NodeId(1));
        following.heard((5, 0), false, ITS);
        following.heard((5, 4), false, ITS);
        assert!(!following.heard((5, 7), false, OTHER));
        assert!(!following.heard((5, 7), false, OTHER));
        assert!(!following.silent(OTHER), "it had nothing more to tell");
    }
}
