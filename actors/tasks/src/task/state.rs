//! How a task stands, and how its agents work together.

use super::named::named;

named! {
    /// How a task, or a part of it, stands. The last three are final.
    pub enum TaskState {
        /// Accepted, and not yet dispatchable: it waits for a capable agent to appear or for the
        /// end of a back-off.
        Pending = "pending" / 0,
        /// It waits for an agent that is free.
        Queued = "queued" / 1,
        /// An agent has it.
        Running = "running" / 2,
        /// It ended with a result.
        Completed = "completed" / 3,
        /// It ended with an error.
        Failed = "failed" / 4,
        /// It was ended before it was done.
        Cancelled = "cancelled" / 5,
    }
}

impl TaskState {
    /// Whether it is final.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

named! {
    /// How the agents of a task work together.
    pub enum TaskMode {
        /// One agent; or a smallest team, if no single agent has all required capabilities.
        Single = "single" / 0,
        /// Each agent or capability in the given order, all on the same input.
        Sequential = "sequential" / 1,
        /// All at once on the same input.
        Parallel = "parallel" / 2,
        /// In the given order; each gets the output of the one before.
        Pipeline = "pipeline" / 3,
        /// All vote, a ballot decides.
        Consensus = "consensus" / 4,
        /// All at once; the first success wins and the others are cancelled.
        Competitive = "competitive" / 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_on_the_way_out_and_any_case_on_the_way_in() {
        assert_eq!(serde_json::to_string(&TaskState::Queued).unwrap(), "\"queued\"");
        assert_eq!(serde_json::from_str::<TaskMode>("\"CONSENSUS\"").unwrap(), TaskMode::Consensus);
        let error = serde_json::from_str::<TaskMode>("\"solo\"").unwrap_err().to_string();
        assert!(error.contains("'solo' is not one of single, sequential"), "{error}");
    }

    #[test]
    fn every_code_reads_back() {
        for mode in TaskMode::ALL {
            assert_eq!(TaskMode::from_code(mode.code()), Some(*mode));
        }
        assert_eq!(TaskState::from_code(200), None);
    }
}
