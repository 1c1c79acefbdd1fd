//! The narrative voice: paragraphs by theme, from attacks over bursts to what is rare.

use super::{Facts, and_more};
use crate::detectors::{count_of, lasting};
use crate::finding::{Finding, FindingKind};
use crate::reader::format_time;

/// Findings told in full for each theme; of the others only how many there are.
const TOLD: usize = 3;

pub(super) fn paragraphs(facts: &Facts) -> Vec<String> {
    let mut paragraphs = Vec::new();
    if let Some(span) = facts.span {
        paragraphs.push(format!(
            "{} covers {}, from {} to {}.",
            facts.input,
            lasting(span),
            format_time(span.first_ms),
            format_time(span.last_ms),
        ));
    }
    for theme in ["Refused access", "Failures", "Sudden activity", "Out of the ordinary"] {
        let findings: Vec<&Finding> =
            facts.findings.iter().filter(|finding| theme_of(finding) == theme).collect();
        if !findings.is_empty() {
            paragraphs.push(format!("{theme}: {}", tell(&findings)));
        }
    }
    if facts.rejected > 0 {
        let rejected = count_of(facts.rejected, "finding");
        paragraphs.push(format!("The judges rejected {rejected} as chance or repetition."));
    }
    paragraphs
}

fn theme_of(finding: &Finding) -> &'static str {
    match (finding.kind, finding.security) {
        (FindingKind::RepeatedFailure, true) => "Refused access",
        (FindingKind::RepeatedFailure, false) => "Failures",
        (FindingKind::RateSpike, _) => "Sudden activity",
        (FindingKind::RareSequence | FindingKind::RareTemplate, _) => "Out of the ordinary",
    }
}

fn tell(findings: &[&Finding]) -> String {
    let when = |finding: &Finding| {
        finding.span.map_or_else(String::new, |span| format!("at {}, ", format_time(span.first_ms)))
    };
    let count = |finding: &Finding| count_of(finding.count, "line");
    let mut sentences: Vec<String> = findings
        .iter()
        .take(TOLD)
        .map(|f| format!("{} ({}{}, {}).", f.title, when(f), count(f), f.id))
        .collect();
    sentences.extend(and_more(findings.iter().skip(TOLD).copied()));
    sentences.join(" ")
}
