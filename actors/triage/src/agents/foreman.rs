//! The foreman: reads a whole log by having its chunks read, each as a task of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use synod_agents::{Agent, AgentCard, AgentContext, AgentError, AgentSource, Assignment, Payload};
use synod_runtime::Principal;
use uuid::Uuid;

use super::{Engine, Member, ReadTask, Reading, TeamOptions, cards, unread};
use crate::error::{InputError, ReadError, TriageError};
use crate::intake::{Intake, take_in};
use crate::reader::Input;

/// When a foreman that is not connected yet can be asked again.
const CONNECTED: Duration = Duration::from_millis(50);

/// What all instances share.
struct Desk {
    options: TeamOptions,
    engine: Engine,
    /// Whether standard input, which can be read once, has been.
    taken: AtomicBool,
}

struct Foreman {
    card: AgentCard,
    desk: Arc<Desk>,
}

pub(super) fn foreman(options: TeamOptions, engine: Engine) -> Member {
    let card = cards::foreman();
    let desk = Arc::new(Desk { options, engine, taken: AtomicBool::new(false) });
    let named = card.clone();
    let source: AgentSource =
        Arc::new(move || Box::new(Foreman { card: named.clone(), desk: Arc::clone(&desk) }));
    Member { card: Arc::new(card), source }
}

impl Desk {
    /// What a task means to be read.
    fn input(&self, task: &ReadTask) -> Result<Input, AgentError> {
        if let Some(file) = &task.file {
            return Ok(Input::Path(PathBuf::from(file)));
        }
        let Some(name) = &task.given else {
            let told = "file: expected a file or a folder that the team may read";
            return Err(AgentError::invalid_input(told));
        };
        let given = self.options.given.clone().filter(|(known, _)| known == name);
        let (_, input) = given.ok_or_else(|| {
            AgentError::refused("what this run was to read is gone: it was given to another team")
        })?;
        if input == Input::Standard && self.taken.swap(true, Ordering::Relaxed) {
            let told = "standard input has been read already, and can't be read twice";
            return Err(AgentError::refused(told));
        }
        Ok(input)
    }

    /// Whether the team may read it.
    async fn check(&self, input: &Input) -> Result<(), AgentError> {
        let Input::Path(path) = input else { return Ok(()) };
        let (readable, path) = (self.options.readable.clone(), path.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let told = path.display().to_string();
            if !readable.names(&path) {
                return Err(unread(ReadError::NotGiven { path: told }));
            }
            readable.check(&told).map_err(|error| match error {
                ReadError::Unreadable { source, .. } => {
                    failed(InputError::Unreadable { path, source }.into())
                }
                other => unread(other),
            })
        });
        checked.await.map_err(|error| AgentError::failed(error.to_string()))?
    }

    async fn read(&self, key: String, task: ReadTask) -> Result<Reading, AgentError> {
        let Some(tasks) = self.engine.get() else {
            let early = AgentError::unavailable("the team is not connected yet");
            return Err(early.retry_after(CONNECTED));
        };
        let input = self.input(&task)?;
        self.check(&input).await?;
        let TeamOptions { config, readable, follows_links, spool, told, .. } = &self.options;
        let intake = Intake {
            key,
            config: config.clone(),
            spool: own_folder(spool),
            rehearse_crash: task.rehearse_crash,
            readable: readable.clone(),
            follows_links: *follows_links,
            principal: Principal::agent("log-foreman"),
        };
        take_in(&input, tasks, intake, |step| told(step)).await.map_err(failed)
    }
}

/// A folder for the chunks of one stream; several may be read at a time.
fn own_folder(spool: &Path) -> PathBuf {
    spool.join(Uuid::now_v7().to_string())
}

fn failed(error: TriageError) -> AgentError {
    let message = error.to_string();
    match error {
        // A disk that is full may have room later.
        TriageError::Input(InputError::Spool { .. }) => AgentError::failed(message),
        TriageError::Input(_) | TriageError::Config(_) => AgentError::invalid_input(message),
        TriageError::Engine(_) => AgentError::unavailable(message),
        TriageError::Task { .. } => AgentError::failed(message),
    }
}

impl Agent for Foreman {
    fn card(&self) -> AgentCard {
        self.card.clone()
    }

    async fn perform(
        &mut self,
        assignment: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let task: ReadTask = assignment.payload.to_json()?;
        let reading = self.desk.read(assignment.idempotency_key, task).await?;
        Ok(Payload::json(&reading)?)
    }
}
