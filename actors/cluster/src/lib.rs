//! Nodes that find each other, agree, and take over.

mod consensus;
mod control;
mod detector;
mod links;
mod log;
mod membership;
mod node;
mod registry;
pub mod simulated;
mod wire;

pub use node::{
    ClusterId, Incarnation, InvalidNode, NodeId, NodeName, NodeRecord, NodeRole, Roles,
};
