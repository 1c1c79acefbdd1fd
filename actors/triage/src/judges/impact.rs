//! Does it matter to whoever runs the system? Looks at severity and words, not at numbers.

use super::{Case, Vote};
use crate::finding::FindingKind;
use crate::severity::Severity;

/// Words of events that are rare, normal, and to be known about.
const NOTABLE: [&str; 14] = [
    "accepted password",
    "accepted publickey",
    "session opened for user root",
    "root login",
    "sudo",
    "reboot",
    "shutdown",
    "shutting down",
    "restart",
    "killed",
    "terminated",
    "new user",
    "useradd",
    "election",
];

pub(super) fn judge(case: &Case) -> Vote {
    let finding = &case.finding;
    if finding.severity >= Severity::Error {
        return Vote::confirm(format!("severity {}", finding.severity.name()));
    }
    if finding.security {
        return Vote::confirm("about who may do what");
    }
    let subject = finding.subject.to_ascii_lowercase();
    if let Some(word) = NOTABLE.iter().find(|word| subject.contains(*word)) {
        return Vote::confirm(format!("'{word}' is to be known about"));
    }
    match (finding.kind, finding.severity) {
        (FindingKind::RareSequence, _) => Vote::confirm("a change of state of the system"),
        (FindingKind::RateSpike | FindingKind::RepeatedFailure, Severity::Warning) => {
            Vote::confirm("warnings in this number ask for attention")
        }
        _ => Vote::reject("no failure, no login, no change of state"),
    }
}
