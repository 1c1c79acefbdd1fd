//! The actor that hosts one agent, its workers and, where it has one, its link.

mod desk;
mod receiving;
mod report;
mod shell;
mod worker;

pub(crate) use desk::Mode;
pub use report::Report;
pub(crate) use report::{Reported, report};
pub use shell::AgentActor;
pub(crate) use shell::Hosting;
