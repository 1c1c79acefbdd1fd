//! Black-box tests of supervision: real actors under virtual time, told by what they log.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panics")]

mod crashes;
mod endings;
mod escalation;
mod groups;
mod lifecycle;
mod observation;
mod operators;
mod restarts;
mod starts;
mod storm;
mod systems;
mod tasks;
mod timers;
mod world;
