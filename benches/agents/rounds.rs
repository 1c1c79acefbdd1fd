//! One figure over the rounds.

/// Of each round one.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one; of an even number the lower of the two.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median, the least and the most.
    pub(crate) fn spread(&self, digits: usize) -> String {
        let least = self.0.iter().copied().fold(f64::NAN, f64::min);
        let most = self.0.iter().copied().fold(f64::NAN, f64::max);
        format!("{:.digits$} [{least:.digits$}..{most:.digits$}]", self.median())
    }
}
