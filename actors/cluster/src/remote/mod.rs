//! Addresses of actors on other nodes: send, ask, monitor and spawn as if they were here.
//!
//! ```text
//!  Address<M> ─ Route ─▶ RemoteDesk ─ Flight (numbers, window) ─▶ Peers ═▶ its desk ─▶ Offers
//!      ▲ dead letters ◀─ what broke, came back ◀────────────────┘            │ mailbox
//!      └ reply ◀──────── answer, with its reason ◀═══════════════════════════┘
//! ```
//!
//! A node offers local addresses by name, each for the kinds and versions of messages that it
//! takes. Messages are bincode: no `serde_json::Value`, no untagged enums, no skipped fields.
//!
//! Invariants:
//! - What one task sends to one receiver arrives in order while a connection lasts, requests
//!   among the rest.
//! - A one-way message that was accepted is in the receiver's mailbox, or becomes a dead letter
//!   of the sender's node: it came back, or the connection broke before it was known to be there
//!   (it may have arrived all the same).
//! - A request ends at once when its receiver crashes, is not there or can't be reached, and by
//!   its deadline in any case.
//! - Messages without a word from the receiver, requests without an answer, offers, watches and
//!   children are bounded; a sender beyond a bound is told `Full`.
//! - Nothing that arrives can make this node panic.
//!
//! Who sends what: families use [`RemoteDesk`]; desks of two nodes talk over
//! [`Service::Message`](crate::Service).

mod actor;
mod config;
mod desk;
mod error;
mod flight;
mod letter;
mod offers;
mod port;
mod route;
mod spawning;
#[cfg(test)]
mod tests;
mod watching;

pub use actor::{RemoteActor, RemoteMessage};
pub use config::RemoteConfig;
pub use desk::{RemoteDesk, RemoteName, WireAsk};
pub use error::{OfferError, RemoteError};
pub use spawning::Seat;
pub use watching::{MonitorNews, Watch};
