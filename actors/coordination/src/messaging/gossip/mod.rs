//! Rumours: a message that spreads through a group without anybody knowing all who have it.
//!
//! Each round every member talks to a few others drawn by lot: it tells what is new and asks for
//! what it has missed (push and pull; Demers et al., Epidemic Algorithms for Replicated Database
//! Maintenance, PODC 1987; Karp et al., Randomized Rumor Spreading, FOCS 2000). What is told and
//! asked for at a time is bounded, and a rumour ends by its age, counted in rounds.
//!
//! ```text
//!  spread ─▶ Gossip ── tick ──▶ Push {new rumours, ids that are known} ─▶ others, drawn by lot
//!              ▲  └──── told                                                 │
//!              └──────────────── Missed {rumours that were not named} ◀──────┘
//! ```
//!
//! Without loss all of `n` members have a rumour after `log3 n + O(log log n)` rounds with high
//! probability (Karp et al.). With a fifth of all messages lost the tests hold it to `log2 n + 6`
//! rounds in each of 460 runs with 2 to 1,000 members: so less than one in a hundred runs takes
//! longer (rule of three, 95 %). A run that does goes on until `kept_rounds`.

mod config;
mod machine;
#[cfg(test)]
mod tests;

pub use config::GossipConfig;
pub use machine::{Gossip, GossipMessage, Rumour};
