//! The log of a group, in the stream `raft.<group>` of the node's journal.
//!
//! ```text
//!  raft.opened     an incarnation begins; all that an older one had under way stands before it
//!  raft.vote       the vote, from now on
//!  raft.part       a part of the entry that follows, when it is larger than a record may be
//!  raft.entry      an entry, or its last part
//!  raft.truncated  entries from an index on are no more
//!  raft.purged     entries up to an index are no longer needed: a saved state contains them
//! ```
//!
//! Entries since the last purge are held in memory as well. All writes of a group go through one
//! task in their order, several appends under way at once; each expects the stream to be where
//! the one before it leaves it, so none can overtake another or stand after a gap.

mod entry;
mod log;
mod record;
mod recovery;
mod writer;

pub(super) use entry::{EntryHead, decode_entry, encode_entry, log_id, plain};
pub(super) use log::{LogStore, SharedLog};
pub(super) use record::Saved;
pub(super) use recovery::{Recovered, fence, recover};
pub(super) use writer::WriterFault;
