//! Replicas among each other, and the actor on a node.

mod nodes;
mod spreading;
