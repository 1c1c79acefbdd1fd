//! Tables with aligned columns that fit the terminal.

use std::borrow::Cow;

use super::paint::Paint;
use super::text::{cut, harmless, width, wrapped};

/// Blanks between columns.
const GAP: usize = 2;
/// A column is never cut below this, whatever the terminal.
const NARROWEST: usize = 8;
/// Blanks before a note below its row, and its most lines.
const INDENT: usize = 4;
const NOTE_LINES: usize = 3;
/// Columns of a note that are worth more than those that can be spared.
const NOTE_ROOM: usize = 24;

/// What a column is called and how it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    title: Cow<'static, str>,
    right: bool,
    elastic: bool,
    spare: bool,
    note: bool,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub(crate) fn words(title: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), right: false, elastic: false, spare: false, note: false }
    }

    /// A column of numbers, aligned at the right.
    #[must_use]
    pub(crate) fn number(title: impl Into<Cow<'static, str>>) -> Self {
        Self { right: true, ..Self::words(title) }
    }

    /// A column of words that is cut where the terminal is too narrow.
    #[must_use]
    pub(crate) fn elastic(title: impl Into<Cow<'static, str>>) -> Self {
        Self { elastic: true, ..Self::words(title) }
    }

    /// The last column, of words that stand below their row where they do not fit behind it.
    #[must_use]
    pub(crate) fn note(title: impl Into<Cow<'static, str>>) -> Self {
        Self { note: true, ..Self::words(title) }
    }

    /// The same column, left out where the terminal is too narrow for all; the last goes first.
    #[must_use]
    pub(crate) fn spare(self) -> Self {
        Self { spare: true, ..self }
    }
}

/// One field of a row.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A field with a meaning.
    #[must_use]
    pub(crate) fn new(text: impl AsRef<str>, paint: Paint) -> Self {
        Self { text: harmless(text.as_ref()), paint }
    }

    /// A field that holds a state, in its colour.
    #[must_use]
    pub(crate) fn state(text: impl AsRef<str>) -> Self {
        let paint = Paint::of_state(text.as_ref());
        Self::new(text, paint)
    }

    /// What it says.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it means.
    #[must_use]
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Paint::Plain)
    }
}

/// Rows under titles.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; a missing field is blank.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Whether there is no row.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, within `columns` of the terminal if given.
    #[must_use]
    pub(crate) fn lines(&self, columns: Option<usize>, coloured: bool) -> Vec<String> {
        let widths = self.widths(columns);
        let titles: Vec<Cell> =
            self.columns.iter().map(|column| Cell::new(&column.title, Paint::Strong)).collect();
        let room = columns.map(|columns| columns.saturating_sub(total(&widths) + GAP));
        let lines = |row: &[Cell]| self.with_note(row, &widths, (columns, room), coloured);
        // The title of notes that have no room is left out.
        let titles = lines(&titles).into_iter().take(1);
        titles.chain(self.rows.iter().flat_map(|row| lines(row))).collect()
    }

    /// The row with its note behind it, or below it where that is too long for the room.
    fn with_note(
        &self,
        row: &[Cell],
        widths: &[Option<usize>],
        (columns, room): (Option<usize>, Option<usize>),
        coloured: bool,
    ) -> Vec<String> {
        let line = self.line(row, widths, coloured);
        let mut notes = self.columns.iter().zip(row).filter(|(column, _)| column.note);
        let Some((_, note)) = notes.next_back().filter(|(_, note)| !note.text.is_empty()) else {
            return vec![line];
        };
        let painted = |text: &str| match coloured {
            true => note.paint.apply(text),
            false => text.to_owned(),
        };
        if room.is_none_or(|room| width(&note.text) <= room) {
            let before: usize = total(widths) + GAP;
            let blanks = " ".repeat(before.saturating_sub(self.visible(row, widths)));
            return vec![format!("{line}{blanks}{}", painted(&note.text))];
        }
        let room = columns.unwrap_or_default().saturating_sub(INDENT).max(NARROWEST);
        let below = wrapped(&note.text, room, NOTE_LINES).into_iter();
        let below = below.map(|text| format!("{}{}", " ".repeat(INDENT), painted(&text)));
        std::iter::once(line).chain(below).collect()
    }

    /// Columns of the row without its note, as [`Table::line`] writes it.
    fn visible(&self, row: &[Cell], widths: &[Option<usize>]) -> usize {
        width(&self.line(row, widths, false))
    }

    fn line(&self, row: &[Cell], widths: &[Option<usize>], coloured: bool) -> String {
        let mut line = String::new();
        for ((column, cell), room) in self.columns.iter().zip(row).zip(widths) {
            let Some(room) = *room else { continue };
            let text = cut(&cell.text, room);
            let blanks = " ".repeat(room - width(&text));
            let painted = if coloured { cell.paint.apply(&text) } else { text };
            let (before, after) =
                if column.right { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
            line.extend([before, painted.as_str(), after, &" ".repeat(GAP)]);
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The natural widths, or less where the terminal is too narrow: columns that can be spared
    /// are left out until the rest fits with its elastic columns at their narrowest; then the
    /// widest elastic column gives way first.
    fn widths(&self, columns: Option<usize>) -> Vec<Option<usize>> {
        let mut widths: Vec<Option<usize>> =
            (0..self.columns.len()).map(|index| self.natural(index)).collect();
        let Some(room) = columns else { return widths };
        for index in (0..widths.len()).rev().filter(|index| self.columns[*index].spare) {
            if self.least(&widths) > room {
                widths[index] = None;
            }
        }
        while total(&widths) > room {
            let elastic = self.columns.iter().zip(&mut widths).filter(|(column, _)| column.elastic);
            let widest =
                elastic.filter_map(|(_, width)| width.as_mut()).max_by_key(|width| **width);
            let Some(widest) = widest.filter(|width| **width > NARROWEST) else { break };
            *widest -= 1;
        }
        widths
    }

    /// Columns that the title and the longest field of a column take; a note has none of its own.
    fn natural(&self, index: usize) -> Option<usize> {
        if self.columns[index].note {
            return None;
        }
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
        Some(widest.max(width(&self.columns[index].title)))
    }

    /// The least columns that these widths can be brought down to.
    fn least(&self, widths: &[Option<usize>]) -> usize {
        let narrowed = self.columns.iter().zip(widths).map(|(column, width)| {
            width.map(|width| if column.elastic { width.min(NARROWEST) } else { width })
        });
        total(&narrowed.collect::<Vec<_>>()) + self.note_room()
    }

    /// Columns for the sake of which others are left out: of short notes their own, of long ones
    /// as many as are worth a look.
    fn note_room(&self) -> usize {
        let last = self.columns.len().saturating_sub(1);
        let notes = self.columns.last().is_some_and(|column| column.note).then_some(&self.rows);
        let cells = notes.into_iter().flatten().filter_map(|row| row.get(last));
        let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
        if widest == 0 { 0 } else { GAP + widest.min(NOTE_ROOM) }
    }
}

/// Columns of a line with fields of these widths.
fn total(widths: &[Option<usize>]) -> usize {
    let shown = widths.iter().flatten();
    shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new([
            Column::words("STATE"),
            Column::number("TASKS"),
            Column::elastic("LAST ERROR"),
        ]);
        table.row([Cell::state("failed"), "7".into(), "the disk is full and nothing moves".into()]);
        table.row([Cell::state("running"), "1,200".into(), "".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let lines = sample().lines(None, false);
        assert_eq!(lines[0], "STATE    TASKS  LAST ERROR");
        assert_eq!(lines[1], "failed       7  the disk is full and nothing moves");
        assert_eq!(lines[2], "running  1,200");
    }

    #[test]
    fn the_elastic_column_gives_way_to_a_narrow_terminal() {
        let lines = sample().lines(Some(30), false);
        assert_eq!(lines[1], "failed       7  the disk is f…");
        let narrow = sample().lines(Some(5), false);
        assert_eq!(narrow[1], "failed       7  the dis…", "never below what can be read");
    }

    #[test]
    fn what_can_be_spared_is_left_out_before_a_line_is_too_long() {
        let mut table = Table::new([
            Column::words("TASK"),
            Column::number("TOOK").spare(),
            Column::words("PRIORITY").spare(),
            Column::elastic("ERROR"),
        ]);
        table.row(["0123456789".into(), "7 s".into(), "high".into(), "it went quite wrong".into()]);
        let lines = |columns| table.lines(Some(columns), false);
        assert_eq!(lines(36)[0], "TASK        TOOK  PRIORITY  ERROR");
        assert_eq!(lines(36)[1], "0123456789   7 s  high      it went…");
        assert_eq!(lines(28)[0], "TASK        TOOK  ERROR");
        assert_eq!(lines(20), ["TASK        ERROR", "0123456789  it went…"]);
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let coloured = sample().lines(None, true);
        let plain = sample().lines(None, false);
        for (coloured, plain) in coloured.iter().zip(&plain) {
            let mut stripped = coloured.clone();
            for code in ["0", "1", "31", "32"] {
                stripped = stripped.replace(&format!("\x1b[{code}m"), "");
            }
            assert_eq!(stripped.trim_end(), plain);
        }
    }

    #[test]
    fn a_note_is_behind_its_row_where_it_fits_and_else_below() {
        let mut table =
            Table::new([Column::words("TASK"), Column::elastic("AGENT"), Column::note("ERROR")]);
        table.row(["1".into(), "echo".into(), Cell::new("it fell", Paint::Bad)]);
        table.row(["2".into(), "echo".into(), "the disk is full and nothing moves".into()]);
        table.row(["3".into(), "echo".into(), "".into()]);
        let long = "2     echo   the disk is full and nothing moves";
        let paper = ["TASK  AGENT  ERROR", "1     echo   it fell", long, "3     echo"];
        assert_eq!(table.lines(None, false), paper);
        let below = ["    the disk is full", "    and nothing moves"];
        let narrow = [&paper[..2], &["2     echo"], &below, &["3     echo"]].concat();
        assert_eq!(table.lines(Some(21), false), narrow);
        assert_eq!(table.lines(Some(12), false)[0], "TASK  AGENT", "no room for its title");
        assert!(table.lines(Some(21), true)[1].ends_with("  \x1b[31mit fell\x1b[0m"));
    }
}
