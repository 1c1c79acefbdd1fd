//! The team: the pure parts of this crate as agents, each with its card.
//!
//! Every agent takes JSON and gives JSON, keeps nothing between assignments, and gives the same
//! output for the same input. So an execution that was lost can be repeated anywhere, and nothing
//! is counted twice.

mod cards;
mod contract;
mod specialist;

use std::sync::Arc;

use synod_agents::{AgentError, AgentFactory};

pub use contract::{Audit, AuditedDigest, ChunkTask, Gathering, Ranked, RankedCase, Ranking};

pub(crate) use cards::*;

use crate::config::TriageConfig;
use crate::detectors::{detect_failures, detect_rare, detect_spikes};
use crate::digest::Digest;
use crate::error::ReadError;
use crate::finding::Finding;
use crate::judges::{Case, Criterion, Vote};
use crate::reader::{ChunkReading, Citation, Readable, cite, digest_chunk, read_chunk};
use crate::reporters::{Account, Facts, Voice};
pub(crate) use specialist::Member;
use specialist::{Attempt, specialist};

/// Bytes of JSON that a digest may have as the input of a task.
pub(crate) const MAX_INPUT_BYTES: usize = 768 << 10;

/// The agents of the team; start each of them on the node that runs the triage, and on no other.
/// They open what is `readable`, whatever file a task names.
pub fn team(config: &TriageConfig, readable: &Readable) -> Vec<Arc<dyn AgentFactory>> {
    let shared = |member| Arc::new(member) as Arc<dyn AgentFactory>;
    members(config, readable).into_iter().map(shared).collect()
}

pub(crate) fn members(config: &TriageConfig, readable: &Readable) -> Vec<Member> {
    let config = Arc::new(config.clone());
    let mut team = vec![
        reader(Arc::clone(&config), readable.clone()),
        miner(Arc::clone(&config), readable.clone()),
        clerk(Arc::clone(&config), readable.clone()),
        specialist(cards::auditor(), |digest: AuditedDigest, _| digest.audit()),
        summariser(Arc::clone(&config)),
        gatherer(Arc::clone(&config)),
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
    specialist(cards::clerk(), move |citation: Citation, _| {
        readable.check(&citation.chunk.path).map_err(unread)?;
        cite(&citation, &config).map_err(unread)
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

fn gatherer(config: Arc<TriageConfig>) -> Member {
    specialist(cards::gatherer(), move |task: Gathering, _| task.gather(&config.miner))
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
