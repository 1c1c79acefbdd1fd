//! The second stage: the digest is audited and grouped; and what the report says of it.

use serde::Deserialize;
use serde_json::value::RawValue;
use synod_tasks::{TaskMode, TaskStatusResponse};

use super::books::Books;
use super::chunks::Done;
use super::client::{Client, output, request};
use crate::agents::{AUDIT, AuditedDigest, MAX_INPUT_BYTES, SUMMARISE};
use crate::config::TriageConfig;
use crate::digest::Digest;
use crate::error::TriageError;
use crate::finding::stable_id;
use crate::report::{FileLine, REPORT_VERSION, TemplateLine, Totals, TriageReport};
use crate::reporters::Account;
use crate::severity::Severity;

const STEP: &str = "log.summary";
/// Templates that the report lists.
const LISTED_TEMPLATES: usize = 50;

/// A result that is put together from the outputs of the parts.
#[derive(Deserialize)]
struct Collected {
    results: Vec<PartOutput>,
}

#[derive(Deserialize)]
struct PartOutput {
    output: Option<Box<RawValue>>,
}

/// The outputs of all parts, in their order, as JSON.
pub(super) fn outputs(
    step: &'static str,
    status: &TaskStatusResponse,
) -> Result<Vec<Box<RawValue>>, TriageError> {
    let collected: Collected = output(step, status)?;
    Ok(collected.results.into_iter().filter_map(|part| part.output).collect())
}

/// Audits the digest of all chunks and groups its templates.
pub(super) async fn summarise(
    client: &Client,
    books: &mut Books,
    done: &mut Done,
    config: &TriageConfig,
) -> Result<Digest, TriageError> {
    let mut digest = std::mem::take(&mut done.digest);
    let failed = |reason: &str| TriageError::Task { step: STEP, reason: reason.into() };
    if !digest.shrink_to(MAX_INPUT_BYTES, &config.miner) {
        return Err(failed("the digest is too large for a task"));
    }
    let input = AuditedDigest { chunks: done.chunks.clone(), bytes: done.bytes, digest };
    let request = request(STEP, TaskMode::Sequential, &[AUDIT, SUMMARISE], &input)?;
    let status = client.perform(STEP, "summary", request).await?;
    books.enter(&status);
    let outputs = outputs(STEP, &status)?;
    let summary = outputs.last().ok_or_else(|| failed("it gave no summary"))?;
    serde_json::from_str(summary.get()).map_err(|error| failed(&error.to_string()))
}

/// The part of the report that says what was read; the rest is filled in by the run.
pub(super) fn report(input: &str, run: &str, digest: &Digest, done: Done) -> TriageReport {
    let files = done.files.iter().zip(0..).map(|(file, index)| {
        let tally = digest.files.get(&index).cloned().unwrap_or_default();
        FileLine {
            path: file.path.clone(),
            lines: tally.lines,
            bytes: tally.bytes,
            undated: tally.undated,
            span: tally.span,
        }
    });
    TriageReport {
        version: REPORT_VERSION,
        run: run.to_owned(),
        input: input.to_owned(),
        totals: totals(digest, &done),
        account: Account::default(),
        findings: Vec::new(),
        rejected: Vec::new(),
        templates: templates(digest),
        files: files.collect(),
        skipped: done.skipped,
        speed: Default::default(),
        modes: Vec::new(),
        crash: done.crash,
        ledger: Default::default(),
    }
}

fn totals(digest: &Digest, done: &Done) -> Totals {
    let sum = |count: fn(&crate::digest::FileTally) -> u64| digest.files.values().map(count).sum();
    let severities = Severity::ALL.into_iter().zip(digest.severities);
    Totals {
        lines: digest.lines(),
        bytes: digest.bytes(),
        files: done.files.len() as u64,
        chunks: done.chunks.len(),
        templates: digest.templates.len() as u64,
        undated: sum(|file| file.undated),
        continued: sum(|file| file.continued),
        cut: sum(|file| file.cut),
        span: digest.span(),
        severities: severities.filter(|(_, count)| *count > 0).collect(),
    }
}

fn templates(digest: &Digest) -> Vec<TemplateLine> {
    let messages: u64 = digest.templates.values().map(|tally| tally.count).sum();
    let mut lines: Vec<TemplateLine> = digest
        .templates
        .iter()
        .map(|(template, tally)| TemplateLine {
            id: stable_id("T", template),
            template: template.clone(),
            count: tally.count,
            share: tally.count as f64 / messages.max(1) as f64,
            severity: tally.severity(template),
        })
        .collect();
    lines.sort_by(|a, b| b.count.cmp(&a.count).then(a.template.cmp(&b.template)));
    lines.truncate(LISTED_TEMPLATES);
    lines
}
