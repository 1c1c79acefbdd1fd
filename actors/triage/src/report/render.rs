//! The report for people: findings first, then how they were found, then the ledger.

use super::paint::{Ink, Page, Style, fit, length};
use super::tables;
use super::{CrashLine, JudgedFinding, Ledger, Speed, TriageReport};
use crate::detectors::{count_of, grouped_digits, human_duration};
use crate::digest::{Evidence, Span};
use crate::judges::Verdict;
use crate::reader::format_time;

/// Findings that are printed with evidence and votes; the others with a line each.
const IN_FULL: usize = 8;
/// Columns between votes.
const GAP: usize = 3;
/// Milliseconds of a run from which on its pace is told.
const WORTH_A_RATE: u64 = 1_000;
/// Rejected findings that are listed.
const REJECTED: usize = 5;

/// Prints a report.
pub fn render(report: &TriageReport, style: Style) -> String {
    let mut page = Page::new(style);
    title(&mut page, report);
    account(&mut page, report);
    findings(&mut page, report);
    rejected(&mut page, report);
    tables::templates(&mut page, report);
    tables::files(&mut page, report);
    tables::modes(&mut page, report);
    if let Some(crash) = &report.crash {
        crash_story(&mut page, crash);
    }
    closing(&mut page, report);
    page.into_text()
}

fn title(page: &mut Page, report: &TriageReport) {
    let totals = &report.totals;
    let name = "Synod log triage";
    let input = fit(&report.input, page.width() - length(name) - 2);
    let gap = page.width() - length(name) - length(&input);
    page.put(Ink::Bold, name).put(Ink::Plain, &" ".repeat(gap)).put(Ink::Cyan, &input);
    page.end();
    let mut parts = vec![
        count_of(totals.lines, "line"),
        tables::bytes(totals.bytes),
        count_of(totals.files, "file"),
        format!("{} of messages", count_of(totals.templates, "kind")),
    ];
    if let Some(span) = totals.span {
        parts.push(format!("{} to {}", format_time(span.first_ms), format_time(span.last_ms)));
    }
    let text = parts.join(" · ");
    page.paragraph(Ink::Dim, 0, &text);
}

fn account(page: &mut Page, report: &TriageReport) {
    let by = format!("by the {} reporter", report.account.reporter);
    page.heading("Summary", &by);
    page.paragraph(Ink::Bold, 0, &report.account.headline);
    for paragraph in &report.account.paragraphs {
        page.paragraph(Ink::Plain, 2, paragraph);
    }
}

fn findings(page: &mut Page, report: &TriageReport) {
    let confirmed = report.findings.len();
    let all = confirmed + report.rejected.len();
    let note = match all {
        0 => "none".to_owned(),
        _ => format!("{confirmed} confirmed of {all}"),
    };
    page.heading("Findings", &note);
    for finding in report.findings.iter().take(IN_FULL) {
        in_full(page, report, finding);
    }
    for finding in report.findings.iter().skip(IN_FULL) {
        line(page, finding, Ink::of(finding.finding.severity));
    }
}

fn in_full(page: &mut Page, report: &TriageReport, judged: &JudgedFinding) {
    let finding = &judged.finding;
    let badge = format!(" {} ", finding.severity.name().to_uppercase());
    let room = page.width().saturating_sub(length(&badge) + length(&finding.id) + 2);
    let title = fit(&finding.title, room);
    let gap = " ".repeat(room - length(&title) + 1);
    page.put(Ink::of(finding.severity), &badge).put(Ink::Plain, " ").put(Ink::Bold, &title);
    page.put(Ink::Plain, &gap).put(Ink::Dim, &finding.id);
    page.end();
    let what = format!("{}: {}", finding.kind.name(), finding.explanation);
    page.paragraph(Ink::Plain, 2, &what);
    if let Some(span) = finding.span {
        page.paragraph(Ink::Dim, 2, &when(span));
    }
    evidence(page, report, judged);
    votes(page, judged);
    page.end();
}

/// The lines that show a finding. A digest keeps the first lines of a kind: those from before the
/// finding's own time are examples of what it is about, and are called so.
fn evidence(page: &mut Page, report: &TriageReport, judged: &JudgedFinding) {
    let finding = &judged.finding;
    let is_within = |line: &&Evidence| match (finding.span, line.time_ms) {
        (Some(span), Some(ms)) => ms >= span.first_ms,
        _ => true,
    };
    let (within, earlier): (Vec<_>, Vec<_>) = finding.evidence.iter().partition(is_within);
    within.into_iter().for_each(|line| quote(page, report, line));
    if !earlier.is_empty() {
        page.put(Ink::Dim, "  │ earlier examples:");
        page.end();
    }
    earlier.into_iter().for_each(|line| quote(page, report, line));
}

fn quote(page: &mut Page, report: &TriageReport, line: &Evidence) {
    let place = place(report, line);
    let room = page.width().saturating_sub(length(&place) + 5);
    page.put(Ink::Dim, "  │ ").put(Ink::Cyan, &place).put(Ink::Plain, " ");
    page.put(Ink::Plain, &fit(&line.text, room));
    page.end();
}

fn when(span: Span) -> String {
    let (first, last) = (format_time(span.first_ms), format_time(span.last_ms));
    if first == last {
        return format!("at {first}");
    }
    format!("{first} to {last} ({})", human_duration(span.seconds()))
}

fn votes(page: &mut Page, judged: &JudgedFinding) {
    page.put(Ink::Plain, "  ");
    let mut column = 2;
    for (index, vote) in judged.votes.iter().enumerate() {
        let (mark, ink) = match vote.vote {
            Verdict::Confirm => ("✓", Ink::Green),
            Verdict::Reject => ("✗", Ink::Red),
        };
        let text = format!("{}: {}", vote.judge, vote.reason);
        let width = length(&text) + 5;
        if index > 0 && column + width > page.width() + GAP {
            page.end();
            page.put(Ink::Plain, "  ");
            column = 2;
        }
        let room = page.width().saturating_sub(column + 2);
        page.put(ink, mark).put(Ink::Plain, " ").put(Ink::Dim, &fit(&text, room));
        page.put(Ink::Plain, &" ".repeat(GAP));
        column += width;
    }
    page.end();
}

fn rejected(page: &mut Page, report: &TriageReport) {
    if report.rejected.is_empty() {
        return;
    }
    page.heading("Rejected by the judges", &report.rejected.len().to_string());
    for judged in report.rejected.iter().take(REJECTED) {
        line(page, judged, Ink::Dim);
        let reasons = judged.votes.iter().filter(|vote| vote.vote == Verdict::Reject);
        let reasons: Vec<String> =
            reasons.map(|vote| format!("{}: {}", vote.judge, vote.reason)).collect();
        page.paragraph(Ink::Dim, 4, &reasons.join("; "));
    }
    if report.rejected.len() > REJECTED {
        let more = report.rejected.len() - REJECTED;
        page.paragraph(Ink::Dim, 2, &format!("and {more} more: --json has all"));
    }
}

/// A finding in one line.
fn line(page: &mut Page, judged: &JudgedFinding, ink: Ink) {
    let finding = &judged.finding;
    let badge = format!("{:<9}", finding.severity.name());
    let room = page.width().saturating_sub(length(&badge) + length(&finding.id) + 4);
    let title = fit(&finding.title, room);
    let gap = " ".repeat(room - length(&title) + 2);
    page.put(Ink::Plain, "  ").put(ink, &badge).put(Ink::Plain, &title);
    page.put(Ink::Plain, &gap).put(Ink::Dim, &finding.id);
    page.end();
}

fn crash_story(page: &mut Page, crash: &CrashLine) {
    page.heading("Crash on purpose", "");
    let lost = match crash.lost_executions {
        1 => "1 execution was lost".to_owned(),
        n => format!("{n} executions were lost"),
    };
    let end = if crash.recovered {
        let attempt = crash.done_by_attempt;
        format!(
            "its supervisor restarted it, the engine queued the work again, and attempt \
             {attempt} did it"
        )
    } else {
        "the work was not done again".to_owned()
    };
    let text = format!(
        "{} panicked with chunk {} in hand: {lost}; {end}. No line was lost or counted twice.",
        crash.agent, crash.chunk
    );
    page.paragraph(Ink::Plain, 2, &text);
}

fn closing(page: &mut Page, report: &TriageReport) {
    page.heading("Ledger", &report.run);
    let ledger = &report.ledger;
    let equation = ledger_line(ledger);
    let lost = format!("lost {}", ledger.lost());
    page.put(Ink::Plain, "  ").put(Ink::Bold, &equation);
    if length(&equation) + length(&lost) + 5 > page.width() {
        page.end();
    }
    let ink = if ledger.lost() == 0 { Ink::Green } else { Ink::Alarm };
    page.put(Ink::Plain, "   ").put(ink, &lost);
    page.end();
    page.paragraph(Ink::Dim, 2, &pace(report.speed));
}

/// What took less than [`WORTH_A_RATE`] says nothing about the pace.
fn pace(speed: Speed) -> String {
    let time = human_millis(speed.elapsed_ms);
    if speed.elapsed_ms < WORTH_A_RATE {
        return format!("{time} in all");
    }
    format!(
        "{time} in all: {} lines/s, {:.1} MB/s",
        grouped_digits(speed.lines_per_second as u64),
        speed.megabytes_per_second,
    )
}

/// `accepted 42 = completed 42 + failed 0 + cancelled 0 + open 0`
fn ledger_line(ledger: &Ledger) -> String {
    format!(
        "accepted {} = completed {} + failed {} + cancelled {} + open {}",
        grouped_digits(ledger.accepted),
        grouped_digits(ledger.completed),
        grouped_digits(ledger.failed),
        grouped_digits(ledger.cancelled),
        grouped_digits(ledger.open),
    )
}

fn human_millis(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => human_duration(ms as f64 / 1000.0),
    }
}

/// `auth.log:512`, or, where there is one file only, the number of the line.
fn place(report: &TriageReport, evidence: &Evidence) -> String {
    if report.files.len() == 1 {
        return format!("{:>6}", evidence.line);
    }
    let path = report.files.get(evidence.file as usize).map_or("?", |file| file.path.as_str());
    format!("{}:{}", path.rsplit('/').next().unwrap_or(path), evidence.line)
}
