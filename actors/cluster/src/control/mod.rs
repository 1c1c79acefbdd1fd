//! What the cluster agrees on: members, partitions, shards, leases.
//!
//! ```text
//!  any node ─ Control::propose ─▶ the control group's leader ─▶ its log ─▶ ControlState of all
//!  Overseer there ─ who should vote and lead ─▶ Seat; each group's leader carries it out
//! ```

mod asking;
mod command;
mod handle;
mod leases;
mod machine;
mod member;
mod overseer;
mod shards;
mod state;

pub use command::{ControlAnswer, ControlCommand, ControlRefusal, Seats};
pub use handle::{Control, ControlError};
pub use leases::{
    FencingToken, InvalidLease, LEASE_LIMIT, LEASE_NAME_LIMIT, Lease, LeaseName, RENEWAL_LIMIT,
};
pub use member::Member;
pub use overseer::{Overseer, OverseerConfig, OverseerMessage};
pub(crate) use shards::ranking;
pub use shards::{SHARDS, ShardTable, shard_of};
pub use state::ControlState;
