//! The router of messages: an actor called `messages` that finds out for whom an envelope is and
//! has them read it.
//!
//! ```text
//!  Send ─▶ check ─▶ find: agent | capability (any, all, best) | everyone ─▶ Receive, side by side
//!                └▶ topic ─▶ Publish          answers, dead letters, history ◀──┘
//! ```
//!
//! Invariants:
//! - Every envelope that is taken ends: with its answers, or with why each recipient has none.
//! - Never are more recipients asked at a time, or in all, than the configuration allows.

mod actor;
mod config;
mod finding;
mod merit;
mod messages;
mod messenger;
#[cfg(test)]
mod tests;

pub use actor::MessageRouter;
pub use config::RouterConfig;
pub use messages::{
    ListUndelivered, ReadHistory, RouteError, RouterMessage, Send, Sent, Undelivered,
    UndeliveredPage,
};
pub use messenger::RouterMessenger;
