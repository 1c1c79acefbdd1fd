//! What each node tells of itself, known on every node.
