//! Black-box tests of the workflow engine: a journal, a task engine, a registry and agents in a
//! node of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by one")]

mod admission;
mod approvals;
mod controls;
mod crashes;
mod definitions;
mod differences;
mod flow;
mod keeping;
mod many;
mod random;
mod stage;
mod stuck;
mod waits;
mod watching;

// What the interpreter of the machine's own tests calls it.
use synod_workflows::definition;
