//! Connections between nodes: framed, credited, reconnected.
//!
//! ```text
//!  all else ─▶ Peers ─▶ Peer ─▶ Channel (control, data): a queue and a credit for each service
//!                                  │ drain                         ▲ asks for a connection
//!  Port ◀── cast, call ── Connection (one task) ◀── owns ── Link ◀─┴─ Links (listens)
//!                              │ bytes                       │ Policy: dial, beat, rest, close
//!                           Transport: TcpTransport (TLS 1.3, or plain on loopback), simulated
//! ```
//!
//! Two connections to a node at most: the control connection carries membership, consensus and
//! heartbeats, and tells whether the node is alive; the data connection carries all else, is made
//! when somebody needs it and closed when nobody does.
//!
//! Invariants:
//! - A message that was accepted is delivered, or told of as failed or lost; never both.
//! - What one task sends to one service of one node arrives in order while a connection lasts.
//! - Every queue is bounded: a sender waits or is told [`LinkError::Full`], and a receiver never
//!   holds more of a service than the window that it granted.
//! - Every wait has a deadline: handshakes, calls, silence, attempts.
//! - Nothing that the other side sends can make this side panic, or cost another link anything.
//! - No connection stands between nodes of two clusters, of two major versions, or to an earlier
//!   start of a node.
//!
//! Who sends what: families use [`Peers`] and implement [`Port`]; the actors here are told
//! things by one another alone.

mod actor;
mod admission;
mod channel;
mod config;
mod demand;
mod error;
mod event;
mod handshake;
mod identity;
mod peer;
mod peers;
mod policy;
mod port;
mod refusals;
mod shared;
mod tcp;
#[cfg(test)]
mod tests;
mod transport;
mod view;

pub use actor::{Links, LinksMessage};
pub use config::LinksConfig;
pub use error::LinkError;
pub use event::{LinkEvent, LinkFeed, LinkNews};
pub use identity::{ClusterIdentity, OtherCluster};
pub use peers::Peers;
pub use port::{Answer, Credit, HeartbeatListener, Port};
pub use tcp::TcpTransport;
pub use transport::{Acceptor, BoxedStream, ByteStream, Caller, Transport};
pub use view::{LinkState, LinkView};
