//! Agents: the trait, cards, lifecycle, registry and the kinds that need no code.

mod card;
mod error;
mod id;
mod named;
mod payload;
mod schema;
mod validation;

pub use card::{AgentCard, AgentKind, AgentLimits, Capability};
pub use error::{AgentError, AgentErrorKind};
pub use id::{AgentId, AgentKey, InvalidAgentId};
pub use named::UnknownName;
pub use payload::{JSON, Payload, PayloadDocument, PayloadError, TEXT};
pub use validation::CardFault;
