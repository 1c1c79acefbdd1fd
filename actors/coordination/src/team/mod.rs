//! Teams: members with roles, a shared goal, a task list, and work done together in five modes.
//!
//! ```text
//!  tasks ──▶ open ──▶ assigned ──▶ done | failed        runs ──▶ sequential, parallel, pipeline,
//!              ▲          │  ▲                                   consensus, competitive
//!              │          │  └── handed off, with consent
//!              └──────────┘ its member fails, leaves or dies
//! ```
//!
//! A member that is an agent is sent its work as a request and answers with inform or failure; any
//! member may say so by an input instead. Each piece of work has a number, and only who holds it
//! can end it.
//!
//! Invariants:
//! - A task is held by one member at a time and done once; what comes late changes nothing.
//! - Nothing is handed off without the consent of both.
//! - Whatever a member holds when it dies goes back to the list, or to another.
//! - Work, offers, runs and the team end by their deadlines.

mod ending;
mod handing;
mod machine;
mod roster;
mod run;
mod setup;
mod tasks;
#[cfg(test)]
mod tests;
mod view;
mod working;

pub use machine::Team;
pub use setup::{
    RunMode, RunSetup, TaskSetup, TeamAnswer, TeamInput, TeamMember, TeamOutcome, TeamSetup,
};
pub use view::{RunView, TaskView, TeamMemberView, TeamView, WorkView};
