//! The compact voice: a line for each finding, in the order of importance.

use super::Facts;
use crate::detectors::grouped_digits;
use crate::reader::format_time;

pub(super) fn paragraphs(facts: &Facts) -> Vec<String> {
    let mut lines: Vec<String> = facts
        .findings
        .iter()
        .map(|finding| {
            let when = finding.span.map_or_else(|| "undated".into(), |s| format_time(s.first_ms));
            let count = grouped_digits(finding.count);
            let severity = finding.severity.name();
            format!("{} {severity} {when} ({count} lines) {}", finding.id, finding.title)
        })
        .collect();
    if facts.rejected > 0 {
        lines.push(format!("{} more were rejected by the judges.", facts.rejected));
    }
    lines
}
