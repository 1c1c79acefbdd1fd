//! Agents that every node has.

mod echo;

pub use echo::Echo;
