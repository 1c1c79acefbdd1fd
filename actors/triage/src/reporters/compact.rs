//! The compact voice: a line for each of the most important findings, the rest in one.

use super::{Facts, and_more};
use crate::detectors::count_of;
use crate::finding::Finding;
use crate::reader::format_time;

/// Findings that get a line each.
const TOLD: usize = 6;

pub(super) fn paragraphs(facts: &Facts) -> Vec<String> {
    let when = |finding: &Finding| {
        finding.span.map_or_else(|| "undated".into(), |span| format_time(span.first_ms))
    };
    let told = facts.findings.iter().take(TOLD).map(|finding| {
        let count = count_of(finding.count, "line");
        format!("{} {} ({count}) {}", when(finding), finding.id, finding.title)
    });
    let mut lines: Vec<String> = told.collect();
    lines.extend(and_more(facts.findings.iter().skip(TOLD)));
    if facts.rejected > 0 {
        lines.push(format!("{} rejected by the judges.", count_of(facts.rejected, "finding")));
    }
    lines
}
