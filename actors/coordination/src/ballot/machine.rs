//! The ballot: who has voted for what, and whether that decides it.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::config::Rules;
use super::error::BallotError;
use super::outcome::Outcome;
use super::tally::{Tally, Verdict};

/// What happens to a ballot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<V, C> {
    /// This voter chooses.
    Vote {
        /// Who.
        voter: V,
        /// What.
        choice: C,
    },
    /// This voter takes part and chooses nothing.
    Abstain {
        /// Who.
        voter: V,
    },
    /// This voter will not answer: it abstains and did not take part.
    Fail {
        /// Who.
        voter: V,
    },
    /// Time has passed.
    Tick,
}

/// A ballot of voters `V` on choices `C`; choices are whatever is voted for.
#[derive(Debug, Clone)]
pub struct Ballot<V, C> {
    rules: Rules,
    seed: u64,
    deadline: Option<Duration>,
    counted: HashMap<V, bool>,
    choices: Vec<C>,
    tally: Tally,
    outcome: Option<Outcome<C>>,
}

impl<V: Eq + Hash, C: Eq + Clone> Ballot<V, C> {
    /// Opens a ballot. `deadline` is a time on the clock that [`Ballot::step`] is given; `None`
    /// leaves it open until the outcome is fixed. `seed` decides random ties.
    ///
    /// # Errors
    /// [`BallotError::NoElectorate`] and [`BallotError::NamedTwice`].
    pub fn open(
        electorate: impl IntoIterator<Item = V>,
        rules: Rules,
        deadline: Option<Duration>,
        seed: u64,
    ) -> Result<Self, BallotError> {
        let mut counted = HashMap::new();
        for voter in electorate {
            if counted.insert(voter, false).is_some() {
                return Err(BallotError::NamedTwice);
            }
        }
        let waiting = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        if waiting == 0 {
            return Err(BallotError::NoElectorate);
        }
        let tally = Tally { waiting, ..Tally::default() };
        Ok(Self { rules, seed, deadline, counted, choices: Vec::new(), tally, outcome: None })
    }

    /// Takes one input at time `now`, and says the outcome once there is one. The deadline is
    /// looked at first: a vote that comes at or after it is not counted.
    ///
    /// # Errors
    /// [`BallotError`]; the count is as it was.
    pub fn step(
        &mut self,
        now: Duration,
        input: Input<V, C>,
    ) -> Result<Option<&Outcome<C>>, BallotError> {
        if self.outcome.is_none() && self.deadline.is_some_and(|deadline| now >= deadline) {
            self.tally.failed += std::mem::take(&mut self.tally.waiting);
            self.close_if_fixed();
        }
        match input {
            Input::Tick => return Ok(self.outcome()),
            Input::Vote { voter, choice } => {
                self.count(&voter)?;
                self.add(choice);
            }
            Input::Abstain { voter } => {
                self.count(&voter)?;
                self.tally.abstained += 1;
            }
            Input::Fail { voter } => {
                self.count(&voter)?;
                self.tally.failed += 1;
            }
        }
        self.close_if_fixed();
        Ok(self.outcome())
    }

    /// What came of it; `None` while it is open.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome<C>> {
        self.outcome.as_ref()
    }

    /// The count as it stands.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The choices voted for and their votes, in the order in which they were first voted for.
    pub fn choices(&self) -> impl Iterator<Item = (&C, u32)> {
        self.choices.iter().zip(self.tally.votes.iter().copied())
    }

    fn count(&mut self, voter: &V) -> Result<(), BallotError> {
        if self.outcome.is_some() {
            return Err(BallotError::Closed);
        }
        let counted = self.counted.get_mut(voter).ok_or(BallotError::UnknownVoter)?;
        if *counted {
            return Err(BallotError::AlreadyCounted);
        }
        *counted = true;
        self.tally.waiting -= 1;
        Ok(())
    }

    fn add(&mut self, choice: C) {
        match self.choices.iter().position(|known| *known == choice) {
            Some(at) => self.tally.votes[at] += 1,
            None => {
                self.choices.push(choice);
                self.tally.votes.push(1);
            }
        }
    }

    fn close_if_fixed(&mut self) {
        let Some(verdict) = self.tally.fixed(&self.rules, self.seed) else { return };
        let tally = &self.tally;
        self.outcome = Some(match verdict {
            Verdict::Chosen { choice, by } => {
                Outcome::Chosen { choice: self.choices[choice].clone(), by }
            }
            Verdict::Kept => Outcome::Kept,
            Verdict::NoQuorum => Outcome::NoQuorum {
                turnout: tally.turnout(),
                needed: self.rules.quorum.of(tally.electorate()),
            },
            Verdict::BelowThreshold => {
                Outcome::BelowThreshold { votes: tally.most(), cast: tally.cast() }
            }
        });
    }
}

#[cfg(test)]
mod tests;
