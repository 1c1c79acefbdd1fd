//! The team: the pure parts of this crate as agents, each with its card.
//!
//! Every agent takes JSON and gives JSON, keeps nothing between assignments, and gives the same
//! output for the same input. So an execution that was lost can be repeated anywhere, and nothing
//! is counted twice. The foreman gives chunks out as tasks, under keys that are the same each time.

mod cards;
mod contract;
mod foreman;
mod specialist;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use synod_agents::{AgentError, AgentFactory};
use synod_runtime::Address;
use synod_tasks::TasksMessage;

pub use contract::{
    Audit, AuditedDigest, ChunkTask, Quoted, Quoting, Ranked, RankedCase, Ranking, ReadTask,
    Reading, TakenTasks,
};

pub(crate) use cards::*;

use crate::config::TriageConfig;
use crate::detectors::{detect_failures, detect_rare, detect_spikes};
use crate::digest::Digest;
use crate::error::ReadError;
use crate::finding::Finding;
use crate::intake::Progress;
use crate::judges::{Case, Criterion, Vote};
use crate::reader::{ChunkReading, Citation, Input, Readable, cite, digest_chunk, read_chunk};
use crate::reporters::{Account, Facts, Voice};
pub(crate) use specialist::Member;
use specialist::{Attempt, specialist};

/// Bytes of JSON that a digest may have as the input of a task.
pub(crate) const MAX_INPUT_BYTES: usize = 768 << 10;

/// What a team is made with.
pub struct TeamOptions {
    /// Settings.
    pub config: TriageConfig,
    /// What it opens, whatever file a task names.
    pub readable: Readable,
    /// What it is given beside files, and the name under which a task means it: a stream can be
    /// read once, and not by a run that was begun with another one.
    pub given: Option<(String, Input)>,
    /// Whether links in an input are followed wherever they lead; otherwise what lies outside of
    /// `readable` is left out. Only where nobody else can give the team work.
    pub follows_links: bool,
    /// Folder for the chunks of streams.
    pub spool: PathBuf,
    /// Is told how the reading goes on; must not block.
    pub told: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl TeamOptions {
    /// A team that reads these files and what lies below these folders.
    #[must_use]
    pub fn new(config: TriageConfig, readable: Readable, spool: PathBuf) -> Self {
        let told = Arc::new(|_| {});
        Self { config, readable, given: None, follows_links: false, spool, told }
    }
}

/// The team. Start each of its agents on the node whose task engine it is connected with, and on
/// no other.
pub struct Team {
    /// Its agents.
    pub agents: Vec<Arc<dyn AgentFactory>>,
    engine: Engine,
}

impl Team {
    /// The team, not yet connected.
    #[must_use]
    pub fn new(options: TeamOptions) -> Self {
        let engine = Engine::default();
        let shared = |member| Arc::new(member) as Arc<dyn AgentFactory>;
        let (config, readable) = (options.config.clone(), options.readable.clone());
        let mut agents: Vec<_> = members(&config, &readable).into_iter().map(shared).collect();
        agents.push(shared(foreman::foreman(options, Arc::clone(&engine))));
        Self { agents, engine }
    }

    /// Tells the foreman which task engine gives out the chunks; once.
    pub fn connect(&self, tasks: Address<TasksMessage>) {
        // A second call changes nothing.
        let _ = self.engine.set(tasks);
    }
}

/// Where the foreman finds the task engine.
type Engine = Arc<OnceLock<Address<TasksMessage>>>;

/// All but the foreman, who is the only one that knows of tasks.
pub(crate) fn members(config: &TriageConfig, readable: &Readable) -> Vec<Member> {
    let config = Arc::new(config.clone());
    let mut team = vec![
        reader(Arc::clone(&config), readable.clone()),
        miner(Arc::clone(&config), readable.clone()),
        clerk(Arc::clone(&config), readable.clone()),
        specialist(cards::auditor(), |digest: AuditedDigest, _| digest.audit()),
        summariser(Arc::clone(&config)),
        ranker(config.max_findings),
    ];
    team.extend(detectors(&config));
    for criterion in Criterion::ALL {
        let judge = move |case: Case, _| Ok::<Vote, AgentError>(criterion.judge(&case));
        team.push(specialist(cards::judge(criterion), judge));
    }
    for voice in Voice::ALL {
        let write = move |facts: Facts, _| Ok::<Account, AgentError>(voice.write(&facts));
        team.push(specialist(cards::reporter(voice), write));
    }
    team
}

fn unread(error: ReadError) -> AgentError {
    match error {
        // Another attempt may read no more of it.
        ReadError::NotGiven { .. } => AgentError::refused(error.to_string()),
        _ => AgentError::failed(error.to_string()),
    }
}

fn reader(config: Arc<TriageConfig>, readable: Readable) -> Member {
    let card = cards::reader(workers(&config));
    specialist(card, move |task: ChunkTask, attempt: Attempt| {
        if task.rehearse_crash && attempt.number == 1 {
            attempt.crash("a crash on purpose: this is what a bug would do");
        }
        readable.check(&task.chunk.path).map_err(unread)?;
        read_chunk(&task.chunk, &config).map_err(unread)
    })
}

fn miner(config: Arc<TriageConfig>, readable: Readable) -> Member {
    let card = cards::miner(workers(&config));
    specialist(card, move |reading: ChunkReading, _| {
        readable.check(&reading.chunk.path).map_err(unread)?;
        let mut digest = digest_chunk(&reading, &config).map_err(unread)?;
        if digest.shrink_to(config.miner.max_digest_bytes, &config.miner) {
            return Ok(digest);
        }
        let most = config.miner.max_digest_bytes;
        Err(AgentError::refused(format!("the digest does not fit into {most} bytes")))
    })
}

fn clerk(config: Arc<TriageConfig>, readable: Readable) -> Member {
    specialist(cards::clerk(), move |task: Quoting, _| {
        // Where a file is gone, the first lines of the template have to do.
        let quote = |citation: &Citation| {
            readable.check(&citation.chunk.path).ok()?;
            cite(citation, &config).ok()
        };
        Ok::<Quoted, AgentError>(task.quote(quote))
    })
}

fn summariser(config: Arc<TriageConfig>) -> Member {
    specialist(cards::summariser(), move |audited: AuditedDigest, _| {
        let mut digest = audited.digest.grouped(&config.miner);
        if digest.shrink_to(MAX_INPUT_BYTES, &config.miner) {
            return Ok(digest);
        }
        Err(AgentError::refused(format!("the summary does not fit into {MAX_INPUT_BYTES} bytes")))
    })
}

fn ranker(most: usize) -> Member {
    let rank = move |task: Ranking, _| Ok::<Ranked, AgentError>(task.rank(most));
    specialist(cards::ranker(), rank)
}

fn detectors(config: &Arc<TriageConfig>) -> [Member; 3] {
    type Detect = fn(&Digest, &crate::config::DetectorConfig) -> Vec<Finding>;
    let each: [(_, Detect); 3] = [
        (cards::rare_detector(), detect_rare),
        (cards::rate_detector(), detect_spikes),
        (cards::failure_detector(), detect_failures),
    ];
    each.map(|(card, detect)| {
        let config = Arc::clone(config);
        let detect = move |digest: Digest, _| {
            Ok::<Vec<Finding>, AgentError>(detect(&digest, &config.detectors))
        };
        specialist(card, detect)
    })
}

/// Chunks that a reader or miner has in work at the same time: no more than are in flight, and
/// no more than there are cores.
fn workers(config: &TriageConfig) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.min(config.in_flight)).unwrap_or(1)
}

#[cfg(test)]
mod tests;
