//! Rare templates: messages of a kind that the log hardly ever holds.
//!
//! The null model: a line is of this template with the share that the template has. The surprise
//! of one line is log2(lines / count) bits. In a log with many rare kinds of messages one of them
//! says little: the surprise must exceed the logarithm of the number of rare templates by eight
//! bits (Bonferroni, one false alarm in 256 logs).

use super::{grouped_digits, lasting, most_important, templates};
use crate::config::DetectorConfig;
use crate::digest::{
    Digest, Evidence, FailureTally, OVERFLOW, Source, SourceKind, Span, Tally, cover,
};
use crate::finding::{Finding, FindingKind, Strength, stable_id};
use crate::severity::{Severity, wording};

/// Lines below which nothing can be called rare.
const MIN_LINES: u64 = 100;
/// Rare templates together that make a sequence.
const SEQUENCE: usize = 5;
/// Evidence lines of a sequence.
const SHOWN: usize = 4;
/// One false alarm in 2^8 logs.
const CHANCE_BITS: f64 = 8.0;

struct Rare<'a> {
    text: &'a str,
    tally: &'a Tally,
}

/// Finds rare templates; those that occur together become one finding.
pub fn detect_rare(digest: &Digest, config: &DetectorConfig) -> Vec<Finding> {
    let lines = digest.lines();
    if lines < MIN_LINES {
        return Vec::new();
    }
    let mut rare: Vec<Rare<'_>> = digest
        .templates
        .iter()
        .filter(|(text, tally)| tally.count <= config.rare_count && *text != OVERFLOW)
        .map(|(text, tally)| Rare { text, tally })
        .collect();
    rare.sort_by_key(|rare| (rare.tally.span.map(|span| span.first_ms), rare.place()));
    let needed = (rare.len().max(1) as f64).log2() + CHANCE_BITS;
    let most = i64::try_from(config.rare_together_s).unwrap_or(i64::MAX).saturating_mul(1000);
    // What comes twice at different times belongs to no sequence.
    let (brief, lasting): (Vec<_>, Vec<_>) = rare.into_iter().partition(|rare| rare.is_brief(most));
    let mut findings: Vec<Finding> =
        lasting.iter().map(|rare| single(rare, lines, needed)).collect();
    for together in brief.chunk_by(|a, b| a.is_close_to(b, most)) {
        if together.len() >= SEQUENCE {
            findings.push(sequence(together, lines, needed));
        } else {
            findings.extend(together.iter().map(|rare| single(rare, lines, needed)));
        }
    }
    for finding in &mut findings {
        raise_after_failures(finding, digest, config);
    }
    most_important(findings, config.max_findings)
}

/// A login that is accepted from a source that was refused again and again before may be an
/// attack that succeeded.
fn raise_after_failures(finding: &mut Finding, digest: &Digest, config: &DetectorConfig) {
    let accepted = finding.evidence.iter().filter(|line| tells_of_a_login(&line.text));
    let failing = digest.sources.iter().filter(|(source, tally)| {
        source.kind != SourceKind::Component && tally.count >= config.burst_failures
    });
    let failing: Vec<(&Source, &FailureTally)> = failing.collect();
    let after = accepted.filter_map(|line| {
        failing.iter().copied().find(|(source, tally)| {
            let earlier = tally.span.zip(line.time_ms).is_some_and(|(s, at)| s.first_ms <= at);
            earlier && names(&line.text, &source.name)
        })
    });
    if let Some((source, tally)) = after.max_by_key(|(_, tally)| tally.count) {
        let failures = grouped_digits(tally.count);
        finding.severity = finding.severity.max(Severity::Error);
        finding.security = true;
        finding.title = format!("Login from {} that failed {failures} times", source.name);
        let told = format!(" {} also has {failures} failures in this log.", source.name);
        finding.explanation.push_str(&told);
    }
}

fn tells_of_a_login(text: &str) -> bool {
    ["Accepted password", "Accepted publickey"].iter().any(|phrase| text.contains(phrase))
}

/// Whether the source stands in the text as a word of its own.
fn names(text: &str, source: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "()[],;=".contains(c)).any(|word| word == source)
}

impl Rare<'_> {
    fn place(&self) -> (u32, u64) {
        self.tally.samples.first().map_or((0, 0), |sample| (sample.file, sample.line))
    }

    fn severity(&self) -> Severity {
        self.tally.severity(self.text)
    }

    fn is_brief(&self, most_ms: i64) -> bool {
        self.tally.span.is_some_and(|span| span.last_ms - span.first_ms <= most_ms)
    }

    /// Whether `later` begins soon after this one.
    fn is_close_to(&self, later: &Self, most_ms: i64) -> bool {
        match (self.tally.span, later.tally.span) {
            (Some(one), Some(other)) => other.first_ms - one.last_ms <= most_ms,
            _ => false,
        }
    }
}

fn single(rare: &Rare<'_>, lines: u64, needed: f64) -> Finding {
    let count = rare.tally.count;
    let times = match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    let bits = (lines as f64 / count as f64).log2();
    let explanation = format!(
        "This kind of message occurs {times} in {} lines, {bits:.1} bits of surprise a line.",
        grouped_digits(lines)
    );
    let wording = wording(rare.text);
    Finding {
        id: stable_id("R", rare.text),
        kind: FindingKind::RareTemplate,
        severity: rare.severity().max(if wording.security {
            Severity::Notice
        } else {
            Severity::Info
        }),
        title: format!("Seen {times}: {}", rare.text),
        explanation,
        subject: rare.text.to_owned(),
        templates: vec![rare.text.to_owned()],
        security: wording.security,
        count,
        span: rare.tally.span,
        strength: Strength::new(bits, needed, lines),
        evidence: rare.tally.samples.clone(),
    }
}

fn sequence(together: &[Rare<'_>], lines: u64, needed: f64) -> Finding {
    let count = together.iter().map(|rare| rare.tally.count).sum();
    let mut span: Option<Span> = None;
    together.iter().for_each(|rare| cover(&mut span, rare.tally.span));
    let severity = together.iter().map(Rare::severity).max().unwrap_or_default();
    let kinds = together.len();
    let during = span.map_or_else(String::new, |span| format!(" within {}", lasting(span)));
    let restart = together.iter().filter(|rare| tells_of_a_start(rare.text)).count() * 8 >= kinds;
    let likely = if restart { ": something was started" } else { "" };
    let bits = (lines as f64 / count as f64).log2() * kinds as f64;
    Finding {
        id: stable_id("S", together[0].text),
        kind: FindingKind::RareSequence,
        severity: severity.max(Severity::Notice),
        title: format!("{kinds} kinds of messages seen nowhere else{during}{likely}"),
        explanation: format!(
            "{kinds} templates with {count} lines in all, each of them rare in {} lines, follow \
             one another{during}.",
            grouped_digits(lines)
        ),
        subject: together[0].text.to_owned(),
        templates: templates(together.iter().map(|rare| rare.text)),
        security: together.iter().any(|rare| wording(rare.text).security),
        count,
        span,
        strength: Strength::new(bits, needed, lines),
        evidence: shown(together),
    }
}

/// The first lines of a sequence, and the most severe ones of the rest.
fn shown(together: &[Rare<'_>]) -> Vec<Evidence> {
    let first = |rare: &Rare<'_>| rare.tally.samples.first().cloned();
    let mut lines: Vec<Evidence> = together.iter().take(SHOWN / 2).filter_map(first).collect();
    let mut rest: Vec<&Rare<'_>> = together.iter().skip(SHOWN / 2).collect();
    rest.sort_by_key(|rare| std::cmp::Reverse(rare.severity()));
    lines.extend(rest.into_iter().filter_map(first).take(SHOWN - lines.len()));
    lines.sort();
    lines
}

fn tells_of_a_start(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["start", "initiali", "boot", "version", "listening", "registered", "loaded"];
    words.iter().any(|word| lower.contains(word))
}
