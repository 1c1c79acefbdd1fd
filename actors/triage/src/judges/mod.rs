//! Three judges with different criteria, who vote on each finding: is it more than chance, does it
//! matter to whoever runs the system, does it say something that another finding doesn't.

mod impact;
mod novelty;
mod strength;

use serde::{Deserialize, Serialize};

use crate::digest::Span;
use crate::finding::{Finding, FindingKind};

/// What is put to the vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The finding.
    pub finding: Finding,
    /// Findings that are more important.
    pub before: Vec<Rival>,
}

/// A finding that another one may only repeat: what tells whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Its name.
    pub id: String,
    /// Which detector claims it.
    pub kind: FindingKind,
    /// What it is about.
    pub subject: String,
    /// The templates of its lines.
    pub templates: Vec<String>,
    /// Lines that belong to it.
    pub count: u64,
    /// When it happened.
    pub span: Option<Span>,
}

/// More important findings that a judge is told of.
const RIVALS: usize = 100;

impl Case {
    /// The case of the finding at `place` of `ranked`, the most important first.
    pub(crate) fn of(ranked: &[Finding], place: usize) -> Self {
        let before = ranked[..place].iter().take(RIVALS).map(Into::into).collect();
        Self { finding: ranked[place].clone(), before }
    }
}

impl From<&Finding> for Rival {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            kind: finding.kind,
            subject: finding.subject.clone(),
            templates: finding.templates.clone(),
            count: finding.count,
            span: finding.span,
        }
    }
}

/// A vote. The engine's ballot reads `vote` and `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// What it votes for.
    pub vote: Verdict,
    /// Why, in a sentence.
    pub reason: String,
}

/// What can be voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It belongs in the report.
    Confirm,
    /// It does not.
    Reject,
}

impl Verdict {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reject => "reject",
        }
    }
}

impl Vote {
    fn confirm(reason: impl Into<String>) -> Self {
        Self { vote: Verdict::Confirm, reason: reason.into() }
    }

    fn reject(reason: impl Into<String>) -> Self {
        Self { vote: Verdict::Reject, reason: reason.into() }
    }
}

/// The criterion of a judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Criterion {
    /// Is it more than chance?
    Strength,
    /// Does it matter to whoever runs the system?
    Impact,
    /// Does it say something new?
    Novelty,
}

impl Criterion {
    /// All criteria, one for each judge.
    pub const ALL: [Self; 3] = [Self::Strength, Self::Impact, Self::Novelty];

    /// The name, as in the judge's id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strength => "strength",
            Self::Impact => "impact",
            Self::Novelty => "novelty",
        }
    }

    /// Judges a case by this criterion alone.
    pub fn judge(self, case: &Case) -> Vote {
        match self {
            Self::Strength => strength::judge(case),
            Self::Impact => impact::judge(case),
            Self::Novelty => novelty::judge(case),
        }
    }
}

#[cfg(test)]
mod tests;
