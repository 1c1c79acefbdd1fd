//! Both reporters tell the same facts.

use super::*;
use crate::detectors::grouped_digits;
use crate::finding::{FindingKind, Strength};

fn finding(id: &str, kind: FindingKind, severity: Severity, count: u64) -> Finding {
    Finding {
        id: id.into(),
        kind,
        severity,
        title: format!("title of {id}"),
        explanation: String::new(),
        subject: id.into(),
        templates: Vec::new(),
        security: kind == FindingKind::RepeatedFailure,
        count,
        span: Some(Span::of(1_000_000, 2_000_000)),
        strength: Strength::new(10.0, 5.0, 100),
        evidence: Vec::new(),
    }
}

fn facts() -> Facts {
    use FindingKind::{RareSequence, RareTemplate, RateSpike, RepeatedFailure};
    let kinds = [RepeatedFailure, RateSpike, RareSequence, RareTemplate];
    let findings = (0..12)
        .map(|i| {
            let severity = if i < 3 { Severity::Critical } else { Severity::Error };
            finding(&format!("X-{i}"), kinds[i % 4], severity, 1000 + i as u64)
        })
        .collect();
    Facts {
        input: "a.log".into(),
        lines: 20_000,
        templates: 42,
        span: Some(Span::of(0, 7_200_000)),
        findings,
        rejected: 5,
    }
}

#[test]
fn both_voices_tell_the_first_findings_and_count_the_others_by_kind() {
    let facts = facts();
    for voice in Voice::ALL {
        let text = voice.write(&facts).paragraphs.join("\n");
        for finding in &facts.findings[..3] {
            assert!(text.contains(&finding.id), "{}: {} in {text}", voice.name(), finding.id);
            let count = format!("{} lines", grouped_digits(finding.count));
            assert!(text.contains(&count), "{}: {count} in {text}", voice.name());
        }
        let more = "more, listed below: ";
        let told: usize = text.matches("title of").count();
        let counted = text.split(more).skip(1).map(|rest| {
            let words = rest.split('.').next().unwrap().split([' ', ',']);
            words.filter_map(|word| word.parse::<usize>().ok()).sum::<usize>()
        });
        assert_eq!(told + counted.sum::<usize>(), facts.findings.len(), "{text}");
        assert!(text.contains('5'), "the rejected ones are named");
    }
    let compact = Voice::Compact.write(&facts).paragraphs.join("\n");
    let rest = "And 6 more, listed below: 2 rare sequences, 2 rare templates, \
                1 repeated failure and 1 rate spike.";
    assert!(compact.contains(rest), "{compact}");
}

#[test]
fn the_headline_is_the_same_for_both() {
    let [compact, narrative] = Voice::ALL.map(|voice| voice.write(&facts()));
    assert_eq!(compact.headline, narrative.headline);
    assert_eq!(compact.headline, "3 critical and 9 error findings in 20,000 lines of 42 kinds.");
    assert_ne!(compact.paragraphs, narrative.paragraphs);
}

#[test]
fn a_log_without_findings_is_told_as_such() {
    let facts = Facts { findings: Vec::new(), rejected: 0, ..facts() };
    let account = Voice::Compact.write(&facts);
    assert_eq!(account.headline, "Nothing stands out in 20,000 lines of 42 kinds.");
    assert!(account.paragraphs.is_empty());
    let one = Facts { lines: 1, templates: 1, ..facts };
    let headline = Voice::Compact.write(&one).headline;
    assert_eq!(headline, "Nothing stands out in 1 line of 1 kind.");
}
