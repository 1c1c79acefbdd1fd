//! Black-box tests of the task engine: a journal, a registry and agents in a node of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by one")]

mod agents;
mod answers;
mod bidding;
mod blobs;
mod crashes;
mod disk;
mod draining;
mod executions;
mod flow;
mod keeping;
mod late;
mod stage;
