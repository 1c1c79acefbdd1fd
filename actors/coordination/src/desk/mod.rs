//! The desk: one supervised actor for each protocol, which carries its conversations.

mod actor;
mod config;
mod courier;
mod error;
mod messages;

pub use config::DeskConfig;
pub use courier::Courier;
pub use error::DeskError;
pub use messages::{
    ConversationPage, DeskDrained, DeskHealth, DeskHealthResponse, DeskMessage, DrainDesk, Follow,
    History, HistoryPage, List, NoteListener, NumberedNote, Open, Opened, Show, Shown, Standing,
    Step, Summary, Told,
};
