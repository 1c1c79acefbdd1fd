//! Raft, by openraft: the only folder that names it.
//!
//! ```text
//!  GroupLog, Control ─ propose ─▶ Replica (one a group) ─▶ openraft ─▶ LogStore ─▶ journal
//!                                    │  applied: Streams or ControlState    one, shared by all
//!  other nodes ◀─ Network ─ entries, votes, pieces of state
//! ```

mod actor;
mod config;
mod error;
mod group;
mod groups;
mod keeping;
mod machine;
mod network;
mod peer;
mod ports;
mod replica;
mod site;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod tickets;
mod transfer;
mod types;
mod wire;

/// Bytes of the largest piece of a blob or a snapshot in a group.
pub(crate) const PIECE_LIMIT: u64 = 1 << 20;

pub use actor::{Consensus, ConsensusMessage, OpenGroup};
pub use config::ConsensusConfig;
pub use error::GroupError;
pub use group::{GROUP_LIMIT, GroupId, GroupView, StorageId};
pub use groups::{Groups, Tenant};
pub use network::Network;
pub(crate) use replica::{ProposeFault, Replica};
pub(crate) use state::gather;
pub(crate) use types::Outcome;
