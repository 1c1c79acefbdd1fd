//! What the judges say, and that they differ.

use super::*;
use crate::finding::Strength;
use crate::severity::Severity;

fn finding(severity: Severity, bits: f64) -> Finding {
    Finding {
        id: "R-1".into(),
        kind: FindingKind::RareTemplate,
        severity,
        title: "Seen once: x".into(),
        explanation: String::new(),
        subject: "x".into(),
        templates: vec!["x".into()],
        security: false,
        count: 10,
        span: Some(Span::of(1000, 2000)),
        strength: Strength::new(bits, 10.0, 1000),
        evidence: Vec::new(),
    }
}

fn votes(case: &Case) -> [Verdict; 3] {
    Criterion::ALL.map(|criterion| criterion.judge(case).vote)
}

use Verdict::{Confirm, Reject};

#[test]
fn the_judges_differ() {
    let case = |finding| Case { finding, before: Vec::new() };
    assert_eq!(votes(&case(finding(Severity::Info, 20.0))), [Confirm, Reject, Confirm]);
    assert_eq!(votes(&case(finding(Severity::Error, 2.0))), [Reject, Confirm, Confirm]);
    assert_eq!(votes(&case(finding(Severity::Info, 2.0))), [Reject, Reject, Confirm]);
    let mut few = finding(Severity::Info, 500.0);
    few.strength.observations = 3;
    assert_eq!(votes(&case(few))[0], Reject);
}

#[test]
fn what_another_finding_shows_is_no_news() {
    let mut first = finding(Severity::Error, 50.0);
    first.id = "F-2".into();
    let before = vec![Rival::from(&first)];
    let case = Case { finding: finding(Severity::Error, 20.0), before: before.clone() };
    assert_eq!(votes(&case), [Confirm, Confirm, Reject]);
    assert_eq!(Criterion::Novelty.judge(&case).reason, "F-2 shows the same lines");
    let mut later = finding(Severity::Error, 20.0);
    later.span = Some(Span::of(90_000, 91_000));
    assert_eq!(votes(&Case { finding: later, before: before.clone() })[2], Confirm);
    let mut larger = finding(Severity::Error, 20.0);
    larger.count = 30;
    assert_eq!(votes(&Case { finding: larger, before })[2], Confirm);
}

#[test]
fn a_login_matters_although_nothing_failed() {
    let mut login = finding(Severity::Info, 2.0);
    login.subject = "Accepted password for <*> from <*>".into();
    let vote = Criterion::Impact.judge(&Case { finding: login, before: Vec::new() });
    assert_eq!(vote.vote, Confirm);
}

#[test]
fn a_vote_is_what_the_ballot_reads() {
    let vote = Vote { vote: Confirm, reason: "why".into() };
    let json = serde_json::to_value(vote).unwrap();
    assert_eq!(json, serde_json::json!({"vote": "confirm", "reason": "why"}));
}
