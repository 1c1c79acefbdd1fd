//! The run: drives the team through the task engine that users have, and makes the report.
//!
//! ```text
//! planner ─► pipeline     log.read ► log.mine                 a task for each chunk
//!            sequential   log.audit, log.summarise            once: nothing is missing, one digest
//!            parallel     log.detect.{rare,rate,failures}     once
//!            single       log.cite                            lines that show a spike
//!            consensus    log.judge × 3                       a task for each finding
//!            competitive  log.report × 2                      once: the first account wins
//! ```

mod books;
mod chunks;
mod client;
mod deliberation;
mod summary;

use std::path::PathBuf;

use synod_runtime::{Address, Principal};
use synod_tasks::TasksMessage;
use tokio::time::Instant;

use crate::config::TriageConfig;
use crate::error::TriageError;
use crate::reader::{Input, Planner, Readable, Skipped, survey};
use crate::report::{Speed, TriageReport};
use books::Books;
use chunks::{ChunkStage, Done};
use client::Client;
use deliberation::Deliberation;

/// How a triage is run.
#[derive(Clone, Debug)]
pub struct TriageOptions {
    /// Name of the run; no two runs on one node may share it.
    pub run: String,
    /// Settings.
    pub config: TriageConfig,
    /// Folder for the chunks of a stream; made and removed by the run.
    pub spool: PathBuf,
    /// Crash the reader once, midway, to show what becomes of the work.
    pub rehearse_crash: bool,
    /// What the team of the node may open: where links in the input lead is added to it.
    pub readable: Readable,
    /// On whose behalf the tasks are submitted.
    pub principal: Principal,
}

/// What happens during a run, for a progress bar.
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
    /// A chunk is done. Counts are of the whole run so far.
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
    /// The digests are audited and grouped.
    Summarising,
    /// The detectors work.
    Detecting,
    /// The judges vote.
    Judging {
        /// Findings that are decided.
        decided: usize,
        /// Findings in all.
        of: usize,
    },
    /// The reporters compete.
    Reporting,
}

/// Triages `input` with the team of the node that `tasks` belongs to.
///
/// # Errors
/// [`TriageError`]; tasks that were accepted before go on in the node.
pub async fn run(
    input: &Input,
    tasks: &Address<TasksMessage>,
    options: TriageOptions,
    mut progress: impl FnMut(Progress),
) -> Result<TriageReport, TriageError> {
    options.config.validate().map_err(TriageError::Config)?;
    let client = Client::new(tasks.clone(), &options);
    let mut books = Books::open(&client).await?;
    let planner = plan(input, &options).await?;
    progress(surveyed(&planner));
    let began = Instant::now();
    let spool = Spool { folder: options.spool.clone() };
    let stage = ChunkStage::new(&client, &options, planner);
    let mut done = stage.run(&mut books, &mut progress).await?;
    drop(spool);

    progress(Progress::Summarising);
    let digest = summary::summarise(&client, &mut books, &mut done, &options.config).await?;
    progress(Progress::Detecting);
    let deliberation = Deliberation::new(&client, &options.config, &done);
    let findings = deliberation.detect(&digest, &mut books).await?;
    let findings = deliberation.cite(findings, &mut books).await?;
    let judged = deliberation.judge(findings, &mut books, &mut progress).await?;
    progress(Progress::Reporting);
    let name = name_of(input, &done);
    let account = deliberation.account(&name, &digest, &judged, &mut books).await?;

    let speed = speed(began, digest.lines(), digest.bytes());
    let (ledger, modes) = books.close(&client).await?;
    let report = summary::report(&name, &options.run, &digest, done);
    Ok(TriageReport {
        account,
        findings: judged.confirmed,
        rejected: judged.rejected,
        speed,
        modes,
        ledger,
        ..report
    })
}

fn surveyed(planner: &Planner) -> Progress {
    let (files, skipped) = (planner.files().len(), planner.skipped().len());
    Progress::Surveyed { files, skipped, bytes: planner.total_bytes() }
}

async fn plan(input: &Input, options: &TriageOptions) -> Result<Planner, TriageError> {
    let (input, config) = (input.clone(), options.config.clone());
    let spool = options.spool.clone();
    let readable = options.readable.clone();
    let planner = blocking(move || {
        survey(&input, &config).map(|mut sources| {
            readable.admit(std::mem::take(&mut sources.linked));
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
    ended.map_err(|error| TriageError::Engine(format!("a thread of the run ended: {error}")))
}

fn speed(began: Instant, lines: u64, bytes: u64) -> Speed {
    let elapsed = began.elapsed();
    let seconds = elapsed.as_secs_f64().max(1e-6);
    Speed {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        lines_per_second: (lines as f64 / seconds).round(),
        megabytes_per_second: (bytes as f64 / seconds / 1e5).round() / 10.0,
    }
}

fn name_of(input: &Input, done: &Done) -> String {
    match (input, done.files.as_slice()) {
        (Input::Path(path), _) => path.display().to_string(),
        (_, [only]) => only.path.clone(),
        _ => "the logs of this machine".to_owned(),
    }
}

/// Removes the folder of spooled chunks when the run is done with it, however it ends.
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
