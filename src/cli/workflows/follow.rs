//! Following a run until it ends: as a tree that is drawn again and again, line by line, or
//! silently.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use ratatui::crossterm::terminal;
use serde::Deserialize;
use serde_json::Value;
use synod_workflows::{RunChange, RunId, RunState, RunStatusResponse};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{path, tree, view};
use crate::cli::client::{Client, EventStream, ServerEvent, decode};
use crate::cli::exit::CliError;
use crate::cli::output::Screen;

/// Where changes are told.
const STREAM: &str = "/api/v1/stream/sse";
/// Wait before a broken stream is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often in a row a stream may break without a word before we give up.
const BREAKS: u32 = 30;
/// The shortest time between two pictures.
const PICTURE: Duration = Duration::from_millis(100);
/// The longest: times go on while nothing happens.
const GLANCE: Duration = Duration::from_secs(1);
/// How long the node waits for the end before it answers; below the client's own patience.
const WAIT_S: &str = "20";

/// How a run is shown while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As a tree on the terminal of standard error.
    Tree,
    /// Each change as a line on standard output.
    Lines,
    /// Not at all.
    Silent,
}

impl Style {
    /// Whether a tree could be drawn.
    pub(crate) fn has_terminal() -> bool {
        io::stderr().is_terminal()
    }
}

/// What we read of an event: what happened to a run, in a CloudEvent.
#[derive(Deserialize)]
struct Told {
    data: RunChange,
}

/// Whether a run in this state has ended.
pub(crate) fn has_ended(state: RunState) -> bool {
    matches!(state, RunState::Completed | RunState::Failed | RunState::Cancelled)
}

/// Follows the run to its end, from this place of the stream on, and gives how it stands then.
pub(crate) async fn until_ended(
    (run, cursor): (RunId, Option<String>),
    client: &Client,
    screen: &Screen,
    style: Style,
) -> Result<Value, CliError> {
    if style == Style::Silent {
        return wait(run, client).await;
    }
    let view = View::new(style, screen);
    let mut follower = Follower { run, client, view, cursor };
    let mut breaks = 0;
    while breaks < BREAKS {
        let heard = follower.cursor.clone();
        if let Some(answer) = follower.follow().await? {
            follower.view.finish(&answer)?;
            return Ok(answer);
        }
        // A stream that said something was worth opening.
        breaks = if follower.cursor == heard { breaks + 1 } else { 0 };
        tokio::time::sleep(AGAIN).await;
    }
    Err(CliError::Failed("the node closes its stream again and again".to_owned()))
}

/// Waits for the end in the node, over and over.
async fn wait(run: RunId, client: &Client) -> Result<Value, CliError> {
    loop {
        let answer = client.get(&path(run), &[("wait", WAIT_S.to_owned())]).await?;
        let state: RunState = decode(answer["state"].clone())?;
        if has_ended(state) {
            return Ok(answer);
        }
    }
}

struct Follower<'s> {
    run: RunId,
    client: &'s Client,
    view: View<'s>,
    /// The id of the last event read.
    cursor: Option<String>,
}

impl Follower<'_> {
    /// Reads one stream to its end; `None` when the run has not ended by then.
    async fn follow(&mut self) -> Result<Option<Value>, CliError> {
        let query = [("run", self.run.to_string())];
        let cursor = self.cursor.as_deref();
        // Opened before the run is looked at, so that no change falls between the two.
        let mut stream = self.client.stream(STREAM, &query, cursor).await?;
        let mut glances = interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer = self.look().await?;
            let run: RunStatusResponse = decode(answer.clone())?;
            if has_ended(run.summary.state) {
                self.drain(&mut stream).await?;
                return Ok(Some(answer));
            }
            self.view.draw(&run);
            let next = Instant::now() + PICTURE;
            tokio::select! {
                event = stream.next() => match event {
                    Some(event) => self.hear(&event)?,
                    None => return Ok(None),
                },
                _ = glances.tick(), if self.view.style == Style::Tree => continue,
            }
            // What comes close together is drawn together.
            while let Ok(event) = timeout_at(next, stream.next()).await {
                let Some(event) = event else { return Ok(None) };
                self.hear(&event)?;
            }
        }
    }

    /// Tells what is left to be told of a run that has ended: up to its last event, or for as long
    /// as one picture takes.
    async fn drain(&mut self, stream: &mut EventStream) -> Result<(), CliError> {
        let until = Instant::now() + PICTURE;
        while self.view.style == Style::Lines
            && let Ok(Some(event)) = timeout_at(until, stream.next()).await
        {
            self.hear(&event)?;
            if is_end(&event.kind) {
                break;
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Value, CliError> {
        self.client.get(&path(self.run), &[]).await
    }

    /// Takes an event.
    fn hear(&mut self, event: &ServerEvent) -> Result<(), CliError> {
        self.cursor = event.id.clone().or(self.cursor.take());
        let told: Result<Told, _> = serde_json::from_str(&event.data);
        // Words about the stream itself are no changes of a run.
        let Ok(Told { data }) = told else { return Ok(()) };
        if data.run_id == self.run { self.view.tell(&data) } else { Ok(()) }
    }
}

fn is_end(kind: &str) -> bool {
    matches!(kind, "synod.run.completed" | "synod.run.failed" | "synod.run.cancelled")
}

/// What is seen of a run while it goes on.
struct View<'s> {
    style: Style,
    screen: &'s Screen,
    bar: ProgressBar,
}

impl<'s> View<'s> {
    fn new(style: Style, screen: &'s Screen) -> Self {
        let target = match style {
            Style::Tree => ProgressDrawTarget::stderr(),
            Style::Lines | Style::Silent => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(plain) = ProgressStyle::with_template("{msg}") {
            bar.set_style(plain);
        }
        Self { style, screen, bar }
    }

    fn tell(&self, change: &RunChange) -> Result<(), CliError> {
        if self.style != Style::Lines {
            return Ok(());
        }
        if self.screen.is_json() {
            return Ok(self.screen.json_line(change)?);
        }
        Ok(self.screen.line(view::change(change, self.screen))?)
    }

    fn draw(&self, run: &RunStatusResponse) {
        if self.style == Style::Tree {
            let mut lines = tree::lines(run, Timestamp::now(), self.screen);
            let rows = terminal::size().map_or(24, |(_, rows)| usize::from(rows));
            let room = rows.saturating_sub(2).max(2);
            if lines.len() > room {
                let left = lines.len() - room;
                lines.truncate(room);
                lines.push(format!("… and {left} steps more"));
            }
            self.bar.set_message(lines.join("\n"));
            self.bar.tick();
        }
    }

    /// Leaves the last picture where it is.
    fn finish(&self, answer: &Value) -> Result<(), CliError> {
        if self.style == Style::Tree {
            self.bar.finish_and_clear();
            let run: RunStatusResponse = decode(answer.clone())?;
            for line in tree::lines(&run, Timestamp::now(), self.screen) {
                writeln!(io::stderr(), "{line}")?;
            }
        }
        Ok(())
    }
}
