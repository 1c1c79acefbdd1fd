//! The live view as a machine: rows and keys go in, a picture and wishes come out.
//!
//! It knows no clock, no terminal and no node, so that every key can be tested.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState};
use synod_runtime::Control;

use super::rows::{Row, bars};
use crate::cli::output::{Paint, count, cut, duration, harmless, percent, width};

/// Actors that a page key leaps over.
const PAGE: isize = 10;
/// The most columns that an actor's name takes, and those that its title takes.
const NAME: u16 = 40;
const ACTOR_TITLE: u16 = 5;
/// Blanks between columns.
const SPACING: u16 = 2;

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
        let [head, tree, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(3), Constraint::Length(1)])
                .areas(frame.area());
        frame.render_widget(self.head(), head);
        let mut state = TableState::new().with_selected(self.position());
        frame.render_stateful_widget(self.tree(tree.width), tree, &mut state);
        frame.render_widget(self.foot(), foot);
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

    fn tree(&self, columns: u16) -> Table<'static> {
        let actor = self.rows.iter().map(|row| width(&name(row))).max().unwrap_or(0);
        let actor = u16::try_from(actor).unwrap_or(NAME).clamp(ACTOR_TITLE, NAME);
        let fields = Field::within(columns, actor);
        let titles = fields.iter().map(|field| field.title());
        let widths = fields.iter().map(|field| match field {
            Field::Actor => Constraint::Length(actor),
            Field::Note => Constraint::Fill(1),
            other => Constraint::Length(other.columns()),
        });
        let line = |row: &Row| TableRow::new(fields.iter().map(|field| field.cell(row)));
        Table::new(self.rows.iter().map(line), widths)
            .header(TableRow::new(titles).style(style(Paint::Strong)))
            .column_spacing(SPACING)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
    }

    fn foot(&self) -> Paragraph<'_> {
        let (paint, text) = match (&self.stopping, &self.message) {
            (Some(path), _) => (Paint::Bad, format!("stop {}? y stops it", harmless(path))),
            (None, Some((paint, message))) => (*paint, message.clone()),
            (None, None) => (
                Paint::Faint,
                "↑↓ choose   p pause   r resume   R restart   s stop   q leave".to_owned(),
            ),
        };
        Paragraph::new(Span::styled(text, style(paint)))
    }
}

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
    Note,
}

impl Field {
    const ALL: [Self; 8] = [
        Self::Actor,
        Self::State,
        Self::Restarts,
        Self::Lanes,
        Self::Handled,
        Self::Busy,
        Self::Up,
        Self::Note,
    ];
    /// What a narrow screen goes without, the first to go first.
    const SPARE: [Self; 6] =
        [Self::Note, Self::Handled, Self::Lanes, Self::Busy, Self::Up, Self::Restarts];

    /// The fields that fit beside names of `actor` columns.
    fn within(columns: u16, actor: u16) -> Vec<Self> {
        let mut fields = Self::ALL.to_vec();
        let taken = |fields: &[Self]| -> u16 {
            let each = fields.iter().map(|field| SPACING + field.columns());
            each.sum::<u16>() - SPACING + actor
        };
        for spare in Self::SPARE {
            if taken(&fields) <= columns {
                break;
            }
            fields.retain(|field| *field != spare);
        }
        fields
    }

    fn title(self) -> &'static str {
        match self {
            Self::Actor => "ACTOR",
            Self::State => "STATE",
            Self::Restarts => "RESTARTS",
            Self::Lanes => "LANES",
            Self::Handled => "HANDLED",
            Self::Busy => "BUSY",
            Self::Up => "UP",
            Self::Note => "NOTE",
        }
    }

    /// The columns it takes, and for the note the least that is worth reading. An actor's name
    /// takes what it needs.
    fn columns(self) -> u16 {
        match self {
            Self::Actor => 0,
            Self::State => 10,
            Self::Restarts => 8,
            Self::Lanes | Self::Busy => 5,
            Self::Handled => 11,
            Self::Up | Self::Note => 12,
        }
    }

    fn cell(self, row: &Row) -> Cell<'static> {
        let painted = |text: String, paint| Cell::from(Span::styled(text, style(paint)));
        match self {
            Self::Actor => Cell::from(cut(&name(row), usize::from(NAME))),
            Self::State => painted(row.state.to_owned(), Paint::of_state(row.state)),
            Self::Restarts => Cell::from(count(row.restarts)),
            Self::Lanes => painted(bars(&row.lanes), Paint::Busy),
            Self::Handled => Cell::from(count(row.processed)),
            Self::Busy => Cell::from(percent(row.busy)),
            Self::Up => Cell::from(duration(row.uptime)),
            Self::Note => painted(harmless(row.note.text()), row.note.paint()),
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
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::rows::rows;
    use super::super::sample;
    use super::*;

    fn board() -> Board {
        let mut board = Board::new("here");
        board.refresh(rows(&sample::tree()));
        board
    }

    fn picture(board: &Board) -> String {
        picture_in(board, 100)
    }

    fn picture_in(board: &Board, columns: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, 8)).unwrap();
        terminal.draw(|frame| board.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_tree_is_on_the_screen() {
        let picture = picture(&board());
        for word in ["synod here", "4 actors", "│  └─ echo", "it fell", "·▁···", "s stop"]
        {
            assert!(picture.contains(word), "{word:?} is not in\n{picture}");
        }
    }

    #[test]
    fn a_narrow_screen_keeps_the_names_and_drops_what_can_be_spared() {
        let mut board = board();
        board.rows[2].name = "a-long-name-of-an-agent".to_owned();
        let narrow = picture_in(&board, 80);
        assert!(narrow.contains("a-long-name-of-an-agent"), "{narrow}");
        assert!(narrow.contains("LANES") && !narrow.contains("HANDLED"), "{narrow}");
        let tiny = picture_in(&board, 50);
        assert!(tiny.contains("a-long-name-of-an-agent"), "{tiny}");
        assert!(tiny.contains("STATE") && !tiny.contains("LANES"), "{tiny}");
    }

    #[test]
    fn a_control_is_for_the_selected_actor() {
        let mut board = board();
        assert_eq!(board.key(KeyCode::Down), Wish::Look);
        let wish = Wish::Control(Control::Pause, "/agents".to_owned());
        assert_eq!(board.key(KeyCode::Char('p')), wish);
        board.key(KeyCode::End);
        let wish = Wish::Control(Control::Restart, "/tasks".to_owned());
        assert_eq!(board.key(KeyCode::Char('R')), wish);
        assert_eq!(board.key(KeyCode::Char('q')), Wish::Quit);
    }

    #[test]
    fn an_actor_is_stopped_only_when_that_is_confirmed() {
        let mut board = board();
        board.key(KeyCode::End);
        assert_eq!(board.key(KeyCode::Char('s')), Wish::Look);
        assert!(picture(&board).contains("stop /tasks? y stops it"));
        assert_eq!(board.key(KeyCode::Char('n')), Wish::Look, "anything else calls it off");
        assert_eq!(board.key(KeyCode::Char('y')), Wish::Look, "and it stays called off");
        board.key(KeyCode::Char('s'));
        let wish = Wish::Control(Control::Stop, "/tasks".to_owned());
        assert_eq!(board.key(KeyCode::Char('y')), wish);
    }

    #[test]
    fn the_selection_stays_with_its_actor() {
        let mut board = board();
        board.key(KeyCode::End);
        let mut tree = sample::tree();
        tree.children.swap(0, 1);
        board.refresh(rows(&tree));
        assert_eq!(board.selected.as_deref(), Some("/tasks"));
        tree.children.clear();
        board.refresh(rows(&tree));
        assert_eq!(board.selected.as_deref(), Some("/"), "gone: back to the root");
    }

    #[test]
    fn an_empty_tree_is_no_reason_to_fall() {
        let mut board = Board::new("here");
        for key in [KeyCode::Down, KeyCode::Char('p'), KeyCode::Char('s'), KeyCode::End] {
            assert_eq!(board.key(key), Wish::Look);
        }
        picture(&board);
    }
}
