//! The kernel of Synod: supervised actors with priority mailboxes, over ractor.
//!
//! ```text
//!  Address ── interceptors ──▶ Inbox (five lanes, bound, outlives crashes)
//!     ▲                           │ one wake per batch
//!     │ Reply, Permit             ▼
//!  who asked ◀────────────── Cell (one incarnation: start, handle, settle, stop)
//!                                 │ exit
//!                                 ▼
//!                            Supervisor (restart, back-off, escalate) ── System (one per node)
//! ```
//!
//! Invariants:
//! - An address never dies with an incarnation, and a crash never loses a queued message.
//! - The message in hand in a crash is never handled twice: it becomes a dead letter.
//! - Nothing here waits without a deadline, and nothing grows without a limit.
//! - Nothing outside of this crate names ractor.
//! - An incarnation of an actor starts only after the former one has ended, with all its children.
//! - Two systems in one process share nothing.
//!
//! Who sends what: families send their own messages to addresses; a supervisor is asked with
//! [`SupervisorMessage`]; operators use [`System::observe`] and [`System::control`], and listen to
//! [`System::subscribe_lifecycle`]. What an incarnation, its parent and its children tell each
//! other never leaves this crate.
//!
//! ```
//! use std::time::Duration;
//! use synod_runtime::{
//!     Actor, ActorError, Ask, Context, Request, Spec, Strategy, Supervisor, System, SystemConfig,
//!     requests,
//! };
//!
//! struct Greet(&'static str);
//! impl Ask for Greet {
//!     type Reply = String;
//! }
//!
//! enum GreeterMessage {
//!     Greet(Request<Greet>),
//! }
//! requests!(GreeterMessage { Greet(Greet) });
//!
//! struct Greeter {
//!     greeted: u64,
//! }
//!
//! impl Actor for Greeter {
//!     type Message = GreeterMessage;
//!     const KIND: &'static str = "greeter";
//!
//!     async fn handle(
//!         &mut self,
//!         message: GreeterMessage,
//!         _ctx: &mut Context<Self>,
//!     ) -> Result<(), ActorError> {
//!         let GreeterMessage::Greet(request) = message;
//!         self.greeted += 1;
//!         let name = request.body.0;
//!         request.answer(format!("hello {name}, you are number {}", self.greeted));
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::new(SystemConfig::default());
//! let greeter = Spec::new("greeter", || Greeter { greeted: 0 });
//! let address = greeter.address(); // valid from now on, through every restart
//! system.start(Supervisor::new(Strategy::OneForOne).child(greeter).into_spec("root")).await?;
//!
//! let answer = address.ask(Greet("world"), Duration::from_secs(1)).await?;
//! assert_eq!(answer, "hello world, you are number 1");
//! system.stop(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```

mod actor;
pub mod address;
mod beside;
mod cell;
pub mod clock;
pub mod config;
mod context;
mod control;
mod correlation;
mod dead_letters;
mod deadlines;
mod directory;
pub mod entropy;
mod error;
mod exit;
mod interceptor;
mod lifecycle;
pub mod mailbox;
mod message;
mod metadata;
mod observation;
mod path;
mod principal;
mod priority;
mod route;
pub mod scope;
mod services;
mod spec;
mod supervisor;
mod system;

pub use actor::{Actor, ChildEvent};
pub use address::{Address, Permit, Reply, SendOptions};
pub use beside::beside;
pub use clock::{Clock, SystemClock, VirtualClock, after};
pub use config::ConfigFault;
pub use context::{Context, TaskFailure, TaskKey, TimerKey};
pub use control::{Control, ControlError};
pub use correlation::{Correlation, InvalidTraceparent};
pub use dead_letters::{DeadLetter, DeadLetters, DeadReason};
pub use directory::{Directory, NameTaken};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use error::{AskError, SendError, TrySendError};
pub use exit::{ActorError, ExitReason};
pub use interceptor::{Interceptor, Interceptors, Verdict};
pub use lifecycle::{Heard, LifecycleChange, LifecycleEvent, LifecycleFeed};
pub use mailbox::{Batch, Delivery, Inbox, InboxId, MailboxConfig, Overflow};
pub use message::{Ask, Request, WireMessage};
pub use metadata::Metadata;
pub use observation::{ActorSnapshot, ActorState, Progress, Sweep, Transition};
pub use path::ActorPath;
pub use principal::{Principal, PrincipalKind};
pub use priority::{Priority, UnknownPriority};
pub use route::Route;
pub use scope::{Scope, Scoped};
pub use services::Services;
pub use spec::{AnySpec, Spec};
pub use supervisor::{
    Backoff, ChildStatus, ListChildren, NoSuchChild, Restart, RestartChild, Shutdown, SpawnError,
    StartChild, StopChild, Strategy, Supervision, Supervisor, SupervisorMessage, SupervisorSpec,
};
pub use system::{RootHandle, StartError, StopError, System, SystemBuilder, SystemConfig};
