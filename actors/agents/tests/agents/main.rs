//! Black-box tests of agents: a registry and a host in a node of their own, and agents that
//! behave, misbehave and fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails, and an agent crashes, by one")]

mod fleet;
mod lifecycle;
mod messages;
mod process;
mod registry;
mod remote;
mod stage;
mod stopping;
mod threads;
