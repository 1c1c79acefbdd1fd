//! The foreman: reads a whole log by having its chunks read, each as a task of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use synod_agents::{Agent, AgentCard, AgentContext, AgentError, AgentSource, Assignment, Payload};
use synod_runtime::Principal;
use uuid::Uuid;

use super::{Engine, Member, ReadTask, Reading, TeamOptions, cards, unread};
use crate::error::{InputError, ReadError, TriageError};
use crate::intake::{Intake, Progress, take_in};
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

    /// Reads what the task means; `life` is told of each chunk.
    async fn read(
        &self,
        key: String,
        task: ReadTask,
        life: &SignsOfLife,
    ) -> Result<Reading, AgentError> {
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
        let tell = |step| {
            life.show(&step);
            told(step);
        };
        take_in(&input, tasks, intake, tell).await.map_err(failed)
    }
}

/// How far a reading is, for whoever asks about the agent or waits for a sign of life.
struct SignsOfLife {
    handle: synod_agents::Progress,
    /// Bytes of the input; 0 while they are not known.
    total: AtomicU64,
}

impl SignsOfLife {
    fn show(&self, step: &Progress) {
        match step {
            Progress::Surveyed { bytes, .. } => {
                self.total.store(bytes.unwrap_or(0), Ordering::Relaxed);
            }
            Progress::Chunk { bytes, lines, .. } => {
                // Of a stream nobody knows how long it is.
                let total = self.total.load(Ordering::Relaxed);
                let share = if total == 0 { 0.0 } else { *bytes as f32 / total as f32 };
                self.handle.report(share, &format!("{lines} lines"));
            }
            Progress::Recovered { .. } => {}
        }
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
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let task: ReadTask = assignment.payload.to_json()?;
        let life = SignsOfLife { handle: ctx.progress_handle(), total: AtomicU64::new(0) };
        let reading = self.desk.read(assignment.idempotency_key, task, &life).await?;
        Ok(Payload::json(&reading)?)
    }
}

#[cfg(test)]
mod tests {
    use synod_agents::AgentErrorKind;

    use super::*;
    use crate::config::TriageConfig;
    use crate::reader::Readable;

    fn desk(folder: &Path) -> Desk {
        let readable = Readable::below([folder.join("logs")]);
        let given = Some(("pipe".to_owned(), Input::Standard));
        let new = TeamOptions::new(TriageConfig::default(), readable, folder.join("spool"));
        let options = TeamOptions { given, ..new };
        Desk { options, engine: Engine::default(), taken: AtomicBool::new(false) }
    }

    fn given(name: &str) -> ReadTask {
        ReadTask { given: Some(name.to_owned()), ..ReadTask::default() }
    }

    #[test]
    fn a_stream_is_read_once_and_for_its_own_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path());
        let kind = |task: &ReadTask| desk.input(task).unwrap_err().kind;
        assert_eq!(kind(&ReadTask::default()), AgentErrorKind::InvalidInput);
        assert_eq!(kind(&given("another")), AgentErrorKind::Refused);
        assert_eq!(desk.input(&given("pipe")), Ok(Input::Standard));
        assert_eq!(kind(&given("pipe")), AgentErrorKind::Refused, "it is gone");
    }

    #[tokio::test]
    async fn of_what_may_not_be_read_nobody_is_told_whether_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::fs::write(folder.path().join("logs/a.log"), "x").unwrap();
        let desk = desk(folder.path());
        let check = async |name: &str| {
            let checked = desk.check(&Input::Path(folder.path().join(name))).await;
            checked.map_err(|error| error.kind)
        };
        assert_eq!(check("logs/a.log").await, Ok(()));
        assert_eq!(check("logs/no.log").await, Err(AgentErrorKind::InvalidInput));
        for name in ["secret", "nothing", "logs/../secret", "logs/../nothing"] {
            assert_eq!(check(name).await, Err(AgentErrorKind::Refused), "{name}");
        }
    }
}
