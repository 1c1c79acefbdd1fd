//! Agents: the trait, cards, lifecycle, registry, and the kinds that need no code.
//!
//! ```text
//!            StartAgent, AddAgent, ConnectAgent
//!  node, API ───────────────────▶ AgentHost ── RegisterAgent ──▶ RegistryActor ──▶ journal
//!                                    │ supervises                    │ AgentChange
//!                                    ▼                               ▼
//!  task engine ── Perform ──────▶ AgentActor ──▶ workers         task engine, API
//!              ◀─ Performed ──────────────────────┘ │ (Agent::perform)
//!                                                   ▼
//!                                        Rust code, a child process, a connected program
//! ```
//!
//! Whoever dispatches asks an agent's actor to [`Perform`] an [`Assignment`]; whoever speaks to it
//! has it [`Receive`] an [`Envelope`]. The registry tells its listeners which agents there are. A
//! user writes an [`Agent`].
//!
//! Invariants:
//! - Never is work queued at an agent: it is taken into a free worker, or refused at once.
//! - Never does an asker wait for work that nobody does any more: a crash, a dropped connection
//!   and an ended process answer at once.
//! - Never does work go on unwatched after its deadline or its cancellation: it gets a token,
//!   then a grace time, then it is dropped; a thread that won't stop is counted and fenced.
//! - Never does the actor of an agent run the agent's code, so it always answers.
//! - Never is an agent's state kept here: it comes with the work and goes with the result.

mod actor;
mod agent;
mod blocking;
mod builtin;
mod card;
mod config;
mod context;
mod counted;
mod envelope;
mod error;
mod host;
mod id;
mod letters;
mod message_context;
mod messages;
mod messenger;
mod named;
mod payload;
mod placing;
mod process;
mod progress;
mod pulse;
mod registry;
mod relay;
mod remote;
mod schema;
mod unfit;
mod usage;
mod validation;
mod watch;
mod wire;
mod work;

pub use actor::{AgentActor, Report};
pub use agent::{Agent, AgentFactory, AgentSource, BoxFuture, DynAgent, factory};
pub use builtin::Echo;
pub use card::{AgentCard, AgentKind, AgentLimits, Capability};
pub use config::{AgentsConfig, Undelivered};
pub use context::{AgentContext, AgentState};
pub use envelope::{
    AnswerDocument, Envelope, EnvelopeDocument, EnvelopeFault, MAX_CONTENT_BYTES, Performative,
    Reach, ReceiveAnswer, ReceiveOrder, Recipient,
};
pub use error::{AgentError, AgentErrorKind};
pub use host::{
    AddAgent, AgentHost, AwaitAgents, Carrier, ConnectAgent, HostError, HostMessage, HostSettings,
    KindFactory, StartAgent, StopAgent,
};
pub use id::{AgentId, AgentKey, InvalidAgentId};
pub use message_context::MessageContext;
pub use messages::{
    AgentChange, AgentEntry, AgentHealth, AgentMessage, AgentStatus, AgentView, CheckHealth,
    Perform, Receive, WorkInHand,
};
pub use messenger::Messenger;
pub use named::UnknownName;
pub use payload::{JSON, Payload, PayloadDocument, PayloadError, TEXT};
pub use placing::{Place, Placing, PlacingKeys};
pub use process::{ProcessAgentConfig, ProcessFactory, Programs};
pub use progress::Progress;
pub use pulse::{Pulse, PulseBoard};
pub use registry::{
    AgentPage, AgentSelector, Delivery, DurableCards, FindAgents, Heartbeat, InvalidCursor,
    ListAgents, Listener, RegisterAgent, RegisterError, Registered, RegistryActor, RegistryMessage,
    RetireAgent, RetireError, SetAgentStatus, SetStatusError, ShowAgent, UnknownAgent,
};
pub use remote::{FromAgent, SessionClosed, SessionInlet, ToAgent};
pub use unfit::MAX_STRAYS;
pub use usage::Usage;
pub use validation::CardFault;
pub use watch::{AtWork, Sign, Watch};
pub use wire::{WorkError, WorkOrder, WorkProgress, WorkResult};
pub use work::{Assignment, InvalidWorkId, Performed, WorkId};
