//! The durable log of a node: append, read, snapshot and truncate by stream, with group commit.

mod blob;
mod catalog;
mod codec;
mod commit;
mod config;
pub mod disk;
mod error;
mod frame;
mod heads;
mod mark;
mod messages;
mod names;
mod page;
mod recovery;
mod segment;
pub mod simulated;
mod snapshots;
mod spare;
#[cfg(test)]
mod test_log;
mod window;
mod writer;

pub use blob::BlobId;
pub use codec::{Codec, CodecError, RECORD_LIMIT, RecordCodec, Versioned};
pub use config::JournalConfig;
pub use error::*;
pub use messages::*;
pub use names::*;
