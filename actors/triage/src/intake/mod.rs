//! Taking in a whole input: cut into chunks, each a task of the engine that users have, their
//! digests merged into one. The trade of the foreman; the rest of a triage is a workflow.
//!
//! ```text
//! planner ─► pipeline task  log.read ► log.mine ─► merge ─► Reading
//!            one for each chunk, a bounded number at a time
//! ```
//!
//! Chunks are tasks, not items of the workflow's step: there are as many as the input is long, and
//! of a stream nobody knows how many. A run keeps what its steps give; so it would grow with the
//! input, and a digest of each chunk is larger than what is left of all of them.
//!
//! Never: two chunks under one key. A foreman that begins again with the same key is given what was
//! done before.

mod chunks;
mod client;
mod places;

use std::path::PathBuf;

use synod_runtime::{Address, Principal};
use synod_tasks::TasksMessage;

use crate::agents::{AuditedDigest, MAX_INPUT_BYTES, Reading};
use crate::config::TriageConfig;
use crate::digest::{Digest, FileTally};
use crate::error::TriageError;
use crate::reader::{Input, Planner, Readable, Skipped, survey};
use crate::report::{FileLine, Totals};
use crate::severity::Severity;
use chunks::{ChunkStage, Done};
use client::Client;
pub use places::{Place, Places};

/// Files that were left out which are named; of more it is said how many there are.
const MAX_SKIPPED: usize = 1_000;

/// How an input is taken in.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    /// Names the intake: the same key is the same work.
    pub key: String,
    /// Settings.
    pub config: TriageConfig,
    /// Folder for the chunks of a stream; made and removed here.
    pub spool: PathBuf,
    /// Crash the reader once, midway, to show what becomes of the work.
    pub rehearse_crash: bool,
    /// What the team may open.
    pub readable: Readable,
    /// Whether links in the input are followed wherever they lead.
    pub follows_links: bool,
    /// On whose behalf the tasks are submitted.
    pub principal: Principal,
}

/// What happens, for a progress bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The input is known.
    Surveyed {
        /// Files that will be read.
        files: usize,
        /// Files that are left out.
        skipped: usize,
        /// Bytes of all files; none for a stream.
        bytes: Option<u64>,
    },
    /// A chunk is done. Counts are of the whole input so far.
    Chunk {
        /// Chunks that are done.
        chunks: u64,
        /// Their bytes.
        bytes: u64,
        /// Their lines.
        lines: u64,
    },
    /// The crash on purpose happened, and the chunk was done all the same.
    Recovered {
        /// The agent that crashed.
        agent: String,
        /// The chunk it had in hand.
        chunk: u64,
    },
}

/// Takes in all of `input` with the readers and miners of the node that `tasks` belongs to.
///
/// # Errors
/// [`TriageError`]; tasks that were accepted before go on in the node.
pub(crate) async fn take_in(
    input: &Input,
    tasks: &Address<TasksMessage>,
    intake: Intake,
    progress: impl Fn(Progress),
) -> Result<Reading, TriageError> {
    intake.config.validate().map_err(TriageError::Config)?;
    let client = Client::new(tasks.clone(), &intake);
    let planner = plan(input, &intake).await?;
    let (files, skipped) = (planner.files().len(), planner.skipped().len());
    progress(Progress::Surveyed { files, skipped, bytes: planner.total_bytes() });
    let spool = Spool { folder: intake.spool.clone() };
    let done = ChunkStage::new(&client, &intake, planner).run(&progress).await?;
    drop(spool);
    reading(input, done, &intake.config)
}

/// What is left of the input.
fn reading(input: &Input, done: Done, config: &TriageConfig) -> Result<Reading, TriageError> {
    let input = name_of(input, &done);
    let Done { files, skipped, mut digest, chunks, bytes, places, crash, tasks } = done;
    if !digest.shrink_to(MAX_INPUT_BYTES, &config.miner) {
        let reason = "the digest is too large for a task".to_owned();
        return Err(TriageError::Task { step: "log.digest", reason });
    }
    let totals = totals(&digest, files.len() as u64, chunks.len());
    let lines = files.iter().zip(0..).map(|(file, index)| {
        let tally = digest.files.get(&index).cloned().unwrap_or_default();
        let FileTally { lines, bytes, undated, span, .. } = tally;
        FileLine { path: file.path.clone(), lines, bytes, undated, span }
    });
    Ok(Reading {
        input,
        totals,
        files: lines.collect(),
        skipped: named(skipped),
        places,
        crash,
        tasks,
        audited: AuditedDigest { chunks, bytes, digest },
    })
}

fn named(mut skipped: Vec<Skipped>) -> Vec<Skipped> {
    let more = skipped.len().saturating_sub(MAX_SKIPPED);
    if more > 0 {
        skipped.truncate(MAX_SKIPPED);
        let reason = "left out as well".to_owned();
        skipped.push(Skipped { path: format!("and {more} more"), reason });
    }
    skipped
}

fn totals(digest: &Digest, files: u64, chunks: u64) -> Totals {
    let sum = |count: fn(&FileTally) -> u64| digest.files.values().map(count).sum();
    let severities = Severity::ALL.into_iter().zip(digest.severities);
    Totals {
        lines: digest.lines(),
        bytes: digest.bytes(),
        files,
        chunks,
        // The summary knows how many there are.
        templates: 0,
        undated: sum(|file| file.undated),
        continued: sum(|file| file.continued),
        cut: sum(|file| file.cut),
        span: digest.span(),
        severities: severities.filter(|(_, count)| *count > 0).collect(),
    }
}

async fn plan(input: &Input, intake: &Intake) -> Result<Planner, TriageError> {
    let (input, config) = (input.clone(), intake.config.clone());
    let (spool, readable) = (intake.spool.clone(), intake.readable.clone());
    let follows_links = intake.follows_links;
    let planner = blocking(move || {
        survey(&input, &config).map(|mut sources| {
            let linked = std::mem::take(&mut sources.linked);
            if follows_links {
                readable.admit(linked);
            }
            Planner::new(sources, spool, &config)
        })
    });
    Ok(planner.await??)
}

/// Runs blocking work beside the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TriageError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| TriageError::Engine(format!("a thread of the intake ended: {error}")))
}

fn name_of(input: &Input, done: &Done) -> String {
    match (input, done.files.as_slice()) {
        (Input::Path(path), _) => path.display().to_string(),
        (_, [only]) => only.path.clone(),
        _ => "the logs of this machine".to_owned(),
    }
}

/// Removes the folder of spooled chunks when the intake is done with it, however it ends.
struct Spool {
    folder: PathBuf,
}

impl Drop for Spool {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A chunk that can't be read any more is left out, and the report says so.
fn left_out(path: String, reason: &TriageError) -> Skipped {
    Skipped { path, reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
