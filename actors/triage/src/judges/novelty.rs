//! Does it say something that a more important finding doesn't?

use super::{Case, Rival, Vote};
use crate::digest::Span;
use crate::finding::{Finding, FindingKind};

/// Findings of one kind after which another one needs to be a failure to be news.
const ENOUGH: usize = 8;

pub(super) fn judge(case: &Case) -> Vote {
    let finding = &case.finding;
    if let Some(other) = case.before.iter().find(|other| covers(other, finding)) {
        return Vote::reject(format!("{} shows the same lines", other.id));
    }
    let alike = case.before.iter().filter(|other| other.kind == finding.kind).count();
    if alike >= ENOUGH {
        return Vote::reject(format!("{alike} findings of this kind are enough"));
    }
    Vote::confirm("nothing else shows it")
}

/// Whether `other` is about the same: the same subject or mostly the same templates, at an
/// overlapping time, and at least half as many lines. Two sources of failures have no line in
/// common.
fn covers(other: &Rival, finding: &Finding) -> bool {
    let both = |kind| other.kind == kind && finding.kind == kind;
    if both(FindingKind::RepeatedFailure) && other.subject != finding.subject {
        return false;
    }
    let shared = finding.templates.iter().filter(|text| other.templates.contains(text)).count();
    let alike = other.subject == finding.subject || shared * 2 > finding.templates.len();
    alike && other.count * 2 >= finding.count && overlap(other.span, finding.span)
}

fn overlap(one: Option<Span>, other: Option<Span>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.first_ms <= other.last_ms && other.first_ms <= one.last_ms,
        // Undated: nothing says that they are apart.
        _ => true,
    }
}
