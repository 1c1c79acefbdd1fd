//! Following a task until it ends: over the node's stream, and over again when that breaks.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use synod_tasks::{TaskChange, TaskState, TaskStatusResponse};
use uuid::Uuid;

use super::{path, view};
use crate::cli::Session;
use crate::cli::client::{ServerEvent, decode};
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::Paint;

/// Where changes are told.
const STREAM: &str = "/api/v1/stream/sse";
/// Wait before a broken stream is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often in a row a stream may break without a word before we give up.
const BREAKS: u32 = 30;

/// What we read of an event: the change of a task in a CloudEvent.
#[derive(Deserialize)]
struct Told {
    data: TaskChange,
}

/// Tells every change of the task until it has ended, then what came of it. A task that did not
/// complete is [`Exit::Failed`].
pub(crate) async fn until_ended(task: Uuid, session: &Session) -> Result<Exit, CliError> {
    let mut follower = Follower { task, session, last: None, cursor: None };
    let mut breaks = 0;
    while breaks < BREAKS {
        let heard = follower.cursor.clone();
        if let Some(exit) = follower.follow().await? {
            return Ok(exit);
        }
        // A stream that said something was worth opening.
        breaks = if follower.cursor == heard { breaks + 1 } else { 0 };
        tokio::time::sleep(AGAIN).await;
    }
    Err(CliError::Failed("the node closes its stream again and again".to_owned()))
}

struct Follower<'s> {
    task: Uuid,
    session: &'s Session,
    /// The state told last.
    last: Option<TaskState>,
    /// The id of the last event read.
    cursor: Option<String>,
}

impl Follower<'_> {
    /// Reads one stream to its end; `None` when the task has not ended by then.
    async fn follow(&mut self) -> Result<Option<Exit>, CliError> {
        let query = [("task", self.task.to_string())];
        let cursor = self.cursor.as_deref();
        // Opened before the task is looked at, so that no change falls between the two.
        let mut stream = self.session.client.stream(STREAM, &query, cursor).await?;
        let answer = self.look().await?;
        let task: TaskStatusResponse = decode(answer.clone())?;
        self.tell(task.state, Timestamp::now())?;
        if task.state.has_ended() {
            return self.end(answer).map(Some);
        }
        while let Some(event) = stream.next().await {
            if self.hear(&event)? {
                let answer = self.look().await?;
                return self.end(answer).map(Some);
            }
        }
        Ok(None)
    }

    async fn look(&self) -> Result<Value, CliError> {
        self.session.client.get(&path(self.task), &[]).await
    }

    /// Takes an event; true when it tells the task's end.
    fn hear(&mut self, event: &ServerEvent) -> Result<bool, CliError> {
        self.cursor = event.id.clone().or(self.cursor.take());
        // Words about the stream itself end it, and the next one begins after them.
        if !event.kind.starts_with("synod.task.") {
            return Ok(false);
        }
        let told: Result<Told, _> = serde_json::from_str(&event.data);
        let Ok(Told { data }) = told else { return Ok(false) };
        if data.task_id != self.task {
            return Ok(false);
        }
        self.tell(data.state, data.at)?;
        Ok(data.state.has_ended())
    }

    /// Tells a state once.
    fn tell(&mut self, state: TaskState, at: Timestamp) -> Result<(), CliError> {
        if self.last.replace(state) == Some(state) {
            return Ok(());
        }
        let screen = &self.session.screen;
        if screen.is_json() {
            let change = json!({"task_id": self.task, "state": state, "at": at});
            return Ok(screen.json_line(&change)?);
        }
        let paint = Paint::of_state(state.as_str());
        let at = at.strftime("%H:%M:%S%.3f");
        Ok(screen.line(format!("{at}  {}", screen.paint(paint, state.as_str())))?)
    }

    /// Tells what came of the task.
    fn end(&self, answer: Value) -> Result<Exit, CliError> {
        let screen = &self.session.screen;
        let task: TaskStatusResponse = decode(answer.clone())?;
        if screen.is_json() {
            screen.json_line(&answer)?;
        } else {
            screen.line("")?;
            view::task(&task, screen)?;
        }
        let done = task.state == TaskState::Completed && task.result_error.is_none();
        Ok(if done { Exit::Done } else { Exit::Failed })
    }
}
