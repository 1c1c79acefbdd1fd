//! How the agent is chosen that gets a part of a task.

use super::named::named;
use super::state::TaskMode;

named! {
    /// How one of the capable agents that have room is chosen. None of these goes beyond an
    /// agent's capacity.
    #[derive(Default)]
    pub enum Allocation {
        /// The one from which a success is expected soonest, by what was measured of it; by lot
        /// among equals, and the named ones in the order of their names.
        #[default]
        Measured = "measured" / 0,
        /// Any of them, by lot.
        Random = "random" / 1,
        /// The one that has the smallest share of its capacity in hand; by lot among equals.
        LeastLoaded = "least_loaded" / 2,
        /// Of two that are drawn in proportion to their capacity the less loaded one.
        LoadBalancing = "load_balancing" / 3,
        /// The best of up to `tasks.bidding.max_asked` that are asked for a proposal: measured
        /// history, mixed with what each says of itself. Who does not answer in time is judged by
        /// its history alone.
        ContractNet = "contract_net" / 4,
        /// The one that asks the least, sealed: it is paid the next higher price (Vickrey). What
        /// is left of the task's budget, shared by its parts to come, is the reserve.
        Auction = "auction" / 5,
        /// The one that up to five of them, the best measured, vote for; ties by what was measured.
        Consensus = "consensus" / 6,
    }
}

impl Allocation {
    /// Whether it is what applies where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Why an agent was chosen, of those ways that need no more than a sentence to say it.
    pub(crate) const fn because(self) -> Option<&'static str> {
        match self {
            // Of a round it is found out.
            Self::Measured | Self::ContractNet | Self::Auction | Self::Consensus => None,
            Self::Random => Some("drawn by lot from the capable agents that had room"),
            Self::LeastLoaded => Some("the least loaded of the capable agents that had room"),
            Self::LoadBalancing => {
                Some("the less loaded of two that were drawn in proportion to their capacity")
            }
        }
    }

    /// Whether the agents are asked.
    pub(crate) const fn asks(self) -> bool {
        matches!(self, Self::ContractNet | Self::Auction | Self::Consensus)
    }

    /// Whether it can be had in this mode and has an effect; `named`: agents are named.
    ///
    /// # Errors
    /// What was expected.
    pub fn suits(self, mode: TaskMode, named: bool) -> Result<(), String> {
        if self.asks() && matches!(mode, TaskMode::Consensus | TaskMode::Competitive) {
            let others = "measured, random, least_loaded or load_balancing";
            return Err(format!("{others}, as in mode {mode} agents are chosen several at once"));
        }
        if self.is_default() || mode == TaskMode::Single || !named {
            return Ok(());
        }
        Err(format!("measured, as in mode {mode} each of the named agents takes part"))
    }
}
