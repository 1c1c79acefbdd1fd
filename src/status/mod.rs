//! The status actor: what the node is doing, told to whoever asks, and the controls of an operator.
//!
//! ```text
//! message ─┐                 ┌─ System::observe (the tree, without its help)
//! HTTP ────┼─▶ StatusActor ──┼─ journal: Health    (asked with a short deadline)
//! CLI ─────┘                 └─ task engine: Stats (asked with a short deadline)
//! ```
//!
//! Never: an answer that waits for a part that hangs. A part that does not answer is itself an
//! answer.

mod actor;
mod messages;
mod view;

pub use actor::{Reload, StatusActor, StatusParts};
pub use messages::{
    CheckNode, ControlActor, ControlRefused, CountActors, DrainNode, Draining, ReloadConfig,
    ReloadRefused, Reloaded, ShowStatus, StatusMessage, UnknownPath,
};
pub use view::{ActorCounts, NodeStatus, StatusReport};
