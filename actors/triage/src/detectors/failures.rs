//! Repeated failures: one source that fails, or is refused, many times in a short time.
//!
//! The window slides over each source's own failures. The null model spreads the failures of the
//! source evenly over the time of its log; the surprise is that of a Poisson variable with
//! that mean. A source that fails all the time is a finding too, but a weaker one.

use std::collections::BTreeMap;

use super::statistics::poisson_surprise_bits;
use super::{grouped_digits, human_duration, lasting, most_important, templates};
use crate::config::DetectorConfig;
use crate::digest::{Digest, FailureTally, Source, SourceKind, Span, cover};
use crate::finding::{Finding, FindingKind, Strength, stable_id};
use crate::severity::Severity;

/// One false alarm in 2^10 logs.
const CHANCE_BITS: f64 = 10.0;
/// Sources that fail in the same way: so many are findings of their own, and so many more are one.
const OWN: usize = 4;
const MANY: usize = 3;
/// Sources that are named then.
const NAMED: usize = 6;
/// Without times, this many windows' worth of failures is a finding.
const UNDATED_WINDOWS: u64 = 3;

/// Finds sources with at least `burst_failures` failures within `burst_window_s`.
pub fn detect_failures(digest: &Digest, config: &DetectorConfig) -> Vec<Finding> {
    let failing = digest.sources.iter().filter(|(_, t)| t.count >= config.burst_failures);
    let findings = failing.filter_map(|(source, tally)| look_at(source, tally, digest, config));
    most_important(gather(findings.collect()), config.max_findings)
}

fn look_at(
    source: &Source,
    tally: &FailureTally,
    digest: &Digest,
    config: &DetectorConfig,
) -> Option<Finding> {
    let window_s = i64::try_from(config.burst_window_s).unwrap_or(i64::MAX);
    let whole_s = digest.span_around(tally.span, &tally.samples).map_or(0.0, Span::seconds);
    let windows = (whole_s / window_s as f64).max(1.0);
    let needed = (digest.sources.len().max(1) as f64 * windows).log2() + CHANCE_BITS;
    let Some((start, end, count)) = tally.series.busiest(window_s) else {
        let many = tally.count >= config.burst_failures * UNDATED_WINDOWS;
        let strength = Strength::new(needed, needed, tally.count);
        return many.then(|| undated(source, tally, strength));
    };
    if count < config.burst_failures {
        return None;
    }
    // Where the burst is all that the log holds there is no usual rate.
    let share = (end - start) as f64 / (windows * window_s as f64);
    let rate = if windows < 2.0 { 1.0 } else { tally.count as f64 * share.min(1.0) };
    let strength = Strength::new(poisson_surprise_bits(count, rate), needed, tally.count);
    let span = Span { first_ms: start * 1000, last_ms: end * 1000 - 1 };
    Some(burst(source, tally, count, span, strength))
}

/// Where many sources fail in the same way, those with the most failures stay findings of their
/// own, and the others become one.
fn gather(findings: Vec<Finding>) -> Vec<Finding> {
    let mut alike: BTreeMap<(Vec<String>, bool), Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        let key = (finding.templates.clone(), finding.span.is_some());
        alike.entry(key).or_default().push(finding);
    }
    let mut gathered = Vec::new();
    for mut group in alike.into_values() {
        group.sort_by(|a, b| b.count.cmp(&a.count).then(a.id.cmp(&b.id)));
        let others = group.split_off(group.len().min(OWN));
        gathered.extend(group);
        if others.len() < MANY {
            gathered.extend(others);
        } else {
            gathered.push(together(&others));
        }
    }
    gathered
}

/// One finding for many sources, the worst first.
fn together(others: &[Finding]) -> Finding {
    let worst = &others[0];
    let mut span = None;
    others.iter().for_each(|finding| cover(&mut span, finding.span));
    let least = others.iter().map(|finding| finding.count).min().unwrap_or(0);
    let names: Vec<&str> = others
        .iter()
        .filter_map(|finding| finding.subject.split_once(' ').map(|(_, name)| name))
        .take(NAMED)
        .collect();
    let what = if worst.security { "Refused logins" } else { "Repeated failures" };
    let sources = others.len();
    let range = if least == worst.count {
        grouped_digits(least)
    } else {
        format!("{} to {}", grouped_digits(least), grouped_digits(worst.count))
    };
    Finding {
        id: stable_id("G", &worst.templates.join("\n")),
        title: format!("{what} from {sources} more sources in the same way: {range} each"),
        explanation: format!(
            "Each in a burst of its own, with the same messages. Among them: {}.",
            names.join(", ")
        ),
        subject: format!("{sources} sources: {}", worst.templates.join(", ")),
        count: others.iter().map(|finding| finding.count).sum(),
        span,
        evidence: others.iter().filter_map(|f| f.evidence.first()).take(3).cloned().collect(),
        ..worst.clone()
    }
}

fn burst(
    source: &Source,
    tally: &FailureTally,
    count: u64,
    bucket: Span,
    strength: Strength,
) -> Finding {
    // The exact first and last time, where the burst is all there is.
    let span = tally.span.filter(|_| count == tally.count).unwrap_or(bucket);
    let during = human_duration(span.seconds().max(1.0));
    let number = grouped_digits(count);
    let mut explanation = if count == tally.count {
        format!("All {number} failures of this source fall within {during}.")
    } else {
        let all = tally.span.map_or_else(String::new, |span| format!(" in {}", lasting(span)));
        let total = grouped_digits(tally.count);
        format!("{number} of its {total} failures{all} fall within {during}.")
    };
    explanation.push_str(&details(tally));
    let title = format!("{} {}: {number} in {during}", what(source, tally), source.name);
    Finding { title, explanation, count, span: Some(span), strength, ..about(source, tally) }
}

fn undated(source: &Source, tally: &FailureTally, strength: Strength) -> Finding {
    let number = grouped_digits(tally.count);
    let title = format!("{} {}: {number}, undated", what(source, tally), source.name);
    let explanation =
        format!("{number} failures of this source, at no known time.{}", details(tally));
    Finding { title, explanation, strength, ..about(source, tally) }
}

/// What is the same for all findings about a source.
fn about(source: &Source, tally: &FailureTally) -> Finding {
    let subject = String::from(source.clone());
    let least = if tally.security { Severity::Error } else { Severity::Warning };
    Finding {
        id: stable_id("F", &subject),
        kind: FindingKind::RepeatedFailure,
        severity: tally.severity.max(least),
        title: String::new(),
        explanation: String::new(),
        subject,
        templates: templates(tally.events.keys().map(String::as_str)),
        security: tally.security,
        count: tally.count,
        span: tally.span,
        strength: Strength::new(0.0, 0.0, 0),
        evidence: tally.samples.clone(),
    }
}

fn what(source: &Source, tally: &FailureTally) -> &'static str {
    match (source.kind, tally.security) {
        (SourceKind::Component, true) => "Refused logins without address at",
        (SourceKind::Component, false) => "Errors of",
        (_, true) => "Refused logins from",
        (_, false) => "Repeated failures from",
    }
}

fn details(tally: &FailureTally) -> String {
    let mut text = String::new();
    if !tally.users.is_empty() {
        let users: Vec<&str> = tally.users.iter().map(String::as_str).collect();
        let more = if tally.has_more_users() { " and more" } else { "" };
        text.push_str(&format!(" Users named: {}{more}.", users.join(", ")));
    }
    if let Some((message, count)) = tally.events.iter().max_by_key(|(_, count)| **count) {
        text.push_str(&format!(" Most often ({}): {message}", grouped_digits(*count)));
    }
    text
}
