//! What the workflow of a triage gives, and the report that is made of it.

use serde::Deserialize;

use super::{
    CastVote, CrashLine, FileLine, JudgedFinding, Ledger, ModeLine, REPORT_VERSION, Speed,
    TemplateLine, Totals, TriageReport,
};
use crate::agents::TakenTasks;
use crate::finding::Finding;
use crate::judges::Verdict;
use crate::reader::Skipped;
use crate::reporters::Account;

/// The outputs of `config/workflows/log_triage.yaml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// What was read.
    pub input: String,
    /// The account of the reporter who was first.
    pub account: Account,
    /// What was counted, but for the templates.
    pub totals: Totals,
    /// Kinds of messages.
    pub templates: u64,
    /// The most frequent of them.
    pub top: Vec<TemplateLine>,
    /// The findings with what was voted on each, the most important first.
    pub judged: Vec<BallotedFinding>,
    /// Totals by file.
    pub files: Vec<FileLine>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// The crash on purpose, where there was one.
    pub crash: Option<CrashLine>,
    /// The tasks that the reading took.
    pub tasks: TakenTasks,
}

/// A finding and the vote on it.
#[derive(Clone, Debug, Deserialize)]
pub struct BallotedFinding {
    /// The finding.
    pub finding: Finding,
    /// The vote.
    pub ballot: Ballot,
}

/// What came of a ballot, as the task engine gives it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ballot {
    decision: Option<Verdict>,
    tally: Vec<Choice>,
    reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Deserialize)]
struct Choice {
    choice: Verdict,
    voters: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Reason {
    voter: String,
    reason: String,
}

impl Ballot {
    fn votes(self) -> Vec<CastVote> {
        let mut votes = Vec::new();
        for Choice { choice, voters } in self.tally {
            for voter in voters {
                let reason = self.reasons.iter().find(|reason| reason.voter == voter);
                votes.push(CastVote {
                    judge: judge_name(&voter),
                    vote: choice,
                    reason: reason.map_or_else(String::new, |reason| reason.reason.clone()),
                });
            }
        }
        votes.sort_by(|a, b| a.judge.cmp(&b.judge));
        votes
    }
}

/// `strength` of `judge-strength@0.1.0`.
fn judge_name(voter: &str) -> String {
    let id = voter.split('@').next().unwrap_or(voter);
    id.strip_prefix("judge-").unwrap_or(id).to_owned()
}

impl Outcome {
    /// The report of the run of this name.
    pub fn report(
        self,
        run: String,
        speed: Speed,
        modes: Vec<ModeLine>,
        ledger: Ledger,
    ) -> TriageReport {
        let (confirmed, rejected): (Vec<_>, Vec<_>) =
            self.judged.into_iter().partition(|one| one.ballot.decision == Some(Verdict::Confirm));
        let judged = |list: Vec<BallotedFinding>| {
            let one = |BallotedFinding { finding, ballot }| JudgedFinding {
                finding,
                votes: ballot.votes(),
            };
            list.into_iter().map(one).collect()
        };
        TriageReport {
            version: REPORT_VERSION,
            run,
            input: self.input,
            totals: Totals { templates: self.templates, ..self.totals },
            account: self.account,
            findings: judged(confirmed),
            rejected: judged(rejected),
            templates: self.top,
            files: self.files,
            skipped: self.skipped,
            speed,
            modes,
            crash: self.crash,
            ledger,
        }
    }
}

impl Speed {
    /// So many lines and bytes in this time.
    #[must_use]
    pub fn of(totals: &Totals, elapsed: std::time::Duration) -> Self {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        Self {
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            lines_per_second: (totals.lines as f64 / seconds).round(),
            megabytes_per_second: (totals.bytes as f64 / seconds / 1e5).round() / 10.0,
        }
    }
}
