//! The tables of a report.

use super::TriageReport;
use super::paint::{Ink, Page, fit, length};
use crate::detectors::{count_of, grouped_digits};
use crate::digest::Span;
use crate::reader::format_time;

/// Rows that are printed of the templates, the files and the reasons why files were left out, with
/// so many names each.
const TEMPLATES: usize = 10;
const FILES: usize = 12;
const REASONS: usize = 6;
const NAMED: usize = 3;
/// Columns that a path needs.
const PATH: usize = 20;
/// Columns of the bar that shows a share.
const BAR: usize = 12;

/// The most frequent templates.
pub(super) fn templates(page: &mut Page, report: &TriageReport) {
    if report.templates.is_empty() {
        return;
    }
    let all = count_of(report.totals.templates, "kind");
    page.heading("Most frequent messages", &all);
    for line in report.templates.iter().take(TEMPLATES) {
        let count = format!("{:>11}", grouped_digits(line.count));
        let share = format!(" {:>5.1} % ", line.share * 100.0);
        let room = page.width().saturating_sub(length(&count) + length(&share) + BAR + 1);
        page.put(Ink::Bold, &count).put(Ink::Plain, &share);
        page.put(Ink::Cyan, &bar(line.share)).put(Ink::Plain, " ");
        page.put(Ink::of(line.severity).unless_dim(), &fit(&line.template, room));
        page.end();
    }
}

/// A bar in eighths of a column.
fn bar(share: f64) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(EIGHTHS[eighths % 8]);
    }
    format!("{text:<BAR$}")
}

/// The files, and what was left out.
pub(super) fn files(page: &mut Page, report: &TriageReport) {
    let totals = &report.totals;
    let mut notes = Vec::new();
    for (count, what) in
        [(totals.undated, "undated"), (totals.continued, "continued"), (totals.cut, "cut")]
    {
        if count > 0 {
            notes.push(count_of(count, &format!("{what} line")));
        }
    }
    page.heading("Files", &notes.join(", "));
    for file in report.files.iter().take(FILES) {
        let lines = if file.lines == 1 { "line " } else { "lines" };
        let number = grouped_digits(file.lines);
        let lines = format!("{number:>11} {lines} {:>9}  ", bytes(file.bytes));
        let room = page.width().saturating_sub(length(&lines) + PATH);
        let span = file.span.map_or_else(|| "undated".to_owned(), |span| when(span, room));
        let room = page.width().saturating_sub(length(&lines) + length(&span) + 2);
        let path = end_of(&file.path, room);
        let gap = " ".repeat(room - length(&path) + 2);
        page.put(Ink::Plain, &lines).put(Ink::Cyan, &path).put(Ink::Plain, &gap);
        page.put(Ink::Dim, &span);
        page.end();
    }
    more(page, report.files.len(), FILES, "files");
    left_out(page, report);
}

/// What was left out, by reason: how much of it, and the first names.
fn left_out(page: &mut Page, report: &TriageReport) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for skipped in &report.skipped {
        match reasons.iter_mut().find(|(reason, _)| *reason == skipped.reason) {
            Some((_, paths)) => paths.push(&skipped.path),
            None => reasons.push((&skipped.reason, vec![&skipped.path])),
        }
    }
    for (reason, paths) in reasons.iter().take(REASONS) {
        let text = match paths.as_slice() {
            [path] => format!("left out {path}: {reason}"),
            paths => {
                let named: Vec<&str> = paths.iter().take(NAMED).copied().collect();
                let more = if paths.len() > NAMED { ", …" } else { "" };
                let number = grouped_digits(paths.len() as u64);
                format!("left out {number}, {reason}: {}{more}", named.join(", "))
            }
        };
        page.put(Ink::Dim, &fit(&format!("  {text}"), page.width()));
        page.end();
    }
    more(page, reasons.len(), REASONS, "reasons to leave out, which --json has");
}

/// Both times, or only the days, or nothing: on a narrow page the name is worth more.
fn when(span: Span, room: usize) -> String {
    const DAY: usize = "2026-01-31".len();
    let times = [span.first_ms, span.last_ms].map(format_time);
    let days = times.each_ref().map(|time| time.chars().take(DAY).collect::<String>());
    let forms = [times, days].map(|[first, last]| match first == last {
        true => first,
        false => format!("{first} to {last}"),
    });
    forms.into_iter().find(|form| length(form) <= room).unwrap_or_default()
}

/// How the team worked.
pub(super) fn modes(page: &mut Page, report: &TriageReport) {
    page.heading("Teamwork", "tasks by mode");
    for line in &report.modes {
        let tasks = format!("{:>7} ", grouped_digits(line.tasks));
        let mode = format!("{:<12}", line.mode);
        let room = page.width().saturating_sub(length(&tasks) + length(&mode) + 1);
        page.put(Ink::Plain, &tasks).put(Ink::Bold, &mode).put(Ink::Plain, " ");
        page.put(Ink::Dim, &fit(&line.purpose, room));
        page.end();
    }
}

fn more(page: &mut Page, all: usize, shown: usize, what: &str) {
    if all > shown {
        page.paragraph(Ink::Dim, 2, &format!("and {} more {what}", all - shown));
    }
}

/// The text, or its end after `…`.
fn end_of(text: &str, width: usize) -> String {
    let all = length(text);
    if all <= width {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(all - width.saturating_sub(1)).collect();
    format!("…{tail}")
}

/// `17 B`, `220 KB`, `1.2 GB`; powers of 1,000.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}
