//! What the agents are handed, where it is not a type of the part that does the work.

use serde::{Deserialize, Serialize};
use synod_agents::AgentError;

use crate::digest::{Digest, Evidence, Ranges, Source, SourceKind, Span, Tally};
use crate::finding::{Finding, FindingKind, rank, stable_id};
use crate::intake::Places;
use crate::judges::Case;
use crate::reader::{ChunkRef, Citation, Skipped};
use crate::report::{CrashLine, FileLine, TemplateLine, Totals};

/// Templates that the report lists.
const LISTED_TEMPLATES: usize = 50;

/// The input of `log.read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTask {
    /// Which chunk.
    pub chunk: ChunkRef,
    /// Crash at the first attempt, to show what becomes of the work.
    pub rehearse_crash: bool,
}

/// The input of `log.audit` and `log.summarise`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedDigest {
    /// The chunks that were done.
    pub chunks: Ranges,
    /// Their bytes.
    pub bytes: u64,
    /// The digest that is said to hold them.
    pub digest: Digest,
}

/// The output of `log.audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Lines that are accounted for.
    pub lines: u64,
    /// Messages that are counted under a template.
    pub messages: u64,
}

/// The input of `log.digest`: what is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadTask {
    /// A file or a folder.
    pub file: Option<String>,
    /// What the team was given, by the name that it has there; instead of `file`.
    pub given: Option<String>,
    /// Crash the reader once, midway, to show what becomes of the work.
    pub rehearse_crash: bool,
}

/// The output of `log.digest`: what is left of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What was read, as the report names it.
    pub input: String,
    /// What was counted.
    pub totals: Totals,
    /// Totals by file.
    pub files: Vec<FileLine>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// Where lines can be quoted from.
    pub places: Places,
    /// The crash on purpose, where there was one.
    pub crash: Option<CrashLine>,
    /// The tasks that it took.
    pub tasks: TakenTasks,
    /// What the auditor checks.
    pub audited: AuditedDigest,
}

/// Tasks of which the end is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenTasks {
    /// Ended with a result.
    pub completed: u64,
    /// Ended without one.
    pub failed: u64,
}

/// The input of `log.rank`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Of the whole log.
    pub digest: Digest,
    /// What each detector found.
    pub findings: Vec<Vec<Finding>>,
}

/// The output of `log.rank`: what judges and reporters need to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Lines of the log.
    pub lines: u64,
    /// Its templates.
    pub templates: u64,
    /// First and last time.
    pub span: Option<Span>,
    /// The most frequent templates.
    pub top: Vec<TemplateLine>,
    /// The findings, the most important first.
    pub findings: Vec<Finding>,
}

/// The input of `log.cite`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quoting {
    /// The findings, the most important first.
    pub findings: Vec<Finding>,
    /// Where lines can be quoted from.
    pub places: Places,
}

/// The output of `log.cite`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quoted {
    /// A case for each finding, with lines from its own time where there are some.
    pub cases: Vec<RankedCase>,
}

/// A case and its place in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedCase {
    /// From 0.
    pub place: usize,
    /// What a judge gets.
    #[serde(flatten)]
    pub case: Case,
}

impl Ranking {
    /// Orders the findings; at most `most` are kept.
    pub(crate) fn rank(self, most: usize) -> Ranked {
        let mut findings: Vec<_> = self.findings.into_iter().flatten().collect();
        rank(&mut findings);
        findings.truncate(most);
        Ranked {
            lines: self.digest.lines(),
            templates: self.digest.templates.len() as u64,
            span: self.digest.span(),
            top: top(&self.digest),
            findings,
        }
    }
}

/// The most frequent templates of a digest.
fn top(digest: &Digest) -> Vec<TemplateLine> {
    let messages: u64 = digest.templates.values().map(|tally| tally.count).sum();
    let line = |(template, tally): (&String, &Tally)| TemplateLine {
        id: stable_id("T", template),
        template: template.clone(),
        count: tally.count,
        share: tally.count as f64 / messages.max(1) as f64,
        severity: tally.severity(template),
    };
    let mut lines: Vec<TemplateLine> = digest.templates.iter().map(line).collect();
    lines.sort_by(|a, b| b.count.cmp(&a.count).then(a.template.cmp(&b.template)));
    lines.truncate(LISTED_TEMPLATES);
    lines
}

impl Quoting {
    /// A case for each finding. `cite` quotes lines where the digest kept none of a finding's own
    /// time: it keeps the first lines of a template or source, and a spike or burst may come later.
    pub(crate) fn quote(self, cite: impl Fn(&Citation) -> Option<Vec<Evidence>>) -> Quoted {
        let Self { mut findings, places } = self;
        for finding in &mut findings {
            let lines = citation(finding, &places).and_then(|citation| cite(&citation));
            if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
                finding.evidence = lines;
            }
        }
        let case = |place| RankedCase { place, case: Case::of(&findings, place) };
        Quoted { cases: (0..findings.len()).map(case).collect() }
    }
}

/// Which lines would show a finding that the digest has none for.
fn citation(finding: &Finding, places: &Places) -> Option<Citation> {
    let span = finding.span?;
    let within = |evidence: &Evidence| {
        evidence.time_ms.is_some_and(|ms| (span.first_ms..=span.last_ms).contains(&ms))
    };
    if finding.evidence.iter().any(within) {
        return None;
    }
    let chunk = places.find(finding.evidence.first()?.file, span)?;
    let source = Source::try_from(finding.subject.clone()).ok();
    let remote = source.filter(|source| source.kind != SourceKind::Component);
    let mention = match finding.kind {
        FindingKind::RepeatedFailure => remote.map(|source| source.name),
        _ => None,
    };
    Some(Citation { chunk, templates: finding.templates.clone(), mention, span })
}

impl AuditedDigest {
    /// Checks that each chunk is in the digest once, and each line under one template and one
    /// severity.
    ///
    /// # Errors
    /// `Refused` with what does not add up; another attempt would find the same.
    pub(crate) fn audit(&self) -> Result<Audit, AgentError> {
        let digest = &self.digest;
        let files = digest.files.values();
        let messages: u64 =
            files.clone().map(|file| file.lines - file.blank - file.continued).sum();
        let counted: u64 = digest.templates.values().map(|tally| tally.count).sum();
        let classed: u64 = digest.severities.iter().sum();
        let checks = [
            ("chunks", self.chunks.len(), digest.chunks.len()),
            ("chunks in common", self.chunks.len(), self.chunks.common(&digest.chunks)),
            ("bytes", self.bytes, digest.bytes()),
            ("messages by template", messages, counted),
            ("messages by severity", messages, classed),
        ];
        for (what, expected, got) in checks {
            if expected != got {
                let message = format!("{what}: {got} instead of {expected}");
                return Err(AgentError::refused(message));
            }
        }
        Ok(Audit { lines: digest.lines(), messages })
    }
}
