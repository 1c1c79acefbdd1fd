//! The first stage: a pipeline task for each chunk, a bounded number of them at a time.

use synod_tasks::{TaskMode, TaskStatusResponse};
use tokio::task::JoinSet;

use super::client::{Client, output, request};
use super::places::Places;
use super::{Intake, Progress, blocking, left_out};
use crate::agents::{ChunkTask, MINE, READ, TakenTasks};
use crate::config::TriageConfig;
use crate::digest::{Digest, Ranges};
use crate::error::TriageError;
use crate::reader::{ChunkRef, LogFile, Planner, Skipped};
use crate::report::CrashLine;

const STEP: &str = "log.chunk";

/// What is left of the input when all chunks are done.
pub(super) struct Done {
    pub(super) files: Vec<LogFile>,
    pub(super) skipped: Vec<Skipped>,
    /// The digest of all chunks.
    pub(super) digest: Digest,
    /// The chunks that were done, and their bytes.
    pub(super) chunks: Ranges,
    pub(super) bytes: u64,
    /// Where the chunks of files lie, and when they were written.
    pub(super) places: Places,
    pub(super) crash: Option<CrashLine>,
    pub(super) tasks: TakenTasks,
}

/// The stage itself.
pub(super) struct ChunkStage {
    client: Client,
    config: TriageConfig,
    spool: std::path::PathBuf,
    /// The chunk at which the reader is to crash.
    crash_at: Option<u64>,
    planner: Option<Planner>,
    streams: bool,
    under_way: JoinSet<(ChunkRef, Result<TaskStatusResponse, TriageError>)>,
}

impl ChunkStage {
    pub(super) fn new(client: &Client, intake: &Intake, planner: Planner) -> Self {
        Self {
            client: client.clone(),
            config: intake.config.clone(),
            spool: intake.spool.clone(),
            crash_at: intake.rehearse_crash.then(|| planner.expected_chunks() / 2),
            streams: planner.total_bytes().is_none(),
            planner: Some(planner),
            under_way: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self, progress: &impl Fn(Progress)) -> Result<Done, TriageError> {
        let mut done = Done {
            files: Vec::new(),
            skipped: Vec::new(),
            digest: Digest::default(),
            chunks: Ranges::default(),
            bytes: 0,
            places: Places::default(),
            crash: None,
            tasks: TakenTasks::default(),
        };
        loop {
            while self.under_way.len() < self.config.in_flight && self.planner.is_some() {
                self.begin_next(&mut done).await?;
            }
            let Some(ended) = self.under_way.join_next().await else { return Ok(done) };
            let (chunk, result) = ended.map_err(|e| TriageError::Engine(e.to_string()))?;
            match result {
                Ok(status) => {
                    done.tasks.completed += 1;
                    self.take(&chunk, &status, &mut done, progress)?;
                }
                Err(error @ TriageError::Task { .. }) => {
                    done.tasks.failed += 1;
                    done.skipped.push(left_out(place_of(&chunk), &error));
                }
                Err(error) => return Err(error),
            }
            Planner::release(&self.spool, &chunk);
        }
    }

    /// Plans a chunk and submits it; at the end of the input, takes the planner's books.
    async fn begin_next(&mut self, done: &mut Done) -> Result<(), TriageError> {
        let Some(mut planner) = self.planner.take() else { return Ok(()) };
        let (planner, next) = blocking(move || {
            let next = planner.next_chunk();
            (planner, next)
        })
        .await?;
        let Some(chunk) = next? else {
            done.files = planner.files().to_vec();
            done.skipped.extend_from_slice(planner.skipped());
            return Ok(());
        };
        self.planner = Some(planner);
        let client = self.client.clone();
        let rehearse_crash = self.crash_at == Some(chunk.number);
        let task = ChunkTask { chunk: chunk.clone(), rehearse_crash };
        let submission = request(STEP, TaskMode::Pipeline, &[READ, MINE], &task)?;
        self.under_way.spawn(async move {
            let key = format!("chunk/{}", chunk.number);
            let result = client.perform(STEP, &key, submission).await;
            (chunk, result)
        });
        Ok(())
    }

    fn take(
        &self,
        chunk: &ChunkRef,
        status: &TaskStatusResponse,
        done: &mut Done,
        progress: &impl Fn(Progress),
    ) -> Result<(), TriageError> {
        let digest: Digest = output(STEP, status)?;
        let span = digest.span();
        if !done.digest.merge(digest, &self.config.miner) {
            return Ok(());
        }
        done.chunks.join(&Ranges::one(chunk.number));
        done.bytes += chunk.length;
        if let Some(span) = span.filter(|_| !self.streams) {
            done.places.add(chunk, span);
        }
        if self.crash_at == Some(chunk.number) {
            done.crash = crash_line(chunk.number, status);
        }
        if let (Some(crash), true) = (&done.crash, self.crash_at == Some(chunk.number)) {
            progress(Progress::Recovered { agent: crash.agent.clone(), chunk: chunk.number });
        }
        let (chunks, bytes, lines) = (done.chunks.len(), done.bytes, done.digest.lines());
        progress(Progress::Chunk { chunks, bytes, lines });
        Ok(())
    }
}

/// What became of the work that the crashed agent had in hand.
fn crash_line(chunk: u64, status: &TaskStatusResponse) -> Option<CrashLine> {
    let part = status.parts.iter().find(|part| part.lost > 0)?;
    Some(CrashLine {
        agent: part.agent.clone().unwrap_or_default(),
        chunk,
        lost_executions: part.lost,
        done_by_attempt: part.attempts,
        recovered: true,
    })
}

fn place_of(chunk: &ChunkRef) -> String {
    format!("{} from line {}", chunk.path, chunk.first_line)
}
