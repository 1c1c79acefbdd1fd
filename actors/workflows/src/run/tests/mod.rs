//! Tests of the run machine: each with a world of its own, and time that the test moves.

mod amending;
mod approvals;
mod cancelling;
mod checkpoints;
mod failures;
mod fallback;
mod flow;
mod groups;
mod limits;
mod pausing;
mod random;
mod recovery;
mod reference;
mod retries;
mod sketches;
mod storm;
mod waits;
mod world;

use world::World;
