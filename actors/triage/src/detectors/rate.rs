//! Rate spikes: templates at many times their usual rate.
//!
//! Each template's lines are counted in equal buckets over the time of its log. A bucket is
//! a spike when it passes three tests: enough lines, the ratio to the expected rate, and the
//! robust z-score from the median and the median absolute deviation (Iglewicz and Hoaglin 1993).
//! The surprise is that of a Poisson variable at the expected rate; it must exceed what the number
//! of buckets and templates looked at would give by chance (Bonferroni). What spikes at the same
//! time is one finding.

use super::statistics::{median_and_mad, poisson_surprise_bits, robust_z};
use super::{grouped_digits, lasting, most_important, templates};
use crate::config::DetectorConfig;
use crate::digest::{Digest, OVERFLOW, Span, Tally};
use crate::finding::{Finding, FindingKind, Strength, stable_id};
use crate::severity::{Severity, wording};

/// Buckets over a log, at least half and at most twice as many.
const BUCKETS: i64 = 96;
/// Buckets below which there is no usual rate.
const MIN_BUCKETS: usize = 12;
/// One false alarm in 2^10 logs.
const CHANCE_BITS: f64 = 10.0;
/// Share of a spike's lines that lie within the time that is reported.
const CORE: f64 = 0.9;
/// Evidence lines of spikes that came together.
const SHOWN: usize = 4;

/// The buckets in which a log is looked at.
#[derive(Clone, Copy)]
struct Grid {
    start_s: i64,
    width_s: i64,
    buckets: usize,
}

impl Grid {
    fn over(span: Span, at_least_s: i64) -> Self {
        let start = span.first_ms.div_euclid(1000);
        let end = span.last_ms.div_euclid(1000);
        let mut width_s = at_least_s.max(1);
        while (end - start + 1) / width_s > BUCKETS {
            width_s *= 2;
        }
        let start_s = start - start.rem_euclid(width_s);
        let buckets = usize::try_from((end - start_s) / width_s + 1).unwrap_or(0);
        Self { start_s, width_s, buckets }
    }

    fn second(self, bucket: usize) -> i64 {
        self.start_s + i64::try_from(bucket).unwrap_or(i64::MAX) * self.width_s
    }
}

/// The strongest spike of a template.
struct Spike<'a> {
    text: &'a str,
    tally: &'a Tally,
    count: u64,
    span: Span,
    /// What is usual in as much time.
    usual: f64,
    z: f64,
    bits: f64,
    needed: f64,
}

impl Spike<'_> {
    /// Whether both share at least half of the shorter time.
    fn is_with(&self, other: &Self) -> bool {
        let shared =
            self.span.last_ms.min(other.span.last_ms) - self.span.first_ms.max(other.span.first_ms);
        let shorter = self.span.seconds().min(other.span.seconds());
        shared as f64 >= shorter * 500.0
    }
}

/// Finds spikes; those at the same time are one finding.
pub fn detect_spikes(digest: &Digest, config: &DetectorConfig) -> Vec<Finding> {
    let mut spikes: Vec<Spike<'_>> = digest
        .templates
        .iter()
        .filter(|(text, tally)| tally.count >= config.spike_count && *text != OVERFLOW)
        .filter_map(|(text, tally)| {
            let span = digest.span_around(tally.span, &tally.samples)?;
            strongest(text, tally, span, digest.templates.len(), config)
        })
        .collect();
    spikes.sort_by(|a, b| b.bits.total_cmp(&a.bits).then(a.text.cmp(b.text)));
    let mut together: Vec<Vec<Spike<'_>>> = Vec::new();
    for spike in spikes {
        match together.iter_mut().find(|group| group[0].is_with(&spike)) {
            Some(group) => group.push(spike),
            None => together.push(vec![spike]),
        }
    }
    let findings = together.iter().map(|group| finding(group)).collect();
    most_important(findings, config.max_findings)
}

fn strongest<'a>(
    text: &'a str,
    tally: &'a Tally,
    whole: Span,
    templates: usize,
    config: &DetectorConfig,
) -> Option<Spike<'a>> {
    let grid = Grid::over(whole, tally.series.width_s());
    let counts = tally.series.dense(grid.start_s, grid.width_s, grid.buckets);
    if counts.len() < MIN_BUCKETS {
        return None;
    }
    let (median, mad) = median_and_mad(&counts);
    let expected = usual_rate(&counts).max(median);
    let z = |count: u64| robust_z(count as f64, median, mad);
    let high = |count: u64| {
        count >= config.spike_count
            && count as f64 >= expected * config.spike_ratio
            && z(count) >= config.spike_z
    };
    let fullest = (0..counts.len()).filter(|at| high(counts[*at])).max_by_key(|at| counts[*at])?;
    // Neighbours that are high as well belong to it.
    let from = (0..fullest).rev().take_while(|at| high(counts[*at])).last().unwrap_or(fullest);
    let to = (fullest..counts.len()).take_while(|at| high(counts[*at])).last()? + 1;
    let (start, end, count) = tally.series.tightest(grid.second(from), grid.second(to), CORE)?;
    let bits = poisson_surprise_bits(counts[from..to].iter().sum(), expected * (to - from) as f64);
    let needed = (templates.max(1) as f64 * counts.len() as f64).log2() + CHANCE_BITS;
    let span = Span { first_ms: start * 1000, last_ms: end * 1000 - 1 };
    let usual = expected * (end - start) as f64 / grid.width_s as f64;
    (bits >= needed).then(|| Spike {
        text,
        tally,
        count,
        span,
        usual,
        z: z(counts[fullest]),
        bits,
        needed,
    })
}

/// The mean of all buckets but the fullest twentieth, and at least half a line: one line in an
/// otherwise silent log is no rate to compare with.
fn usual_rate(counts: &[u64]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let usual = &sorted[..sorted.len() - sorted.len().div_ceil(20)];
    let mean = usual.iter().sum::<u64>() as f64 / usual.len().max(1) as f64;
    mean.max(0.5)
}

/// A finding from spikes at the same time, the strongest first.
fn finding(spikes: &[Spike<'_>]) -> Finding {
    let strongest = &spikes[0];
    let count: u64 = spikes.iter().map(|spike| spike.count).sum();
    let severity = spikes.iter().map(|spike| spike.tally.severity(spike.text)).max();
    let during = lasting(strongest.span);
    let number = grouped_digits(count);
    let title = match spikes.len() {
        1 => format!("{number} in {during}: {}", strongest.text),
        kinds => format!("{kinds} kinds of messages at once, {number} lines in {during}"),
    };
    let mut evidence: Vec<_> = spikes.iter().filter_map(|s| s.tally.samples.first()).collect();
    if spikes.len() == 1 {
        evidence = strongest.tally.samples.iter().collect();
    }
    Finding {
        id: stable_id("P", strongest.text),
        kind: FindingKind::RateSpike,
        severity: severity.unwrap_or_default().max(Severity::Notice),
        title,
        explanation: explanation(spikes, &during),
        subject: strongest.text.to_owned(),
        templates: templates(spikes.iter().map(|spike| spike.text)),
        security: spikes.iter().any(|spike| wording(spike.text).security),
        count,
        span: Some(strongest.span),
        strength: Strength::new(strongest.bits, strongest.needed, strongest.tally.count),
        evidence: evidence.into_iter().take(SHOWN).cloned().collect(),
    }
}

fn explanation(spikes: &[Spike<'_>], during: &str) -> String {
    let strongest = &spikes[0];
    let least_usual = strongest.usual.max(0.1);
    let mut text = format!(
        "{} of {} lines of this kind fall within {during}, where {least_usual:.1} would be usual: \
         {:.0} deviations above it (robust z-score).",
        grouped_digits(strongest.count),
        grouped_digits(strongest.tally.count),
        strongest.z,
    );
    if spikes.len() > 1 {
        text.push_str(&format!(" The strongest: {}", strongest.text));
    }
    text
}
