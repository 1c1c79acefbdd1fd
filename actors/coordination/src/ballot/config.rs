//! The rules of a ballot, as a user writes them.

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// The least turn-out that may decide: `{"voters": 2}` or `{"share": 0.5}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quorum {
    /// This many voters. At least 1; more than the electorate means that nothing can be decided.
    #[serde(alias = "VOTERS", alias = "Voters")]
    Voters(u32),
    /// This share of the electorate, above 0 and at most 1, rounded up to whole voters.
    #[serde(alias = "SHARE", alias = "Share")]
    Share(f64),
}

impl Quorum {
    /// How many of `electorate` voters it takes; at least one.
    #[must_use]
    pub fn of(self, electorate: u32) -> u32 {
        match self {
            Self::Voters(voters) => voters.max(1),
            Self::Share(share) => portion(share, electorate).max(1),
        }
    }
}

/// How many of the votes the winner needs; abstentions are no votes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// More than any other choice.
    #[serde(alias = "PLURALITY", alias = "Plurality")]
    Plurality,
    /// More than half; exactly half when the tie rule decides between two halves.
    #[serde(alias = "MAJORITY", alias = "Majority")]
    Majority,
    /// All of them.
    #[serde(alias = "UNANIMOUS", alias = "Unanimous")]
    Unanimous,
    /// At least this share, above 0 and at most 1, and more than any other choice.
    #[serde(alias = "SHARE", alias = "Share")]
    Share(f64),
}

impl Threshold {
    /// Whether `votes` of `cast` suffice. `tied`: others have as many, and the tie rule decides.
    #[must_use]
    pub(crate) fn is_met(self, votes: u32, cast: u32, tied: bool) -> bool {
        let (doubled, all) = (u64::from(votes) * 2, u64::from(cast));
        match self {
            _ if votes == 0 => false,
            Self::Plurality => true,
            Self::Majority => doubled > all || (tied && doubled == all),
            Self::Unanimous => votes == cast,
            Self::Share(share) => votes >= portion(share, cast),
        }
    }
}

/// `share` of `whole`, rounded up. The slack takes the error of a share such as 0.1 + 0.2.
fn portion(share: f64, whole: u32) -> u32 {
    let exact = share.clamp(0.0, 1.0) * f64::from(whole);
    (exact - 1e-9).ceil().max(0.0) as u32
}

/// Who wins when several choices share the most votes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TieRule {
    /// Nobody: things stay as they are.
    #[default]
    #[serde(alias = "STATUS_QUO", alias = "StatusQuo")]
    StatusQuo,
    /// The one that was voted for first.
    #[serde(alias = "FIRST", alias = "First")]
    First,
    /// One of them by the ballot's seed.
    #[serde(alias = "RANDOM", alias = "Random")]
    Random,
}

/// The rules of a ballot; fixed before it opens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The least turn-out that may decide; default half of the electorate.
    pub quorum: Quorum,
    /// How many of the votes the winner needs; default the majority.
    pub threshold: Threshold,
    /// Who wins a tie; default nobody, things stay as they are.
    pub tie: TieRule,
}

impl Default for Rules {
    fn default() -> Self {
        Self { quorum: Quorum::Share(0.5), threshold: Threshold::Majority, tie: TieRule::StatusQuo }
    }
}

impl Rules {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        match self.quorum {
            Quorum::Voters(0) => faults.push(ConfigFault::new("quorum.voters", "0: at least 1")),
            Quorum::Share(share) => check_share("quorum.share", share, &mut faults),
            Quorum::Voters(_) => {}
        }
        if let Threshold::Share(share) = self.threshold {
            check_share("threshold.share", share, &mut faults);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn check_share(key: &str, share: f64, faults: &mut Vec<ConfigFault>) {
    if !(share > 0.0 && share <= 1.0) {
        faults.push(ConfigFault::new(key, format!("{share}: above 0 and at most 1")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_to_whole_voters() {
        assert_eq!(Quorum::Share(0.5).of(3), 2);
        assert_eq!(Quorum::Share(2.0 / 3.0).of(3), 2);
        assert_eq!(Quorum::Share(0.1 + 0.2).of(10), 3);
        assert_eq!(Quorum::Share(0.01).of(3), 1);
    }

    #[test]
    fn a_majority_is_more_than_half_unless_two_halves_tie() {
        assert!(Threshold::Majority.is_met(2, 3, false));
        assert!(!Threshold::Majority.is_met(2, 4, false));
        assert!(Threshold::Majority.is_met(2, 4, true));
        assert!(!Threshold::Majority.is_met(1, 3, true));
    }

    #[test]
    fn rules_out_of_range_are_refused_each_by_its_key() {
        let rules = Rules {
            quorum: Quorum::Share(1.5),
            threshold: Threshold::Share(f64::NAN),
            ..Rules::default()
        };
        let keys: Vec<_> = rules.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["quorum.share", "threshold.share"]);
        assert!(Rules::default().validate().is_ok());
    }

    #[test]
    fn rules_read_as_users_write_them() {
        let text = r#"{"quorum": {"voters": 2}, "threshold": {"share": 0.66}, "tie": "FIRST"}"#;
        let rules: Rules = serde_json::from_str(text).unwrap();
        assert_eq!(rules.quorum, Quorum::Voters(2));
        assert_eq!(rules.threshold, Threshold::Share(0.66));
        assert_eq!(rules.tie, TieRule::First);
        assert!(serde_json::from_str::<Rules>(r#"{"quorom": {"voters": 2}}"#).is_err());
    }
}
