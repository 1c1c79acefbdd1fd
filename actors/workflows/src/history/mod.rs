//! The history of runs: what is recorded, where it is kept, how it is shown.

mod record;
mod teller;
mod trail;
pub(crate) mod view;

pub(crate) use record::{
    DefinedAs, EngineEvent, Handle, KeptResult, OpeningNote, RunRecord, Standing,
};
pub(crate) use teller::{Teller, Told, error};
pub(crate) use trail::{BadChunk, Chunk, Piece, Trail, read_chunk, write_piece};
