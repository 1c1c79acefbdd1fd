//! Reading: finds the logs, cuts them into chunks at line ends, takes lines apart and dates them.
//!
//! ```text
//! Input ── survey ──► Sources ── planner ──► ChunkRef (path, offset, length, first line)
//!                                               │ travels as the payload of a task
//!                              lines, dated ◄── chunk
//! ```

mod chunk;
mod chunker;
mod entity;
mod input;
mod journal;
mod json_line;
mod layout;
mod planner;
mod probe;
mod readable;
mod timestamp;

pub use chunk::{ChunkReading, ChunkRef, Citation, cite, digest_chunk, read_chunk};
pub use entity::{Entities, entities};
pub use input::{Input, LogFile, Skipped, Sources, survey};
pub use layout::{Column, Layout, Parts};
pub use planner::Planner;
pub use readable::Readable;
pub use timestamp::{Stamp, TimestampForm, WrittenAt, format_time};

pub(crate) use entity::{cut, source_of};
