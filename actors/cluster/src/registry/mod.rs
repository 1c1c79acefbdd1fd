//! What each node tells of itself, known on every node: agents, models, load.
//!
//! ```text
//!  Put, Remove ──▶ RegistrySync (actor) ── Service::Registry ──▶ other nodes
//!  Subscribe   ◀──      │
//!                    Gossip: rounds, changes told at once (pure)
//!                       └─ OwnerMap: per node a versioned map that only it writes (pure)
//! ```
//!
//! Invariants:
//! - Only a node writes its entries, so replicas never conflict: merging is commutative,
//!   associative and idempotent.
//! - What was removed never comes back from a replica that had not heard of it.
//! - Messages per node and second are bounded whatever changes, and don't grow with the cluster.

mod actor;
mod config;
mod entry;
mod gossip;
mod hlc;
mod messages;
mod origin;
mod owner_map;
#[cfg(test)]
mod tests;

pub use actor::RegistrySync;
pub use config::RegistryConfig;
pub use entry::{InvalidKey, RegistryChange, RegistryEntry, RegistryKey};
pub use hlc::{ClockDrift, Hlc, HybridClock};
pub use messages::{
    GetEntries, ListEntries, OriginView, PutEntry, RegistryMessage, RegistryView, RemoveEntry,
    ShowRegistry,
};
pub use owner_map::RegistryRefusal;
