//! How bids are scored: by what a participant has shown, and a little by what it says of itself.
//!
//! ```text
//! score   = (1 - bid_weight) · shown + bid_weight · claimed            each from 0 to 1
//! shown   = mean of success, less(time), less(cost)    as measured, drawn towards the prior
//! claimed = mean of quality, less(time), less(price)   as bid; where nothing is, as measured
//! less(x) = r / (r + x), r as in the prior: 1 for nothing, 1/2 for r, never below 0
//! ```
//!
//! The means are weighted by [`Scoring`]. A measured mean of `n` samples counts `n` times, the
//! prior `prior.samples` times: the posterior mean of a beta-binomial for success (Gelman et al.,
//! Bayesian Data Analysis, 2.1), the same shrinkage for time and cost. So one lucky success does
//! not beat a long record, and whoever is unknown scores as the prior does.
//!
//! The default lets history decide: agents' reports of their own ability are no evidence of it, so
//! the best claim can make up for no more than `bid_weight` of the scale.

use serde::{Deserialize, Serialize};
use synod_agents::AgentId;

use crate::lot::lot;
use crate::protocol::Refusal;

/// What somebody has shown so far: means over `samples` pieces of work.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The share that succeeded, from 0 to 1.
    pub success: f64,
    /// Milliseconds that one took.
    pub time_ms: f64,
    /// What one cost, in whatever unit bids are made in.
    pub cost: f64,
    /// How many were measured.
    pub samples: u64,
}

/// The history of one participant, measured by whoever opens a contract net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Whose.
    #[schema(value_type = String)]
    pub participant: AgentId,
    /// The share that succeeded, from 0 to 1.
    pub success: f64,
    /// Milliseconds that one piece of work took, in the mean.
    pub time_ms: f64,
    /// What one cost, in the mean.
    pub cost: f64,
    /// How many pieces of work were measured.
    pub samples: u64,
}

impl Measured {
    /// What a hundred pieces of work have shown, at no cost: the share that succeeded, and the
    /// milliseconds that one took.
    #[must_use]
    pub fn new(participant: AgentId, success: f64, time_ms: f64) -> Self {
        Self { participant, success, time_ms, cost: 0.0, samples: 100 }
    }
}

/// What a bidder says of itself. What it leaves out is taken as measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Claim {
    /// What it asks for the work; not below zero.
    pub price: Option<f64>,
    /// How many milliseconds it will take; not below zero.
    pub time_ms: Option<f64>,
    /// How good it will be, from 0 to 1.
    pub quality: Option<f64>,
}

/// How much each thing counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scoring {
    /// The share of what a bidder says of itself, from 0 (ignored) to 1 (all there is).
    /// Default 0.2.
    pub bid_weight: f64,
    /// The weight of success, and of the quality that is claimed. Default 0.6.
    pub success: f64,
    /// The weight of time. Default 0.25.
    pub time: f64,
    /// The weight of cost, and of the price that is asked. Default 0.15.
    pub cost: f64,
    /// What is assumed of somebody of whom nothing is known, and the scale of times and costs.
    /// Default: half succeeds, in one second, for 1, as if seen twice.
    pub prior: History,
}

impl Default for Scoring {
    fn default() -> Self {
        let prior = History { success: 0.5, time_ms: 1_000.0, cost: 1.0, samples: 2 };
        Self { bid_weight: 0.2, success: 0.6, time: 0.25, cost: 0.15, prior }
    }
}

impl Measured {
    /// What was measured, without whose it is.
    #[must_use]
    pub fn history(&self) -> History {
        let Self { success, time_ms, cost, samples, .. } = *self;
        History { success, time_ms, cost, samples }
    }
}

impl History {
    /// Whether the numbers are some that can be measured; `at` is where they stand.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a number that is no number, negative or out of range.
    pub fn check(&self, at: &str) -> Result<(), Refusal> {
        share(self.success, &format!("{at}.success"))?;
        amount(self.time_ms, &format!("{at}.time_ms"))?;
        amount(self.cost, &format!("{at}.cost"))
    }

    /// Its means, drawn towards those of `prior` by as many samples as that has.
    fn towards(&self, prior: &Self) -> Self {
        // Counts above 2^53 lose their last digits, which weigh nothing.
        let (own, before) = (self.samples as f64, prior.samples as f64);
        let all = own + before;
        if all <= 0.0 {
            return *prior;
        }
        let mean = |mine: f64, theirs: f64| mine * (own / all) + theirs * (before / all);
        Self {
            success: mean(self.success, prior.success),
            time_ms: mean(self.time_ms, prior.time_ms),
            cost: mean(self.cost, prior.cost),
            samples: self.samples,
        }
    }
}

impl Claim {
    /// Whether the numbers are some that can be bid; `at` is where they stand.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a number that is no number, negative or out of range.
    pub fn check(&self, at: &str) -> Result<(), Refusal> {
        self.price.map_or(Ok(()), |price| amount(price, &format!("{at}.price")))?;
        self.time_ms.map_or(Ok(()), |time| amount(time, &format!("{at}.time_ms")))?;
        self.quality.map_or(Ok(()), |quality| share(quality, &format!("{at}.quality")))
    }
}

impl Scoring {
    /// Whether the weights are some that can be mixed; `at` is where they stand.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a weight that is no number or negative, for weights that are all
    /// zero, and for a prior without time or cost (they are the scale).
    pub fn check(&self, at: &str) -> Result<(), Refusal> {
        share(self.bid_weight, &format!("{at}.bid_weight"))?;
        for (name, weight) in [("success", self.success), ("time", self.time), ("cost", self.cost)]
        {
            amount(weight, &format!("{at}.{name}"))?;
        }
        let sum = self.success + self.time + self.cost;
        if sum <= 0.0 || !sum.is_finite() {
            return Err(Refusal::invalid(at, format!("the weights add up to {sum}, expected > 0")));
        }
        self.prior.check(&format!("{at}.prior"))?;
        let scales = [("time_ms", self.prior.time_ms), ("cost", self.prior.cost)];
        match scales.into_iter().find(|(_, scale)| *scale <= 0.0) {
            Some((name, scale)) => {
                let why = format!("{scale} is no scale for others, expected > 0");
                Err(Refusal::invalid(format!("{at}.prior.{name}"), why))
            }
            None => Ok(()),
        }
    }

    /// The score of a bidder with this history (none when it is unknown) who claims this: from 0
    /// to 1, more is better. All numbers are to be checked ones.
    #[must_use]
    pub fn score(&self, history: Option<&History>, claim: &Claim) -> f64 {
        let shown = history.map_or(self.prior, |history| history.towards(&self.prior));
        let claimed = History {
            success: claim.quality.unwrap_or(shown.success),
            time_ms: claim.time_ms.unwrap_or(shown.time_ms),
            cost: claim.price.unwrap_or(shown.cost),
            samples: 0,
        };
        (1.0 - self.bid_weight) * self.worth(&shown) + self.bid_weight * self.worth(&claimed)
    }

    fn worth(&self, of: &History) -> f64 {
        let less = |scale: f64, amount: f64| scale / (scale + amount);
        let sum = self.success * of.success
            + self.time * less(self.prior.time_ms, of.time_ms)
            + self.cost * less(self.prior.cost, of.cost);
        sum / (self.success + self.time + self.cost)
    }
}

/// Somebody and its score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Who: a place in the caller's list.
    pub index: u32,
    /// From 0 to 1, more is better.
    pub score: f64,
}

/// Sorts the best to the front, equals by lots that `seed` draws: O(n log n), and the same for the
/// same seed however the list was ordered before.
pub fn best_first(scored: &mut [Scored], seed: u64) {
    scored.sort_unstable_by(|a, b| {
        let drawn = |scored: &Scored| lot(seed, u64::from(scored.index));
        b.score.total_cmp(&a.score).then_with(|| drawn(a).cmp(&drawn(b)))
    });
}

fn share(value: f64, at: &str) -> Result<(), Refusal> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(at, format!("{value} is not a number from 0 to 1")))
}

/// The largest amount: far beyond any price or time, and safe to add and divide.
const MOST: f64 = 1e15;

fn amount(value: f64, at: &str) -> Result<(), Refusal> {
    if (0.0..=MOST).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(at, format!("{value} is not a number from 0 to {MOST:e}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn history(success: f64, samples: u64) -> History {
        History { success, time_ms: 1_000.0, cost: 1.0, samples }
    }

    #[test]
    fn a_long_record_beats_the_boldest_claim() {
        let scoring = Scoring::default();
        let bold = Claim { price: Some(0.0), time_ms: Some(0.0), quality: Some(1.0) };
        let boaster = scoring.score(Some(&history(0.3, 100)), &bold);
        let modest = scoring.score(Some(&history(0.9, 100)), &Claim::default());
        assert!(modest > boaster, "{modest} {boaster}");
        // Where nothing but the bid counts, it is the other way round.
        let trusting = Scoring { bid_weight: 1.0, ..scoring };
        let boaster = trusting.score(Some(&history(0.3, 100)), &bold);
        let modest = trusting.score(Some(&history(0.9, 100)), &Claim::default());
        assert!(modest < boaster, "{modest} {boaster}");
    }

    #[test]
    fn one_lucky_success_does_not_beat_a_long_record_and_the_unknown_is_the_prior() {
        let scoring = Scoring::default();
        let lucky = scoring.score(Some(&history(1.0, 1)), &Claim::default());
        let proven = scoring.score(Some(&history(0.95, 200)), &Claim::default());
        let unknown = scoring.score(None, &Claim::default());
        assert!(unknown < lucky && lucky < proven, "{unknown} {lucky} {proven}");
        assert_eq!(unknown, scoring.score(Some(&scoring.prior), &Claim::default()));
        // By hand: 0.6 · 0.5 + 0.25 · 1000/2000 + 0.15 · 1/2.
        assert!((unknown - 0.5).abs() < 1e-12);
    }

    #[test]
    fn equals_are_drawn_by_lot_and_each_has_its_chance() {
        let mut firsts = [0; 3];
        for seed in 0..3_000 {
            let mut scored: Vec<Scored> =
                (0..3).map(|index| Scored { index, score: 0.5 }).collect();
            scored.rotate_left((seed % 3) as usize);
            best_first(&mut scored, seed);
            firsts[scored[0].index as usize] += 1;
        }
        assert!(firsts.iter().all(|count| (900..1_100).contains(count)), "{firsts:?}");
    }

    #[test]
    fn what_is_no_number_or_below_zero_is_refused_with_its_place() {
        for bad in [f64::NAN, f64::INFINITY, -1.0, -f64::MIN_POSITIVE] {
            let claim = Claim { price: Some(bad), ..Claim::default() };
            let refusal = claim.check("bid").unwrap_err();
            assert!(refusal.to_string().starts_with("bid.price: "), "{refusal}");
            let claim = Claim { quality: Some(bad), ..Claim::default() };
            assert!(claim.check("bid").is_err());
            assert!(Scoring { bid_weight: bad, ..Scoring::default() }.check("s").is_err());
            assert!(History { time_ms: bad, ..history(0.5, 1) }.check("h").is_err());
        }
        let none = Scoring { success: 0.0, time: 0.0, cost: 0.0, ..Scoring::default() };
        assert!(none.check("scoring").is_err());
        let mut flat = Scoring::default();
        flat.prior.cost = 0.0;
        let refusal = flat.check("scoring").unwrap_err();
        assert!(refusal.to_string().starts_with("scoring.prior.cost: "), "{refusal}");
    }

    proptest! {
        #[test]
        fn a_score_is_from_0_to_1_and_better_history_never_scores_less(
            success in 0.0..=1.0_f64,
            more in 0.0..=1.0_f64,
            time in 0.0..1e9_f64,
            price in 0.0..1e9_f64,
            samples in 0_u64..1_000_000,
            bid_weight in 0.0..=1.0_f64,
        ) {
            let scoring = Scoring { bid_weight, ..Scoring::default() };
            let claim = Claim { price: Some(price), time_ms: Some(time), quality: Some(success) };
            let worse = History { success, time_ms: time, cost: price, samples };
            let better = History { success: success.max(more), time_ms: time / 2.0, ..worse };
            let (low, high) =
                (scoring.score(Some(&worse), &claim), scoring.score(Some(&better), &claim));
            prop_assert!((0.0..=1.0 + 1e-12).contains(&low));
            prop_assert!(high >= low - 1e-12, "{} {}", high, low);
        }
    }
}
