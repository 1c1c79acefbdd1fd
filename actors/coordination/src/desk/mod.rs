//! The desk: one supervised actor for each protocol, which carries its conversations.
//!
//! Invariants:
//! - Never is anybody told of what came of an input before the input is stored: no answer, no note,
//!   no envelope to an agent.
//! - Never does a desk remember something that its log does not say: when an append fails it reads
//!   the log anew, and who waited learns that nothing was stored, or that nobody knows.
//! - Never is a conversation opened twice for one key, or for one name.
//! - Never does time go back for a machine, and never is one moved after its conversation's end.
//! - Never is an agent's answer heard twice, or after its time.

mod actor;
mod book;
mod config;
mod conversation;
mod courier;
mod ending;
mod error;
mod id;
mod messages;
mod records;
#[cfg(test)]
mod tests;

pub use actor::Desk;
pub use config::DeskConfig;
pub use courier::Courier;
pub use ending::{NotEnded, ended};
pub use error::DeskError;
pub use id::partition_of;
pub use messages::{
    ConversationPage, DeskDrained, DeskHealth, DeskHealthResponse, DeskMessage, DrainDesk, Follow,
    History, HistoryPage, List, NoteListener, NoteTeller, NumberedNote, Open, Opened, Show, Shown,
    Standing, Step, Summary, Told,
};
