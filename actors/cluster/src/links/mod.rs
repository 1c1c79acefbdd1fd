//! Connections between nodes: framed, credited, reconnected.

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
