//! The machine under virtual time, with a log in memory and agents that are the test itself.

mod agents;
mod allocation;
mod executions;
mod idempotency;
mod lifecycle;
mod limits;
mod queueing;
mod random;
mod recovery;
mod retention;
mod retries;
mod rounds;
mod world;

pub(crate) use world::{World, answer, request};
