//! The live view as a machine: rows and keys go in, a picture and wishes come out.
//!
//! It knows no clock, no terminal and no node, so that every key can be tested.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListItem, ListState, Paragraph};
use synod_runtime::Control;

use super::rows::{Row, bars};
use crate::cli::output::{
    Paint, count, cut, cut_front, duration, harmless, percent, width, wrapped,
};

/// Actors that a page key leaps over.
const PAGE: isize = 10;
/// The most columns that an actor's name takes, and those that its title takes.
const NAME: usize = 40;
const ACTOR_TITLE: usize = 5;
/// Blanks between columns, and before a note below its row.
const SPACING: usize = 2;
const INDENT: usize = 4;
/// The most lines of a note, and of the foot.
const LINES: usize = 3;
/// What the keys do, and what the bars mean.
const KEYS: [&str; 6] =
    ["↑↓ choose", "p pause", "r resume", "R restart", "s stop", "q or Esc leave"];
const LEGEND: &str = "LANES: queued from critical to background, · 0  ▁ 1  ▂ 4  ▃ 16 … █ 16,384";

/// What the person at the keys wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing but to look on.
    Look,
    /// To leave.
    Quit,
    /// To control the actor at this path.
    Control(Control, String),
}

/// What is on the screen.
#[derive(Debug, Default)]
pub(crate) struct Board {
    node: String,
    rows: Vec<Row>,
    /// The selected actor, by path: rows come and go.
    selected: Option<String>,
    /// The actor that a stop was asked for, until that is confirmed.
    stopping: Option<String>,
    /// What came of the last wish, or why the picture is old.
    message: Option<(Paint, String)>,
}

impl Board {
    /// A board for the node at this address.
    pub(crate) fn new(node: impl Into<String>) -> Self {
        Self { node: node.into(), ..Self::default() }
    }

    /// Takes a new picture of the tree.
    pub(crate) fn refresh(&mut self, rows: Vec<Row>) {
        self.rows = rows;
        if self.position().is_none() {
            self.selected = self.rows.first().map(|row| row.path.clone());
        }
    }

    /// Says something below the tree.
    pub(crate) fn tell(&mut self, paint: Paint, message: impl AsRef<str>) {
        self.message = Some((paint, harmless(message.as_ref())));
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyCode) -> Wish {
        self.message = None;
        if let Some(path) = self.stopping.take() {
            return match key {
                KeyCode::Char('y' | 'Y') => Wish::Control(Control::Stop, path),
                _ => Wish::Look,
            };
        }
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            KeyCode::Char('p') => return self.wish(Control::Pause),
            KeyCode::Char('r') => return self.wish(Control::Resume),
            KeyCode::Char('R') => return self.wish(Control::Restart),
            KeyCode::Char('s') => self.stopping.clone_from(&self.selected),
            _ => {}
        }
        Wish::Look
    }

    fn wish(&self, control: Control) -> Wish {
        let selected = self.selected.clone();
        selected.map_or(Wish::Look, |path| Wish::Control(control, path))
    }

    fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|row| row.path == *selected)
    }

    fn go(&mut self, by: isize) {
        let Some(last) = self.rows.len().checked_sub(1) else { return };
        let next = self.position().unwrap_or(0).saturating_add_signed(by).min(last);
        self.selected = Some(self.rows[next].path.clone());
    }

    /// Draws everything.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let columns = usize::from(frame.area().width);
        let names = self.rows.iter().map(|row| width(&name(row))).max().unwrap_or(0);
        let columns = Columns::within(columns, names.clamp(ACTOR_TITLE, NAME));
        let foot = self.foot(&columns);
        let lines = u16::try_from(foot.len()).unwrap_or(1);
        let [head, titles, tree, below] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(2),
            Constraint::Length(lines),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        frame.render_widget(Paragraph::new(columns.titles()), titles);
        let rows = self.rows.iter().map(|row| ListItem::new(columns.lines(row)));
        let highlight = Style::new().add_modifier(Modifier::REVERSED);
        let mut state = ListState::default().with_selected(self.position());
        let rows = List::new(rows).highlight_style(highlight);
        frame.render_stateful_widget(rows, tree, &mut state);
        frame.render_widget(Paragraph::new(foot), below);
    }

    fn head(&self) -> Paragraph<'_> {
        let failing = self.rows.iter().filter(|row| row.state == "failed").count();
        let restarts: u64 = self.rows.iter().map(|row| row.restarts).sum();
        let waiting: usize = self.rows.iter().flat_map(|row| row.lanes).sum();
        let facts = format!(
            "  {} actors  {} queued  {} restarts  {failing} failed",
            count(self.rows.len() as u64),
            count(waiting as u64),
            count(restarts),
        );
        let name = Span::styled(format!("synod {}", self.node), style(Paint::Strong));
        Paragraph::new(Line::from(vec![name, Span::raw(facts)]))
    }

    /// What the selected actor has beyond the columns, the legend, and what to press or what came
    /// of it.
    fn foot(&self, columns: &Columns) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut say = |paint: Paint, text: &str| {
            let texts = wrapped(text, columns.all, LINES).into_iter();
            lines.extend(texts.map(|text| Line::from(Span::styled(text, style(paint)))));
        };
        if let Some(row) = self.position().and_then(|index| self.rows.get(index)) {
            columns.beyond(row).iter().for_each(|text| say(Paint::Plain, text));
        }
        if columns.fields.contains(&Field::Lanes) && width(LEGEND) <= columns.all {
            say(Paint::Faint, LEGEND);
        }
        match (&self.stopping, &self.message) {
            (Some(path), _) => say(Paint::Bad, &question(path, columns.all)),
            (None, Some((paint, message))) => say(*paint, message),
            (None, None) => say(Paint::Faint, &keys(columns.all)),
        }
        lines
    }
}

/// Asks before an actor is stopped: a long path loses its beginning, the question nothing.
fn question(path: &str, columns: usize) -> String {
    const QUESTION: &str = "? y stops it";
    let room = columns.saturating_sub(width(QUESTION) + width("stop "));
    format!("stop {}{QUESTION}", cut_front(&harmless(path), room))
}

/// The keys, further apart where there is room.
fn keys(columns: usize) -> String {
    let wide = KEYS.join("   ");
    if width(&wide) <= columns { wide } else { KEYS.join(", ") }
}

/// The columns that fit.
struct Columns {
    all: usize,
    actor: usize,
    fields: Vec<Field>,
}

impl Columns {
    /// Those that fit beside names of `actor` columns.
    fn within(all: usize, actor: usize) -> Self {
        let mut columns = Self { all, actor, fields: Field::ALL.to_vec() };
        for spare in Field::SPARE {
            if columns.taken() <= all {
                break;
            }
            columns.fields.retain(|field| *field != spare);
        }
        columns
    }

    fn taken(&self) -> usize {
        let each = self.fields.iter().map(|field| SPACING + self.width_of(*field));
        each.sum::<usize>() - SPACING
    }

    fn width_of(&self, field: Field) -> usize {
        if field == Field::Actor { self.actor } else { field.columns() }
    }

    fn titles(&self) -> Line<'static> {
        let mut spans = Vec::new();
        for field in &self.fields {
            spans.push(self.padded(*field, field.title(), Paint::Strong));
        }
        if self.room_for_note() >= width(NOTE) {
            spans.push(Span::styled(NOTE, style(Paint::Strong)));
        }
        Line::from(spans)
    }

    /// The row, and its note behind it or, where that is too long, below it.
    fn lines(&self, row: &Row) -> Vec<Line<'static>> {
        let field = |field: &Field| {
            let (text, paint) = field.of(row);
            self.padded(*field, &text, paint)
        };
        let mut first: Vec<Span<'static>> = self.fields.iter().map(field).collect();
        let (note, paint) = (harmless(row.note.text()), style(row.note.paint()));
        if width(&note) <= self.room_for_note() {
            first.push(Span::styled(note, paint));
            return vec![Line::from(first)];
        }
        let mut lines = vec![Line::from(first)];
        let below = wrapped(&note, self.all.saturating_sub(INDENT), LINES);
        lines.extend(below.into_iter().map(|text| {
            Line::from(vec![Span::raw(" ".repeat(INDENT)), Span::styled(text, paint)])
        }));
        lines
    }

    fn room_for_note(&self) -> usize {
        self.all.saturating_sub(self.taken() + SPACING)
    }

    fn padded(&self, field: Field, text: &str, paint: Paint) -> Span<'static> {
        let room = self.width_of(field);
        let text = cut(text, room);
        let blanks = " ".repeat(room - width(&text) + SPACING);
        Span::styled(format!("{text}{blanks}"), style(paint))
    }

    /// What of this row has no column here, in words.
    fn beyond(&self, row: &Row) -> Option<String> {
        let missing = Field::ALL.iter().filter(|field| !self.fields.contains(field));
        let said: Vec<String> = missing
            .map(|field| format!("{} {}", field.title().to_lowercase(), field.of(row).0))
            .collect();
        (!said.is_empty()).then(|| format!("{}: {}", harmless(&row.name), said.join(", ")))
    }
}

/// The title of what is said of an actor, at the end of its row or below it.
const NOTE: &str = "NOTE";

/// A column of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Actor,
    State,
    Restarts,
    Lanes,
    Handled,
    Busy,
    Up,
}

impl Field {
    const ALL: [Self; 7] = [
        Self::Actor,
        Self::State,
        Self::Restarts,
        Self::Lanes,
        Self::Handled,
        Self::Busy,
        Self::Up,
    ];
    /// What a narrow screen goes without, the first to go first.
    const SPARE: [Self; 5] = [Self::Handled, Self::Lanes, Self::Busy, Self::Up, Self::Restarts];

    fn title(self) -> &'static str {
        match self {
            Self::Actor => "ACTOR",
            Self::State => "STATE",
            Self::Restarts => "RESTARTS",
            Self::Lanes => "LANES",
            Self::Handled => "HANDLED",
            Self::Busy => "BUSY",
            Self::Up => "UP",
        }
    }

    /// The columns it takes. An actor's name takes what it needs.
    fn columns(self) -> usize {
        match self {
            Self::Actor => 0,
            Self::State => 10,
            Self::Restarts => 8,
            Self::Lanes | Self::Busy => 5,
            Self::Handled => 11,
            Self::Up => 12,
        }
    }

    fn of(self, row: &Row) -> (String, Paint) {
        match self {
            Self::Actor => (name(row), Paint::Plain),
            Self::State => (row.state.to_owned(), Paint::of_state(row.state)),
            Self::Restarts => (count(row.restarts), Paint::Plain),
            Self::Lanes => (bars(&row.lanes), Paint::Busy),
            Self::Handled => (count(row.processed), Paint::Plain),
            Self::Busy => (percent(row.busy), Paint::Plain),
            Self::Up => (duration(row.uptime), Paint::Plain),
        }
    }
}

/// An actor's name behind its branches.
fn name(row: &Row) -> String {
    harmless(&format!("{}{}", row.branch, row.name))
}

/// A meaning as the terminal library has it.
fn style(paint: Paint) -> Style {
    match paint {
        Paint::Plain => Style::new(),
        Paint::Strong => Style::new().add_modifier(Modifier::BOLD),
        Paint::Faint => Style::new().add_modifier(Modifier::DIM),
        Paint::Good => Style::new().fg(Color::Green),
        Paint::Busy => Style::new().fg(Color::Cyan),
        Paint::Waiting => Style::new().fg(Color::Yellow),
        Paint::Bad => Style::new().fg(Color::Red),
    }
}

#[cfg(test)]
mod tests;
