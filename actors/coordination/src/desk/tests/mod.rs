//! Tests of desks, with a small protocol of their own on a simulated disk.

mod agents;
mod crashes;
mod disk;
mod ground;
mod history;
mod limits;
mod openings;
mod protocols;
mod records;
mod tally;
mod timers;
