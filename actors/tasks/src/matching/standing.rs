//! How an agent that can be given work stands, and the level that gives it in a class: the choice
//! by lot, by load and by capacity is made from the same index as the one by what was measured.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::class::Class;
use super::roster::Roster;
use super::score::LEVELS;
use crate::task::Allocation;

/// How an agent that has room stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its measured level, 0 for the best.
    pub level: usize,
    /// Executions it has in hand, fewer than its capacity.
    pub running: u32,
    /// Executions it may have in hand.
    pub capacity: u32,
}

/// How often another second choice is drawn when the first was drawn again.
const REDRAWS: usize = 4;

impl Standing {
    /// Its level in a class that chooses so; `rank`: its place among the named agents.
    pub(super) fn level_by(self, allocation: Allocation, rank: Option<usize>) -> usize {
        let level = match allocation {
            Allocation::Measured => rank.unwrap_or(self.level),
            Allocation::ContractNet | Allocation::Auction | Allocation::Consensus => self.level,
            Allocation::Random => 0,
            // What differs by less than a sixty-third of the capacity is equal.
            Allocation::LeastLoaded => {
                let steps = (LEVELS - 1) as u64;
                (u64::from(self.running) * steps / u64::from(self.capacity.max(1))) as usize
            }
            Allocation::LoadBalancing => self.capacity.max(1).ilog2() as usize,
        };
        level.min(LEVELS - 1)
    }
}

impl Class {
    /// The free agent that gets the next execution.
    pub(super) fn choice(&self, roster: &Roster, chance: &mut ChaCha12Rng) -> Option<u32> {
        match self.requirement.allocation {
            Allocation::LoadBalancing => self.balanced(roster, chance),
            _ => self.best(chance),
        }
    }

    /// The less loaded of two agents that are drawn in proportion to their capacity.
    ///
    /// Two choices leave a gap of about `ln ln n` between the fullest and the mean where one leaves
    /// `ln n / ln ln n` (Mitzenmacher 2001, "The Power of Two Choices in Randomized Load
    /// Balancing"), also of agents of different capacity when they are drawn in proportion to it
    /// and compared by what the load would become (Berenbrink, Brinkmann, Friedetzky and Nagel
    /// 2014, "Balls into non-uniform bins"). And unlike the least loaded of all, which every engine
    /// and every batch of messages sees at once, they do not draw a herd to one agent when the
    /// loads that are known are old (Mitzenmacher 2000, "How Useful Is Old Information?").
    fn balanced(&self, roster: &Roster, chance: &mut ChaCha12Rng) -> Option<u32> {
        let capacity_of = |agent| {
            let capacity = roster.at(agent).map(|agent| agent.card.limits.max_concurrent_tasks);
            u64::from(capacity.unwrap_or(1).max(1))
        };
        let one = self.weighted(capacity_of, chance)?;
        let mut other = one;
        for _ in 0..REDRAWS {
            other = self.weighted(capacity_of, chance)?;
            if other != one {
                break;
            }
        }
        let load = |agent| u64::from(roster.at(agent).map_or(0, |agent| agent.running)) + 1;
        // load / capacity of the one against the other, without a division.
        let (left, right) = (load(one) * capacity_of(other), load(other) * capacity_of(one));
        Some(if right < left { other } else { one })
    }

    /// Its free agents in the order in which it would choose them, one after the other.
    pub(super) fn in_turn<'a>(
        &'a self,
        roster: &'a Roster,
        chance: &'a mut ChaCha12Rng,
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let allocation = self.requirement.allocation;
        if allocation == Allocation::Measured || allocation.asks() {
            return Box::new(self.free_by_level(chance));
        }
        let key = |agent: u32, chance: &mut ChaCha12Rng| -> f64 {
            let luck: f64 = chance.random();
            let Some(standing) = roster.at(agent).and_then(super::Agent::standing) else {
                return f64::INFINITY;
            };
            let Standing { running, capacity, .. } = standing;
            match allocation {
                Allocation::LeastLoaded => standing.level_by(allocation, None) as f64 + luck,
                // A sample without replacement, each as likely as its room (Efraimidis and
                // Spirakis 2006, "Weighted random sampling with a reservoir").
                Allocation::LoadBalancing => {
                    -(1.0 - luck).ln() / f64::from(capacity.saturating_sub(running).max(1))
                }
                _ => luck,
            }
        };
        let free = self.free_by_level(chance).collect::<Vec<_>>();
        let mut keyed: Vec<_> = free.into_iter().map(|agent| (key(agent, chance), agent)).collect();
        keyed.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        Box::new(keyed.into_iter().map(|(_, agent)| agent))
    }
}
