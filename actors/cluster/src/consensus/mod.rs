//! Raft, by openraft: the only folder that names it.
