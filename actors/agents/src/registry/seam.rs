//! tmp
use synod_journal::*;
use synod_runtime::{Request, requests};
#[derive(Debug)]
pub enum JournalMessage {
    Append(Request<Append>),
    Load(Request<LoadSnapshot>),
    Read(Request<ReadStream>),
    Save(Request<SaveSnapshot>),
}
requests!(JournalMessage { Append(Append), Load(LoadSnapshot), Read(ReadStream), Save(SaveSnapshot) });
