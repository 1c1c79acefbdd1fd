//! Three detectors that look at the digest of a whole log, side by side and independently.

mod failures;
mod rare;
mod rate;
pub(crate) mod statistics;

pub use failures::detect_failures;
pub use rare::detect_rare;
pub use rate::detect_spikes;

use crate::digest::Span;
use crate::finding::{Finding, rank};

/// Keeps the most important findings of one detector.
fn most_important(mut findings: Vec<Finding>, limit: usize) -> Vec<Finding> {
    rank(&mut findings);
    findings.truncate(limit);
    findings
}

/// Templates that a finding names.
const MAX_TEMPLATES: usize = 8;

fn templates<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    texts.take(MAX_TEMPLATES).map(str::to_owned).collect()
}

/// A time as people say it: `8 s`, `7 min 51 s`, `3 h 20 min`, `2 d 4 h`.
pub fn human_duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    let parts = |one: String, rest: u64, unit: &str| match rest {
        0 => one,
        _ => format!("{one} {rest} {unit}"),
    };
    match whole {
        0 => "less than 1 s".into(),
        1..60 => format!("{whole} s"),
        60..3600 => parts(format!("{minutes} min"), whole % 60, "s"),
        3600..86_400 => parts(format!("{hours} h"), minutes, "min"),
        63_072_000.. => parts(format!("{} y", days / 365), days % 365, "d"),
        _ => parts(format!("{days} d"), hours, "h"),
    }
}

/// How long a span lasts, for people.
pub(crate) fn lasting(span: Span) -> String {
    human_duration(span.seconds())
}

/// `1 line`, `2,000 lines`.
pub(crate) fn count_of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped_digits(number))
}

/// A number with separators: `67,108,864`.
pub fn grouped_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
