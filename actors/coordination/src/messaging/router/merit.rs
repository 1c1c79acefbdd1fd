//! Who has shown the best results with messages. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_agents::AgentId;

/// Agents whose results are remembered.
const MAX_AGENTS: usize = 200_000;
/// How much the newest time counts in the mean.
const NEWEST: f64 = 0.2;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Record {
    answered: u64,
    failed: u64,
    /// Mean time to answer in seconds, newer ones counting more (exponential smoothing).
    seconds: f64,
}

/// The results of agents.
#[derive(Debug, Default)]
pub(super) struct Merits(BTreeMap<AgentId, Record>);

impl Merits {
    /// An agent read a message in this time, or did not.
    pub(super) fn note(&mut self, agent: &AgentId, read: bool, took: Duration) {
        if !self.0.contains_key(agent) && self.0.len() >= MAX_AGENTS {
            return;
        }
        let record = self.0.entry(agent.clone()).or_default();
        if !read {
            record.failed += 1;
            return;
        }
        record.answered += 1;
        let seconds = took.as_secs_f64();
        let first = record.answered == 1;
        record.seconds =
            if first { seconds } else { record.seconds.mul_add(1.0 - NEWEST, seconds * NEWEST) };
    }

    /// How good an agent is: the greater, the better. The share of messages that it answered
    /// (Laplace's rule of succession, so that the unknown are in the middle), less for time.
    pub(super) fn of(&self, agent: &AgentId) -> f64 {
        let Record { answered, failed, seconds } = self.0.get(agent).copied().unwrap_or_default();
        let share = (answered as f64 + 1.0) / ((answered + failed) as f64 + 2.0);
        share / (1.0 + seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_more_often_or_sooner_is_better() {
        let [good, slow, bad, new] =
            ["good", "slow", "bad", "new"].map(|n| AgentId::new(n).unwrap());
        let mut merits = Merits::default();
        for _ in 0..10 {
            merits.note(&good, true, Duration::from_millis(10));
            merits.note(&slow, true, Duration::from_secs(1));
            merits.note(&bad, false, Duration::from_millis(1));
        }
        let order = [&good, &new, &slow, &bad].map(|agent| merits.of(agent));
        assert!(order[0] > order[1] && order[2] > order[3], "{order:?}");
        assert!(order[0] > order[2] && order[1] > order[3], "{order:?}");
    }
}
