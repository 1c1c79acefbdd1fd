//! The third stage: detectors side by side, lines that show a spike, votes, and the account.

use std::collections::BTreeMap;

use serde::Deserialize;
use synod_tasks::{TaskMode, TaskStatusResponse, TaskSubmissionRequest};
use tokio::task::JoinSet;

use super::Progress;
use super::books::Books;
use super::chunks::Done;
use super::client::{Client, output, request};
use super::summary::outputs;
use crate::agents::{CITE, DETECT_FAILURES, DETECT_RARE, DETECT_RATE, JUDGE, REPORT};
use crate::config::TriageConfig;
use crate::digest::{Digest, Evidence, Source, SourceKind, Span};
use crate::error::TriageError;
use crate::finding::{Finding, FindingKind, rank};
use crate::judges::{Case, Verdict};
use crate::reader::{ChunkRef, Citation};
use crate::report::{CastVote, JudgedFinding};
use crate::reporters::{Account, Facts};

const DETECT: &str = "log.detection";
const QUOTE: &str = "log.quotation";
const VOTE: &str = "log.verdict";
const TELL: &str = "log.account";

/// Findings after the vote.
pub(super) struct Judged {
    pub(super) confirmed: Vec<JudgedFinding>,
    pub(super) rejected: Vec<JudgedFinding>,
}

/// The stage itself.
pub(super) struct Deliberation {
    client: Client,
    config: TriageConfig,
    places: Vec<(ChunkRef, Span)>,
}

/// Tasks that run side by side, by the index of their finding.
type UnderWay = JoinSet<(usize, Result<TaskStatusResponse, TriageError>)>;

impl Deliberation {
    pub(super) fn new(client: &Client, config: &TriageConfig, done: &Done) -> Self {
        Self { client: client.clone(), config: config.clone(), places: done.places.clone() }
    }

    /// Asks the three detectors; the most important findings come first.
    pub(super) async fn detect(
        &self,
        digest: &Digest,
        books: &mut Books,
    ) -> Result<Vec<Finding>, TriageError> {
        let capabilities = [DETECT_RARE, DETECT_RATE, DETECT_FAILURES];
        let request = request(DETECT, TaskMode::Parallel, &capabilities, digest)?;
        let status = self.client.perform(DETECT, "detection", request).await?;
        books.enter(&status);
        let mut findings = Vec::new();
        for part in outputs(DETECT, &status)? {
            let found: Vec<Finding> = serde_json::from_str(part.get())
                .map_err(|e| TriageError::Task { step: DETECT, reason: e.to_string() })?;
            findings.extend(found);
        }
        rank(&mut findings);
        findings.truncate(self.config.max_findings);
        Ok(findings)
    }

    /// Has lines quoted for findings of which the digest kept none: it keeps the first lines of a
    /// template or source, and a spike or burst may come later.
    pub(super) async fn cite(
        &self,
        mut findings: Vec<Finding>,
        books: &mut Books,
    ) -> Result<Vec<Finding>, TriageError> {
        let mut under_way = UnderWay::new();
        for (index, finding) in findings.iter().enumerate() {
            if let Some(citation) = self.citation(finding) {
                let request = request(QUOTE, TaskMode::Single, &[CITE], &citation)?;
                self.spawn(&mut under_way, QUOTE, index, &finding.id, request);
            }
        }
        while let Some(ended) = under_way.join_next().await {
            let (index, result) = ended.map_err(|e| TriageError::Engine(e.to_string()))?;
            match result {
                Ok(status) => {
                    books.enter(&status);
                    let lines: Vec<Evidence> = output(QUOTE, &status)?;
                    if !lines.is_empty() {
                        findings[index].evidence = lines;
                    }
                }
                // The file is gone: the first lines of the template have to do.
                Err(TriageError::Task { .. }) => books.enter_failed(TaskMode::Single),
                Err(error) => return Err(error),
            }
        }
        Ok(findings)
    }

    fn citation(&self, finding: &Finding) -> Option<Citation> {
        let span = finding.span?;
        let within = |evidence: &Evidence| {
            evidence.time_ms.is_some_and(|ms| (span.first_ms..=span.last_ms).contains(&ms))
        };
        if finding.evidence.iter().any(within) {
            return None;
        }
        let file = finding.evidence.first()?.file;
        let (chunk, _) = self.places.iter().find(|(chunk, written)| {
            chunk.file == file
                && written.first_ms <= span.last_ms
                && span.first_ms <= written.last_ms
        })?;
        let source = Source::try_from(finding.subject.clone()).ok();
        let remote = source.filter(|source| source.kind != SourceKind::Component);
        let mention = match finding.kind {
            FindingKind::RepeatedFailure => remote.map(|source| source.name),
            _ => None,
        };
        let (chunk, templates) = (chunk.clone(), finding.templates.clone());
        Some(Citation { chunk, templates, mention, span })
    }

    /// Puts each finding to the vote.
    pub(super) async fn judge(
        &self,
        findings: Vec<Finding>,
        books: &mut Books,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Judged, TriageError> {
        let of = findings.len();
        let mut under_way = UnderWay::new();
        for (index, finding) in findings.iter().enumerate() {
            let case = Case::of(&findings, index);
            let request = request(VOTE, TaskMode::Consensus, &[JUDGE], &case)?;
            self.spawn(&mut under_way, VOTE, index, &finding.id, request);
        }
        let mut decisions: BTreeMap<usize, Decision> = BTreeMap::new();
        while let Some(ended) = under_way.join_next().await {
            let (index, result) = ended.map_err(|e| TriageError::Engine(e.to_string()))?;
            decisions.insert(index, Decision::of(result, books)?);
            progress(Progress::Judging { decided: decisions.len(), of });
        }
        let decisions = decisions.into_values();
        let (confirmed, rejected) = findings
            .into_iter()
            .zip(decisions)
            .partition::<Vec<_>, _>(|(_, d)| d.decision == Some(Verdict::Confirm));
        let join = |(finding, decision): (Finding, Decision)| JudgedFinding {
            finding,
            votes: decision.votes(),
        };
        Ok(Judged {
            confirmed: confirmed.into_iter().map(join).collect(),
            rejected: rejected.into_iter().map(join).collect(),
        })
    }

    /// Has both reporters tell the findings; the first account wins.
    pub(super) async fn account(
        &self,
        input: &str,
        digest: &Digest,
        judged: &Judged,
        books: &mut Books,
    ) -> Result<Account, TriageError> {
        let told =
            |judged: &JudgedFinding| Finding { evidence: Vec::new(), ..judged.finding.clone() };
        let facts = Facts {
            input: input.to_owned(),
            lines: digest.lines(),
            templates: digest.templates.len() as u64,
            span: digest.span(),
            findings: judged.confirmed.iter().map(told).collect(),
            rejected: judged.rejected.len() as u64,
        };
        let request = request(TELL, TaskMode::Competitive, &[REPORT], &facts)?;
        let status = self.client.perform(TELL, "account", request).await?;
        books.enter(&status);
        output(TELL, &status)
    }

    fn spawn(
        &self,
        under_way: &mut UnderWay,
        step: &'static str,
        index: usize,
        finding: &str,
        request: TaskSubmissionRequest,
    ) {
        let client = self.client.clone();
        // Two findings may share a name by chance of the hash; their place tells them apart.
        let key = format!("{step}/{index}/{finding}");
        under_way.spawn(async move { (index, client.perform(step, &key, request).await) });
    }
}

/// What came of a ballot, as the engine reports it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Decision {
    decision: Option<Verdict>,
    tally: Vec<Choice>,
    reasons: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    choice: Verdict,
    voters: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    voter: String,
    reason: String,
}

impl Decision {
    fn of(
        ballot: Result<TaskStatusResponse, TriageError>,
        books: &mut Books,
    ) -> Result<Self, TriageError> {
        match ballot {
            Ok(status) => {
                books.enter(&status);
                output(VOTE, &status)
            }
            // No quorum, or no majority: nobody stands behind the finding.
            Err(TriageError::Task { .. }) => {
                books.enter_failed(TaskMode::Consensus);
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

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
