//! `synod status --watch`: the board on a real terminal, fed by a node and a keyboard.

use std::io::{self, IsTerminal};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::board::{Board, Wish};
use super::rows::{Row, rows};
use super::{Part, control, done, report};
use crate::cli::Session;
use crate::cli::client::decode;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::Paint;
use crate::status::StatusReport;

/// Time between two pictures.
const EVERY: Duration = Duration::from_secs(1);
/// How long the keyboard's thread waits before it looks whether anyone listens.
const GLANCE: Duration = Duration::from_millis(100);
/// Keys that may wait to be handled.
const KEYS: usize = 64;

/// What the keyboard's thread tells.
enum Stroke {
    Key(KeyCode),
    Redraw,
    Interrupt,
}

/// Shows a part of the tree until somebody leaves.
pub(crate) async fn watch(part: &Part, session: &Session) -> Result<Exit, CliError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let advice = "leave out --watch, or use --json and the stream at /api/v1/stream";
        return Err(CliError::Usage(format!("--watch needs a terminal; {advice}")));
    }
    // The first picture is asked for before the screen is taken: an error is told in plain text.
    let mut board = Board::new(session.client.url());
    board.refresh(picture(part, session).await?);
    let mut terminal = ratatui::try_init()?;
    let done = run(&mut terminal, &mut board, part, session).await;
    ratatui::try_restore()?;
    done
}

async fn run(
    terminal: &mut DefaultTerminal,
    board: &mut Board,
    part: &Part,
    session: &Session,
) -> Result<Exit, CliError> {
    let mut strokes = keyboard();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        terminal.draw(|frame| board.draw(frame))?;
        tokio::select! {
            _ = ticks.tick() => match picture(part, session).await {
                Ok(rows) => board.refresh(rows),
                Err(error) => board.tell(Paint::Bad, format!("old picture: {error}")),
            },
            stroke = strokes.recv() => match stroke {
                Some(Stroke::Key(key)) => match board.key(key) {
                    Wish::Look => {}
                    Wish::Quit => return Ok(Exit::Done),
                    Wish::Control(what, path) => match control(what, &path, session).await {
                        Ok(_) => board.tell(Paint::Good, format!("{path}: {}", done(what))),
                        Err(error) => board.tell(Paint::Bad, error.to_string()),
                    },
                },
                Some(Stroke::Redraw) => {}
                // The terminal is in raw mode: Ctrl-C is a key here, not a signal.
                Some(Stroke::Interrupt) | None => return Err(CliError::Interrupted),
            },
        }
    }
}

async fn picture(part: &Part, session: &Session) -> Result<Vec<Row>, CliError> {
    let report: StatusReport = decode(report(part, session).await?)?;
    Ok(rows(&report.tree))
}

/// Reads the keyboard on a thread of its own, which ends once nobody listens.
fn keyboard() -> mpsc::Receiver<Stroke> {
    let (strokes, receiver) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while !strokes.is_closed() {
            let stroke = match event::poll(GLANCE) {
                Ok(false) => continue,
                Ok(true) => event::read().ok().and_then(stroke),
                Err(_) => return,
            };
            if stroke.is_some_and(|stroke| strokes.blocking_send(stroke).is_err()) {
                return;
            }
        }
    });
    receiver
}

fn stroke(event: Event) -> Option<Stroke> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) if is_interrupt(key.code, key.modifiers) => Some(Stroke::Interrupt),
        Event::Key(key) => Some(Stroke::Key(key.code)),
        Event::Resize(..) => Some(Stroke::Redraw),
        _ => None,
    }
}

fn is_interrupt(code: KeyCode, modifiers: KeyModifiers) -> bool {
    code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL)
}
