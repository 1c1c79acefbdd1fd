//! How the agent is chosen that gets a part of a task.

use super::named::named;
use super::state::TaskMode;

named! {
    /// How one of the capable agents that have room is chosen. None of these goes beyond an
    /// agent's capacity.
    pub enum Allocation {
        /// The one from which a success is expected soonest, by what was measured of it; by lot
        /// among equals, and the named ones in the order of their names.
        Measured = "measured" / 0,
        /// Any of them, by lot.
        Random = "random" / 1,
        /// The one that has the smallest share of its capacity in hand; by lot among equals.
        LeastLoaded = "least_loaded" / 2,
        /// Of two that are drawn in proportion to their capacity the less loaded one.
        LoadBalancing = "load_balancing" / 3,
    }
}

impl Default for Allocation {
    fn default() -> Self {
        Self::Measured
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
            Self::Measured => None,
            Self::Random => Some("drawn by lot from the capable agents that had room"),
            Self::LeastLoaded => Some("the least loaded of the capable agents that had room"),
            Self::LoadBalancing => {
                Some("the less loaded of two that were drawn in proportion to their capacity")
            }
        }
    }

    /// Whether it has an effect in this mode; `named`: agents are named.
    ///
    /// # Errors
    /// What was expected.
    pub fn suits(self, mode: TaskMode, named: bool) -> Result<(), String> {
        if self.is_default() || mode == TaskMode::Single || !named {
            return Ok(());
        }
        Err(format!("measured, as in mode {mode} each of the named agents takes part"))
    }
}
