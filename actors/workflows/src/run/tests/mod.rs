//! Tests of the run machine: each with a world of its own, and time that the test moves.

mod amending;
mod approvals;
mod budgets;
mod cancelling;
mod checkpoints;
mod failures;
mod fallback;
mod flow;
mod groups;
mod limits;
mod messages;
mod pausing;
mod random;
mod recovery;
mod reference;
mod retries;
mod sketches;
mod storm;
mod unwinding;
mod waits;
mod world;

use world::World;
