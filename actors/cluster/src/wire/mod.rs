//! Frames between nodes, and how they become bytes.
