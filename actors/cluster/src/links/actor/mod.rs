//! The actors of links: one that listens and owns the others, one for each node in use.
//!
//! ```text
//!  Peers ── demand ──▶ Links ("links") ── owns ──▶ Link ("link-<name>")
//!  callers ─▶ accept, handshake ─▶ │ ── arrived ──▶   │ policy: dial, close, rest, beat
//!                                                     └─ one task for each connection
//! ```

mod accepting;
mod link;
mod links;
mod messages;

pub use links::Links;
pub use messages::LinksMessage;
