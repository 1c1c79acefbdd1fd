//! Two reporters that compete: the first account of the findings that is done is printed. They
//! differ in style, never in facts: each tells the most important findings with id, time and count,
//! and of the others how many there are of each kind.

mod compact;
mod narrative;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detectors::count_of;
use crate::digest::Span;
use crate::finding::Finding;
use crate::severity::Severity;

/// What a reporter is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What was read.
    pub input: String,
    /// Its lines.
    pub lines: u64,
    /// Its templates.
    pub templates: u64,
    /// First and last time.
    pub span: Option<Span>,
    /// The confirmed findings, the most important first, without their evidence.
    pub findings: Vec<Finding>,
    /// Findings that the judges rejected.
    pub rejected: u64,
}

/// What a reporter makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who wrote it.
    pub reporter: String,
    /// The whole in one sentence.
    pub headline: String,
    /// Paragraphs, each a line without breaks.
    pub paragraphs: Vec<String>,
}

/// The style of a reporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// A line for each finding.
    Compact,
    /// Paragraphs by theme.
    Narrative,
}

impl Voice {
    /// Both voices, one for each reporter.
    pub const ALL: [Self; 2] = [Self::Compact, Self::Narrative];

    /// The name, as in the reporter's id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Narrative => "narrative",
        }
    }

    /// Writes the account.
    pub fn write(self, facts: &Facts) -> Account {
        let paragraphs = match self {
            Self::Compact => compact::paragraphs(facts),
            Self::Narrative => narrative::paragraphs(facts),
        };
        Account { reporter: self.name().to_owned(), headline: headline(facts), paragraphs }
    }
}

/// `2 critical and 5 error findings in 2,000 lines of 27 kinds.`
fn headline(facts: &Facts) -> String {
    let mut by_severity: BTreeMap<Severity, usize> = BTreeMap::new();
    facts.findings.iter().for_each(|f| *by_severity.entry(f.severity).or_default() += 1);
    let counts: Vec<String> =
        by_severity.iter().rev().map(|(severity, n)| format!("{n} {}", severity.name())).collect();
    let lines = count_of(facts.lines, "line");
    let kinds = count_of(facts.templates, "kind");
    match counts.len() {
        0 => format!("Nothing stands out in {lines} of {kinds}."),
        _ => format!("{} in {lines} of {kinds}.", plural(&enumerate(&counts), facts)),
    }
}

fn plural(counts: &str, facts: &Facts) -> String {
    let noun = if facts.findings.len() == 1 { "finding" } else { "findings" };
    format!("{counts} {noun}")
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// `And 7 more, listed below: 4 rate spikes and 3 rare templates.`
fn and_more<'a>(rest: impl Iterator<Item = &'a Finding>) -> Option<String> {
    let mut by_kind: Vec<(&str, u64)> = Vec::new();
    for finding in rest {
        match by_kind.iter_mut().find(|(kind, _)| *kind == finding.kind.name()) {
            Some((_, number)) => *number += 1,
            None => by_kind.push((finding.kind.name(), 1)),
        }
    }
    let all: u64 = by_kind.iter().map(|(_, number)| number).sum();
    let kinds: Vec<String> = by_kind.iter().map(|(kind, number)| count_of(*number, kind)).collect();
    (all > 0).then(|| format!("And {all} more, listed below: {}.", enumerate(&kinds)))
}

#[cfg(test)]
mod tests;
