//! Tests of the run machine: each with a world of its own, and time that the test moves.

mod flow;
mod handlers;
mod random;
mod reference;
mod retries;
mod world;

use world::World;
