//! What is wrong with a definition, told like a compiler tells it: the place, the line, a caret.
//!
//! ```text
//! triage.yaml:7:18: error: there is no step 'reed'
//!     7 |     depends_on: [reed]
//!       |                  ^
//!       = did you mean 'read'?
//! ```

use std::io;

use serde::Serialize;
use synod_workflows::DefinitionFault;
use synod_workflows::definition::Fault;

use crate::cli::output::{Paint, Screen, counted, harmless, width};

/// Columns of a line that are shown around the place; definitions in JSON are often one line.
const SHOWN: usize = 120;
/// Faults that are shown; a text that is no definition at all has one for each line.
const MOST: usize = 100;

/// A fault with how bad it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// Whether it keeps the definition from being run.
    #[serde(skip)]
    pub(crate) error: bool,
    /// What, and where.
    #[serde(flatten)]
    pub(crate) fault: DefinitionFault,
}

impl From<Fault> for Told {
    fn from(fault: Fault) -> Self {
        let error = fault.is_error();
        let Fault { path, line, column, message, suggestion, .. } = fault;
        Self { error, fault: DefinitionFault { path, line, column, message, suggestion } }
    }
}

/// Prints all faults of a text, and how many there are.
pub(crate) fn show(name: &str, text: &str, faults: &[Told], screen: &Screen) -> io::Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    for told in faults.iter().take(MOST) {
        rendered(name, &lines, told, screen).iter().try_for_each(|line| screen.line(line))?;
    }
    if faults.len() > MOST {
        screen.line(format!("and {} more", faults.len() - MOST))?;
    }
    let errors = faults.iter().filter(|told| told.error).count() as u64;
    let warnings = faults.len() as u64 - errors;
    let counts = match (errors, warnings) {
        (0, 0) => return Ok(()),
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => counted(errors, "error"),
        _ => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    screen.line(format!("{name}: {counts}"))
}

fn rendered(name: &str, lines: &[&str], told: &Told, screen: &Screen) -> Vec<String> {
    let fault = &told.fault;
    let (paint, word) =
        if told.error { (Paint::Bad, "error") } else { (Paint::Waiting, "warning") };
    let name = harmless(name);
    let place = match (fault.line, fault.path.as_str()) {
        (0, "") => name,
        (0, path) => format!("{name}{}", harmless(path)),
        (line, _) => format!("{name}:{line}:{}", fault.column),
    };
    let message = harmless(&fault.message);
    let head = [screen.paint(Paint::Strong, &place), screen.paint(paint, word)];
    let mut told = vec![format!("{}: {}: {message}", head[0], head[1])];
    let margin = " ".repeat(fault.line.to_string().len().max(4));
    if let Some(line) = lines.get((fault.line as usize).wrapping_sub(1)) {
        let (shown, before) = around(line, (fault.column as usize).saturating_sub(1));
        told.push(format!("{:>4} | {shown}", fault.line));
        let caret = screen.paint(paint, "^");
        told.push(format!("{margin} | {}{caret}", " ".repeat(before)));
    }
    if let Some(suggestion) = &fault.suggestion {
        told.push(format!("{margin} = {}", screen.paint(Paint::Good, &harmless(suggestion))));
    }
    told
}

/// The part of a line around a column (in characters, from 0), and the columns before it there.
fn around(line: &str, column: usize) -> (String, usize) {
    let letters: Vec<char> = line.chars().collect();
    let column = column.min(letters.len());
    let first = if letters.len() > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
    let last = (first + SHOWN).min(letters.len());
    let text = |part: &[char]| harmless(&part.iter().collect::<String>());
    let mut shown = text(&letters[first..last]);
    let mut before = width(&text(&letters[first..column]));
    if first > 0 {
        shown.insert(0, '…');
        before += 1;
    }
    if last < letters.len() {
        shown.push('…');
    }
    (shown, before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Colour;

    fn told(line: u32, column: u32) -> Told {
        let mut fault = Fault::error("/steps/0/depends_on/0", "there is no step 'reed'")
            .suggest("did you mean 'read'?".to_owned());
        (fault.line, fault.column) = (line, column);
        fault.into()
    }

    fn lines(text: &str, told: &Told) -> Vec<String> {
        let lines: Vec<&str> = text.lines().collect();
        rendered("a.yaml", &lines, told, &Screen::new(false, Colour::Never))
    }

    #[test]
    fn a_fault_is_shown_with_its_line_a_caret_and_what_is_meant() {
        let shown = lines("steps:\n  depends_on: [reed]\n", &told(2, 16));
        assert_eq!(
            shown,
            [
                "a.yaml:2:16: error: there is no step 'reed'",
                "   2 |   depends_on: [reed]",
                "     |                ^",
                "     = did you mean 'read'?",
            ]
        );
    }

    #[test]
    fn a_fault_without_a_place_in_a_text_is_shown_by_its_pointer() {
        let shown = lines("", &told(0, 0));
        assert_eq!(shown[0], "a.yaml/steps/0/depends_on/0: error: there is no step 'reed'");
        assert_eq!(shown.len(), 2);
    }

    #[test]
    fn the_caret_stands_below_its_place_in_long_and_wide_and_hostile_lines() {
        let long = format!("{}reed{}", "x".repeat(500), "y".repeat(500));
        let shown = lines(&long, &told(1, 501));
        let at = shown[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(shown[1].chars().nth(at), Some('r'), "{shown:?}");
        assert!(shown[1].chars().count() < 140);
        let shown = lines("日本: reed", &told(1, 5));
        assert_eq!(shown[2].find('^'), Some("   1 | ".len() + 6), "two columns each");
        let shown = lines("\u{1b}[2J\treed", &told(1, 6));
        assert!(!shown[1].contains('\u{1b}') && !shown[1].contains('\t'));
    }
}
