//! The report on a terminal, in a file and as JSON.

use super::paint::{fit, wrap};
use super::tables::bytes;
use super::*;
use crate::digest::{Evidence, printable};
use crate::finding::{FindingKind, Strength};

fn judged(id: &str, severity: Severity, vote: Verdict) -> JudgedFinding {
    let finding = Finding {
        id: id.into(),
        kind: FindingKind::RepeatedFailure,
        severity,
        title: "Refused logins from 203.0.113.9: 269 in 7 min 16 s".into(),
        explanation: "All 269 failures of this source fall within 7 min 16 s. Users named: a, b."
            .into(),
        subject: "address 203.0.113.9".into(),
        templates: vec!["Failed password for <*>".into()],
        security: true,
        count: 269,
        span: Some(Span::of(1_000_000, 1_436_000)),
        strength: Strength::new(214.0, 16.0, 269),
        evidence: vec![Evidence {
            file: 0,
            line: 512,
            time_ms: Some(1_000_000),
            text: printable(&format!("Jan  9 06:55:46 mira sshd[1]: {}", "long ".repeat(60)), 200),
        }],
    };
    let cast = |judge: &str| CastVote {
        judge: judge.into(),
        vote,
        reason: "214 bits of surprise, 16 needed".into(),
    };
    JudgedFinding { finding, votes: vec![cast("strength"), cast("impact")] }
}

fn report() -> TriageReport {
    TriageReport {
        version: REPORT_VERSION,
        run: "triage-1".into(),
        input: "/var/log/auth.log".into(),
        totals: Totals {
            lines: 2000,
            bytes: 225_216,
            files: 1,
            chunks: 8,
            templates: 27,
            undated: 3,
            span: Some(Span::of(0, 7_200_000)),
            severities: [(Severity::Error, 1500), (Severity::Info, 500)].into(),
            ..Totals::default()
        },
        account: Account {
            reporter: "compact".into(),
            headline: "1 critical finding in 2,000 lines of 27 kinds.".into(),
            paragraphs: vec!["F-1 critical 1970-01-01 00:16:40 (269 lines) Refused".into()],
        },
        findings: vec![judged("F-1", Severity::Critical, Verdict::Confirm)],
        rejected: vec![judged("R-2", Severity::Info, Verdict::Reject)],
        templates: vec![TemplateLine {
            id: "T-1".into(),
            template: "Failed password for <*> from <*> port <*> ssh<*>".into(),
            count: 1200,
            share: 0.6,
            severity: Severity::Error,
        }],
        files: vec![FileLine {
            path: "/var/log/auth.log".into(),
            lines: 2000,
            bytes: 225_216,
            undated: 3,
            span: Some(Span::of(0, 7_200_000)),
        }],
        skipped: vec![Skipped { path: "/var/log/x.gz".into(), reason: "compressed".into() }],
        speed: Speed { elapsed_ms: 812, lines_per_second: 2463.0, megabytes_per_second: 0.3 },
        modes: vec![ModeLine { mode: "pipeline".into(), tasks: 8, purpose: "reads".into() }],
        crash: Some(CrashLine {
            agent: "log-reader@0.1.0".into(),
            chunk: 4,
            lost_executions: 1,
            done_by_attempt: 2,
            recovered: true,
        }),
        ledger: Ledger { accepted: 12, completed: 12, acknowledged: 12, ..Ledger::default() },
    }
}

#[test]
fn every_line_fits_into_the_width() {
    for width in [72, 80, 100, 140] {
        let text = render(&report(), Style { color: false, width });
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn plain_text_has_no_escape_sequences_and_colour_changes_nothing_else() {
    let plain = render(&report(), Style::PLAIN);
    assert!(!plain.contains('\u{1b}'));
    let coloured = render(&report(), Style { color: true, width: 100 });
    assert!(coloured.contains("\u{1b}[1;97;41m"));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((text, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(text);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    let trimmed = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn the_report_says_all_that_matters() {
    let text = render(&report(), Style::PLAIN);
    for expected in [
        "2,000 lines · 225 KB · 1 file · 27 kinds of messages",
        "1 confirmed of 2",
        "CRITICAL",
        "│    512 Jan  9 06:55:46 mira",
        "✓ strength: 214 bits of surprise, 16 needed",
        "log-reader@0.1.0 panicked with chunk 4 in hand: 1 execution was lost",
        "accepted 12 = completed 12 + failed 0 + cancelled 0 + open 0",
        "lost 0",
        "left out /var/log/x.gz: compressed",
        "812 ms in all",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn no_text_of_a_log_can_drive_the_terminal() {
    let evil = "x\u{1b}]0;t\u{7}\u{202e}\u{9b}2J\ry";
    let mut report = report();
    report.input = evil.into();
    report.account.headline = evil.into();
    report.account.paragraphs = vec![evil.into()];
    report.templates[0].template = evil.into();
    report.files[0].path = evil.into();
    report.skipped[0].path = evil.into();
    for judged in [&mut report.findings[0], &mut report.rejected[0]] {
        judged.finding.title = evil.into();
        judged.finding.explanation = evil.into();
        judged.finding.evidence[0].text = evil.into();
        judged.votes[0].reason = evil.into();
    }
    let text = render(&report, Style::PLAIN);
    let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!text.contains(steers), "{text:?}");
    assert!(text.contains("x·]0;t···2J"), "{text}");
}

#[test]
fn lines_from_before_the_time_of_a_finding_are_called_earlier() {
    let mut report = report();
    let mut earlier = report.findings[0].finding.evidence[0].clone();
    (earlier.line, earlier.time_ms, earlier.text) = (7, Some(5_000), "long ago".into());
    report.findings[0].finding.evidence.insert(0, earlier);
    let text = render(&report, Style::PLAIN);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}\n{text}"));
    assert!(at("│    512") < at("earlier examples:") && at("earlier examples:") < at("long ago"));
}

#[test]
fn the_json_form_keeps_its_names() {
    let json = serde_json::to_value(report()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "version",
        "run",
        "input",
        "totals",
        "account",
        "findings",
        "rejected",
        "templates",
        "files",
        "skipped",
        "speed",
        "modes",
        "crash",
        "ledger",
    ];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let finding = &json["findings"][0];
    for key in ["id", "kind", "severity", "title", "count", "span", "evidence", "votes"] {
        assert!(finding.get(key).is_some(), "{key}");
    }
    assert_eq!(finding["kind"], "repeated_failure");
    assert_eq!(json["totals"]["severities"]["error"], 1500);
    assert_eq!(serde_json::from_value::<TriageReport>(json).unwrap(), report());
}

#[test]
fn a_task_that_vanished_is_lost_in_the_ledger() {
    let ledger = Ledger { accepted: 9, completed: 8, acknowledged: 10, ..Ledger::default() };
    assert_eq!(ledger.lost(), 2);
    assert_eq!(serde_json::to_value(ledger).unwrap()["lost"], 2);
}

#[test]
fn text_is_wrapped_cut_and_measured() {
    assert_eq!(wrap("a bb ccc dddd", 8), ["a bb ccc", "dddd"]);
    assert_eq!(wrap("abcdefghijkl x", 8), ["abcdefgh", "ijkl x"]);
    assert_eq!(wrap("", 10), Vec::<String>::new());
    assert_eq!(fit("abcdef", 4), "abc…");
    let sizes = [(17, "17 B"), (225_216, "225 KB"), (1_234_567_890, "1.2 GB"), (999_600, "1.0 MB")];
    for (size, expected) in sizes {
        assert_eq!(bytes(size), expected);
    }
}

#[test]
fn what_is_left_out_is_counted_by_reason_with_the_first_names() {
    let mut report = report();
    let more = (0..5).map(|n| Skipped { path: format!("/l/{n}"), reason: "binary".into() });
    report.skipped.extend(more);
    let text = render(&report, Style { color: false, width: 100 });
    assert!(text.contains("left out /var/log/x.gz: compressed"), "{text}");
    assert!(text.contains("left out 5, binary: /l/0, /l/1, /l/2, …"), "{text}");
}

#[test]
fn a_small_input_has_no_pace_and_words_in_the_singular() {
    let mut report = report();
    report.files[0].lines = 1;
    (report.findings, report.rejected) = (Vec::new(), Vec::new());
    let text = render(&report, Style { color: false, width: 100 });
    assert!(text.contains("812 ms in all") && !text.contains("lines/s"), "{text}");
    assert!(text.contains("1 line ") && !text.contains("1 lines"), "{text}");
    assert!(!text.contains("confirmed of"), "{text}");
    report.speed.elapsed_ms = 2_000;
    let text = render(&report, Style { color: false, width: 100 });
    assert!(text.contains("2.0 s in all: 2,463 lines/s"), "{text}");
}
