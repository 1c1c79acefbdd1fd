//! Teams: their tasks, hand-offs, runs, and everything at random.

mod random;
mod runs;
mod stage;
mod tasks;
